package vault

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"varve"
	"varve/internal/backend/mem"
	"varve/internal/storetest"
)

// trip is how long each request takes of a far storage or source.
const trip = 20 * time.Millisecond

// far is a storage at the far end of a network.
type far struct {
	varve.Backend
	asked atomic.Int64
	mu    sync.Mutex // guards the clock and the warnings
}

func (f *far) wait() {
	f.asked.Add(1)
	time.Sleep(trip)
}

func (f *far) Put(ctx context.Context, name string, data []byte) error {
	f.wait()
	return f.Backend.Put(ctx, name, data)
}

func (f *far) Get(ctx context.Context, name string, off, n int64) ([]byte, error) {
	f.wait()
	return f.Backend.Get(ctx, name, off, n)
}

func (f *far) List(ctx context.Context, prefix string) iter.Seq2[varve.Object, error] {
	f.wait()
	return f.Backend.List(ctx, prefix)
}

func (f *far) Delete(ctx context.Context, name string) error {
	f.wait()
	return f.Backend.Delete(ctx, name)
}

// distant opens the vault of e on m as one that is far away.
func (e *estate) distant(m *machine) (*Store, *far) {
	e.Helper()
	f := &far{Backend: unclosed{e.store}}
	s, err := e.tryDistant(m, f)
	e.need(err)
	return s, f
}

// tryDistant opens the vault of e, which f is the storage of, on m as one that is far away.
func (e *estate) tryDistant(m *machine, f *far) (*Store, error) {
	opts := m.options(e)
	opts.Workers, opts.Requests = 3, 16
	warn := opts.Warn
	opts.Warn = func(err error) { // several are at work
		f.mu.Lock()
		defer f.mu.Unlock()
		warn(err)
	}
	opts.Now = func() time.Time {
		f.mu.Lock()
		defer f.mu.Unlock()
		return e.clock()
	}
	return Open(context.Background(), f, Credentials{Key: &m.key}, opts)
}

// trips says how many requests one after the other do takes as long as, at most.
func (e *estate) within(what string, trips int, do func() error) {
	e.Helper()
	begin := time.Now()
	e.need(do())
	took := int(time.Since(begin) / trip)
	e.Logf("%s took as long as %d requests", what, took)
	if took > trips {
		e.Errorf("%s: want %d requests at most", what, trips)
	}
}

func TestAFarVaultWithManySnapshotsOpensInFewRoundTrips(t *testing.T) {
	e := newEstate(t)
	e.store = withSnapshots(t, e, 60)
	synctest.Test(t, func(t *testing.T) {
		e := e.copy(t)
		m := e.machine(e.root)
		for i, most := range []int{35, 12} { // the second time much of it is near
			var s *Store
			var view varve.View
			e.within("open", 4, func() error { s, _ = e.distant(m); return nil })
			var list []varve.Snapshot
			e.within("list", most, func() (err error) {
				list, err = s.Snapshots(t.Context())
				if err == nil {
					view, err = s.View(t.Context(), list[0].ID)
				}
				if err == nil {
					_, err = storetest.ReadDir(t.Context(), view, "dir")
				}
				return err
			})
			if len(list) != 60 {
				t.Errorf("%d snapshots at attempt %d", len(list), i)
			}
			e.need(s.Close())
		}
	})
}

// withSnapshots returns the storage of e with n snapshots, each with an index object of its own.
func withSnapshots(t *testing.T, e *estate, n int) *mem.Mem {
	t.Helper()
	e.with(e.machine(e.root), func(s *Store) {
		for i := range n {
			src := garden()
			src.Write("dir/file", fmt.Sprint("content number ", i))
			_, err := s.Save(context.Background(), src, e.saving("series"))
			e.need(err)
		}
	})
	return e.store
}

func TestSnapshotsOfAFarVaultAreForgottenAndPrunedInFewRoundTrips(t *testing.T) {
	e := newEstate(t)
	e.store = withSnapshots(t, e, 40)
	synctest.Test(t, func(t *testing.T) {
		e := e.copy(t)
		s, _ := e.distant(e.machine(e.root))
		list, err := s.Snapshots(t.Context())
		e.need(err)
		var ids []varve.SnapshotID
		for _, l := range list[:30] {
			ids = append(ids, l.ID)
		}
		e.within("forget 30 of 40", 8, func() error { return s.Forget(t.Context(), ids...) })
		e.within("prune", 120, func() error {
			_, err := s.Prune(t.Context(), PruneOptions{Undo: -1})
			return err
		})
		e.within("verify", 60, func() error {
			r, err := s.Verify(t.Context(), varve.VerifyOptions{})
			if err == nil && (r.Snapshots != 10 || r.Damage > 0) {
				t.Errorf("%+v", r)
			}
			return err
		})
		e.need(s.Close())
	})
}

// farSource is a source of which every call that may ask another machine takes long.
type farSource struct{ varve.Source }

func (s farSource) Open(ctx context.Context, e varve.Entry) (varve.File, error) {
	time.Sleep(trip)
	f, err := s.Source.Open(ctx, e)
	return farFile{f}, err
}

type farFile struct{ varve.File }

func (f farFile) Read(p []byte) (int, error) {
	time.Sleep(trip)
	return f.File.Read(p)
}

func TestManySmallFilesAreSavedInFewRoundTrips(t *testing.T) {
	const files = 2000
	for name, c := range map[string]struct {
		wrap  func(varve.Source) varve.Source
		ahead int
		trips int
	}{
		"near source": {func(s varve.Source) varve.Source { return s }, 0, 30},
		"far source":  {func(s varve.Source) varve.Source { return farSource{s} }, 64, 30 + 3*files/32},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEstate(t)
			src := storetest.NewTree()
			for i := range files {
				dir := fmt.Sprintf("dir%02d", i/100)
				if i%100 == 0 {
					src.Dir(dir)
				}
				src.File(fmt.Sprintf("%s/%04d", dir, i), fmt.Sprint("the content of file ", i))
			}
			synctest.Test(t, func(t *testing.T) {
				e := e.copy(t)
				s, _ := e.distant(e.machine(e.root))
				var snap varve.Snapshot
				e.within("save", c.trips, func() (err error) {
					opts := e.saving("series")
					opts.Ahead = c.ahead
					snap, err = s.Save(t.Context(), c.wrap(src), opts)
					return err
				})
				e.holds(s, snap.ID, src.Want())
				e.need(s.Close())
			})
		})
	}
}

func TestALargeFileOfAFarVaultIsReadAhead(t *testing.T) {
	e := newEstate(t)
	content := make([]byte, 12<<20)
	rand.NewChaCha8([32]byte{1}).Read(content)
	src := storetest.NewTree()
	src.File("large", string(content))
	e.save(e.machine(e.root), src, "series")
	synctest.Test(t, func(t *testing.T) {
		e := e.copy(t)
		s, f := e.distant(e.machine(e.root))
		v, err := s.View(t.Context(), e.held[0].snap.ID)
		e.need(err)
		list, err := storetest.ReadDir(t.Context(), v, "")
		e.need(err)
		before := f.asked.Load()
		e.within("read", 6, func() error {
			file, err := v.Open(t.Context(), list[0])
			e.need(err)
			got, err := io.ReadAll(file)
			if !bytes.Equal(got, content) {
				t.Error("read something else")
			}
			e.need(file.Close())
			return err
		})
		if asked := int(f.asked.Load() - before); asked < 8 || asked > len(list[0].Chunks) {
			t.Errorf("asked %d times for %d chunks", asked, len(list[0].Chunks))
		}
		// Who reads no further leaves nothing behind.
		for range 2 * farAhead {
			file, err := v.Open(t.Context(), list[0])
			e.need(err)
			_, err = file.Read(make([]byte, 1))
			e.need(err)
			e.need(file.Close())
		}
		if len(s.ahead) > 0 {
			t.Errorf("%d places are still taken", len(s.ahead))
		}
		e.need(s.Close())
	})
}
