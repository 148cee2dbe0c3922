package storetest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"strings"
	"sync"

	"varve"
)

var savePart = []clause{
	{"what is saved comes back identical", identical},
	{"the store gives it back after it was opened again", identicalLater},
	{"Below and Entries agree", belowAgrees},
	{"below what is no directory is nothing", belowAbsent},
	{"files of a view can be read at the same time", readTogether},
	{"an unchanged source adds nothing", unchangedAddsNothing},
	{"an unchanged source without stamps adds nothing", unprovenAddsNothing},
	{"a renamed directory adds nothing", renamedAddsNothing},
	{"moved files add nothing", movedAddsNothing},
	{"a changed file adds itself alone", changedAddsItself},
	{"content that changed under the same size and time is noticed by its stamp", changedInSecret},
	{"a change of metadata alone comes back and leaves the older snapshot as it was", metadataChanges},
	{"names change their kind", kindsChange},
	{"hard links come and go", linksChange},
	{"a tree that is nothing but a root comes back", rootAlone},
}

func identical(r *rig) {
	tree := Sample()
	snap := r.save(tree, "s")
	r.holds(snap.ID, tree)
}

func identicalLater(r *rig) {
	tree := Sample()
	snap := r.save(tree, "s")
	r.reopen()
	r.holds(snap.ID, tree)
	same(r.T, "snapshots", r.list(), []varve.Snapshot{snap})
}

func belowAgrees(r *rig) {
	tree := Sample()
	v := r.view(r.save(tree, "s").ID)
	defer v.Close()
	all := r.all(v.Entries(context.Background()))
	if !slices.IsSortedFunc(all, func(a, b varve.Entry) int { return varve.ComparePaths(a.Path, b.Path) }) {
		r.Error("entries are not in listing order")
	}
	for _, path := range tree.Paths() {
		depth := strings.Count(path, "/")
		if tree.At(path).Kind != varve.Dir || depth > 10 && depth%10 != 0 { // so deep there is a chain of directories that are all alike
			continue
		}
		want := slices.DeleteFunc(slices.Clone(all), func(e varve.Entry) bool { return e.Path == path || !varve.Within(e.Path, path) })
		if got := r.all(v.Below(context.Background(), path)); len(got) != 0 || len(want) != 0 {
			same(r.T, "/"+path, got, want)
		}
	}
}

// all collects a sequence that must not end with an error.
func (r *rig) all(seq iter.Seq2[varve.Entry, error]) (list []varve.Entry) {
	r.Helper()
	for e, err := range seq {
		must(r.T, err)
		list = append(list, e)
	}
	return list
}

func belowAbsent(r *rig) {
	v := r.view(r.save(Sample(), "s").ID)
	defer v.Close()
	for _, path := range []string{"absent", "kinds/absent", "kinds/file", "kinds/file/x", "kinds/to directory", "kind", "kinds/", "/kinds", "."} {
		var last error
		for _, last = range v.Below(context.Background(), path) {
		}
		if !errors.Is(last, fs.ErrNotExist) {
			r.Errorf("below %q: %v", path, last)
		}
	}
}

func readTogether(r *rig) {
	tree := NewTree()
	for i := range 40 {
		tree.File(fmt.Sprintf("file %02d", i), Text(1000*i))
	}
	v := r.view(r.save(tree, "s").ID)
	defer v.Close()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for _, d := range Differences(v, tree.Want(), varve.Entry{}) {
				r.Error(d)
			}
		})
	}
	wg.Wait()
}

// again saves a tree a second time and checks that it adds so many bytes and that both snapshots are right.
func (r *rig) again(tree *Tree, change func(), added int64) {
	r.Helper()
	before := *tree
	first := r.save(tree, "s")
	same(r.T, "bytes added by the first", first.Added > 0, true)
	before.objects = clone(tree.objects)
	change()
	r.reopen()
	second := r.save(tree, "s")
	same(r.T, "bytes added by the second", second.Added, added)
	r.holds(second.ID, tree)
	r.holds(first.ID, &before)
}

// clone returns a copy of objects with all hard links among them.
func clone(objects map[string]*Object) map[string]*Object {
	copies := map[*Object]*Object{}
	list := map[string]*Object{}
	for path, o := range objects {
		if copies[o] == nil {
			c := *o
			c.Xattrs, c.Holes = slices.Clone(o.Xattrs), slices.Clone(o.Holes)
			copies[o] = &c
		}
		list[path] = copies[o]
	}
	return list
}

func unchangedAddsNothing(r *rig) {
	tree := Sample()
	tree.Remove("links") // a storage may not be able to hold them
	r.again(tree, func() {}, 0)
	for _, e := range r.events {
		if e.Stored {
			r.Errorf("/%s was stored again", e.Path)
		}
	}
}

func unprovenAddsNothing(r *rig) {
	tree := forest()
	tree.Blind = true
	r.again(tree, func() {}, 0)
}

// forest returns a tree with some directories of files of different lengths.
func forest() *Tree {
	t := NewTree()
	for d := range 3 {
		dir := fmt.Sprintf("dir %d", d)
		t.Dir(dir)
		t.Dir(dir + "/sub")
		for i := range 30 {
			t.File(fmt.Sprintf("%s/file %d", dir, i), Text(10_000*d+100*i+1))
			t.File(fmt.Sprintf("%s/sub/file %d", dir, i), Text(10_000*d+100*i+51))
		}
	}
	return t
}

func renamedAddsNothing(r *rig) {
	tree := forest()
	r.again(tree, func() { tree.Move("dir 1", "a new name") }, 0)
}

func movedAddsNothing(r *rig) {
	tree := forest()
	r.again(tree, func() {
		tree.Move("dir 2/file 7", "at the root")
		tree.Move("dir 0/file 3", "dir 2/file 7")
		tree.Move("dir 1/sub", "dir 0/sub/sub")
	}, 0)
}

func changedAddsItself(r *rig) {
	tree := forest()
	r.again(tree, func() {
		tree.Write("dir 1/file 5", Text(33_333))
		tree.File("dir 0/new", Text(44_444))
		tree.Remove("dir 2/sub")
	}, 33_333+44_444)
}

func changedInSecret(r *rig) {
	tree := forest()
	old := tree.At("dir 1/file 5").Stream
	r.again(tree, func() {
		tree.Edit("dir 1/file 5", func(o *Object) { o.Stream = strings.ToUpper(old) })
	}, int64(len(old)))
}

func metadataChanges(r *rig) {
	tree := Sample()
	edits := []func(*Object){
		func(o *Object) { o.Mode ^= 0o111 },
		func(o *Object) { o.UID += 100 },
		func(o *Object) { o.GID += 100 },
		func(o *Object) { o.MTime.Nsec ^= 1 },
		func(o *Object) { o.User = "other" },
		func(o *Object) { o.Xattrs = []varve.Xattr{{Name: "user.new", Value: "x"}} },
		func(o *Object) { o.Flags ^= flagNoDump },
		func(o *Object) { o.BTime.Sec++ },
	}
	first := r.save(tree, "s")
	before := *tree
	before.objects = clone(tree.objects)
	n := 0
	for _, path := range tree.Paths() {
		if k := tree.At(path).Kind; k == varve.Regular || k == varve.Dir {
			tree.Edit(path, edits[n%len(edits)])
			n++
		}
	}
	second := r.save(tree, "s")
	r.holds(second.ID, tree)
	r.holds(first.ID, &before)
}

func kindsChange(r *rig) {
	entry := map[varve.Kind]varve.Entry{
		varve.Regular: {}, varve.Dir: {}, varve.Symlink: {Target: "x"}, varve.FIFO: {}, varve.Socket: {},
		varve.CharDevice: {Rdev: varve.Rdev{Major: 1, Minor: 5}}, varve.BlockDevice: {Rdev: varve.Rdev{Major: 1, Minor: 5}},
	}
	build := func(kinds func(name varve.Kind) varve.Kind) *Tree {
		tree := NewTree()
		for name := varve.Regular; name <= varve.BlockDevice; name++ {
			e := entry[kinds(name)]
			e.Kind, e.Mode, e.MTime = kinds(name), 0o777, varve.Time{Sec: 1}
			if o := tree.Put(name.String(), e, ""); e.Kind == varve.Regular {
				o.Stream = "content"
			}
		}
		return tree
	}
	for shift := varve.Kind(0); shift < 7; shift++ {
		tree := build(func(name varve.Kind) varve.Kind { return (name-1+shift)%7 + 1 })
		r.holds(r.save(tree, "s").ID, tree)
	}
}

func linksChange(r *rig) {
	tree := NewTree()
	for _, name := range []string{"a", "b", "c", "d"} {
		tree.Put(name, varve.Entry{Kind: varve.Regular, Mode: 0o600, MTime: varve.Time{Sec: 9}}, "all the same")
	}
	groups := [][]string{{}, {"b", "a"}, {"b", "a", "d", "c"}, {"b", "a", "c", "a", "d", "a"}, {}, {"d", "a", "c", "b"}}
	for _, pairs := range groups {
		for _, name := range []string{"a", "b", "c", "d"} {
			tree.Put(name, varve.Entry{Kind: varve.Regular, Mode: 0o600, MTime: varve.Time{Sec: 9}}, "all the same")
		}
		for i := 0; i < len(pairs); i += 2 {
			tree.Link(pairs[i], pairs[i+1])
		}
		r.holds(r.save(tree, "s").ID, tree)
	}
}

func rootAlone(r *rig) {
	tree := NewTree()
	snap := r.save(tree, "s")
	same(r.T, "files and directories", [2]int64{snap.Files, snap.Dirs}, [2]int64{0, 1})
	r.holds(snap.ID, tree)
}
