package restore_test

import (
	"context"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"varve"
	"varve/internal/disk"
	"varve/internal/disk/faultfs"
	"varve/internal/disk/memfs"
	"varve/internal/restore"
	"varve/internal/storetest"
	"varve/internal/walk"
)

// TestMain lets garbage pile up: thousands of runs that hold next to nothing would otherwise collect it all the time.
func TestMain(m *testing.M) {
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(512 << 20)
	os.Exit(m.Run())
}

// needRoot skips the test where it cannot do what only root may, or fails it where nothing may be skipped.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		lacking(t, "root")
	}
}

func lacking(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("VARVE_TEST_STRICT") == "1" {
		t.Fatalf("this machine lacks %s", what)
	}
	t.Skipf("this machine lacks %s", what)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// sample returns a tree with everything that a file system can hold, as a snapshot gives it back.
func sample() *storetest.Tree {
	t := storetest.Sample()
	t.Known = true
	return t
}

// small returns a tree that takes few operations and holds a bit of everything.
func small() *storetest.Tree {
	t := storetest.NewTree()
	t.Known = true
	t.Dir("dir").Mode = 0o1711
	t.Put("dir/link", varve.Entry{Kind: varve.Symlink, Mode: 0o777, Target: "file"}, "")
	t.File("dir/file", "the content of a file").UID = 5
	t.Dir("dir/sub")
	t.File("dir/sub/other", "the content of another file").Xattrs = []varve.Xattr{{Name: "user.x", Value: "y"}}
	t.Put("fifo", varve.Entry{Kind: varve.FIFO, Mode: 0o600}, "")
	t.Put("sparse", varve.Entry{Kind: varve.Regular, Mode: 0o600, Holes: []varve.Extent{{Off: 4096, Len: 1 << 20}}}, storetest.Text(4096))
	t.Link("zzz", "dir/file")
	return t
}

// other returns small with much of it different.
func other() *storetest.Tree {
	t := small()
	t.Move("dir/sub", "dir/renamed")
	t.Write("dir/file", "new content of the file")
	t.Put("fifo", varve.Entry{Kind: varve.Dir, Mode: 0o700}, "")
	t.File("zzz", "by itself")
	t.Put("sparse", varve.Entry{Kind: varve.Symlink, Mode: 0o777, Target: "dir"}, "")
	t.File("dir/link", "no link any more").Flags = 0x40
	return t
}

// outcome is what a run did.
type outcome struct {
	restore.Report
	events []restore.Event
	err    error
}

// exact reports whether the run claims that everything is there.
func (o *outcome) exact() bool { return o.err == nil && o.Failed == 0 && o.Unkept == 0 }

// failed returns the paths that could not be restored.
func (o *outcome) failed() (paths []string) {
	for _, e := range o.events {
		if e.Action == restore.Failed {
			paths = append(paths, e.Path)
		}
	}
	slices.Sort(paths)
	return paths
}

// into restores src into target as root.
func into(target disk.FS, src varve.Source, opts restore.Options) *outcome {
	o := &outcome{}
	opts.Privileged = true
	opts.Progress = func(e restore.Event) { o.events = append(o.events, e) }
	o.Report, o.err = restore.Run(context.Background(), src, target, opts)
	return o
}

// fully restores src, which must succeed in every detail.
func fully(t *testing.T, d *memfs.Disk, src varve.Source, opts restore.Options) *outcome {
	t.Helper()
	o := into(d.Root(), src, opts)
	if !o.exact() {
		t.Fatalf("%v, %+v, %+v", o.err, o.Report, o.events)
	}
	return o
}

// unlike says in what way what lies below root is not want, as far as a file system can hold it.
func unlike(t *testing.T, root disk.FS, want []varve.Entry) []string {
	t.Helper()
	src, err := walk.New(root, []string{""}, walk.Options{})
	must(t, err)
	defer src.Close()
	want = slices.Clone(want)
	for i := range want {
		want[i].Marks &= varve.Linked
	}
	ignore := varve.Entry{Stamp: varve.Stamp{Ino: 1}, BTime: varve.Time{Sec: 1}, User: "x", Group: "x"}
	return storetest.Differences(src, want, ignore)
}

// identical checks that what lies on d is src.
func identical(t *testing.T, d *memfs.Disk, src *storetest.Tree) {
	t.Helper()
	for _, fault := range unlike(t, d.Root(), src.Want()) {
		t.Error(fault)
	}
}

// holding returns a disk with a tree on it.
func holding(t *testing.T, src *storetest.Tree, opts memfs.Options) *memfs.Disk {
	t.Helper()
	d := memfs.New(opts)
	fully(t, d, src, restore.Options{})
	return d
}

// changes reports whether a call changes what is on the disk.
func changes(op faultfs.Op) bool {
	return faultfs.Writes(op) && !strings.HasSuffix(op.Method, "SyncAll")
}

// at opens a directory of d.
func at(t *testing.T, d *memfs.Disk, path string) disk.FS {
	t.Helper()
	dir, err := disk.OpenPath(d.Root(), path)
	must(t, err)
	return dir
}

// put makes a file on d.
func put(t *testing.T, dir disk.FS, name, content string) {
	t.Helper()
	w, err := dir.Create(name, 0o600)
	must(t, err)
	_, err = w.WriteAt([]byte(content), 0)
	must(t, err)
	must(t, w.Close())
}
