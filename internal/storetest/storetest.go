// Package storetest is the contract of varve.Store as a test that every implementation passes, and a varve.Source in memory to ask
// it with.
//
// Whatever a clause did, the store verifies without damage afterwards and no goroutine is left. Clocks are injected and nothing is
// random, so a clause that fails fails again.
//
// The package asks nothing about durability, faults of the storage or damage, which need a look below the contract.
package storetest

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"

	"varve"
)

// Storage is the place of one store.
type Storage interface {
	// Open opens the store. It is called again after Close and finds what was saved before.
	Open() (varve.Store, error)
}

// Run tests the implementation behind fresh, which returns the place of an empty store whenever it is called.
func Run(t *testing.T, fresh func(t *testing.T) Storage) {
	for _, part := range [][]clause{savePart, troublePart, recordPart, forgetPart, sharePart, judgePart} {
		for _, c := range part {
			t.Run(c.name, func(t *testing.T) {
				before := goleak.IgnoreCurrent()
				r := &rig{T: t, fresh: fresh, storage: fresh(t), now: time.Date(2024, 2, 29, 23, 59, 58, 5000, time.UTC)}
				r.open()
				c.check(r)
				r.verify()
				must(t, r.store.Close())
				goleak.VerifyNone(t, before)
			})
		}
	}
}

// clause is one thing that the contract says.
type clause struct {
	name  string
	check func(r *rig)
}

// rig is a store under test.
type rig struct {
	*testing.T
	fresh   func(t *testing.T) Storage
	storage Storage
	store   varve.Store
	now     time.Time
	events  []varve.Event // of the last save
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (r *rig) open() {
	r.Helper()
	var err error
	r.store, err = r.storage.Open()
	must(r.T, err)
}

func (r *rig) reopen() {
	r.Helper()
	must(r.T, r.store.Close())
	r.open()
}

// other returns a rig with a store of its own, closed at the end of the test.
func (r *rig) other() *rig {
	r.Helper()
	o := &rig{T: r.T, fresh: r.fresh, storage: r.fresh(r.T), now: r.now}
	o.open()
	return o
}

// tick is how much later every question for the time is asked.
const tick = 90 * time.Minute

func (r *rig) clock() time.Time {
	r.now = r.now.Add(tick)
	return r.now
}

// options are those of a save in a series; events goes to r.
func (r *rig) options(series string) varve.SaveOptions {
	r.events = nil
	return varve.SaveOptions{Series: series, Host: "host", Sources: []string{"/"}, Program: "storetest", Now: r.clock,
		Progress: func(e varve.Event) { r.events = append(r.events, e) }}
}

// save makes a snapshot, which must succeed.
func (r *rig) save(src varve.Source, series string) varve.Snapshot {
	r.Helper()
	snap, err := r.store.Save(context.Background(), src, r.options(series))
	must(r.T, err)
	return snap
}

// refuse makes sure that a save fails and leaves no trace; it returns the error.
func (r *rig) refuse(ctx context.Context, src varve.Source, series string) error {
	r.Helper()
	before := r.list()
	snap, err := r.store.Save(ctx, src, r.options(series))
	if err == nil {
		r.Fatalf("the save succeeded: %+v", snap)
	}
	same(r.T, "snapshots after a save that failed", r.list(), before)
	return err
}

func (r *rig) list() []varve.Snapshot {
	r.Helper()
	list, err := r.store.Snapshots(context.Background())
	must(r.T, err)
	return list
}

// view opens a snapshot until the end of the test.
func (r *rig) view(id varve.SnapshotID) varve.View {
	r.Helper()
	v, err := r.store.View(context.Background(), id)
	must(r.T, err)
	return v
}

// holds checks that a snapshot is what tree is.
func (r *rig) holds(id varve.SnapshotID, tree *Tree) {
	r.Helper()
	v := r.view(id)
	defer v.Close()
	for _, d := range Differences(v, tree.Want(), varve.Entry{}) {
		r.Error(d)
	}
}

// verify checks that the store is sound and counts what it checked.
func (r *rig) verify() {
	r.Helper()
	report, err := r.store.Verify(context.Background(), varve.VerifyOptions{Progress: func(e varve.Event) {
		if e.Kind == varve.Damage {
			r.Errorf("damage: /%s: %v", e.Path, e.Err)
		}
	}})
	must(r.T, err)
	same(r.T, "damage", report.Damage, 0)
	same(r.T, "snapshots verified", report.Snapshots, int64(len(r.list())))
}

// count returns how many events of a kind the last save told.
func (r *rig) count(kind varve.EventKind) (n int64) {
	for _, e := range r.events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}
