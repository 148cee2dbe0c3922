package job

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"varve"
	"varve/internal/config"
	"varve/internal/history"
)

func TestASuspectSnapshotRemovesNothing(t *testing.T) {
	b := newBed(t, twoStores)
	must2 := func(r *Report, result history.Result) {
		t.Helper()
		if r.Result != result {
			t.Fatalf("%s, %v", r.Result, r.Err)
		}
	}
	states := map[varve.SnapshotID]varve.State{}
	var differs varve.Difference
	b.open = func(s *config.Store, p *Place) (*Place, error) {
		p.Store = &stained{Store: p.Store, differs: differs, states: states}
		return p, nil
	}
	differs = varve.Difference{Files: 100}
	must2(b.run(), history.Success)
	must2(b.run(), history.Success)
	before := b.list("usb")
	for _, differs = range []varve.Difference{{Files: 100, Before: 100, Changed: 90}, {Files: 100, Before: 100, Changed: 90}, {Files: 0},
		{Files: 49, Before: 100, Lost: 51}} {
		r := b.run()
		must2(r, history.Suspect)
		if !errors.Is(r.Err, ErrSuspect) || len(r.Stores[0].Forgotten)+len(r.Stores[1].Forgotten) > 0 {
			t.Errorf("%v, %+v", r.Err, r.Stores)
		}
	}
	if after := b.list("usb"); len(after) != 6 || !sameIDs(after[:2], before) {
		t.Errorf("%d snapshots", len(after))
	}
	if h := b.job(); !h.Trouble || h.Success.Snapshot != before[1].ID {
		t.Errorf("%+v", h)
	}
	// Somebody has looked.
	b.now = b.now.Add(24 * time.Hour)
	r := Run(t.Context(), b.config.Job("home"), How{Accept: true}, b.deps)
	must2(r, history.Success)
	contains(t, strings.Join(r.Notes, "\n"), "accepted")
	if !slices.Contains(b.events, "suspect") || b.events[len(b.events)-1] != "recovered" {
		t.Errorf("%q", b.events)
	}
}

func TestAnIncompleteSnapshotRemovesNothing(t *testing.T) {
	b := newBed(t, twoStores)
	b.run()
	b.run()
	b.open = func(s *config.Store, p *Place) (*Place, error) {
		p.Store = &lacking{p.Store}
		return p, nil
	}
	r := b.run()
	if r.Result != history.Incomplete || !errors.Is(r.Err, ErrIncomplete) || len(r.Stores[0].Forgotten) > 0 {
		t.Errorf("%s, %v", r.Result, r.Err)
	}
}

// lacking is a store whose snapshots all lack something.
type lacking struct{ varve.Store }

func (l *lacking) Save(ctx context.Context, src varve.Source, o varve.SaveOptions) (varve.Snapshot, error) {
	snap, err := l.Store.Save(ctx, src, o)
	snap.State, snap.Skipped = varve.Incomplete, 1
	return snap, err
}

func TestFilesScrambledOvernightAlarmAndKeepTheOldSnapshots(t *testing.T) {
	b := newBed(t, twoStores)
	for i := range 30 {
		b.write(fmt.Sprintf("src/f%02d", i), fmt.Sprintf("content %d", i))
	}
	b.run()
	b.run()
	before := b.list("usb")
	for night := range 2 {
		for i := range 27 {
			b.write(fmt.Sprintf("src/f%02d", i), fmt.Sprintf("scrambled %d %d", night, i))
		}
		r := b.run()
		if r.Result != history.Suspect || len(r.Stores[0].Forgotten) > 0 || b.events[len(b.events)-1] != "suspect" {
			t.Fatalf("night %d: %s, %v, %q", night, r.Result, r.Err, b.events)
		}
	}
	if after := b.list("usb"); len(after) != 4 || !sameIDs(after[:2], before) {
		t.Errorf("%d snapshots", len(after))
	}
	if box := b.list("box"); box[len(box)-1].State != varve.Suspect {
		t.Errorf("the copy is %s", box[len(box)-1].State)
	}
}

func TestASourceThatIsEmptyAllAtOnceIsSuspect(t *testing.T) {
	b := newBed(t, twoStores)
	b.run()
	dir := mustDir(t, b, "src")
	must(t, errors.Join(dir.Remove("a"), dir.Remove("b")))
	if r := b.run(); r.Result != history.Suspect {
		t.Errorf("%s, %v", r.Result, r.Err)
	}
}

func TestASourceThatIsEmptyIsSuspectBesideALargerOne(t *testing.T) {
	b := newBed(t, strings.Replace(twoStores, `["/src"]`, `["/src", "/etc"]`, 1))
	must(t, b.disk.Root().Mkdir("etc", 0o700))
	b.write("etc/passwd", "root")
	for i := range 30 {
		b.write(fmt.Sprintf("src/f%02d", i), fmt.Sprint("content ", i))
	}
	b.want(b.run(), history.Success, 1, 1)
	must(t, mustDir(t, b, "etc").Remove("passwd"))
	r := b.run()
	b.want(r, history.Suspect, 2, 2)
	contains(t, r.Err.Error(), "of /etc it lacks 1 of 1 files")
	b.config.Jobs[0].Guard.MaxLost = 1
	b.want(b.run(), history.Success, 3, 3)
}

// stained is a store in which snapshots get the state that Judge says, by a difference that a test makes up.
type stained struct {
	varve.Store
	differs varve.Difference
	states  map[varve.SnapshotID]varve.State
}

func (s *stained) Save(ctx context.Context, src varve.Source, o varve.SaveOptions) (varve.Snapshot, error) {
	judge := o.Judge
	o.Judge = nil
	snap, err := s.Store.Save(ctx, src, o)
	if err == nil && judge != nil && snap.State == varve.Complete {
		snap.State = judge(s.differs)
		s.states[snap.ID] = snap.State
	}
	return snap, err
}

func (s *stained) Snapshots(ctx context.Context) ([]varve.Snapshot, error) {
	list, err := s.Store.Snapshots(ctx)
	for i := range list {
		if state, ok := s.states[list[i].ID]; ok {
			list[i].State = state
		}
	}
	return list, err
}
