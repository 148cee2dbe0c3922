package tree_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"varve"
	"varve/internal/disk/faultfs"
	"varve/internal/disk/memfs"
	"varve/internal/storetest"
	"varve/internal/tree"
)

// story is something done to a store that already holds snapshots.
type story struct {
	name    string
	disk    memfs.Options
	use     tree.Options // in addition to what the disk's user is
	prepare func(b *bed)
	// act is what the fault befalls; it changes b as far as it was acknowledged.
	act func(b *bed, s *tree.Store) error
	// also describes what may be listed although nobody was told.
	also [][]varve.Entry
}

// small returns a tree that takes few operations and holds a bit of everything.
func small() *storetest.Tree {
	t := storetest.NewTree()
	t.Dir("dir")
	t.Put("dir/link", varve.Entry{Kind: varve.Symlink, Mode: 0o777, Target: "file"}, "")
	t.File("dir/file", "the content of a file").Mode = 0o604
	t.Dir("dir/sub")
	t.File("dir/sub/other", "the content of another file").Xattrs = []varve.Xattr{{Name: "user.x", Value: "y"}}
	t.File("zero", "")
	t.Link("zzz", "dir/file")
	return t
}

// moved returns small with a directory renamed and a file changed.
func moved() *storetest.Tree {
	t := small()
	t.Move("dir/sub", "dir/renamed")
	t.Write("dir/file", "new content of the file")
	return t
}

// mixed returns small with other things under the names that moved has.
func mixed() *storetest.Tree {
	t := small()
	t.Write("dir/file", "changed again, and longer")
	t.File("dir/renamed", "a file where a directory was")
	return t
}

func stories() []story {
	save := func(src *storetest.Tree) func(*bed, *tree.Store) error {
		return func(b *bed, s *tree.Store) error { return b.trySave(s, src) }
	}
	two := func(b *bed) { b.save(small()); b.save(moved()) }
	return []story{
		{name: "first save", prepare: func(*bed) {}, act: save(small()), also: [][]varve.Entry{small().Want()}},
		{name: "second save", prepare: func(b *bed) { b.save(small()) }, act: save(moved()), also: [][]varve.Entry{moved().Want()}},
		{name: "save after a broken one", prepare: brokenOff, act: save(mixed()), also: [][]varve.Entry{mixed().Want()}},
		{name: "save after one with a journal", prepare: brokenCopying, act: save(bulky()), also: [][]varve.Entry{bulky().Want()}},
		{name: "save after a broken removal", prepare: brokenRemoval, act: save(mixed()), also: [][]varve.Entry{mixed().Want()}},
		{name: "save after a broken publication", prepare: brokenPublication, act: save(mixed()), also: [][]varve.Entry{mixed().Want()}},
		{name: "forget the older", prepare: two, act: forget(0)},
		{name: "forget the newer", prepare: two, act: forget(1)},
		{name: "forget all", prepare: two, act: forget(0, 1)},
	}
}

// allStories are the stories on disks with hard links and without, near and far, and those of staged snapshots.
func allStories() []story {
	list := stories()
	three := func(b *bed) { b.save(small()); b.save(moved()); b.save(mixed()) }
	lent := append(stories(),
		story{name: "forget what lends to two", prepare: three, act: forget(0), also: [][]varve.Entry{mixed().Want()}},
		story{name: "forget what was lent to", prepare: func(b *bed) { three(b); must(b.T, forgetNow(b, b.snaps[0].ID)) }, act: forget(0),
			also: [][]varve.Entry{mixed().Want()}},
		story{name: "save on what is kept", prepare: func(b *bed) { three(b); must(b.T, forgetNow(b, b.snaps[0].ID)) },
			act: func(b *bed, s *tree.Store) error { return b.trySave(s, moved()) }, also: [][]varve.Entry{mixed().Want()}})
	for i, st := range lent {
		st.name, st.disk.NoLinks = "without links: "+st.name, true
		if !testing.Short() || i%3 == 1 || i > 7 {
			list = append(list, st)
		}
	}
	for i, st := range stories() {
		st.name, st.use.Far = "far: "+st.name, true
		if !testing.Short() || i%3 == 1 {
			list = append(list, st)
		}
	}
	return append(list, stagedStories()...)
}

// brokenOff saves once, and a second time until the source breaks off.
func brokenOff(b *bed) {
	b.save(small())
	src := moved()
	src.Watch = func(n int) error {
		if n == 5 {
			return context.Canceled
		}
		return nil
	}
	s := b.store()
	if b.trySave(s, src) == nil {
		b.Fatal("the source did not break off")
	}
	must(b.T, s.Close())
}

// bulky returns small with files that are worth an entry in a journal.
func bulky() *storetest.Tree {
	t := small()
	for i := range 3 {
		t.File(fmt.Sprintf("dir/sub/bulky %d", i), storetest.Text(5000+i))
	}
	return t
}

// brokenCopying saves once, and a second time until a file cannot be opened.
func brokenCopying(b *bed) {
	b.save(small())
	src := bulky()
	src.At("dir/sub/bulky 2").Trouble.Open = errors.New("the line is cut")
	s := b.store()
	if b.trySave(s, src) == nil {
		b.Fatal("the source did not break off")
	}
	must(b.T, s.Close())
	if names := b.names(".varve/partial"); !slices.Contains(b.names(".varve/partial/"+names[0]), "journal") {
		b.Fatal("there is no journal")
	}
}

// brokenRemoval saves twice and is killed when the newer snapshot, whose name will be free again, is in the trash.
func brokenRemoval(b *bed) {
	b.save(small())
	b.save(moved())
	s, err := b.open(&faultfs.Injector{At: 1, Fault: faultfs.Kill(faultfs.Nothing), Filter: func(op faultfs.Op) bool {
		return op.Method == "FS.Remove" && strings.HasPrefix(op.Name, ".varve/manifests/")
	}})
	must(b.T, err)
	if forget(1)(b, s) == nil {
		b.Fatal("the removal did not break off")
	}
	b.disk.Kill()
}

// brokenPublication saves once, and is killed a second time when the manifest has its name and the directory has not.
func brokenPublication(b *bed) {
	b.save(small())
	s, err := b.open(&faultfs.Injector{At: 1, Fault: faultfs.Kill(faultfs.Nothing), Filter: func(op faultfs.Op) bool {
		return op.Method == "FS.Rename" && strings.HasPrefix(op.To, "s/")
	}})
	must(b.T, err)
	if b.trySave(s, moved()) == nil {
		b.Fatal("the publication did not break off")
	}
	b.disk.Kill()
}

// forget returns what removes the snapshots with these numbers. From its beginning on they need not be there.
func forget(which ...int) func(b *bed, s *tree.Store) error {
	return func(b *bed, s *tree.Store) error {
		var ids []varve.SnapshotID
		for _, i := range which {
			ids = append(ids, b.snaps[i].ID)
		}
		for _, id := range ids {
			b.forgot(id)
		}
		return s.Forget(context.Background(), ids...)
	}
}

// listable returns what may be listed after the story, beside what b knows of.
func (st *story) listable(b *bed) [][]varve.Entry {
	return append([][]varve.Entry{small().Want(), moved().Want()}, st.also...)
}

// play prepares a store and lets inj befall the act.
func (st *story) play(t *testing.T, inj *faultfs.Injector) (b *bed, err error) {
	b = newBed(t, st.disk)
	b.use.Far = st.use.Far
	st.prepare(b)
	s, err := b.open(inj)
	if err != nil {
		return b, err
	}
	err = st.act(b, s)
	_ = s.Close() // which may fail too, and changes nothing
	return b, err
}

// next makes sure that the next run puts everything in order by itself.
func (st *story) next(b *bed) {
	b.Helper()
	s := b.store()
	list, err := s.Snapshots(context.Background())
	must(b.T, err)
	must(b.T, s.Close())

	for _, snap := range list {
		b.adopt(snap, st.listable(b))
	}
	b.save(mixed())
	b.sound()
	b.tidy()
}

// adopt lets b know of a snapshot that is one of those in want.
func (b *bed) adopt(snap varve.Snapshot, want [][]varve.Entry) {
	for _, known := range b.snaps {
		if known.ID == snap.ID {
			return
		}
	}
	s := b.store()
	defer s.Close()
	v, err := s.View(context.Background(), snap.ID)
	must(b.T, err)
	defer v.Close()
	for _, w := range want {
		if len(storetest.Differences(v, w, varve.Entry{})) == 0 {
			b.snaps, b.states = append(b.snaps, snap), append(b.states, w)
			return
		}
	}
}

// ops returns the calls that the story makes.
func (st *story) ops(t *testing.T) []faultfs.Op {
	inj := &faultfs.Injector{}
	if _, err := st.play(t, inj); err != nil {
		t.Fatal(err)
	}
	return inj.Ops()
}

// effects are the ways in which op can be killed that are different.
func effects(op faultfs.Op) []faultfs.Effect {
	switch {
	case op.Method == "Writer.WriteAt":
		return []faultfs.Effect{faultfs.Nothing, faultfs.Half, faultfs.Whole}
	case faultfs.Writes(op):
		return []faultfs.Effect{faultfs.Nothing, faultfs.Whole}
	}
	return []faultfs.Effect{faultfs.Nothing}
}

// ends are the ways in which a process or a machine ends.
func ends() map[string]func(d *memfs.Disk) {
	list := map[string]func(d *memfs.Disk){
		"the process is killed": (*memfs.Disk).Kill,
		"the power fails":       func(d *memfs.Disk) { d.Crash(nil) },
	}
	for seed := range uint64(3) {
		list[fmt.Sprintf("the power fails, seed %d", seed)] = func(d *memfs.Disk) {
			r := rand.New(rand.NewPCG(seed, 0))
			d.Crash(func() bool { return r.IntN(2) == 0 })
		}
	}
	return list
}

func TestWhereverARunIsKilledNothingIsLostAndTheNextOneSucceeds(t *testing.T) {
	for _, st := range allStories() {
		t.Run(st.name, func(t *testing.T) {
			t.Parallel()
			ops := st.ops(t)
			points := 0
			for i, op := range ops {
				if testing.Short() && i%st.pace(5) != 0 {
					continue
				}
				for _, effect := range effects(op) {
					for how, end := range ends() {
						st.kill(t, i+1, effect, how, end)
						points++
					}
				}
				if t.Failed() {
					break
				}
			}
			t.Logf("%d operations, %d deaths", len(ops), points)
		})
	}
}

// kill plays the story up to the call at.
func (st *story) kill(t *testing.T, at int, effect faultfs.Effect, how string, end func(*memfs.Disk)) {
	inj := &faultfs.Injector{At: at, Fault: faultfs.Kill(effect)}
	b, _ := st.play(t, inj)
	end(b.disk)
	b.sound(st.listable(b)...)
	st.next(b)
	if t.Failed() {
		t.Logf("killed at call %d, %+v, with effect %d, then %s", at, struck(inj), effect, how)
	}
}

// pace says that every so many-th call is tried in a short test: fewer of those that are like others.
func (st *story) pace(n int) int {
	if st.disk.NoLinks || st.use.Far {
		return 4*n + 1
	}
	return n
}
