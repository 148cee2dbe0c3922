package restore_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"testing"

	"varve"
	"varve/internal/disk/faultfs"
	"varve/internal/disk/memfs"
	"varve/internal/place"
	"varve/internal/restore"
	"varve/internal/storetest"
)

// inodes returns the inode numbers of files in the root of d.
func inodes(t *testing.T, d *memfs.Disk, names ...string) (list []uint64) {
	t.Helper()
	for _, name := range names {
		info, err := at(t, d, "").Lookup(name)
		must(t, err)
		list = append(list, info.Stamp.Ino)
	}
	return list
}

// group returns a tree of one file with several names.
func group(names ...string) *storetest.Tree {
	tree := storetest.NewTree()
	tree.Known = true
	tree.File(names[0], "one object")
	for _, name := range names[1:] {
		tree.Link(name, names[0])
	}
	return tree
}

// broken is a Tree of which some files cannot be opened.
type broken struct {
	*storetest.Tree
	err   error
	paths []string
}

func (b broken) Open(ctx context.Context, e varve.Entry) (varve.File, error) {
	if slices.Contains(b.paths, e.Path) {
		return nil, b.err
	}
	return b.Tree.Open(ctx, e)
}

func TestWhereTheFirstNameFailsTheOthersAreStillOneFile(t *testing.T) {
	d := memfs.New(memfs.Options{})
	o := into(d.Root(), broken{group("a", "b", "c", "d"), fs.ErrPermission, []string{"a", "b"}}, restore.Options{})
	if want := []string{"a", "b"}; o.err != nil || !slices.Equal(o.failed(), want) {
		t.Fatalf("%v, failed are %q, want %q", o.err, o.failed(), want)
	}
	if ino := inodes(t, d, "c", "d"); ino[0] != ino[1] {
		t.Error("c and d are two files")
	}
}

func TestWhatTheFileSystemCannotLinkIsLinkedToTheNewestCopy(t *testing.T) {
	d := memfs.New(memfs.Options{MaxLinks: 2})
	o := into(d.Root(), group("a", "b", "c", "d", "e"), restore.Options{})
	if o.err != nil || o.Failed > 0 || o.Unkept != 2 {
		t.Errorf("%v, %+v", o.err, o.Report)
	}
	if ino := inodes(t, d, "a", "b", "c", "d", "e"); ino[0] != ino[1] || ino[1] == ino[2] || ino[2] != ino[3] || ino[3] == ino[4] {
		t.Errorf("the inodes are %v", ino)
	}
}

func TestALinkToWhatIsNotInTheSnapshotIsRestoredByItself(t *testing.T) {
	src := list{{Kind: varve.Dir}, {Path: "a", Kind: varve.FIFO, Mode: 0o600, SameAs: "victim"}, {Path: "b", Kind: varve.FIFO, Mode: 0o600, SameAs: "victim"},
		{Path: "c", Kind: varve.Symlink, Target: "x", SameAs: "a"}}
	d := memfs.New(memfs.Options{})
	put(t, at(t, d, ""), "victim", "not the snapshot's")
	o := into(d.Root(), src, restore.Options{})
	if !o.exact() {
		t.Fatalf("%v, %+v", o.err, o.events)
	}
	if ino := inodes(t, d, "victim", "a", "b", "c"); ino[0] == ino[1] || ino[1] != ino[2] || ino[2] == ino[3] {
		t.Errorf("the inodes are %v", ino)
	}
}

func TestALinkToOtherContentIsRestoredByItself(t *testing.T) {
	src := group("a", "b", "c")
	d := memfs.New(memfs.Options{})
	o := into(d.Root(), odd{src}, restore.Options{})
	if !slices.Equal(o.failed(), []string{"b"}) { // whose content is not what its entry says
		t.Errorf("%v, failed are %q", o.err, o.failed())
	}
	if ino := inodes(t, d, "a", "c"); ino[0] != ino[1] {
		t.Error("a and c are two files")
	}
}

// odd is a Tree that tells another digest of b.
type odd struct{ *storetest.Tree }

func (o odd) Entries(ctx context.Context) iter.Seq2[varve.Entry, error] {
	return func(yield func(varve.Entry, error) bool) {
		for e, err := range o.Tree.Entries(ctx) {
			if e.Path == "b" {
				e.Digest[0]++
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

func TestALinkThatCannotBePutInPlaceLeavesNothingBehind(t *testing.T) {
	d := memfs.New(memfs.Options{})
	put(t, at(t, d, ""), "b", "in the way")
	inj := &faultfs.Injector{At: 1, Fault: faultfs.Fault{Err: fs.ErrInvalid},
		Filter: func(op faultfs.Op) bool { return op.Method == "FS.Replace" }}
	o := into(faultfs.New(d.Root(), inj), group("a", "b"), restore.Options{})
	if !slices.Equal(o.failed(), []string{"b"}) {
		t.Fatalf("%v, failed are %q", o.err, o.failed())
	}
	if _, err := at(t, d, "").Lookup(place.TempName("b")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the new name is still there: %v", err)
	}
}

func TestASnapshotThatIsForgottenMeanwhileEndsTheRun(t *testing.T) {
	for _, path := range []string{"a", "b", "x"} {
		src := group("a", "b", "c")
		src.File("x", "another")
		paths := []string{path}
		if path == "b" {
			paths = []string{"a", "b"}
		}
		gone := fmt.Errorf("gone: %w", varve.ErrNoSnapshot)
		if path == "b" { // the first one fails by itself
			gone = varve.ErrNoSnapshot
		}
		o := into(memfs.New(memfs.Options{}).Root(), broken{src, gone, paths}, restore.Options{})
		if !errors.Is(o.err, varve.ErrNoSnapshot) || o.Failed > 0 {
			t.Errorf("%s: %v, %+v", path, o.err, o.Report)
		}
	}
}

func TestLargeFilesAreToldOfPieceByPieceAndCountedOnce(t *testing.T) {
	src := storetest.NewTree()
	src.Known = true
	size := int64(1 << 20)
	src.File("large", storetest.Text(int(size)+5))
	d := memfs.New(memfs.Options{})
	check := func(o *outcome, last restore.Action) {
		t.Helper()
		var sum int64
		var actions []restore.Action
		for _, e := range o.events {
			if e.Path != "" || e.Action == restore.Partly {
				sum += e.Bytes
				actions = append(actions, e.Action)
			}
		}
		if sum != size+5 || len(actions) < 5 || actions[0] != restore.Partly || actions[len(actions)-1] != last {
			t.Errorf("%d bytes, %v", sum, actions)
		}
	}
	check(fully(t, d, src, restore.Options{}), restore.Create)
	check(fully(t, d, src, restore.Options{}), restore.Same)
	w, err := at(t, d, "").Create("x", 0o600)
	must(t, err)
	_, err = w.WriteAt([]byte(storetest.Text(int(size)+4)+"!"), 0)
	must(t, errors.Join(err, w.Close()))
	must(t, at(t, d, "").Replace("x", at(t, d, ""), "large"))
	check(fully(t, d, src, restore.Options{}), restore.Replace)
}

func TestWithoutOwnersNobodyIsLentThePowersOfAnother(t *testing.T) {
	src := storetest.NewTree()
	src.Known = true
	for name, ids := range map[string][2]uint32{"both": {0, 0}, "user": {5, 0}, "group": {0, 5}} {
		o := src.File(name, "x")
		o.Mode, o.UID, o.GID = 0o6755, ids[0], ids[1]
	}
	d := memfs.New(memfs.Options{})
	o := into(d.Root(), src, restore.Options{NoOwner: true})
	for name, want := range map[string]uint32{"both": 0o6755, "user": 0o755, "group": 0o4755} {
		info, err := at(t, d, "").Lookup(name)
		if err != nil || info.Mode != want {
			t.Errorf("%s has mode %o, want %o; %v", name, info.Mode, want, err)
		}
	}
	if o.err != nil || o.Failed > 0 || o.Unkept != 2 {
		t.Errorf("%v, %+v", o.err, o.Report)
	}
}

func TestTheGroupThatADirectoryHandsDownGetsNoPowers(t *testing.T) {
	src := storetest.NewTree()
	src.Known = true
	src.File("file", "x").Mode = 0o2755
	src.At("").Marks = varve.Passage // stays as it is
	d := memfs.New(memfs.Options{})
	root := varve.Entry{Kind: varve.Dir, GID: 7, Mode: 0o2755}
	must(t, at(t, d, "").Set(".", &root, varve.Owner))
	must(t, at(t, d, "").Set(".", &root, varve.Mode))
	early := ""
	inj := &faultfs.Injector{Filter: func(op faultfs.Op) bool {
		if op.Method == "Writer.WriteAt" {
			info, err := at(t, d, "").Lookup("file")
			early = fmt.Sprintf("%o %v", info.Mode, err)
		}
		return false
	}}
	o := into(faultfs.New(d.Root(), inj), src, restore.Options{NoOwner: true})
	info, err := at(t, d, "").Lookup("file")
	if err != nil || info.Mode != 0o755 || info.GID != 7 || o.Unkept != 1 {
		t.Errorf("mode %o of group %d, %v, %+v", info.Mode, info.GID, err, o.Report)
	}
	if early != "600 <nil>" {
		t.Errorf("while it was written the file was of mode %s", early)
	}
}
