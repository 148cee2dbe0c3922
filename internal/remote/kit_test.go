package remote

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"varve"
	"varve/internal/disk/memfs"
	"varve/internal/storetest"
	"varve/internal/tree"
)

// TestMain sees to it that no goroutine is left, and lets garbage pile up.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	debug.SetMemoryLimit(512 << 20)
	goleak.VerifyTestMain(m)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// duplex is two pipes of the system as one connection, as ssh gives it to a program.
type duplex struct{ r, w *os.File }

func (d duplex) Read(p []byte) (int, error)  { return d.r.Read(p) }
func (d duplex) Write(p []byte) (int, error) { return d.w.Write(p) }
func (d duplex) Close() error {
	d.r.Close()
	return d.w.Close()
}

func pipes(t testing.TB) (near, far io.ReadWriteCloser) {
	t.Helper()
	r1, w1, err := os.Pipe()
	must(t, err)
	r2, w2, err := os.Pipe()
	must(t, err)
	return duplex{r1, w2}, duplex{r2, w1}
}

// link is a client and the far end that it talks to.
type link struct {
	*Client
	ended sync.WaitGroup
	err   error // of Serve
}

// connect has svc served and returns a client of it.
func connect(t testing.TB, svc Service) *link {
	t.Helper()
	near, far := pipes(t)
	l, err := dial(near, far, svc)
	must(t, err)
	t.Cleanup(l.close)
	return l
}

// dial is connect over a given connection.
func dial(near, far io.ReadWriteCloser, svc Service) (*link, error) {
	l := &link{}
	l.ended.Go(func() { l.err = Serve(context.Background(), far, svc) })
	var err error
	if l.Client, err = Dial(context.Background(), near, Options{Program: "near 1"}); err != nil {
		l.ended.Wait()
	}
	return l, err
}

func (l *link) close() {
	l.Client.Close()
	l.ended.Wait()
}

// ground is a tree store in memory.
type ground struct{ disk *memfs.Disk }

func newGround(t testing.TB) ground {
	t.Helper()
	g := ground{memfs.New(memfs.Options{})}
	root := g.disk.Root()
	must(t, tree.Init(root))
	must(t, root.Close())
	return g
}

func (g ground) open() (varve.Store, error) {
	return tree.Open(g.disk.Root(), tree.Options{Privileged: true})
}

// store opens the store until the end of the test.
func (g ground) store(t testing.TB) varve.Store {
	t.Helper()
	s, err := g.open()
	must(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// remoteStore is a store whose Close also ends the far end.
type remoteStore struct {
	varve.Store
	link *link
	far  varve.Store
}

func (s remoteStore) Close() error {
	err := s.Store.Close()
	s.link.ended.Wait()
	if err == nil {
		err = s.link.err
	}
	if err == nil {
		err = s.far.Close()
	}
	return err
}

// through reaches the store that open returns over a connection.
func through(open func() (varve.Store, error), svc Service) (varve.Store, error) {
	far, err := open()
	if err != nil {
		return nil, err
	}
	svc.Store = far
	a, b := net.Pipe()
	l, err := dial(a, b, svc)
	if err != nil {
		return nil, err
	}
	return remoteStore{l.Client.Store(), l, far}, nil
}

// opener is a storetest.Storage.
type opener func() (varve.Store, error)

// Open opens the store.
func (p opener) Open() (varve.Store, error) { return p() }

var _ storetest.Storage = opener(nil)

// walked is a tree in memory as a walk of a disk.
type walked struct {
	varve.Source
	left       []string
	complaints []error
	closed     *atomic.Int64
}

func (w walked) LeftOut() []string   { return w.left }
func (w walked) Complaints() []error { return w.complaints }
func (w walked) Close() error {
	if w.closed != nil {
		w.closed.Add(1)
	}
	return nil
}

// serving returns a service whose files are src, whatever is asked for.
func serving(src varve.Source) Service {
	return Service{Role: Read, OpenSource: func(context.Context, SourceRequest) (Walk, []string, error) {
		return walked{Source: src}, []string{"/src"}, nil
	}}
}

// counted is a connection that counts what is read from it.
type counted struct {
	io.ReadWriteCloser
	read, written atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadWriteCloser.Read(p)
	c.read.Add(int64(n))
	return n, err
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.ReadWriteCloser.Write(p)
	c.written.Add(int64(n))
	return n, err
}

func noise(seed byte, n int) []byte {
	data := make([]byte, n)
	rand.NewChaCha8([32]byte{seed}).Read(data)
	return data
}
