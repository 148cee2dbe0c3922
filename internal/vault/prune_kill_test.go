package vault

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"varve"
	"varve/internal/backend"
	"varve/internal/backend/faulty"
	"varve/internal/gc"
)

// crowded returns a site with packs that are dead, half dead and alive, and forgotten snapshots.
func crowded(t *testing.T) *site {
	t.Helper()
	s := newSite(t)
	store := s.play("writer", s.mem)
	first := s.save(store, "a", s.grove(2000, 1))
	s.save(store, "a", s.grove(2000, 2))
	s.merge(store)
	dead := s.save(store, "a", s.grove(2000, 3))
	s.save(store, "a", s.grove(2000, 2, 4))
	s.forget(store, first, dead)
	return s
}

// merger moves all packs together.
type merger struct{ *plan }

func (m merger) Choose(_ context.Context, free, _ []varve.Object) (c gc.Choice, err error) {
	for _, o := range free {
		c.Move = append(c.Move, o.Name)
	}
	return c, nil
}

// merge puts everything into two packs, one of content and one of structure.
func (s *site) merge(store *Store) {
	s.Helper()
	p := newPlan(store, PruneOptions{})
	defer p.close()
	var err error
	p.keyObjects, err = store.renewKeys(context.Background())
	s.must(err)
	_, err = store.cleaner(0).Collect(context.Background(), merger{p})
	s.must(err)
	if n := len(s.objects(backend.Data)); n != 2 {
		s.Fatalf("%d packs", n)
	}
}

// everything is a prune that leaves nothing that could go.
var everything = PruneOptions{Undo: -1, MaxUnused: -1}

// everywhere does something on copies of the site, with operation n disturbed, for every n that there is, or some where everything is
// slow. It returns about how many there are.
func (s *site) everywhere(disturb func(f *site, n int) *faulty.Injector, do func(f *site, b varve.Backend, when string)) int {
	s.Helper()
	for n := 1; ; n += stride {
		f := s.fork(s.T)
		inj := disturb(f, n)
		inj.At = n
		do(f, faulty.New(f.mem, inj), fmt.Sprintf("operation %d", n))
		if s.Failed() {
			s.Fatalf("it was operation %d: %v", n, inj.Ops()[min(n, inj.Count())-1])
		}
		if inj.Count() < n {
			return n - 1
		}
	}
}

// changes are the operations between which a program that dies makes a difference.
func changes(op faulty.Op) bool { return op.Method == "Put" || op.Method == "Delete" }

func TestAPruneThatIsKilledAnywhereIsFinishedByTheNext(t *testing.T) {
	s := crowded(t)
	for _, effect := range []faulty.Effect{faulty.Nothing, faulty.Whole} {
		total := s.everywhere(func(*site, int) *faulty.Injector {
			return &faulty.Injector{Fault: faulty.Kill(effect), Filter: changes}
		}, func(f *site, b varve.Backend, when string) {
			_, err := f.play("killed", b).Prune(context.Background(), everything)
			if err != nil && !errors.Is(err, faulty.ErrKilled) {
				t.Fatalf("killed at %s: %v", when, err)
			}
			f.sound("killed at " + when)
			f.prune(f.play("next", f.mem))
			f.sound("pruned after it was killed at " + when)
			f.tidyUp()
		})
		if total < 10 {
			t.Errorf("%d changes only", total)
		}
	}
}

func TestAFaultAnywhereMakesAPruneFailAndLosesNothing(t *testing.T) {
	s := crowded(t)
	s.everywhere(func(*site, int) *faulty.Injector {
		return &faulty.Injector{Fault: faulty.Fault{Err: faulty.ErrFault}}
	}, func(f *site, b varve.Backend, when string) {
		_, err := f.play("failing", b).Prune(context.Background(), everything)
		if err != nil && !errors.Is(err, faulty.ErrFault) {
			t.Errorf("%s failed: %v", when, err)
		}
		if err == nil {
			f.tidyUp()
		}
		f.sound("after a fault at " + when)
	})
}

func TestAStorageThatLiesOnceDoesNotMakePruneLoseAnything(t *testing.T) {
	s := crowded(t)
	for _, kind := range faulty.Kinds() {
		if !kind.Lies && kind.On != "List" || kind.Name == "put flipped" { // of which nobody could know
			continue
		}
		s.everywhere(func(_ *site, n int) *faulty.Injector {
			return kind.At(n)
		}, func(f *site, b varve.Backend, when string) {
			_, _ = f.play("pruner", b).Prune(context.Background(), everything) // whether it notices or not
			f.spoiltRecords()
			f.sound(kind.Name + " at " + when)
		})
	}
}

// spoiltRecords takes away what is under snapshots/ and locks/ and not what its name says.
func (s *site) spoiltRecords() {
	s.Helper()
	for _, kind := range []backend.Kind{backend.Snapshots, backend.Locks} {
		for _, name := range s.objects(kind) {
			if _, err := backend.Load(context.Background(), s.mem, name); err != nil {
				s.mem.Set(name, nil)
			}
		}
	}
}

// before returns an injector that lets do happen before an operation.
func before(do func()) *faulty.Injector {
	return &faulty.Injector{Do: func(faulty.Op) { do() }, Fault: faulty.Fault{Effect: faulty.Whole}}
}

func TestABackupAtAnyTimeOfAPruneIsWhole(t *testing.T) {
	s := crowded(t)
	s.grove(2000, 1, 2, 3, 5) // of which some are dead, and known to the writer
	s.everywhere(func(f *site, _ int) *faulty.Injector {
		writer := f.play("writer", f.mem)
		f.must(writer.refresh(context.Background()))
		return before(func() { f.save(writer, "a", f.tree) })
	}, func(f *site, b varve.Backend, when string) {
		_, err := f.play("pruner", b).Prune(context.Background(), everything)
		f.must(err)
		f.sound("with a backup before " + when)
	})
}

func TestAPruneAtAnyTimeOfABackupLeavesItWhole(t *testing.T) {
	s := crowded(t)
	s.grove(2000, 1, 2, 3, 5)
	s.everywhere(func(f *site, _ int) *faulty.Injector {
		f.must(f.play("writer", f.mem).refresh(context.Background()))
		return before(func() { f.prune(f.play("pruner", f.mem)) })
	}, func(f *site, b varve.Backend, when string) {
		f.save(f.play("writer", b), "a", f.tree)
		f.sound("with a prune before " + when)
	})
}

func TestAPruneAtAnyTimeOfAnotherLosesNothing(t *testing.T) {
	s := crowded(t)
	s.everywhere(func(f *site, _ int) *faulty.Injector {
		return before(func() { f.prune(f.play("other", f.mem)) })
	}, func(f *site, b varve.Backend, when string) {
		_, err := f.play("pruner", b).Prune(context.Background(), everything)
		f.must(err)
		f.sound("with another prune before " + when)
		f.prune(f.play("next", f.mem))
		f.tidyUp()
	})
}

func TestAnUnforgetAtAnyTimeOfAPruneBringsBackAllOrNothing(t *testing.T) {
	s := crowded(t)
	list, err := s.play("writer", s.mem).Forgotten(t.Context())
	s.must(err)
	id, back := list[1].ID, 0
	total := s.everywhere(func(f *site, n int) *faulty.Injector {
		return before(func() {
			other := f.play("writer", f.mem)
			switch err := other.Unforget(context.Background(), id); {
			case err == nil:
				back++
				f.want[id] = f.gone[id]
			case !errors.Is(err, ErrPruned) && !errors.Is(err, varve.ErrNoSnapshot):
				t.Errorf("before operation %d: %v", n, err)
			}
		})
	}, func(f *site, b varve.Backend, when string) {
		_, err := f.play("pruner", b).Prune(context.Background(), everything)
		f.must(err)
		f.sound("with an unforget before " + when)
	})
	if back == 0 || back == total {
		t.Errorf("of %d unforgets %d came in time", total, back)
	}
}

func TestWhatTheDeadLeftUnsealedBecomesASnapshotIfItIsWhole(t *testing.T) {
	s := newSite(t)
	s.save(s.admin(), "a", s.grove(2000, 1))
	s.grove(2000, 1, 2)
	inj := &faulty.Injector{At: 1, Fault: faulty.Kill(faulty.Whole), Filter: func(op faulty.Op) bool {
		return op.Method == "Put" && strings.HasPrefix(op.Name, backend.Snapshots.Prefix())
	}}
	writer := s.open(faulty.New(s.mem, inj), s.key, s.machine())
	if _, err := writer.Save(t.Context(), s.tree, varve.SaveOptions{Series: "a", Now: s.now}); !errors.Is(err, faulty.ErrKilled) {
		t.Fatal(err)
	}
	s.prune(s.admin())
	s.sound("while the writer may live")
	s.later(2 * silence)
	s.prune(s.admin())
	list, err := s.admin().Snapshots(t.Context())
	if err != nil || len(list) != 2 {
		t.Fatalf("%v, error %v", list, err)
	}
	s.want[list[1].ID] = s.tree.Want()
	s.holds()
}

func TestWhatTheDeadLeftIncompleteIsGivenUp(t *testing.T) {
	s := newSite(t)
	inj := &faulty.Injector{At: 1, Fault: faulty.Kill(faulty.Whole), Filter: func(op faulty.Op) bool {
		return op.Method == "Put" && strings.HasPrefix(op.Name, backend.Snapshots.Prefix())
	}}
	writer := s.open(faulty.New(s.mem, inj), s.key, s.machine())
	if _, err := writer.Save(t.Context(), s.grove(2000, 1), varve.SaveOptions{Series: "a", Now: s.now}); !errors.Is(err, faulty.ErrKilled) {
		t.Fatal(err)
	}
	for o, err := range s.mem.List(t.Context(), backend.Data.Prefix()) {
		s.must(err)
		if o.Size != reserveSize {
			s.mem.Set(o.Name, nil)
			break
		}
	}
	s.later(2 * silence)
	s.prune(s.admin())
	s.holds()
	s.tidyUp()
}
