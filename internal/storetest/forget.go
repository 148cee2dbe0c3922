package storetest

import (
	"context"
	"errors"

	"varve"
)

var forgetPart = []clause{
	{"forgetting one snapshot leaves the others as they were", forgetsOne},
	{"what is forgotten is forgotten", forgotten},
	{"several snapshots of several series are forgotten at once", forgetsMany},
	{"where one of several is unknown none is forgotten", forgetsNone},
	{"a series goes on after its last snapshot was forgotten", forgetsAll},
	{"what is forgotten serves no longer as a base", forgetsBase},
	{"a cancelled forget leaves what it did not reach", forgetCancelled},
}

func (r *rig) forget(ids ...varve.SnapshotID) {
	r.Helper()
	must(r.T, r.store.Forget(context.Background(), ids...))
}

// gone checks that a snapshot is not there.
func (r *rig) gone(id varve.SnapshotID) {
	r.Helper()
	if v, err := r.store.View(context.Background(), id); !errors.Is(err, varve.ErrNoSnapshot) {
		r.Errorf("View of a forgotten snapshot: %v, %v", v, err)
	}
	for _, snap := range r.list() {
		if snap.ID == id {
			r.Errorf("the forgotten snapshot %s is listed", id.Short())
		}
	}
}

// history saves a changing tree n times and returns the snapshots and what they should hold.
func (r *rig) history(series string, n int) (snaps []varve.Snapshot, states []*Tree) {
	tree := wood()
	for i := range n {
		snaps = append(snaps, r.save(tree, series))
		state := *tree
		state.objects = clone(tree.objects)
		states = append(states, &state)
		tree.Write("a/file 1", Text(1000+i))
		tree.File("b/new "+string(rune('a'+i)), Text(2000+i))
		tree.Edit("a/b", func(o *Object) { o.Mode ^= 0o70 })
	}
	return snaps, states
}

func forgetsOne(r *rig) {
	const n = 4
	for i := range n {
		snaps, states := r.history("s", n)
		r.forget(snaps[i].ID)
		r.reopen()
		r.gone(snaps[i].ID)
		for j := range n {
			if j != i {
				r.holds(snaps[j].ID, states[j])
				r.forget(snaps[j].ID)
			}
		}
		same(r.T, "snapshots left", len(r.list()), 0)
	}
}

func forgotten(r *rig) {
	snaps, states := r.history("s", 2)
	r.forget(snaps[0].ID)
	if err := r.store.Forget(context.Background(), snaps[0].ID); !errors.Is(err, varve.ErrNoSnapshot) {
		r.Errorf("forgotten twice: %v", err)
	}
	r.forget()
	r.holds(snaps[1].ID, states[1])
}

func forgetsMany(r *rig) {
	one, _ := r.history("one", 3)
	two, states := r.history("two", 3)
	r.forget(one[2].ID, two[0].ID, one[0].ID, two[2].ID, one[1].ID)
	same(r.T, "snapshots", r.list(), []varve.Snapshot{two[1]})
	r.holds(two[1].ID, states[1])
}

func forgetsNone(r *rig) {
	snaps, _ := r.history("s", 2)
	if err := r.store.Forget(context.Background(), snaps[0].ID, varve.SnapshotID{9}, snaps[1].ID); !errors.Is(err, varve.ErrNoSnapshot) {
		r.Errorf("forget with one unknown: %v", err)
	}
	same(r.T, "snapshots", r.list(), snaps)
}

func forgetsAll(r *rig) {
	snaps, states := r.history("s", 2)
	r.forget(snaps[0].ID, snaps[1].ID)
	same(r.T, "number of snapshots", len(r.list()), 0)
	r.reopen()
	snap := r.save(states[1], "s")
	r.holds(snap.ID, states[1])
}

func forgetsBase(r *rig) {
	snaps, states := r.history("s", 2)
	r.forget(snaps[1].ID)
	next := r.save(states[1], "s")
	r.holds(next.ID, states[1])
	r.holds(snaps[0].ID, states[0])
}

func forgetCancelled(r *rig) {
	snaps, states := r.history("s", 2)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := r.store.Forget(ctx, snaps[0].ID, snaps[1].ID); !errors.Is(err, context.Canceled) {
		r.Errorf("a cancelled Forget: %v", err)
	}
	for i, snap := range r.list() {
		r.holds(snap.ID, states[i])
	}
}
