package vault

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"varve"
	"varve/internal/backend"
	"varve/internal/backend/faulty"
	"varve/internal/storetest"
)

// crowded returns a site with packs that are dead, half dead and alive, and forgotten snapshots, opened by a machine.
func crowded(t *testing.T) (*site, Options) {
	t.Helper()
	s := newSite(t)
	opts := s.machine()
	store := s.open(s.mem, s.key, opts)
	var ids []varve.SnapshotID
	for i := range uint64(fewSmall/2 + 1) {
		ids = append(ids, s.save(store, "a", s.grove(2000, i, i+1)))
	}
	s.prune(store)
	if n := len(s.objects(backend.Data)); n != 3 {
		t.Fatalf("%d packs", n)
	}
	dead := s.save(store, "a", s.grove(2000, 20))
	s.save(store, "a", s.grove(2000, 1, 21))
	s.forget(store, append(ids[:6], dead)...)
	return s, opts
}

// attempt is a prune by a new machine that may fail.
func (s *site) attempt(b varve.Backend) error {
	s.Helper()
	_, err := s.open(b, s.key, s.machine()).Prune(context.Background(), PruneOptions{Undo: -1, MaxUnused: -1})
	return err
}

func TestAPruneThatIsKilledAnywhereIsFinishedByTheNext(t *testing.T) {
	s, _ := crowded(t)
	total := s.counting(func(s *site, b varve.Backend) { s.must(s.attempt(b)) })
	for n := 1; n <= total; n++ {
		for name, effect := range map[string]faulty.Effect{"before": faulty.Nothing, "after": faulty.Whole} {
			f := s.fork(t)
			inj := &faulty.Injector{At: n, Fault: faulty.Kill(effect)}
			store, err := Open(context.Background(), unclosed{faulty.New(f.mem, inj)}, Credentials{Key: &f.key}, f.machine())
			if err == nil {
				_, err = store.Prune(context.Background(), PruneOptions{Undo: -1, MaxUnused: -1})
				f.must(store.Close())
			}
			if !errors.Is(err, faulty.ErrKilled) {
				t.Fatalf("killed %s operation %d: %v", name, n, err)
			}
			f.sound(fmt.Sprintf("killed %s operation %d", name, n))
			f.prune(f.admin())
			f.sound(fmt.Sprintf("pruned after it was killed %s operation %d", name, n))
			f.tidyUp()
			if t.Failed() {
				t.Fatalf("it was killed %s operation %d: %v", name, n, inj.Ops()[len(inj.Ops())-1])
			}
		}
	}
	if total < 30 {
		t.Errorf("%d operations only", total)
	}
}

// sound checks that everything that snapshots need is there, and is what it was.
func (s *site) sound(when string) {
	s.Helper()
	store := s.admin()
	list, err := store.Snapshots(context.Background())
	if err != nil || len(list) != len(s.want) {
		s.Errorf("%s: %d snapshots, error %v", when, len(list), err)
	}
	for id, want := range s.want {
		v, err := store.View(context.Background(), id)
		if err != nil {
			s.Errorf("%s: %v", when, err)
			continue
		}
		for _, d := range storetest.Differences(v, want, varve.Entry{}) {
			s.Errorf("%s: snapshot %s: %s", when, id.Short(), d)
		}
	}
}

func TestAFaultAnywhereMakesAPruneFailAndLosesNothing(t *testing.T) {
	s, _ := crowded(t)
	total := s.counting(func(s *site, b varve.Backend) { s.must(s.attempt(b)) })
	for n := 1; n <= total; n++ {
		f := s.fork(t)
		inj := &faulty.Injector{At: n, Fault: faulty.Fault{Err: faulty.ErrFault}}
		store, err := Open(context.Background(), unclosed{faulty.New(f.mem, inj)}, Credentials{Key: &f.key}, f.machine())
		if err == nil {
			_, err = store.Prune(context.Background(), PruneOptions{Undo: -1, MaxUnused: -1})
			f.must(store.Close())
		}
		if err == nil {
			t.Errorf("operation %d, %v, failed, and nobody says so", n, inj.Ops()[n-1])
		}
		f.sound(fmt.Sprintf("after operation %d failed", n))
	}
}

func TestABackupAtAnyTimeOfAPruneIsWhole(t *testing.T) {
	s, opts := crowded(t)
	s.grove(2000, 1, 3, 20, 30) // of which some are dead, and known to this machine
	total := s.counting(func(s *site, b varve.Backend) { s.must(s.attempt(b)) })
	for n := 1; n <= total; n++ {
		f := s.fork(t)
		opts := opts
		opts.Cache, opts.State = t.TempDir(), t.TempDir()
		writer := f.open(f.mem, f.key, opts)
		f.must(writer.refresh(context.Background()))
		inj := &faulty.Injector{At: n, Do: func(faulty.Op) { f.save(writer, "a", f.tree) }}
		inj.Fault.Effect = faulty.Whole
		if err := f.attempt(faulty.New(f.mem, inj)); err != nil {
			t.Errorf("prune, with a backup before operation %d: %v", n, err)
		}
		f.sound(fmt.Sprintf("a backup before operation %d, %v", n, inj.Ops()[n-1]))
	}
}

func TestAPruneAtAnyTimeOfABackupLeavesItWhole(t *testing.T) {
	s, opts := crowded(t)
	s.grove(2000, 1, 3, 20, 30)
	store := s.open(s.mem, s.key, opts)
	s.must(store.refresh(context.Background()))
	backup := func(f *site, b varve.Backend) {
		writer := f.open(b, f.key, f.machine())
		f.must(writer.refresh(context.Background()))
		f.save(writer, "a", f.tree)
	}
	total := s.counting(backup)
	for n := 1; n <= total; n++ {
		f := s.fork(t)
		inj := &faulty.Injector{At: n, Do: func(faulty.Op) { f.prune(f.admin()) }}
		inj.Fault.Effect = faulty.Whole
		backup(f, faulty.New(f.mem, inj))
		f.sound(fmt.Sprintf("a prune before operation %d, %v", n, inj.Ops()[n-1]))
		f.prune(f.admin())
		f.tidyUp()
	}
}

func TestAPruneAtAnyTimeOfAnotherLosesNothing(t *testing.T) {
	s, _ := crowded(t)
	total := s.counting(func(s *site, b varve.Backend) { s.must(s.attempt(b)) })
	for n := 1; n <= total; n++ {
		f := s.fork(t)
		inj := &faulty.Injector{At: n, Do: func(faulty.Op) { f.prune(f.admin()) }}
		inj.Fault.Effect = faulty.Whole
		if err := f.attempt(faulty.New(f.mem, inj)); err != nil {
			t.Errorf("with another prune before operation %d, %v: %v", n, inj.Ops()[n-1], err)
		}
		f.sound(fmt.Sprintf("a prune before operation %d, %v", n, inj.Ops()[n-1]))
		f.prune(f.admin())
		f.tidyUp()
	}
}

func TestAnUnforgetAtAnyTimeOfAPruneBringsBackAllOrNothing(t *testing.T) {
	s, _ := crowded(t)
	store := s.admin()
	list, err := store.Forgotten(t.Context())
	s.must(err)
	total := s.counting(func(s *site, b varve.Backend) { s.must(s.attempt(b)) })
	back := 0
	for n := 1; n <= total; n++ {
		f := s.fork(t)
		other := f.admin()
		inj := &faulty.Injector{At: n, Do: func(faulty.Op) {
			err := other.Unforget(context.Background(), list[1].ID)
			if err == nil {
				back++
				f.want[list[1].ID] = f.wantOf(other, list[1].ID)
			} else if !errors.Is(err, ErrPruned) && !errors.Is(err, varve.ErrNoSnapshot) {
				t.Errorf("before operation %d: %v", n, err)
			}
		}}
		inj.Fault.Effect = faulty.Whole
		if err := f.attempt(faulty.New(f.mem, inj)); err != nil {
			t.Errorf("with an unforget before operation %d: %v", n, err)
		}
		f.sound(fmt.Sprintf("an unforget before operation %d, %v", n, inj.Ops()[n-1]))
	}
	if back == 0 || back == total {
		t.Errorf("of %d unforgets %d came in time", total, back)
	}
}

// wantOf returns what a snapshot holds now.
func (s *site) wantOf(store *Store, id varve.SnapshotID) (want []varve.Entry) {
	s.Helper()
	v, err := store.View(context.Background(), id)
	s.must(err)
	for e, err := range v.Entries(context.Background()) {
		s.must(err)
		want = append(want, e)
	}
	return want
}

func TestUnsealedRecordsOfTheDeadDoNotKeepContentForEver(t *testing.T) {
	s := newSite(t)
	s.save(s.admin(), "a", s.grove(2000, 1))
	s.grove(2000, 1, 2)
	inj := &faulty.Injector{At: 1, Fault: faulty.Kill(faulty.Whole), Filter: func(op faulty.Op) bool {
		return op.Method == "Put" && hasPrefix([]string{op.Name}, backend.Snapshots.Prefix()) == 1
	}}
	writer := s.open(faulty.New(s.mem, inj), s.key, s.machine())
	if _, err := writer.Save(t.Context(), s.tree, varve.SaveOptions{Series: "a", Now: s.now}); !errors.Is(err, faulty.ErrKilled) {
		t.Fatal(err)
	}
	s.prune(s.admin())
	s.sound("while the writer may live")
	s.later(silence * 2)
	s.prune(s.admin())
	list, err := s.admin().Snapshots(t.Context())
	if err != nil || len(list) != 2 {
		t.Errorf("what has all it needs becomes a snapshot: %v, error %v", list, err)
	}
}
