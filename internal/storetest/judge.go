package storetest

import (
	"context"
	"fmt"

	"varve"
)

var judgePart = []clause{
	{"a first snapshot is judged with nothing before it", judgesTheFirst},
	{"a snapshot is judged by what was lost and what was changed", judgesDifference},
	{"what was moved is neither lost nor changed", judgesMoved},
	{"of several sources the one that lost the largest share is told", judgesSources},
	{"a suspect snapshot is kept, listed and read like any other", suspectIsKept},
	{"a suspect snapshot is nothing to compare with", suspectIsNoMeasure},
	{"what a suspect snapshot has is not stored again", suspectIsBuiltOn},
	{"an incomplete snapshot is judged, may be suspect, and is nothing to compare with", incompleteIsJudged},
	{"series are judged apart", judgesSeriesApart},
	{"a copy is not judged and keeps the state of its origin", copyIsNotJudged},
	{"a verdict that is no state makes no snapshot", judgesNonsense},
}

// judged makes a snapshot that is given a state; it returns what the judge was asked, once or not at all.
func (r *rig) judged(src varve.Source, opts varve.SaveOptions, state varve.State) (varve.Snapshot, []varve.Difference) {
	r.Helper()
	var asked []varve.Difference
	opts.Judge = func(d varve.Difference) varve.State {
		asked = append(asked, d)
		return state
	}
	snap, err := r.store.Save(context.Background(), src, opts)
	must(r.T, err)
	return snap, asked
}

// differs makes a snapshot of series "s" that is given a state, and checks what the judge was asked.
func (r *rig) differs(src varve.Source, state varve.State, want varve.Difference) varve.Snapshot {
	r.Helper()
	snap, asked := r.judged(src, r.options("s"), state)
	same(r.T, "what was asked", asked, []varve.Difference{want})
	same(r.T, "state", snap.State, state)
	return snap
}

// woodFiles is how many files are in a wood.
const woodFiles = 27

func judgesTheFirst(r *rig) {
	r.differs(wood(), varve.Complete, varve.Difference{Files: woodFiles})
}

func judgesDifference(r *rig) {
	tree := wood()
	tree.Put("link", varve.Entry{Kind: varve.Symlink, Mode: 0o777, Target: "a"}, "")
	before := int64(woodFiles + 1)
	r.differs(tree, varve.Complete, varve.Difference{Files: before})
	r.reopen()
	r.differs(tree, varve.Complete, varve.Difference{Files: before, Before: before})
	tree.Edit("c/file 2", func(o *Object) { o.Mode = 0o600 })
	r.differs(tree, varve.Complete, varve.Difference{Files: before, Before: before})
	tree.Remove("a/b")
	tree.Write("b/a/file 1", "other")
	tree.Edit("link", func(o *Object) { o.Target = "b" })
	tree.Dir("new")
	tree.File("new/file", "new")
	r.differs(tree, varve.Complete, varve.Difference{Files: before - 2, Before: before, Lost: 3, Changed: 2})
	tree.Remove("c/file 0")
	tree.Dir("c/file 0")
	r.differs(tree, varve.Complete, varve.Difference{Files: before - 3, Before: before - 2, Lost: 1})
}

func judgesMoved(r *rig) {
	tree := wood()
	r.differs(tree, varve.Complete, varve.Difference{Files: woodFiles})
	tree.Move("a", "z")
	tree.Move("b/file 1", "0")
	r.differs(tree, varve.Complete, varve.Difference{Files: woodFiles, Before: woodFiles})
}

func judgesSources(r *rig) {
	tree := wood()
	opts := r.options("s")
	opts.Sources = []string{"/a", "/b", "/c"}
	for i, want := range []varve.Difference{{Files: woodFiles}, {Files: woodFiles - 12, Before: woodFiles, Lost: 12, Worst: "/a", WorstBefore: 12, WorstLost: 12}} {
		_, asked := r.judged(tree, opts, varve.Complete)
		same(r.T, fmt.Sprintf("what was asked, %d", i), asked, []varve.Difference{want})
		tree.Remove("a")
	}
}

func suspectIsKept(r *rig) {
	tree := wood()
	first := r.save(tree, "s")
	old := wood()
	tree.Remove("a")
	tree.Write("b/file 1", "other")
	snap := r.differs(tree, varve.Suspect, varve.Difference{Files: woodFiles - 12, Before: woodFiles, Lost: 12, Changed: 1})
	r.reopen()
	same(r.T, "snapshots", r.list(), []varve.Snapshot{first, snap})
	r.holds(snap.ID, tree)
	for i, e := range r.contents(first.ID) {
		same(r.T, "content of the one before", e.Digest, old.Want()[i].Digest)
	}
	r.forget(snap.ID)
	same(r.T, "snapshots", r.list(), []varve.Snapshot{first})
}

// contents returns the entries of a snapshot.
func (r *rig) contents(id varve.SnapshotID) (list []varve.Entry) {
	r.Helper()
	v := r.view(id)
	defer v.Close()
	for e, err := range v.Entries(context.Background()) {
		must(r.T, err)
		list = append(list, e)
	}
	return list
}

func suspectIsNoMeasure(r *rig) {
	tree := wood()
	r.save(tree, "s")
	for i := range 3 {
		tree.Write(fmt.Sprintf("c/file %d", i), fmt.Sprint("other ", i))
		lost := int64(0)
		if i > 0 {
			tree.Remove("b/a")
			lost = 6
		}
		r.differs(tree, varve.Suspect, varve.Difference{Files: woodFiles - lost, Before: woodFiles, Lost: lost, Changed: int64(i) + 1})
		r.reopen()
	}
	r.save(tree, "s")
	r.differs(tree, varve.Complete, varve.Difference{Files: woodFiles - 6, Before: woodFiles - 6})
}

func suspectIsBuiltOn(r *rig) {
	tree := wood()
	r.differs(tree, varve.Suspect, varve.Difference{Files: woodFiles})
	r.reopen()
	snap := r.differs(tree, varve.Complete, varve.Difference{Files: woodFiles})
	same(r.T, "what is stored of what a suspect snapshot has", snap.Added, int64(0))
}

func incompleteIsJudged(r *rig) {
	tree := wood()
	r.save(tree, "s")
	tree.At("a/file 0").Trouble.Entry = errLocked
	snap, asked := r.judged(tree, r.options("s"), varve.Complete)
	same(r.T, "what was asked", asked, []varve.Difference{{Files: woodFiles - 1, Before: woodFiles, Lost: 1}})
	same(r.T, "skipped", snap.Skipped, int64(1))
	same(r.T, "state", snap.State, varve.Incomplete)
	tree.Write("c/file 0", "other")
	snap = r.differs(tree, varve.Suspect, varve.Difference{Files: woodFiles - 1, Before: woodFiles, Lost: 1, Changed: 1})
	same(r.T, "skipped", snap.Skipped, int64(1))
	r.reopen()
	same(r.T, "state in the list", r.list()[2].State, varve.Suspect)
	tree.At("a/file 0").Trouble.Entry = nil
	tree.Write("c/file 0", Text(0)+"c")
	r.differs(tree, varve.Complete, varve.Difference{Files: woodFiles, Before: woodFiles})
}

func judgesSeriesApart(r *rig) {
	r.save(forest(), "other")
	r.differs(wood(), varve.Complete, varve.Difference{Files: woodFiles})
}

func copyIsNotJudged(r *rig) {
	tree := wood()
	r.save(tree, "s")
	tree.Remove("a")
	snap := r.differs(tree, varve.Suspect, varve.Difference{Files: woodFiles - 12, Before: woodFiles, Lost: 12})
	o := r.other()
	v := r.view(snap.ID)
	defer v.Close()
	opts := o.options("s")
	opts.Origin = &snap
	made, asked := o.judged(v, opts, varve.Complete)
	same(r.T, "times asked", len(asked), 0)
	same(r.T, "state", made.State, varve.Suspect)
	same(r.T, "snapshots", o.list(), []varve.Snapshot{made})
	o.holds(made.ID, tree)
	o.verify()
	must(r.T, o.store.Close())
}

func judgesNonsense(r *rig) {
	opts := r.options("s")
	opts.Judge = func(varve.Difference) varve.State { return "perfect" }
	snap, err := r.store.Save(context.Background(), wood(), opts)
	if err == nil {
		r.Errorf("the save succeeded: %+v", snap)
	}
	same(r.T, "snapshots", len(r.list()), 0)
}
