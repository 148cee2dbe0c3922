package replicate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"testing"
	"time"

	"varve"
)

func id(n byte) varve.SnapshotID { return varve.SnapshotID{n} }

// snap returns snapshot n of series "s", at hour n.
func snap(n byte) varve.Snapshot {
	return varve.Snapshot{ID: id(n), Series: "s", Seq: uint64(n), Time: time.Date(2026, 11, 20, int(n), 0, 0, 0, time.UTC)}
}

func ids(list []varve.Snapshot) (all []varve.SnapshotID) {
	for _, s := range list {
		all = append(all, s.ID)
	}
	return all
}

func TestWhatIsThereInAnyFormIsNotMissing(t *testing.T) {
	copied, elsewhere := snap(8), snap(9)
	copied.Origin, elsewhere.Origin = id(2), id(7)
	for _, c := range []struct {
		name         string
		wanted, held []varve.Snapshot
		missing      []varve.SnapshotID
	}{
		{"nothing there", []varve.Snapshot{snap(1), snap(2)}, nil, []varve.SnapshotID{id(1), id(2)}},
		{"itself", []varve.Snapshot{snap(1), snap(2)}, []varve.Snapshot{snap(1)}, []varve.SnapshotID{id(2)}},
		{"a copy of it", []varve.Snapshot{snap(1), snap(2)}, []varve.Snapshot{copied}, []varve.SnapshotID{id(1)}},
		{"what it is a copy of", []varve.Snapshot{copied}, []varve.Snapshot{snap(2)}, nil},
		{"another copy of the same", []varve.Snapshot{elsewhere}, []varve.Snapshot{{ID: id(5), Origin: id(7)}}, nil},
		{"wanted twice, in two forms", []varve.Snapshot{snap(2), copied}, nil, []varve.SnapshotID{id(2)}},
	} {
		if got := ids(Missing(c.wanted, c.held)); !slices.Equal(got, c.missing) {
			t.Errorf("%s: missing %v, want %v", c.name, got, c.missing)
		}
	}
}

func TestASeriesIsCopiedInItsSequenceWhateverTheClockSaid(t *testing.T) {
	a1, a2, a3, b1 := snap(1), snap(2), snap(3), snap(4)
	a1.Time, a2.Time = a2.Time, a1.Time.Add(-time.Hour) // the clock went back
	b1.Series, b1.Time, b1.Seq = "b", a1.Time.Add(time.Minute), 1
	list := []varve.Snapshot{a3, b1, a2, a1}
	given := slices.Clone(list)
	if got, want := ids(Missing(list, nil)), []varve.SnapshotID{id(1), id(2), id(4), id(3)}; !slices.Equal(got, want) {
		t.Errorf("copied in the order %v, want %v", got, want)
	}
	if !slices.EqualFunc(list, given, func(a, b varve.Snapshot) bool { return a.ID == b.ID }) {
		t.Error("the caller's list was changed")
	}
}

// run copies three snapshots, of which the second is v.
func run(t *testing.T, to *fake, v *fakeView) (Report, []varve.SnapshotID, error) {
	t.Helper()
	from := &fake{views: map[varve.SnapshotID]*fakeView{id(1): {}, id(2): v, id(3): {}}}
	var failed []varve.SnapshotID
	r, err := Run(t.Context(), from, to, []varve.Snapshot{snap(1), snap(2), snap(3)},
		Options{Failed: func(s varve.Snapshot, _ error) { failed = append(failed, s.ID) }})
	return r, failed, err
}

func TestACopyKnowsItsOriginAndIsCounted(t *testing.T) {
	to := &fake{}
	r, failed, err := run(t, to, &fakeView{})
	if want := (Report{Copied: 3, Files: 3, Bytes: 6, Added: 3}); err != nil || r != want || failed != nil {
		t.Fatalf("%+v, %v, %v", r, failed, err)
	}
	for i, s := range to.saved {
		if s.Origin != id(byte(i+1)) {
			t.Errorf("copy %d has the origin %v", i, s.Origin)
		}
	}
}

func TestADamagedSnapshotCostsItselfAlone(t *testing.T) {
	rot := fmt.Errorf("rot: %w", varve.ErrDamaged)
	for name, v := range map[string]*fakeView{
		"snapshot": {err: rot}, "manifest": {entries: rot}, "entry": {entry: rot}, "open": {open: rot}, "read": {read: rot}, "stat": {stat: rot},
		"altered": {altered: true}, "lost": {open: fs.ErrNotExist},
		"unreadable": {open: fmt.Errorf("%w: %w", varve.ErrUnreadable, varve.ErrDamaged)},
	} {
		to := &fake{}
		r, failed, err := run(t, to, v)
		if !errors.Is(err, varve.ErrDamaged) || r.Copied != 2 || r.Failed != 1 || !slices.Equal(failed, []varve.SnapshotID{id(2)}) {
			t.Errorf("%s: %+v, failed %v, %v", name, r, failed, err)
		}
		if len(to.saved) != 2 || to.saved[1].Origin != id(3) {
			t.Errorf("%s: saved %v", name, to.saved)
		}
	}
}

func TestAnythingButDamageEndsTheRun(t *testing.T) {
	broken := errors.New("broken")
	for name, v := range map[string]*fakeView{
		"snapshot": {err: broken}, "manifest": {entries: broken}, "open": {open: broken}, "read": {read: broken},
		"permission": {open: fs.ErrPermission}, "gone": {err: varve.ErrNoSnapshot},
	} {
		to := &fake{}
		r, failed, err := run(t, to, v)
		if err == nil || errors.Is(err, varve.ErrDamaged) || r.Copied != 1 || failed != nil || len(to.saved) != 1 {
			t.Errorf("%s: %+v, failed %v, saved %d, %v", name, r, failed, len(to.saved), err)
		}
	}
	full := errors.New("full")
	to := &fake{save: func(context.Context, varve.Source) error { return full }}
	if r, _, err := run(t, to, &fakeView{}); !errors.Is(err, full) || r.Copied != 0 {
		t.Errorf("the target fails: %+v, %v", r, err)
	}
	to.save = func(context.Context, varve.Source) error { return fmt.Errorf("base: %w", varve.ErrDamaged) }
	if r, failed, err := run(t, to, &fakeView{}); !errors.Is(err, varve.ErrDamaged) || r.Failed != 0 || failed != nil {
		t.Errorf("the target is damaged: %+v, %v, %v", r, failed, err)
	}
}

func TestACopyThatLacksSomethingIsWithdrawn(t *testing.T) {
	to := &fake{}
	to.save = func(ctx context.Context, src varve.Source) error {
		return readAll(context.WithoutCancel(ctx), deaf{src})
	}
	r, _, err := run(t, to, &fakeView{read: varve.ErrDamaged})
	if !errors.Is(err, varve.ErrDamaged) || r.Copied != 2 || !slices.Equal(to.forgotten, []varve.SnapshotID{{0xff, 1}}) {
		t.Errorf("%+v, withdrawn %v, %v", r, to.forgotten, err)
	}
}

// deaf is a source for a store that does not hear that its context has ended.
type deaf struct{ varve.Source }

func (d deaf) Open(ctx context.Context, e varve.Entry) (varve.File, error) {
	return d.Source.Open(context.WithoutCancel(ctx), e)
}

func TestAnInterruptionIsNoDamage(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	from := &fake{views: map[varve.SnapshotID]*fakeView{id(1): {}, id(2): {}}}
	to := &fake{}
	begun := 0
	r, err := Run(ctx, from, to, []varve.Snapshot{snap(1), snap(2)}, Options{Begin: func(varve.Snapshot) {
		if begun++; begun == 2 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) || errors.Is(err, varve.ErrDamaged) || r.Copied != 1 || r.Failed != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}
