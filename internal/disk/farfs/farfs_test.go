package farfs_test

import (
	"errors"
	"io/fs"
	"testing"
	"testing/synctest"
	"time"

	"varve"
	"varve/internal/disk"
	"varve/internal/disk/farfs"
	"varve/internal/disk/memfs"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// holding returns a far disk with the directory dir and in it the file file.
func holding(t *testing.T, line *farfs.Line) disk.FS {
	t.Helper()
	root := memfs.New(memfs.Options{}).Root()
	must(t, root.Mkdir("dir", 0o755))
	dir, err := root.OpenDir("dir")
	must(t, err)
	w, err := dir.Create("file", 0o644)
	must(t, err)
	must(t, errors.Join(w.Close(), dir.Close()))
	return farfs.New(root, line)
}

func TestOnlyTheFirstLookAfterAListingTakesNoRoundTrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root := holding(t, &farfs.Line{RoundTrip: time.Second})
		trips := func(what string, want int, call func() error) {
			t.Helper()
			begin := time.Now()
			must(t, call())
			if took := time.Since(begin); took != time.Duration(want)*time.Second {
				t.Errorf("%s took %v, want %d round trips", what, took, want)
			}
		}
		look := func(f disk.FS, name string) func() error {
			return func() error { _, err := f.Lookup(name); return err }
		}
		trips("a look before the listing", 1, look(root, "dir"))
		trips("the listing", 3, func() error { _, err := root.Names(); return err })
		trips("the first look", 0, look(root, "dir"))
		trips("the second look", 1, look(root, "dir"))
		var dir disk.FS
		trips("opening what was listed", 0, func() (err error) { dir, err = root.OpenDir("dir"); return err })
		trips("the first look at itself", 0, look(dir, "."))
		trips("the second look at itself", 1, look(dir, "."))
		trips("the listing", 3, func() error { _, err := dir.Names(); return err })
		trips("a change", 1, func() error { return dir.Set("file", &varve.Entry{Kind: varve.Regular, Mode: 0o600}, varve.Mode) })
		trips("the look after a change", 1, look(dir, "file"))
	})
}

func TestAFarDiskTellsAndHoldsNoMoreThanAServer(t *testing.T) {
	line := farfs.Line{NoOwners: true, NoLinks: true}
	root := holding(t, &line)
	e := varve.Entry{Kind: varve.Dir, UID: 1, MTime: varve.Time{Sec: 5, Nsec: 5}, Xattrs: []varve.Xattr{{Name: "user.x"}}, Flags: 0x40}
	for aspect, want := range map[varve.Aspect]error{varve.Owner: fs.ErrPermission, varve.MTime: disk.ErrCoarse,
		varve.Xattrs: disk.ErrUnsupported, varve.Flags: disk.ErrUnsupported} {
		if err := root.Set("dir", &e, aspect); !errors.Is(err, want) {
			t.Errorf("setting %s says %v", aspect, err)
		}
	}
	info, err := root.Lookup("dir")
	must(t, err)
	if info.MTime != (varve.Time{Sec: 5}) || info.Stamp != (varve.Stamp{}) || info.Links != 1 || info.UID != 0 {
		t.Errorf("the server tells %+v", info)
	}
	if err := root.Link("dir", root, "link"); !errors.Is(err, disk.ErrUnsupported) {
		t.Errorf("a hard link: %v", err)
	}
	if err := root.Mknod("fifo", varve.FIFO, 0o600, varve.Rdev{}); !errors.Is(err, disk.ErrUnsupported) {
		t.Errorf("a FIFO: %v", err)
	}
}

func TestACutLineFailsEveryRequest(t *testing.T) {
	line := farfs.Line{}
	root := holding(t, &line)
	line.Cut = func(string) error { return disk.ErrLost }
	_, names := root.Names()
	_, look := root.Lookup("dir")
	_, open := root.Open("dir")
	for what, err := range map[string]error{"Names": names, "Lookup": look, "Open": open, "Mkdir": root.Mkdir("x", 0o700),
		"Rename": root.Rename("dir", root, "y"), "SyncAll": root.SyncAll()} {
		if !errors.Is(err, disk.ErrLost) {
			t.Errorf("%s says %v", what, err)
		}
	}
	if n := line.Requests()["FS.Rename"]; n != 1 {
		t.Errorf("%d requests FS.Rename", n)
	}
}
