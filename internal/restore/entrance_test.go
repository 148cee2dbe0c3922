package restore_test

import (
	"io/fs"
	"slices"
	"testing"

	"varve"
	"varve/internal/disk"
	"varve/internal/disk/memfs"
	"varve/internal/restore"
	"varve/internal/storetest"
)

// shutTree is a tree of user 7 whose directories nobody may write to, as tools that cache leave them.
func shutTree() *storetest.Tree {
	src := storetest.NewTree()
	src.Known = true
	src.Dir("cache").Mode = 0o555
	src.File("cache/file", "content")
	src.File("cache/gone", "more content")
	src.Dir("cache/sub").Mode = 0o500
	src.File("cache/sub/other", "other content")
	src.Link("cache/sub/twin", "cache/file")
	for _, path := range src.Paths() {
		src.At(path).Entry.UID, src.At(path).Entry.GID = 7, 8
	}
	return src
}

// spoil changes what lies in the directories of shutTree, and adds something, and shuts them again.
func spoil(t *testing.T, d *memfs.Disk) {
	t.Helper()
	mode := func(path string, mode uint32) {
		must(t, at(t, d, path).Set(".", &varve.Entry{Kind: varve.Dir, Mode: mode}, varve.Mode))
	}
	mode("cache", 0o755)
	mode("cache/sub", 0o755)
	cache, sub := at(t, d, "cache"), at(t, d, "cache/sub")
	must(t, cache.Remove("gone"))
	must(t, cache.Mkdir("gone", 0o755))
	must(t, sub.Remove("twin"))
	must(t, sub.Remove("other"))
	put(t, sub, "other", "wrong content")
	put(t, sub, "extra", "")
	mode("cache/sub", 0o500)
	mode("cache", 0o555)
}

func TestAUserRestoresIntoDirectoriesOfHisOwnThatAreNotToBeWrittenTo(t *testing.T) {
	src := shutTree()
	opts := restore.Options{UID: 7, GID: 8, Delete: true}
	d := memfs.New(memfs.Options{UID: 7, GID: 8})
	fully(t, d, src, opts)
	spoil(t, d)
	dry := opts
	dry.DryRun = true
	if into(d.Root(), src, dry); at(t, d, "cache").Mkdir("x", 0o700) == nil {
		t.Error("a dry run lets in who may not")
	}
	fully(t, d, src, opts)
	identical(t, d, src)
}

func TestADirectoryOnTheWayToASourceKeepsItsModeAlsoWhereItHadToBeOpened(t *testing.T) {
	src := shutTree()
	d := memfs.New(memfs.Options{UID: 7, GID: 8})
	fully(t, d, src, restore.Options{UID: 7, GID: 8})
	spoil(t, d)
	src.At("cache").Marks, src.At("cache").Mode = varve.Passage, 0o700
	if o := into(d.Root(), src, restore.Options{UID: 7, GID: 8}); !o.exact() {
		t.Fatalf("%v, %v failed", o.err, o.failed())
	}
	if info, err := at(t, d, "cache").Lookup("."); err != nil || info.Mode != 0o555 {
		t.Errorf("mode %o, %v, want 555", info.Mode, err)
	}
}

// foreign is a directory whose mode only others may set.
type foreign struct{ disk.FS }

func (d foreign) OpenDir(name string) (disk.FS, error) {
	f, err := d.FS.OpenDir(name)
	return foreign{f}, err
}

func (d foreign) Set(name string, e *varve.Entry, aspect varve.Aspect) error {
	if name == "." && aspect == varve.Mode {
		return &fs.PathError{Op: "chmod", Path: name, Err: fs.ErrPermission}
	}
	return d.FS.Set(name, e, aspect)
}

func TestADirectoryOfAnotherUserIsNotOpened(t *testing.T) {
	src := shutTree()
	d := memfs.New(memfs.Options{UID: 7, GID: 8})
	fully(t, d, src, restore.Options{UID: 7, GID: 8})
	spoil(t, d)
	o := into(foreign{d.Root()}, src, restore.Options{UID: 7, GID: 8})
	if failed := o.failed(); !slices.Contains(failed, "cache/gone") || !slices.Contains(failed, "cache/sub/twin") {
		t.Errorf("%v, %v failed", o.err, failed)
	}
}
