package storetest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"

	"varve"
)

var troublePart = []clause{
	{"what cannot be read costs itself alone and is counted", unreadable},
	{"what vanished is counted and the snapshot stays complete", vanished},
	{"a directory that cannot be listed costs its content alone", unlistable},
	{"a file that changes while it is read is saved, counted, and read again the next time", changing},
	{"a file that is cut short while it is read is never saved as whole", shrinking},
	{"a snapshot says what it lacks, and the next one has it", recovers},
	{"content that is not what its digest says is not saved", wrongDigest},
	{"a source that breaks off makes no snapshot", breaksOff},
	{"a source that fails makes no snapshot", fails},
	{"a source without a root makes no snapshot", rootless},
	{"a source that is not in order makes no snapshot", disordered},
	{"a cancelled save makes no snapshot", cancelled},
}

var (
	errLocked = fmt.Errorf("locked: %w", fs.ErrPermission)
	errBroken = fmt.Errorf("broken: %w", varve.ErrUnreadable)
	errGone   = fmt.Errorf("gone: %w", fs.ErrNotExist)
	errSource = errors.New("the connection is lost")
)

// wood returns a tree with directories at three levels and a few files in each.
func wood() *Tree {
	t := NewTree()
	for _, dir := range []string{"a", "a/a", "a/b", "a/c", "b", "b/a", "b/a/a", "b/b", "c"} {
		t.Dir(dir)
		for i := range 3 {
			t.File(fmt.Sprintf("%s/file %d", dir, i), Text(100*i)+dir)
		}
	}
	return t
}

// counts checks what a snapshot and the events of its making say of losses.
func (r *rig) counts(snap varve.Snapshot, state varve.State, skipped, vanished, changed int64) {
	r.Helper()
	same(r.T, "state", snap.State, state)
	want := [3]int64{skipped, vanished, changed}
	same(r.T, "skipped, vanished, changed", [3]int64{snap.Skipped, snap.Vanished, snap.Changed}, want)
	same(r.T, "events of these", [3]int64{r.count(varve.Skipped), r.count(varve.Vanished), r.count(varve.Changed)}, want)
}

func unreadable(r *rig) {
	tree := wood()
	tree.At("a/file 0").Trouble.Entry = errLocked
	tree.At("a/b").Trouble.Entry = errBroken
	tree.At("b/file 1").Trouble.Open = errLocked
	tree.At("b/file 2").Trouble.Open = errBroken
	tree.At("c/file 2").Trouble.Read = errBroken
	snap := r.save(tree, "s")
	r.counts(snap, varve.Incomplete, 5, 0, 0)
	r.holds(snap.ID, tree)
}

func vanished(r *rig) {
	tree := wood()
	tree.At("a/file 0").Trouble.Entry = errGone
	tree.At("a/c").Trouble.Entry = errGone
	tree.At("b/file 1").Trouble.Open = errGone
	tree.At("b/b").Trouble.Listing = errGone
	snap := r.save(tree, "s")
	r.counts(snap, varve.Complete, 0, 4, 0)
	r.holds(snap.ID, tree)
}

func unlistable(r *rig) {
	for _, dirs := range [][]string{{"a/a"}, {"a/b"}, {"a/c"}, {"b"}, {"b/a/a"}, {"c"}, {"a", "b", "c"}, {"a/a", "a/b", "b/a", "b/b"}} {
		tree := wood()
		for _, dir := range dirs {
			tree.At(dir).Trouble.Listing = errLocked
		}
		snap := r.save(tree, "s")
		r.counts(snap, varve.Incomplete, int64(len(dirs)), 0, 0)
		r.holds(snap.ID, tree)
	}
	tree := NewTree() // longer than what may be under way at once
	for i := range 100 {
		for _, dir := range []string{"%d", "%d/a", "%d/b", "%d/b/c"} {
			tree.Dir(fmt.Sprintf(dir, i))
			tree.File(fmt.Sprintf(dir+"/file", i), dir)
		}
		if i%3 == 0 {
			tree.At(fmt.Sprintf("%d/b", i)).Trouble.Listing = errLocked
		}
	}
	snap := r.save(tree, "long")
	r.counts(snap, varve.Incomplete, 34, 0, 0)
	r.holds(snap.ID, tree)
}

func changing(r *rig) {
	tree := wood()
	tree.At("a/file 1").Trouble.Changes = true
	tree.At("b/file 2").Trouble.Grows = true
	ignore := varve.Entry{Stamp: varve.Stamp{Ino: 1}}
	for range 2 {
		snap := r.save(tree, "s")
		r.counts(snap, varve.Complete, 0, 0, 2)
		v := r.view(snap.ID)
		for _, d := range Differences(v, tree.Want(), ignore) {
			r.Error(d)
		}
		must(r.T, v.Close())
	}
}

func shrinking(r *rig) {
	tree := wood()
	tree.At("a/file 1").Trouble.Shrinks = true
	snap := r.save(tree, "s")
	r.counts(snap, varve.Incomplete, 1, 0, 0)
	r.holds(snap.ID, tree)
}

func recovers(r *rig) {
	tree := wood()
	tree.At("a/file 1").Trouble.Open = errLocked
	tree.At("a/b").Trouble.Listing = errLocked
	same(r.T, "state", r.save(tree, "s").State, varve.Incomplete)
	tree.At("a/file 1").Trouble = Trouble{}
	tree.At("a/b").Trouble = Trouble{}
	snap := r.save(tree, "s")
	r.counts(snap, varve.Complete, 0, 0, 0)
	r.holds(snap.ID, tree)
}

func wrongDigest(r *rig) {
	tree := wood()
	tree.Known = true
	lies := &lying{Tree: tree, path: "b/file 1"}
	snap := r.save(lies, "s")
	r.counts(snap, varve.Incomplete, 1, 0, 0)
	tree.Remove(lies.path)
	r.holds(snap.ID, tree)
}

// lying is a Tree that gives one file other content than its digest says.
type lying struct {
	*Tree
	path string
}

func (l *lying) Open(ctx context.Context, e varve.Entry) (varve.File, error) {
	f, err := l.Tree.Open(ctx, e)
	if g, ok := f.(*file); ok && e.Path == l.path {
		other := *g.object
		other.Stream = Text(len(other.Stream)-1) + "!"
		g.object = &other
		g.in.Reset(other.Stream)
	}
	return f, err
}

func breaksOff(r *rig) {
	tree := wood()
	first := r.save(tree, "s")
	n := len(tree.Paths())
	for at := range n {
		tree.Watch = func(i int) error {
			if i == at {
				return errSource
			}
			return nil
		}
		if err := r.refuse(context.Background(), tree, "s"); !errors.Is(err, errSource) {
			r.Fatalf("the error does not say why: %v", err)
		}
	}
	tree.Watch = nil
	second := r.save(tree, "s")
	same(r.T, "number in the series", second.Seq, first.Seq+1)
	r.holds(second.ID, tree)
}

func fails(r *rig) {
	tree := wood()
	tree.At("b/b/file 1").Trouble.Open = errSource
	if err := r.refuse(context.Background(), tree, "s"); !errors.Is(err, errSource) {
		r.Fatalf("the error does not say why: %v", err)
	}
}

func rootless(r *rig) {
	tree := wood()
	root := tree.At("")
	for _, spoil := range []func(){
		func() { tree.Remove("") },
		func() { tree.objects = map[string]*Object{"": root}; root.Trouble.Entry = errLocked },
		func() { root.Trouble = Trouble{}; root.Kind = varve.Symlink; root.Target = "elsewhere" },
		func() { root.Kind = varve.Regular; root.Target = "" },
	} {
		spoil()
		r.refuse(context.Background(), tree, "s")
	}
}

func disordered(r *rig) {
	root, dir := varve.Entry{Kind: varve.Dir}, varve.Entry{Path: "a", Kind: varve.Dir, Mode: 0o700}
	link := varve.Entry{Path: "a", Kind: varve.Symlink, Target: "/tmp"}
	below := varve.Entry{Path: "a/b", Kind: varve.Dir, Mode: 0o700}
	for name, list := range map[string][]varve.Entry{
		"empty": {}, "orphan": {root, below}, "below a symlink": {root, link, below}, "twice": {root, dir, dir}, "two roots": {root, root},
		"back again": {root, dir, {Path: "b", Kind: varve.Dir, Mode: 0o700}, {Path: "b/c", Kind: varve.Dir}, below},
		"not sorted": {root, {Path: "b", Kind: varve.FIFO}, {Path: "a", Kind: varve.FIFO}},
		"upwards":    {root, {Path: "..", Kind: varve.FIFO}}, "absolute": {root, {Path: "/a", Kind: varve.FIFO}},
	} {
		opts := r.options("s")
		snap, err := r.store.Save(context.Background(), entries(list), opts)
		if err == nil && snap.State == varve.Complete {
			r.Errorf("%s: %+v", name, snap)
		}
	}
}

// entries is a Source of entries without content, in any order.
type entries []varve.Entry

func (l entries) Entries(context.Context) iter.Seq2[varve.Entry, error] {
	return func(yield func(varve.Entry, error) bool) {
		for _, e := range l {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (l entries) Open(context.Context, varve.Entry) (varve.File, error) { return nil, fs.ErrNotExist }

func cancelled(r *rig) {
	tree := wood()
	n := len(tree.Paths())
	for at := range n + 1 {
		ctx, cancel := context.WithCancel(context.Background())
		tree.Watch = func(i int) error {
			if i == at {
				cancel()
			}
			return nil
		}
		if at == n {
			cancel()
		}
		if err := r.refuse(ctx, tree, "s"); !errors.Is(err, context.Canceled) {
			r.Fatalf("the error does not say why: %v", err)
		}
		cancel()
	}
	tree.Watch = nil
	r.holds(r.save(tree, "s").ID, tree)
}
