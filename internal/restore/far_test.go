package restore_test

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"varve"
	"varve/internal/disk"
	"varve/internal/disk/farfs"
	"varve/internal/disk/faultfs"
	"varve/internal/disk/memfs"
	"varve/internal/restore"
	"varve/internal/storetest"
)

// plain makes everything in t such as a far disk can hold it exactly.
func plain(t *storetest.Tree) *storetest.Tree {
	for _, e := range t.Want() {
		if e.Kind != varve.Regular && e.Kind != varve.Dir && e.Kind != varve.Symlink {
			t.Remove(e.Path)
			continue
		}
		o := t.At(e.Path)
		o.MTime.Nsec, o.Xattrs, o.Flags, o.Holes = 0, nil, 0, nil
	}
	return t
}

// bushes returns a tree of n directories with ten files and one more name of the first in each.
func bushes(n int) *storetest.Tree {
	t := storetest.NewTree()
	t.Known = true
	for i := range n {
		dir := fmt.Sprintf("bush%d/dir%d", i%10, i)
		t.Dir(varve.Parent(dir))
		t.Dir(dir)
		for j := range 10 {
			t.File(fmt.Sprintf("%s/file%d", dir, j), fmt.Sprintf("content of file %d in %s", j, dir))
		}
		t.Link(dir+"/more", dir+"/file0")
	}
	return plain(t)
}

// farAway restores src over line.
func farAway(d *memfs.Disk, line *farfs.Line, src varve.Source, opts restore.Options) *outcome {
	opts.Far = true
	return into(farfs.New(d.Root(), line), src, opts)
}

func TestAFarTargetIsFilledInTheTimeOfAFewFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, d := bushes(300), memfs.New(memfs.Options{})
		line := farfs.Line{RoundTrip: 20 * time.Millisecond}
		begin := time.Now()
		o := farAway(d, &line, src, restore.Options{Sync: true})
		took := time.Since(begin)
		if !o.exact() {
			t.Fatalf("%v, %+v", o.err, o.Report)
		}
		identical(t, d, src)
		// One after the other, 3,000 files take three round trips each, 180 s.
		if took > 8*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// steady returns the events of o that tell of no change.
func (o *outcome) steady() (changes []restore.Event) {
	for _, e := range o.events {
		if e.Action != restore.Same && e.Action != restore.Unkept && e.Action != restore.Coarse {
			changes = append(changes, e)
		}
	}
	return changes
}

// lost returns what was not kept, or coarsely, of the object at path.
func (o *outcome) lost(path string, as restore.Action) (lost varve.Aspect) {
	for _, e := range o.events {
		if e.Action == as && e.Path == path {
			lost |= e.Aspect
		}
	}
	return lost
}

func TestWhatAFarTargetCannotHoldIsToldEachTimeAndNothingIsDoneTwice(t *testing.T) {
	src := storetest.NewTree()
	src.Known = true
	src.Dir("dir")
	src.File("dir/plain", "content").MTime.Nsec = 0
	src.File("dir/fraction", "content")
	src.File("dir/foreign", "content").Entry.UID = 7
	src.File("dir/attributes", "content").Xattrs = []varve.Xattr{{Name: "user.x", Value: "y"}}
	src.Put("dir/fifo", varve.Entry{Kind: varve.FIFO, Mode: 0o600}, "")
	d, line := memfs.New(memfs.Options{}), farfs.Line{NoOwners: true}
	first := farAway(d, &line, src, restore.Options{})
	if want := []string{"dir/fifo"}; first.err != nil || !slices.Equal(first.failed(), want) {
		t.Errorf("%v, failed %q", first.err, first.failed())
	}
	before := line.Requests()
	second := farAway(d, &line, src, restore.Options{})
	for path, want := range map[string]varve.Aspect{"": varve.MTime, "dir": varve.MTime, "dir/plain": 0, "dir/fraction": varve.MTime,
		"dir/foreign": varve.MTime | varve.Owner, "dir/attributes": varve.MTime | varve.Xattrs} {
		for n, o := range []*outcome{first, second} {
			unkept, coarse := o.lost(path, restore.Unkept), o.lost(path, restore.Coarse)
			if unkept != want&^varve.MTime || coarse != want&varve.MTime {
				t.Errorf("run %d of %q: %q is not kept, %q coarsely; want %q", n, path, unkept, coarse, want)
			}
		}
	}
	if first.Coarse != 5 || second.Coarse != 5 || second.Unkept != 2 {
		t.Errorf("the counts are %+v, then %+v", first.Report, second.Report)
	}
	for _, e := range second.steady() {
		if e.Action != restore.Failed && e.Path != "dir/foreign" && e.Path != "dir/attributes" {
			t.Errorf("the second run says %+v", e)
		}
	}
	after := line.Requests()
	for method, limit := range map[string]int{"Writer.Set": 0, "FS.Mkdir": 0, "FS.Replace": 0, "FS.Set": 1} { // a mode after an owner
		if n := after[method] - before[method]; n > limit {
			t.Errorf("the second run made %d requests %s", n, method)
		}
	}
}

func TestOnADiskOfWholeSecondsHereOnlyFractionsAreLostAndNothingIsWrittenTwice(t *testing.T) {
	src := storetest.NewTree()
	src.Known = true
	src.File("file", "content")
	src.Put("link", varve.Entry{Kind: varve.Symlink, Mode: 0o777, Target: "file", MTime: varve.Time{Sec: 5, Nsec: 6}}, "")
	d := memfs.New(memfs.Options{})
	for run := range 2 {
		o := into(farfs.New(d.Root(), &farfs.Line{}), src, restore.Options{})
		if o.err != nil || o.Failed+o.Unkept > 0 || o.Coarse != 3 {
			t.Errorf("run %d: %v, %+v", run, o.err, o.Report)
		}
		if run > 0 && (o.Created+o.Replaced > 0 || o.Bytes > 0) {
			t.Errorf("written again: %+v", o.events)
		}
	}
}

func TestTheOwnerOfWhatIsMadeFarAwayIsFoundOut(t *testing.T) {
	d := memfs.New(memfs.Options{UID: 7, GID: 8})
	src := storetest.NewTree()
	src.Known = true
	src.File("mine", "content").Entry.UID, src.At("mine").Entry.GID = 7, 8
	line := farfs.Line{NoOwners: true}
	o := farAway(d, &line, plain(src), restore.Options{UID: 1, GID: 1})
	if lost := o.lost("mine", restore.Unkept); o.err != nil || lost != 0 {
		t.Errorf("%v, the owner's own file lacks %q", o.err, lost)
	}
	names, err := d.Root().Names()
	if must(t, err); len(names) != 1 {
		t.Errorf("left are %v", names)
	}
}

func TestFarHardLinksAreMadeAnewWhereNobodyKnowsThem(t *testing.T) {
	src := storetest.NewTree()
	src.Known = true
	src.File("a", "content")
	src.Link("b", "a")
	src.Link("c", "a")
	plain(src)
	d := memfs.New(memfs.Options{})
	for _, name := range []string{"a", "b"} {
		put(t, d.Root(), name, "content")
	}
	for range 2 { // the second time all are there
		if o := farAway(d, &farfs.Line{}, src, restore.Options{}); !o.exact() {
			t.Fatalf("%v, %+v", o.err, o.events)
		}
		identical(t, d, src)
	}
}

func TestWithoutFarHardLinksEveryNameGetsTheContent(t *testing.T) {
	src := bushes(3)
	d := memfs.New(memfs.Options{})
	o := farAway(d, &farfs.Line{NoLinks: true}, src, restore.Options{})
	if o.err != nil || o.Failed != 0 || o.Unkept != 3 || o.lost("bush0/dir0/more", restore.Unkept) != varve.HardLink {
		t.Fatalf("%v, %+v", o.err, o.Report)
	}
	for _, path := range src.Paths() {
		src.Edit(path, func(*storetest.Object) {}) // nothing is shared any more
	}
	for i := range 3 {
		dir := at(t, d, fmt.Sprintf("bush%d/dir%d", i, i))
		first, err := dir.Lookup("file0")
		must(t, err)
		more, err := dir.Lookup("more")
		must(t, errors.Join(err, dir.Close()))
		if more.Size != first.Size || more.Links != 1 {
			t.Errorf("%+v is not like %+v", more, first)
		}
	}
}

func TestADirectoryGetsItsMetadataAfterThoseInIt(t *testing.T) {
	for name, opts := range map[string]restore.Options{"near": {Workers: 8}, "far": {Far: true}} {
		synctest.Test(t, func(t *testing.T) {
			src, d := bushes(60), memfs.New(memfs.Options{})
			inj := &faultfs.Injector{Filter: func(op faultfs.Op) bool { return op.Method == "FS.Set" }}
			line := farfs.Line{RoundTrip: time.Millisecond}
			o := into(farfs.New(faultfs.New(d.Root(), inj), &line), src, opts)
			if !o.exact() {
				t.Fatalf("%s: %v, %+v", name, o.err, o.Report)
			}
			done := map[string]bool{}
			for _, op := range inj.Ops() {
				if op.Name != "" && done[varve.Parent(op.Name)] {
					t.Errorf("%s: %q is touched after the directory that it lies in is finished", name, op.Name)
				}
				done[op.Name] = true
			}
			if len(done) < 71 {
				t.Errorf("%s: only %d directories are touched", name, len(done))
			}
		})
	}
}

func TestARestoreWhoseTargetIsLostSaysSoAndTheNextOneIsIdentical(t *testing.T) {
	for name, have := range starts() {
		src := plain(small())
		for at, done := int64(1), false; !done && !t.Failed(); at++ {
			d := holding(t, plain(have()), memfs.Options{})
			var n atomic.Int64
			line := farfs.Line{Cut: func(string) error {
				if n.Add(1) >= at {
					return fmt.Errorf("far away: %w", disk.ErrLost)
				}
				return nil
			}}
			o := farAway(d, &line, src, restore.Options{Delete: true, Workers: 2})
			done = n.Load() < at
			if lost := errors.Is(o.err, disk.ErrLost); lost == done || done && !o.exact() {
				t.Errorf("%s: lost at request %d: %v, %+v", name, at, o.err, o.events)
			}
			if o := farAway(d, &farfs.Line{}, src, restore.Options{Delete: true}); !o.exact() {
				t.Errorf("%s: after a loss at request %d: %v, %+v", name, at, o.err, o.events)
			}
			if identical(t, d, src); t.Failed() {
				t.Logf("%s: lost at request %d, then %+v", name, at, o.events)
			}
		}
	}
}

func TestAStoreWithoutAnInodeNumberIsNotInTheWay(t *testing.T) {
	src, d := bushes(2), memfs.New(memfs.Options{})
	for range 2 {
		if o := farAway(d, &farfs.Line{}, src, restore.Options{Spare: []varve.Stamp{{}}, Delete: true}); !o.exact() {
			t.Fatalf("%v, %+v", o.err, o.events)
		}
	}
	identical(t, d, src)
}

func TestManyFarExtrasAreDeletedSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := memfs.New(memfs.Options{})
		for i := range 1000 {
			put(t, d.Root(), fmt.Sprintf("extra%d", i), "")
		}
		line := farfs.Line{RoundTrip: 20 * time.Millisecond}
		src := plain(storetest.NewTree())
		begin := time.Now()
		o := farAway(d, &line, src, restore.Options{Delete: true})
		if !o.exact() || o.Deleted != 1000 {
			t.Fatalf("%v, %+v", o.err, o.Report)
		}
		if took := time.Since(begin); took > 8*time.Second { // one after the other 20 s and more
			t.Errorf("it took %v", took)
		}
		identical(t, d, src)
	})
}
