package sftp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// in runs a test in which time is only as long as somebody sleeps.
func in(t *testing.T, f func(*testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// deaf says something and listens to nothing, as a login shell does that lets nobody in.
type deaf struct{ io.Reader }

func (deaf) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
func (deaf) Close() error              { return nil }

func TestAServerThatDoesNotListenIsHeard(t *testing.T) {
	for says, want := range map[string]string{"This account is not available.\n": "This account is not available.", "": io.ErrClosedPipe.Error()} {
		if _, err := Open(context.Background(), deaf{strings.NewReader(says)}, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("of one that says %q: %v", says, err)
		}
	}
}

func TestASessionThatStallsEnds(t *testing.T) {
	in(t, func(t *testing.T) {
		s := converse(t, Options{}, nil, func(p *peer) { p.next() })
		time.Sleep(7 * time.Second)
		begun := time.Now()
		_, err := Do(context.Background(), s, Lstat("a"))
		if !errors.Is(err, ErrLost) || !strings.Contains(err.Error(), "stalled") {
			t.Errorf("got %v", err)
		}
		if d := time.Since(begun); d != time.Minute {
			t.Errorf("it took %v", d)
		}
	})
}

func TestBytesThatTrickleAreNoStall(t *testing.T) {
	in(t, func(t *testing.T) {
		s := converse(t, Options{}, nil, func(p *peer) {
			for _, b := range packet(typeName, p.next().id, names("/home/me")) {
				time.Sleep(59 * time.Second)
				p.raw([]byte{b})
			}
		})
		if got := must(t, s, Realpath(".")); got != "/home/me" {
			t.Errorf("got %q", got)
		}
	})
}

func TestSlowRequestsMayTakeTenTimesAsLong(t *testing.T) {
	in(t, func(t *testing.T) {
		s := converse(t, Options{}, everything, func(p *peer) {
			id := p.next().id
			time.Sleep(599 * time.Second)
			p.status(id, 0, "")
			p.next()
		})
		must(t, s, Fsync(aHandle))
		begun := time.Now()
		fails(t, s, Fsync(aHandle), ErrLost)
		if d := time.Since(begun); d != 600*time.Second {
			t.Errorf("it took %v", d)
		}
	})
}

func TestPatienceEndsWithTheSlowRequest(t *testing.T) {
	in(t, func(t *testing.T) {
		s := converse(t, Options{}, everything, func(p *peer) {
			slow := p.next().id
			p.next()
			p.status(slow, 0, "")
		})
		slow := Go(context.Background(), s, Fsync(aHandle))
		begun := time.Now()
		fails(t, s, Lstat("a"), ErrLost)
		if d := time.Since(begun); d != time.Minute {
			t.Errorf("it took %v", d)
		}
		if _, err := slow.Wait(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

func TestAnIdleSessionIsKeptAlive(t *testing.T) {
	in(t, func(t *testing.T) {
		var asked int
		s := converse(t, Options{}, nil, func(p *peer) {
			for r := p.next(); r.typ == typeRealpath; r = p.next() {
				asked++
				p.send(typeName, r.id, names("/"))
			}
		})
		time.Sleep(time.Hour + time.Second)
		synctest.Wait()
		if s.Err() != nil || asked != 240 {
			t.Errorf("asked %d times in an hour, %v", asked, s.Err())
		}
	})
}

func TestAnIdleSessionWithoutASignOfLifeEnds(t *testing.T) {
	in(t, func(t *testing.T) {
		s := converse(t, Options{}, nil, func(p *peer) { p.next() })
		begun := time.Now()
		<-s.Lost()
		if d := time.Since(begun); d != 75*time.Second {
			t.Errorf("it took %v", d)
		}
	})
}

func TestARefusedSignOfLifeIsOne(t *testing.T) {
	in(t, func(t *testing.T) {
		s := converse(t, Options{}, nil, func(p *peer) {
			for r := p.next(); r.typ != 0; r = p.next() {
				p.status(r.id, 3, "no")
			}
		})
		time.Sleep(10 * time.Minute)
		if s.Err() != nil {
			t.Error(s.Err())
		}
	})
}

func TestAServerThatDoesNotGreetIsGivenUp(t *testing.T) {
	in(t, func(t *testing.T) {
		for name, test := range map[string]struct {
			limit time.Duration
			want  error
		}{"stall": {time.Hour, ErrLost}, "called off": {3 * time.Second, context.DeadlineExceeded}} {
			ours, theirs := mute()
			ctx, cancel := context.WithTimeout(context.Background(), test.limit)
			begun := time.Now()
			_, err := Open(ctx, ours, Options{})
			if !errors.Is(err, test.want) || time.Since(begun) != min(test.limit, time.Minute) {
				t.Errorf("%s: %v after %v", name, err, time.Since(begun))
			}
			cancel()
			theirs.Close()
		}
	})
}

func TestLimitsAreHeldAgainstReason(t *testing.T) {
	for name, test := range map[string]struct {
		packet, read, write uint64
		want                Limits
	}{
		"OpenSSH":     {262144, 261120, 261120, Limits{maxContent, maxContent, 9}},
		"unlimited":   {0, 0, 0, Limits{safeContent, safeContent, 9}},
		"huge":        {math.MaxUint64, math.MaxUint64, 1 << 40, Limits{maxContent, maxContent, 9}},
		"tiny":        {1, 1, 1, Limits{leastContent, leastContent, 9}},
		"by packet":   {65536, 1 << 20, 50000, Limits{65536 - headLen - 4 - 256 - 12, 50000, 9}},
		"read unsaid": {262144, 0, 100000, Limits{safeContent, 100000, 9}},
	} {
		s := converse(t, Options{}, []string{"limits@openssh.com", "1"}, func(p *peer) {
			p.send(typeExtendedReply, p.next().id, appendUint64(appendUint64(appendUint64(appendUint64(nil, test.packet), test.read), test.write), 9))
		})
		if got := s.Limits(); got != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
}

func TestLimitsThatAreRefusedDoNoHarm(t *testing.T) {
	s := converse(t, Options{}, []string{"limits@openssh.com", "1"}, func(p *peer) { p.status(p.next().id, 8, "") })
	if got := s.Limits(); got != (Limits{Read: safeContent, Write: safeContent}) {
		t.Errorf("limits %+v", got)
	}
}

func TestALieInTheLimitsMakesNoSession(t *testing.T) {
	ours, done := serving(t, []string{"limits@openssh.com", "1"}, func(p *peer) { p.send(typeExtendedReply, p.next().id, nil) })
	if _, err := Open(context.Background(), ours, Options{}); !errors.Is(err, ErrProtocol) {
		t.Errorf("got %v", err)
	}
	<-done
}

func TestExtensionsThatAreNotOfferedAreNotAskedFor(t *testing.T) {
	s := converse(t, Options{}, []string{"fsync@openssh.com", "2", "statvfs@openssh.com", "1", "unknown", "1"}, func(p *peer) {
		if p.next().typ != 0 {
			p.t.Error("something was asked")
		}
	})
	for _, ask := range []func(*Session) error{
		asking(Fsync(aHandle)), asking(Statvfs("a")), asking(PosixRename("a", "b")), asking(Hardlink("a", "b")), asking(Lsetstat("a", Attrs{})),
		asking(UsersGroups(nil, nil)),
	} {
		if err := ask(s); !errors.Is(err, ErrUnsupported) {
			t.Errorf("got %v", err)
		}
	}
}

func TestEveryStatusMeansTheRightError(t *testing.T) {
	for code, want := range map[uint32]error{
		1: io.EOF, 2: fs.ErrNotExist, 3: fs.ErrPermission, 4: ErrFailure, 5: ErrFailure, 6: ErrFailure, 7: ErrFailure, 8: ErrUnsupported,
		10: fs.ErrNotExist, 11: fs.ErrExist, 12: fs.ErrPermission, 14: ErrFailure, 999: ErrFailure,
	} {
		s := converse(t, Options{}, nil, func(p *peer) {
			p.send(typeStatus, p.next().id, u32(code)) // as servers do that are older than the protocol
			p.status(p.next().id, code, "because")
		})
		fails(t, s, Lstat("a"), want)
		_, err := Do(context.Background(), s, Lstat("a"))
		var status *StatusError
		if !errors.Is(err, want) || want != io.EOF && (!errors.As(err, &status) || status.Code != code || !strings.HasSuffix(err.Error(), ": because")) {
			t.Errorf("code %d: %v", code, err)
		}
	}
}

func TestCloseEndsWhatIsUnderWay(t *testing.T) {
	asked := make(chan struct{})
	s := converse(t, Options{}, nil, func(p *peer) {
		p.next()
		close(asked)
	})
	call := Go(context.Background(), s, Lstat("a"))
	<-asked
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if _, err := call.Wait(context.Background()); !errors.Is(err, ErrLost) {
		t.Errorf("got %v", err)
	}
	fails(t, s, Lstat("a"), ErrLost)
	if err := s.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
}

func TestALostConnectionTellsItsCause(t *testing.T) {
	cause := errors.New("the cable is cut")
	s, err := Open(context.Background(), &canned{Reader: io.MultiReader(bytes.NewReader(append(u32(5), typeVersion, 0, 0, 0, 3)), broken{cause})}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := awaitEnd(t, s); !errors.Is(err, ErrLost) || !errors.Is(err, cause) {
		t.Errorf("got %v", err)
	}
}

type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

func TestManyGoroutinesGetTheirOwnAnswers(t *testing.T) {
	s := converse(t, Options{InFlight: 7}, nil, func(p *peer) {
		var waiting []received
		for r := p.next(); r.typ != 0; r = p.next() {
			if waiting = append(waiting, r); len(waiting) < 3 && r.fields.string() != "last" {
				continue
			}
			for i := len(waiting) - 1; i >= 0; i-- { // backwards
				fields := waiting[i].fields
				if len(fields.data) == 0 {
					fields.data = appendString(nil, "last")
				}
				p.send(typeName, waiting[i].id, names(fields.string()))
			}
			waiting = nil
		}
	})
	var crew sync.WaitGroup
	for g := range 10 {
		crew.Go(func() {
			for i := range 30 {
				path := strings.Repeat("x", g+1) + strings.Repeat("y", i)
				if got, err := Do(context.Background(), s, Realpath(path)); err != nil || got != path {
					t.Errorf("%s got %s, %v", path, got, err)
				}
			}
		})
	}
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		crew.Wait()
	}()
	for {
		select {
		case <-finished:
			return
		default:
			must(t, s, Realpath("last"))
		}
	}
}
