package vault

import (
	"context"
	"iter"
	"strings"
	"testing"

	"varve"
)

// listing is a backend of which each listing of records goes through a function, once all of it is known.
type listing struct {
	varve.Backend
	edit func(list []varve.Object) []varve.Object
}

func (l listing) List(ctx context.Context, prefix string) iter.Seq2[varve.Object, error] {
	if !strings.HasPrefix(prefix, "snapshots") {
		return l.Backend.List(ctx, prefix)
	}
	return func(yield func(varve.Object, error) bool) {
		var list []varve.Object
		for o, err := range l.Backend.List(ctx, prefix) {
			if err != nil {
				yield(o, err)
				return
			}
			list = append(list, o)
		}
		for _, o := range l.edit(list) {
			if !yield(o, nil) {
				return
			}
		}
	}
}

func TestASnapshotThatIsMadeWhileRecordsAreListedIsNotMissed(t *testing.T) {
	e := newEstate(t)
	m := e.machine(e.root)
	e.save(m, garden(), "series")
	busy := 3
	s, err := Open(t.Context(), listing{unclosed{e.store}, func(list []varve.Object) []varve.Object {
		if busy > 0 { // another run of the same machine is quicker
			busy--
			e.save(m, garden(), "series")
		}
		return list
	}}, Credentials{Key: &m.key}, m.options(e))
	e.need(err)
	defer s.Close()
	for range 4 {
		if list, err := s.Snapshots(t.Context()); err != nil || len(list) == 0 {
			t.Errorf("%d snapshots, %v", len(list), err)
		}
	}
	if busy > 0 {
		t.Error("nothing was listed")
	}
}

func TestWhatOneListingPassesByIsNotMissedBeforeAnotherDoes(t *testing.T) {
	e := newEstate(t)
	m := e.machine(e.root)
	e.save(m, garden(), "series")
	before := map[string]bool{}
	for _, name := range e.names("snapshots/") {
		before[name] = true
	}
	e.save(m, wild(), "series")
	hidden := 0 // so many more listings show nothing of the second snapshot
	s, err := Open(t.Context(), listing{unclosed{e.store}, func(list []varve.Object) (shown []varve.Object) {
		hidden--
		for _, o := range list {
			if hidden < 0 || before[o.Name] {
				shown = append(shown, o)
			}
		}
		return shown
	}}, Credentials{Key: &m.key}, m.options(e))
	e.need(err)
	defer s.Close()
	for hides, want := range map[int]bool{1: true, 2: false} {
		hidden = hides
		if list, err := s.Snapshots(t.Context()); (err == nil && len(list) == 2) != want {
			t.Errorf("%d listings show nothing of it: %d snapshots, %v", hides, len(list), err)
		}
	}
}
