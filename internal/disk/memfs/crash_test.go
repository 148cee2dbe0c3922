package memfs_test

import (
	"strings"
	"testing"

	"varve"
	"varve/internal/disk"
	"varve/internal/disk/memfs"
)

func all() bool { return true }

func TestWhatWasNotSyncedIsLost(t *testing.T) {
	d := memfs.New(memfs.Options{})
	f := d.Root()
	put(t, f, "no name", "content", true)
	must(t, f.Mkdir("dir", 0o755))
	must(t, f.Symlink("link", "target"))
	d.Crash(nil)
	if names, err := d.Root().Names(); err != nil || len(names) != 0 {
		t.Errorf("left are %v, error %v", names, err)
	}
}

func TestASyncedNameOfAnUnsyncedFileHoldsNothing(t *testing.T) {
	d := memfs.New(memfs.Options{})
	f := d.Root()
	put(t, f, "empty", "content", false)
	put(t, f, "whole", "content", true)
	must(t, f.Set("empty", &varve.Entry{Mode: 0o600}, varve.Mode))
	must(t, f.Sync())
	d.Crash(nil)
	f = d.Root()
	if got := get(t, f, "empty"); got != "" {
		t.Errorf("the unsynced file holds %q", got)
	}
	if got := get(t, f, "whole"); got != "content" {
		t.Errorf("the synced file holds %q", got)
	}
	if info, err := f.Lookup("empty"); err != nil || info.Mode != 0o644 {
		t.Errorf("the unsynced mode is %o, error %v", info.Mode, err)
	}
}

func TestSyncAllSavesEverything(t *testing.T) {
	d := memfs.New(memfs.Options{})
	f := d.Root()
	must(t, f.Mkdir("dir", 0o755))
	sub := open(t, f, "dir")
	put(t, sub, "file", "content", false)
	must(t, sub.Set("file", &varve.Entry{Xattrs: []varve.Xattr{{Name: "user.a", Value: "b"}}}, varve.Xattrs))
	must(t, sub.Set(".", &varve.Entry{MTime: varve.Time{Sec: 5}}, varve.MTime))
	before, err := sub.Lookup("file")
	must(t, err)
	must(t, f.SyncAll())
	put(t, sub, "late", "", true)
	must(t, sub.Remove("file"))
	d.Crash(nil)
	sub = open(t, d.Root(), "dir")
	if got := get(t, sub, "file"); got != "content" || has(sub, "late") {
		t.Errorf("content is %q, a later file is there: %v", got, has(sub, "late"))
	}
	after, err := sub.Lookup("file")
	must(t, err)
	if after.Stamp != before.Stamp || after.MTime != before.MTime || after.BTime != before.BTime {
		t.Errorf("the metadata is %+v, want %+v", after, before)
	}
	if info, err := sub.Lookup("."); err != nil || info.MTime.Sec != 5 {
		t.Errorf("the time of the directory is %v, error %v", info.MTime, err)
	}
	if x, err := sub.Xattrs("file"); err != nil || len(x) != 1 {
		t.Errorf("xattrs are %v, error %v", x, err)
	}
}

// moved returns a disk on which a/file was renamed to b/file and nothing synced but what sync says.
func moved(t *testing.T, durable bool, sync string) *memfs.Disk {
	t.Helper()
	d := memfs.New(memfs.Options{})
	f := d.Root()
	must(t, f.Mkdir("a", 0o755))
	must(t, f.Mkdir("b", 0o755))
	must(t, f.SyncAll())
	a, b := open(t, f, "a"), open(t, f, "b")
	put(t, a, "file", "content", true)
	if durable {
		must(t, a.Sync())
	}
	must(t, a.Rename("file", b, "file"))
	if sync != "" {
		must(t, open(t, f, sync).Sync())
	}
	return d
}

func TestARenameIsOneChange(t *testing.T) {
	for _, c := range []struct {
		durable    bool
		sync       string
		keep       func() bool
		inA, inB   bool
		whatItIsOf string
	}{
		{true, "", nil, true, false, "nothing was synced"},
		{true, "a", nil, false, true, "the directory it left was synced"},
		{true, "b", nil, false, true, "the directory it came to was synced"},
		{true, "", all, false, true, "the rename reached the disk by chance"},
		{false, "", nil, false, false, "not even its creation was synced"},
		{false, "b", nil, false, true, "its creation was not synced but its new directory was"},
		{false, "b", all, false, true, "its creation reaches the disk after all"},
	} {
		d := moved(t, c.durable, c.sync)
		d.Crash(c.keep)
		a, b := open(t, d.Root(), "a"), open(t, d.Root(), "b")
		if has(a, "file") != c.inA || has(b, "file") != c.inB {
			t.Errorf("%s: in a %v, in b %v", c.whatItIsOf, has(a, "file"), has(b, "file"))
		}
	}
}

func TestALinkAndARemovalAreTwoChanges(t *testing.T) {
	d := memfs.New(memfs.Options{})
	f := d.Root()
	must(t, f.Mkdir("a", 0o755))
	must(t, f.Mkdir("b", 0o755))
	a, b := open(t, f, "a"), open(t, f, "b")
	put(t, a, "file", "content", true)
	must(t, f.SyncAll())
	must(t, a.Link("file", b, "file"))
	must(t, a.Remove("file"))
	must(t, a.Sync())
	d.Crash(nil)
	if has(open(t, d.Root(), "a"), "file") || has(open(t, d.Root(), "b"), "file") {
		t.Error("a removal alone was synced, and the file is still there")
	}
}

func TestReplaceLeavesTheOldOrTheNew(t *testing.T) {
	for _, keep := range []func() bool{nil, all} {
		d := memfs.New(memfs.Options{})
		f := d.Root()
		put(t, f, "file", "old", true)
		must(t, f.Sync())
		put(t, f, "new", "new", true)
		must(t, f.Replace("new", f, "file"))
		d.Crash(keep)
		f = d.Root()
		want := "old"
		if keep != nil {
			want = "new"
		}
		if got := get(t, f, "file"); got != want || has(f, "new") {
			t.Errorf("the file holds %q, the other name is there: %v", got, has(f, "new"))
		}
	}
}

func TestARemovedDirectoryTakesNothingAlongThatLeftIt(t *testing.T) {
	for what, removal := range map[string]func(f disk.FS) error{
		"removed":  func(f disk.FS) error { return f.Rmdir("dir") },
		"replaced": func(f disk.FS) error { return f.Replace("third", f, "dir") },
	} {
		d := memfs.New(memfs.Options{})
		f := d.Root()
		for _, name := range []string{"dir", "other", "third"} {
			must(t, f.Mkdir(name, 0o755))
		}
		sub := open(t, f, "dir")
		put(t, sub, "file", "content", true)
		must(t, f.SyncAll())
		must(t, sub.Rename("file", open(t, f, "other"), "file"))
		must(t, removal(f))
		must(t, f.Sync())
		d.Crash(nil)
		if other := open(t, d.Root(), "other"); !has(other, "file") || get(t, other, "file") != "content" {
			t.Errorf("the file that left a directory which was %s then is lost", what)
		}
	}
}

func TestUnsyncedContentMayBeTorn(t *testing.T) {
	d := memfs.New(memfs.Options{})
	f := d.Root()
	put(t, f, "file", "", true)
	must(t, f.SyncAll())
	must(t, f.Remove("file"))
	put(t, f, "file", strings.Repeat("x", 5*4096), false)
	asked := 0
	d.Crash(func() bool { asked++; return asked != 5 })
	got := get(t, d.Root(), "file")
	want := strings.Repeat("x", 4096) + strings.Repeat("\x00", 4096) + strings.Repeat("x", 3*4096)
	if got != want {
		t.Errorf("the file has %d bytes after %d questions, want one block of zeros in it", len(got), asked)
	}
}

func TestUnsyncedMetadataReachesTheDiskAspectByAspect(t *testing.T) {
	changed := varve.Entry{UID: 5, Mode: 0o640, Xattrs: []varve.Xattr{{Name: "user.a", Value: "b"}}, MTime: varve.Time{Sec: 7}, Flags: 0x40}
	aspects := []varve.Aspect{varve.Owner, varve.Mode, varve.Xattrs, varve.MTime, varve.Flags}
	for i, kept := range aspects {
		d := memfs.New(memfs.Options{})
		f := d.Root()
		put(t, f, "file", "", true)
		must(t, f.SyncAll())
		for _, a := range aspects {
			must(t, f.Set("file", &changed, a))
		}
		asked := -1
		d.Crash(func() bool { asked++; return asked == i })
		f = d.Root()
		info, err := f.Lookup("file")
		must(t, err)
		info.Xattrs, err = f.Xattrs("file")
		must(t, err)
		got := map[varve.Aspect]bool{
			varve.Owner: info.UID == 5, varve.Mode: info.Mode == 0o640, varve.Xattrs: len(info.Xattrs) == 1,
			varve.MTime: info.MTime.Sec == 7, varve.Flags: info.Flags == 0x40,
		}
		for a, there := range got {
			if there != (a == kept) {
				t.Errorf("of all changes only %s was kept, and the change of %s is there: %v", kept, a, there)
			}
		}
	}
}

func TestAFailedSyncMayHaveLostTheContent(t *testing.T) {
	d := memfs.New(memfs.Options{})
	f := d.Root()
	w, err := f.Create("file", 0o644)
	must(t, err)
	must(t, f.Sync())
	_, err = w.WriteAt([]byte("lost"), 0)
	must(t, err)
	w.(interface{ LoseUnsynced() }).LoseUnsynced()
	_, err = w.WriteAt([]byte("kept"), 4)
	must(t, err)
	must(t, w.Sync())
	must(t, f.SyncAll())
	if got := get(t, f, "file"); got != "lostkept" {
		t.Errorf("before the crash the file holds %q", got)
	}
	d.Crash(nil)
	if got := get(t, d.Root(), "file"); got != "\x00\x00\x00\x00kept" {
		t.Errorf("after the crash the file holds %q", got)
	}
}

func TestACloneIsAsDurableAsAWrite(t *testing.T) {
	d := memfs.New(memfs.Options{Reflinks: true})
	f := d.Root()
	put(t, f, "from", "content", true)
	r, err := f.Open("from")
	must(t, err)
	for _, name := range []string{"synced", "unsynced"} {
		w, err := f.Create(name, 0o600)
		must(t, err)
		must(t, w.Clone(r))
		if name == "synced" {
			must(t, w.Sync())
		}
	}
	must(t, f.Sync())
	d.Crash(nil)
	f = d.Root()
	if one, two := get(t, f, "synced"), get(t, f, "unsynced"); one != "content" || two != "" {
		t.Errorf("the synced clone holds %q, the other %q", one, two)
	}
}
