package restore_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"varve"
	"varve/internal/disk/faultfs"
	"varve/internal/disk/memfs"
	"varve/internal/disk/osfs"
	"varve/internal/restore"
)

// storeAt makes a directory with something in it and returns its stamp.
func storeAt(t *testing.T, d *memfs.Disk, path string) varve.Stamp {
	t.Helper()
	for i, c := range path + "/" {
		if c != '/' {
			continue
		}
		e := varve.Entry{Path: path[:i]}
		if at(t, d, e.Parent()).Mkdir(e.Name(), 0o700) != nil {
			continue // it is there
		}
	}
	dir := at(t, d, path)
	put(t, dir, "precious", "x")
	info, err := dir.Lookup(".")
	must(t, err)
	return info.Stamp
}

func TestWhatHoldsTheStoreIsNeverRemoved(t *testing.T) {
	for _, c := range []struct{ store, fails string }{
		{"extra", "extra"}, {"extra/deep/store", "extra"}, {"dir/extra/store", "dir/extra"}, {"sparse", "sparse"}, {"fifo/store", "fifo"},
		{"zzz/store", "zzz"}, {"dir/sub", "dir/sub"},
	} {
		for _, dry := range []bool{true, false} {
			d := memfs.New(memfs.Options{})
			store := storeAt(t, d, c.store)
			if c.fails != "extra" {
				must(t, at(t, d, "").Mkdir("extra", 0o700))
			}
			inj := &faultfs.Injector{Filter: changes}
			o := into(faultfs.New(d.Root(), inj), small(), restore.Options{Delete: true, DryRun: dry, Spare: []varve.Stamp{store}})
			if failed := o.failed(); o.err != nil || !slices.Contains(failed, c.fails) {
				t.Errorf("%s: %v, failed are %q", c.store, o.err, failed)
			}
			if _, err := at(t, d, c.store).Lookup("precious"); err != nil {
				t.Errorf("%s, dry run %v: %v", c.store, dry, err)
			}
			if dry && len(inj.Ops()) > 0 {
				t.Errorf("%s: a dry run makes changes: %+v", c.store, inj.Ops())
			}
			if gone := o.Deleted == 1; gone != (c.fails != "extra") {
				t.Errorf("%s: %d deleted", c.store, o.Deleted)
			}
		}
	}
}

func TestTheStoreItselfIsNoTarget(t *testing.T) {
	d := memfs.New(memfs.Options{})
	store := storeAt(t, d, "store")
	if o := into(at(t, d, "store"), small(), restore.Options{Delete: true, Spare: []varve.Stamp{store}}); o.err == nil {
		t.Errorf("%+v", o.Report)
	}
	if _, err := at(t, d, "store").Lookup("precious"); err != nil {
		t.Error(err)
	}
}

func TestTheStoreBelowABindMountIsNotDeletedUnderItsOtherPath(t *testing.T) {
	needRoot(t)
	top := t.TempDir()
	target, mounted := filepath.Join(top, "target"), filepath.Join(top, "mounted")
	store := filepath.Join(target, "extra", "store")
	must(t, os.MkdirAll(store, 0o755))
	must(t, os.Mkdir(mounted, 0o755))
	if err := unix.Mount(store, mounted, "", unix.MS_BIND, ""); err != nil {
		lacking(t, "the right to mount: "+err.Error())
	}
	t.Cleanup(func() { _ = unix.Unmount(mounted, unix.MNT_DETACH) })
	spare := stampOf(t, mounted)
	root, err := osfs.Open(target)
	must(t, err)
	o := into(root, small(), restore.Options{Delete: true, Spare: []varve.Stamp{spare}})
	if o.err != nil || !slices.Equal(o.failed(), []string{"extra"}) {
		t.Errorf("%v, failed are %q", o.err, o.failed())
	}
	if _, err := os.Lstat(store); err != nil {
		t.Error(err)
	}
}

func stampOf(t *testing.T, path string) varve.Stamp {
	t.Helper()
	dir, err := osfs.Open(path)
	must(t, err)
	defer dir.Close()
	info, err := dir.Lookup(".")
	must(t, err)
	return info.Stamp
}

func TestASymlinkInThePlaceOfWhatASymlinkLedToStays(t *testing.T) {
	src := small()
	for _, path := range []string{"dir", "sparse", "fifo"} {
		src.At(path).Marks |= varve.Followed
	}
	for _, dry := range []bool{true, false} {
		d := memfs.New(memfs.Options{})
		for _, name := range []string{"dir", "sparse", "fifo"} {
			must(t, at(t, d, "").Symlink(name, "elsewhere"))
		}
		o := into(d.Root(), src, restore.Options{Delete: true, DryRun: dry})
		for _, name := range []string{"dir", "sparse", "fifo"} {
			info, err := at(t, d, "").Lookup(name)
			if err != nil || info.Kind != varve.Symlink || !slices.Contains(o.failed(), name) {
				t.Errorf("%s is %+v, %v; failed are %q", name, info, err, o.failed())
			}
		}
		if slices.Contains(o.failed(), "zzz") {
			t.Error("a later name of a file that could not be restored is not restored by itself")
		}
	}
}

func TestOnlyWhatVarveLeftIsSweptAway(t *testing.T) {
	const temp = ".varve-tmp-0123456789abcdef"
	for _, name := range []string{".varve-tmp-0123456789abcdeg", ".varve-tmp-0123456789ABCDEF", ".varve-tmp-my own files.."} {
		d := memfs.New(memfs.Options{})
		put(t, at(t, d, ""), name, "mine")
		put(t, at(t, d, ""), temp, "half")
		must(t, at(t, d, "").Mkdir(".varve-tmp-fedcba9876543210", 0o700))
		fully(t, d, small(), restore.Options{})
		if _, err := at(t, d, "").Lookup(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := at(t, d, "").Lookup(".varve-tmp-fedcba9876543210"); err != nil {
			t.Error(err)
		}
		if _, err := at(t, d, "").Lookup(temp); err == nil {
			t.Error("what an interrupted run left is still there")
		}
	}
}

func TestALabelThatTheSystemPutThereIsNoDifference(t *testing.T) {
	d := holding(t, small(), memfs.Options{})
	label := varve.Entry{Kind: varve.Regular, Xattrs: []varve.Xattr{{Name: "security.selinux", Value: "x"}}}
	must(t, at(t, d, "").Set("sparse", &label, varve.Xattrs))
	label.Kind = varve.Dir
	must(t, at(t, d, "dir").Set(".", &label, varve.Xattrs))
	if o := fully(t, d, small(), restore.Options{}); o.Updated+o.Replaced+o.Created != 0 {
		t.Errorf("%+v", o.events)
	}
}
