package remote

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"

	"varve"
	"varve/internal/storetest"
)

// brittle is a connection that breaks after so many frames, whichever way they went.
type brittle struct {
	io.ReadWriteCloser
	mu      sync.Mutex
	left    int
	out, in meter
}

// meter finds out where frames end. The greeting counts as one.
type meter struct {
	greeted bool
	head    []byte
	skip    int
}

// feed takes bytes in until left frames have ended, and returns how many bytes that were and how many frames are left.
func (m *meter) feed(p []byte, left int) (n, rest int) {
	for n < len(p) && left > 0 {
		if m.skip > 0 {
			step := min(m.skip, len(p)-n)
			m.skip -= step
			n += step
			if m.skip == 0 {
				left--
			}
			continue
		}
		m.head = append(m.head, p[n])
		n++
		if !m.greeted && len(m.head) == len("varve wire\n")+5 {
			m.greeted, m.skip, m.head = true, int(m.head[len(m.head)-1]), nil
		} else if m.greeted && len(m.head) == 8 {
			m.skip, m.head = int(binary.LittleEndian.Uint32(m.head)>>8), nil
			if m.skip == 0 {
				left--
			}
		}
	}
	return n, left
}

func (b *brittle) account(m *meter, p []byte) (n int, broken bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, b.left = m.feed(p, b.left)
	return n, b.left == 0
}

func (b *brittle) Read(p []byte) (int, error) {
	n, err := b.ReadWriteCloser.Read(p)
	n, broken := b.account(&b.in, p[:n])
	if broken {
		b.Close()
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (b *brittle) Write(p []byte) (int, error) {
	n, broken := b.account(&b.out, p)
	if _, err := b.ReadWriteCloser.Write(p[:n]); err != nil {
		return 0, err
	}
	if broken {
		b.Close()
		return n, io.ErrClosedPipe
	}
	return len(p), nil
}

// grove is a small tree with a file that is worth cutting, before and after some changes.
func grove() (before, after *storetest.Tree) {
	build := func() *storetest.Tree {
		tree := storetest.NewTree()
		tree.Dir("a")
		tree.File("a/one", storetest.Text(10_000))
		tree.File("a/big", storetest.Text(400_000))
		tree.File("two", "2")
		return tree
	}
	before, after = build(), build()
	after.Write("a/big", "new"+storetest.Text(400_000))
	after.Write("two", "22")
	after.File("three", storetest.Text(100_000))
	return before, after
}

func push(s varve.Store, src varve.Source, series string) (varve.Snapshot, error) {
	return s.Save(context.Background(), src, varve.SaveOptions{Series: series, Host: "host", Sources: []string{"/"}, Program: "test"})
}

// holds checks that a snapshot is what tree is.
func holds(t *testing.T, s varve.Store, id varve.SnapshotID, tree *storetest.Tree) {
	t.Helper()
	v, err := s.View(t.Context(), id)
	must(t, err)
	defer v.Close()
	for _, d := range storetest.Differences(v, tree.Want(), varve.Entry{}) {
		t.Error(d)
	}
}

// pushBrittle pushes over a connection that breaks after n frames, and reports whether the push succeeded.
func pushBrittle(far varve.Store, role Role, src varve.Source, n int) bool {
	a, b := net.Pipe()
	l, err := dial(&brittle{ReadWriteCloser: a, left: n}, b, Service{Role: role, Store: far, Series: "s"})
	if err != nil {
		return false
	}
	defer l.close()
	_, err = push(l.Client.Store(), src, "s")
	return err == nil
}

func TestAPushThatBreaksAnywhereMakesNoSnapshotOrAWholeOne(t *testing.T) {
	before, after := grove()
	step := 1
	if racing {
		step = 7
	}
	for n := 1; ; n += step {
		far := newGround(t).store(t)
		first, err := push(far, before, "s")
		must(t, err)
		done := pushBrittle(far, Append, after, n)
		list, err := far.Snapshots(t.Context())
		must(t, err)
		if done && len(list) != 2 || len(list) > 2 {
			t.Fatalf("after %d frames, success %v: %d snapshots", n, done, len(list))
		}
		if !pushBrittle(far, Append, after, 1<<30) {
			t.Fatalf("after %d frames: the next push fails", n)
		}
		list, err = far.Snapshots(t.Context())
		must(t, err)
		for _, snap := range list {
			tree := after
			if snap.ID == first.ID {
				tree = before
			}
			if snap.State != varve.Complete {
				t.Errorf("after %d frames: %+v", n, snap)
			}
			holds(t, far, snap.ID, tree)
		}
		if done {
			if n < 20 {
				t.Errorf("a push of %d frames", n)
			}
			return
		}
	}
}

// pullBrittle has a store pull over a connection that breaks after n frames.
func pullBrittle(store varve.Store, src varve.Source, n int) error {
	a, b := net.Pipe()
	l, err := dial(&brittle{ReadWriteCloser: a, left: n}, b, serving(src))
	if err != nil {
		return err
	}
	defer l.close()
	far, err := l.Source(context.Background(), SourceRequest{}, nil)
	if err != nil {
		return err
	}
	defer far.Close()
	ctx, end := far.Guard(context.Background())
	defer end()
	_, err = store.Save(ctx, far, varve.SaveOptions{Series: "s", Ahead: 4})
	return err
}

func TestAPullThatBreaksAnywhereMakesNoSnapshotOrAWholeOne(t *testing.T) {
	tree, _ := grove()
	step := 1
	if racing {
		step = 7
	}
	for n := 1; ; n += step {
		store := newGround(t).store(t)
		failed := pullBrittle(store, tree, n)
		list, err := store.Snapshots(t.Context())
		must(t, err)
		if (failed == nil) != (len(list) == 1) {
			t.Fatalf("after %d frames: %v; %d snapshots", n, failed, len(list))
		}
		for _, snap := range list {
			holds(t, store, snap.ID, tree)
		}
		if failed == nil {
			return
		}
	}
}
