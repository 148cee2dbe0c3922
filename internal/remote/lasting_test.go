package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"varve"
	"varve/internal/backend"
	"varve/internal/backend/backendtest"
	"varve/internal/backend/mem"
	"varve/internal/backend/retry"
	"varve/internal/disk"
	"varve/internal/mux"
	"varve/internal/ssh"
	"varve/internal/sshtest"
)

// exchange opens connections to a service, over lines that fail.
type exchange struct {
	t      testing.TB
	svc    Service
	faults sshtest.Faults
	dials  atomic.Int64
	ended  sync.WaitGroup
	mu     sync.Mutex
	lines  []net.Conn
}

func newExchange(t testing.TB, svc Service, f sshtest.Faults) *exchange {
	x := &exchange{t: t, svc: svc, faults: f}
	t.Cleanup(func() {
		x.cut()
		x.ended.Wait()
	})
	return x
}

func (x *exchange) dial(ctx context.Context) (*Client, error) {
	x.dials.Add(1)
	near, far := net.Pipe()
	x.mu.Lock()
	x.lines = append(x.lines, far)
	x.mu.Unlock()
	x.ended.Go(func() { Serve(context.Background(), far, x.svc) })
	return Dial(ctx, sshtest.Faulty(near, x.faults), Options{Program: "near 1"})
}

// cut cuts all lines.
func (x *exchange) cut() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, c := range x.lines {
		c.Close()
	}
	x.lines = nil
}

// lasting returns the storage behind the exchange, with pauses that take no time.
func (x *exchange) lasting(o Redial) varve.Backend {
	x.t.Helper()
	c, err := x.dial(x.t.Context())
	must(x.t, err)
	if o.Dial == nil {
		o.Dial = x.dial
	}
	if o.Sleep == nil {
		o.Sleep = func(context.Context, time.Duration) {}
	}
	b := c.LastingBackend(o)
	x.t.Cleanup(func() { b.Close() })
	return b
}

// object returns the name and the bytes of an object.
func object(seed byte, n int) (string, []byte) {
	data := noise(seed, n)
	return backend.NameOf(backend.Data, data), data
}

func TestAFarStorageThatIsDialledAgainIsABackend(t *testing.T) {
	opts := backendtest.Options{}
	if racing {
		opts.Big = 2 << 20
	}
	backendtest.Run(t, func(t *testing.T) varve.Backend {
		return newExchange(t, Service{Role: Full, Backend: mem.New(mem.Options{})}, sshtest.Faults{}).lasting(Redial{})
	}, opts)
}

// TestObjectsArriveOverALineThatIsCutAllTheTime puts many at once, of which the line carries one or two until it is cut.
func TestObjectsArriveOverALineThatIsCutAllTheTime(t *testing.T) {
	far := mem.New(mem.Options{})
	x := newExchange(t, Service{Role: Full, Backend: far}, sshtest.Faults{CutAfter: 100_000})
	b := retry.New(x.lasting(Redial{}), retry.Options{Attempts: 2, Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
	const many, size = 40, 50_000
	var work sync.WaitGroup
	for i := range many {
		work.Go(func() {
			name, data := object(byte(i), size)
			if err := b.Put(t.Context(), name, data); err != nil {
				t.Errorf("put: %v", err)
			}
			if got, err := b.Get(t.Context(), name, 0, -1); err != nil || !bytes.Equal(got, data) {
				t.Errorf("get: %d bytes, %v", len(got), err)
			}
		})
	}
	work.Wait()
	n := 0
	for _, err := range b.List(t.Context(), "data/") {
		if err != nil {
			t.Errorf("list: %v", err)
		}
		n++
	}
	for i := range many {
		name, _ := object(byte(i), size)
		if err := b.Delete(t.Context(), name); err != nil {
			t.Errorf("delete: %v", err)
		}
	}
	for o := range far.List(t.Context(), "") {
		t.Errorf("%s is left", o.Name)
	}
	if n != many || x.dials.Load() < many/2 {
		t.Errorf("%d objects are listed, %d connections were opened", n, x.dials.Load())
	}
}

func TestALongListGoesOnAfterACut(t *testing.T) {
	far := mem.New(mem.Options{})
	const many = 3000
	for i := range many {
		data := fmt.Append(nil, i)
		must(t, far.Put(t.Context(), backend.NameOf(backend.Data, data), data))
	}
	x := newExchange(t, Service{Role: Full, Backend: far}, sshtest.Faults{})
	b := retry.New(x.lasting(Redial{}), retry.Options{Attempts: 1})
	seen, cuts := map[string]bool{}, 0
	for o, err := range b.List(t.Context(), "") {
		must(t, err)
		if seen[o.Name] {
			t.Fatalf("%s comes twice", o.Name)
		}
		if seen[o.Name] = true; len(seen)%1000 == 500 {
			x.cut()
			cuts++
			if _, err := b.Get(t.Context(), o.Name, 0, -1); err != nil { // while the list is at hand
				t.Error(err)
			}
		}
	}
	if len(seen) != many || cuts != 3 {
		t.Errorf("%d objects, %d cuts", len(seen), cuts)
	}
}

func TestAListInHandLetsOtherThingsBeAskedHoweverBadTheLineIs(t *testing.T) {
	far := mem.New(mem.Options{})
	name, data := object(1, 10)
	must(t, far.Put(t.Context(), name, data))
	x := newExchange(t, Service{Role: Full, Backend: far}, sshtest.Faults{})
	l := x.lasting(Redial{}).(*lasting)
	l.allowed = 1
	for _, err := range l.List(t.Context(), "") {
		must(t, err)
		_, err := l.Get(t.Context(), name, 0, -1)
		must(t, err)
	}
}

// silence is a clock for a line that stays dead: each pause takes its time.
type silence struct {
	mu     sync.Mutex
	now    time.Time
	pauses []time.Duration
}

func (s *silence) sleep(_ context.Context, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
	s.pauses = append(s.pauses, d)
}

func (s *silence) time() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func TestALineThatStaysDeadIsGivenUp(t *testing.T) {
	far := mem.New(mem.Options{})
	x := newExchange(t, Service{Role: Full, Backend: far}, sshtest.Faults{})
	s := &silence{now: time.Unix(1e9, 0)}
	var warned atomic.Int64
	b := retry.New(x.lasting(Redial{Now: s.time, Sleep: s.sleep, Warn: func(error) { warned.Add(1) },
		Dial: func(context.Context) (*Client, error) { return nil, fmt.Errorf("no route: %w", ssh.ErrUnreachable) }}), retry.Options{})
	x.cut()
	name, data := object(1, 10)
	for range 2 {
		if err := b.Put(t.Context(), name, data); !errors.Is(err, disk.ErrLost) || !errors.Is(err, ssh.ErrUnreachable) || errors.Is(err, retry.ErrCut) {
			t.Errorf("put: %v", err)
		}
	}
	if took := s.now.Sub(time.Unix(1e9, 0)); took < 15*time.Minute || took > 16*time.Minute || warned.Load() != 1 {
		t.Errorf("it took %s, with %d warnings", took, warned.Load())
	}
	if s.pauses[0] != firstPause || s.pauses[1] != 2*firstPause || s.pauses[len(s.pauses)-1] != longestPause {
		t.Errorf("pauses: %v", s.pauses)
	}
}

func TestWhatNoOtherConnectionCanMendEndsAtOnce(t *testing.T) {
	for _, reason := range []error{ssh.ErrHostKey, mux.ErrVersion, mux.ErrBreach, varve.ErrNoStore} {
		x := newExchange(t, Service{Role: Full, Backend: mem.New(mem.Options{})}, sshtest.Faults{})
		asked := 0
		b := retry.New(x.lasting(Redial{Dial: func(context.Context) (*Client, error) {
			asked++
			return nil, fmt.Errorf("dial: %w", reason)
		}}), retry.Options{})
		x.cut()
		for range 2 {
			if _, err := b.Get(t.Context(), "config", 0, -1); !errors.Is(err, reason) || !errors.Is(err, disk.ErrLost) {
				t.Errorf("get: %v", err)
			}
		}
		if asked != 1 {
			t.Errorf("%v: dialled %d times", reason, asked)
		}
	}
	x := newExchange(t, Service{Role: Full, Backend: mem.New(mem.Options{})}, sshtest.Faults{})
	b := x.lasting(Redial{})
	x.cut()
	x.svc.Backend = nil
	for err := error(nil); !errors.Is(err, varve.ErrNoStore); {
		if _, err = b.Get(t.Context(), "config", 0, -1); err == nil {
			t.Fatal("there is a vault")
		}
	}
}

func TestWhoeverGivesUpWaitingLetsOthersConnect(t *testing.T) {
	x := newExchange(t, Service{Role: Full, Backend: mem.New(mem.Options{})}, sshtest.Faults{})
	ctx, cancel := context.WithCancel(t.Context())
	first := true
	b := x.lasting(Redial{Dial: func(c context.Context) (*Client, error) {
		if first {
			first = false
			cancel()
			<-c.Done()
			return nil, c.Err()
		}
		return x.dial(c)
	}})
	x.cut()
	name, data := object(1, 10)
	again := retry.New(b, retry.Options{})
	if err := again.Put(ctx, name, data); !errors.Is(err, context.Canceled) {
		t.Errorf("put: %v", err)
	}
	must(t, again.Put(t.Context(), name, data))
}

func TestClosingEndsTheDialling(t *testing.T) {
	x := newExchange(t, Service{Role: Full, Backend: mem.New(mem.Options{})}, sshtest.Faults{})
	dialling := make(chan struct{})
	b := x.lasting(Redial{Dial: func(c context.Context) (*Client, error) {
		close(dialling)
		<-c.Done()
		return nil, c.Err()
	}})
	x.cut()
	done := make(chan error, 1)
	again := retry.New(b, retry.Options{})
	go func() { done <- again.Delete(t.Context(), "config") }()
	<-dialling
	must(t, b.Close())
	if err := <-done; !errors.Is(err, fs.ErrClosed) {
		t.Errorf("delete: %v", err)
	}
}

func TestALieAboutAnObjectIsNotAskedForAgain(t *testing.T) {
	name, _ := object(1, 10)
	var asked atomic.Int64
	v := &villain{request: func(c *call, r *request) {
		asked.Add(1)
		for data := make([]byte, maxData); c.send(msgData, data) == nil; {
		}
	}}
	b := retry.New(evilServer(t, v).LastingBackend(Redial{Dial: func(context.Context) (*Client, error) { return nil, io.EOF }}), retry.Options{})
	_, err := b.Get(t.Context(), name, 0, 100)
	if !errors.Is(err, ErrProtocol) || !bytes.Contains([]byte(err.Error()), []byte(name)) || asked.Load() != 1 {
		t.Errorf("asked %d times: %v", asked.Load(), err)
	}
}

func TestALargeObjectIsReadOnWhereALineWasCut(t *testing.T) {
	far := mem.New(mem.Options{})
	name, data := object(1, 1<<20)
	must(t, far.Put(t.Context(), name, data))
	x := newExchange(t, Service{Role: Full, Backend: far}, sshtest.Faults{CutAfter: 100_000})
	s := &silence{now: time.Unix(1e9, 0)}
	b := retry.New(x.lasting(Redial{Now: s.time, Sleep: s.sleep}), retry.Options{Attempts: 1})
	for _, c := range []struct{ off, n, want int64 }{{0, -1, 1 << 20}, {5, 1 << 19, 1 << 19}, {1<<20 - 300_000, 1 << 20, 300_000}, {1 << 20, 10, 0}} {
		got, err := b.Get(t.Context(), name, c.off, c.n)
		if err != nil || !bytes.Equal(got, data[c.off:c.off+c.want]) {
			t.Errorf("%d bytes at %d: %d, error %v", c.n, c.off, len(got), err)
		}
	}
	if x.dials.Load() < 15 || len(s.pauses) > 0 {
		t.Errorf("%d connections, pauses %v", x.dials.Load(), s.pauses)
	}
}

func TestAnObjectThatHasNoEndIsNotReadOnForEver(t *testing.T) {
	name := backend.NameOf(backend.Locks, []byte("x"))
	kind, _, err := backend.Parse(name)
	must(t, err)
	sent := atomic.Int64{}
	v := &villain{}
	v.request = func(c *call, r *request) {
		for data := make([]byte, maxData); c.send(msgData, data) == nil; {
			sent.Add(int64(len(data)))
		}
	}
	b := retry.New(evilServer(t, v).LastingBackend(Redial{Dial: func(context.Context) (*Client, error) { return nil, io.EOF }}), retry.Options{})
	if data, err := b.Get(t.Context(), name, 0, -1); !errors.Is(err, ErrProtocol) || data != nil || sent.Load() > 2*kind.MaxSize()+(4<<20) {
		t.Errorf("%d bytes of %d that were sent, error %v", len(data), sent.Load(), err)
	}
}
