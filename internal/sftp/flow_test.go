package sftp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// mute returns both ends of a connection whose other side listens and never says anything.
func mute() (ours, theirs net.Conn) {
	ours, theirs = net.Pipe()
	go io.Copy(io.Discard, theirs)
	return ours, theirs
}

func TestNoMoreIsUnderWayThanAllowed(t *testing.T) {
	for name, o := range map[string]Options{"requests": {InFlight: 3}, "bytes": {Bytes: 3*safeContent + 5}} {
		t.Run(name, func(t *testing.T) {
			in(t, func(t *testing.T) {
				var seen atomic.Int64
				more := make(chan struct{})
				s := converse(t, o, nil, func(p *peer) {
					for r := p.next(); r.typ != 0; r = p.next() {
						if seen.Add(1); r.id == 3 {
							<-more
							p.send(typeData, 2, appendString(nil, "x"))
						}
					}
				})
				go func() {
					for range 10 {
						Go(context.Background(), s, Read(aHandle, 0, make([]byte, safeContent))).Drop()
					}
				}()
				synctest.Wait()
				if n := seen.Load(); n != 3 {
					t.Errorf("%d requests at once", n)
				}
				close(more)
				synctest.Wait()
				if n := seen.Load(); n != 4 {
					t.Errorf("%d requests after one answer", n)
				}
			})
		})
	}
}

func TestWaitingForRoomCanBeCalledOff(t *testing.T) {
	in(t, func(t *testing.T) {
		s := converse(t, Options{InFlight: 1}, nil, func(*peer) {})
		first := Go(context.Background(), s, Lstat("a"))
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := Go(ctx, s, Lstat("b")).Wait(context.Background()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if _, err := Go(ctx, s, Lstat("c")).Wait(context.Background()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		first.Drop()
		go s.Close()
		fails(t, s, Lstat("d"), ErrLost)
	})
}

func TestOneRequestGreaterThanAllRoomIsStillSent(t *testing.T) {
	s := converse(t, Options{Bytes: 100}, nil, func(p *peer) {
		for r := p.next(); r.typ != 0; r = p.next() {
			p.send(typeData, r.id, appendString(nil, "xyz"))
		}
	})
	p := make([]byte, 1000)
	for range 3 {
		if n := must(t, s, Read(aHandle, 0, p)); n != 3 || string(p[:3]) != "xyz" {
			t.Errorf("read %d", n)
		}
	}
}

func TestACallThatIsCalledOffLeavesTheSessionGood(t *testing.T) {
	ask, answered := make(chan struct{}), make(chan struct{})
	s := converse(t, Options{}, nil, func(p *peer) {
		read := p.next()
		<-ask
		p.send(typeData, read.id, appendString(nil, bytes.Repeat([]byte("z"), 1000)))
		p.status(p.next().id, 2, "")
		close(answered)
	})
	p := make([]byte, 1000)
	ctx, cancel := context.WithCancel(context.Background())
	call := Go(ctx, s, Read(aHandle, 0, p))
	cancel()
	if _, err := call.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(ask)
	fails(t, s, Lstat("a"), fs.ErrNotExist)
	<-answered
	if p[0] != 0 {
		t.Error("the buffer was written after its call was called off")
	}
}

func TestAHandleThatNobodyWaitsForIsClosed(t *testing.T) {
	for _, late := range []bool{true, false} {
		in(t, func(t *testing.T) {
			dropped, closed := make(chan struct{}), make(chan string, 1)
			s := converse(t, Options{InFlight: 1}, nil, func(p *peer) {
				open := p.next()
				if late {
					<-dropped
				}
				p.send(typeHandle, open.id, appendString(nil, "the handle"))
				r := p.next()
				if r.typ == typeClose {
					closed <- r.fields.string()
				}
				p.status(r.id, 0, "")
				p.status(p.next().id, 4, "")
			})
			call := Go(context.Background(), s, OpenFile("a", FlagRead, Attrs{}))
			synctest.Wait()
			call.Drop()
			close(dropped)
			synctest.Wait()
			select {
			case h := <-closed:
				if h != "the handle" {
					t.Errorf("%q was closed", h)
				}
			default:
				t.Error("nothing was closed")
			}
			fails(t, s, Lstat("a"), ErrFailure)
		})
	}
}

func TestALieInAnAnswerThatNobodyWaitsForEndsTheSession(t *testing.T) {
	for _, late := range []bool{true, false} {
		in(t, func(t *testing.T) {
			dropped := make(chan struct{})
			s := converse(t, Options{}, nil, func(p *peer) {
				id := p.next().id
				if late {
					<-dropped
				}
				p.send(typeHandle, id, appendString(nil, ""))
			})
			call := Go(context.Background(), s, Opendir("a"))
			synctest.Wait()
			call.Drop()
			close(dropped)
			mustEnd(t, s)
		})
	}
}

func TestRequestsGoOutInOrderAndTogether(t *testing.T) {
	conn := &slow{first: make(chan struct{}), reading: make(chan struct{})}
	s, err := Open(context.Background(), conn, Options{})
	if err != nil {
		t.Fatal(err)
	}
	calls := []*Call[None]{Go(context.Background(), s, Write(aHandle, 0, []byte("first")))}
	for range 50 {
		calls = append(calls, Go(context.Background(), s, Write(aHandle, 0, []byte("x"))))
	}
	calls = append(calls, Go(context.Background(), s, Close(aHandle)))
	close(conn.first)
	for conn.seen.Load() < 52 {
		time.Sleep(time.Millisecond)
	}
	s.Close()
	for _, c := range calls {
		c.Drop()
	}
	if n := conn.writes.Load(); n > 4 {
		t.Errorf("%d writes", n)
	}
	if conn.last.Load() != 52 || conn.swapped.Load() {
		t.Error("the requests were not in order")
	}
}

// slow is a connection to a server that greets and then only listens; the first write after the greeting takes until first is
// closed.
type slow struct {
	first, reading chan struct{}
	greeted        atomic.Bool
	writes         atomic.Int64
	seen, last     atomic.Int64
	swapped        atomic.Bool
}

func (c *slow) Read(p []byte) (int, error) {
	if c.greeted.CompareAndSwap(false, true) {
		return copy(p, append(u32(5), typeVersion, 0, 0, 0, 3)), nil
	}
	<-c.reading
	return 0, io.EOF
}

func (c *slow) Write(p []byte) (int, error) {
	if p[4] == typeInit {
		return len(p), nil
	}
	<-c.first
	c.writes.Add(1)
	for d := (decoder{data: p}); len(d.data) > 0; c.seen.Add(1) {
		body := decoder{data: d.bytes()}
		body.take(1)
		if id := int64(body.uint32()); c.last.Swap(id) > id {
			c.swapped.Store(true)
		}
	}
	return len(p), nil
}

func (c *slow) Close() error {
	close(c.reading)
	return nil
}

func TestListingsAndReadingStopWhenCalledOff(t *testing.T) {
	in(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		begun := time.Now()
		s := converse(t, Options{InFlight: 2}, nil, func(p *peer) {
			p.send(typeHandle, p.next().id, appendString(nil, "h"))
			p.send(typeName, p.next().id, names("a"))
		})
		var err error
		for _, err = range s.ListDir(ctx, "dir") {
			cancel()
		}
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the listing ended with %v", err)
		}
		if _, err := s.ReadAt(ctx, aHandle, make([]byte, 10), 0); !errors.Is(err, context.Canceled) {
			t.Errorf("reading ended with %v", err)
		}
		if _, err := io.ReadAll(s.NewReader(ctx, aHandle, 0, -1, 0)); !errors.Is(err, context.Canceled) {
			t.Errorf("the reader ended with %v", err)
		}
		if _, err := s.WriteAt(ctx, aHandle, make([]byte, 10), 0); !errors.Is(err, context.Canceled) {
			t.Errorf("writing ended with %v", err)
		}
		if d := time.Since(begun); d != 0 {
			t.Errorf("it took %v", d)
		}
		if s.Err() != nil {
			t.Error(s.Err())
		}
	})
}
