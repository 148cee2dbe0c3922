package memfs_test

import (
	"io/fs"
	"testing"

	"varve"
	"varve/internal/disk/memfs"
)

func TestAnOrdinaryUserIsRefusedWhatIsRoots(t *testing.T) {
	f := memfs.New(memfs.Options{UID: 1000, GID: 100}).Root()
	put(t, f, "file", "content", false)
	want(t, f.Set("file", &varve.Entry{UID: 0, GID: 100}, varve.Owner), fs.ErrPermission)
	want(t, f.Set("file", &varve.Entry{UID: 1000, GID: 7}, varve.Owner), fs.ErrPermission)
	must(t, f.Set("file", &varve.Entry{UID: 1000, GID: 100}, varve.Owner))
	want(t, f.Mknod("node", varve.CharDevice, 0o600, varve.Rdev{Major: 1, Minor: 3}), fs.ErrPermission)
	want(t, f.Set("file", &varve.Entry{Flags: 0x10}, varve.Flags), fs.ErrPermission)

	xattrs := []varve.Xattr{{Name: "security.capability", Value: "c"}, {Name: "trusted.a", Value: "t"}, {Name: "user.a", Value: "u"}}
	want(t, f.Set("file", &varve.Entry{Xattrs: xattrs}, varve.Xattrs), fs.ErrPermission)
	if got, err := f.Xattrs("file"); err != nil || len(got) != 1 || got[0].Name != "user.a" {
		t.Errorf("what the user may set is %v, error %v", got, err)
	}
	must(t, f.Set("file", &varve.Entry{Mode: 0}, varve.Mode))
	_, err := f.Open("file")
	want(t, err, fs.ErrPermission)

	must(t, f.Mkdir("sub", 0o700))
	sub := open(t, f, "sub")
	put(t, sub, "inside", "", false)
	must(t, f.Set("sub", &varve.Entry{Mode: 0o500}, varve.Mode))
	want(t, sub.Remove("inside"), fs.ErrPermission)
	want(t, sub.Mkdir("new", 0o700), fs.ErrPermission)
	must(t, f.Mkdir("other", 0o700))
	want(t, f.Rename("sub", open(t, f, "other"), "sub"), fs.ErrPermission)
	must(t, f.Set("sub", &varve.Entry{Mode: 0}, varve.Mode))
	_, err = sub.Lookup("inside")
	want(t, err, fs.ErrPermission)
	_, err = open(t, f, "sub").Names()
	want(t, err, fs.ErrPermission)
}

func TestImmutableAndAppendOnlyObjectsAreLeftAlone(t *testing.T) {
	f := memfs.New(memfs.Options{}).Root()
	for _, flag := range []uint32{0x10, 0x20} {
		put(t, f, "file", "", false)
		must(t, f.Set("file", &varve.Entry{Flags: flag}, varve.Flags))
		want(t, f.Remove("file"), fs.ErrPermission)
		want(t, f.Rename("file", f, "other"), fs.ErrPermission)
		want(t, f.Link("file", f, "other"), fs.ErrPermission)
		want(t, f.Set("file", &varve.Entry{Mode: 0o600}, varve.Mode), fs.ErrPermission)
		must(t, f.Set("file", &varve.Entry{}, varve.Flags))
		must(t, f.Remove("file"))
	}
	must(t, f.Mkdir("dir", 0o755))
	sub := open(t, f, "dir")
	put(t, sub, "inside", "", false)
	must(t, f.Set("dir", &varve.Entry{Flags: 0x10}, varve.Flags))
	want(t, sub.Mkdir("new", 0o700), fs.ErrPermission)
	want(t, sub.Remove("inside"), fs.ErrPermission)
	must(t, f.Set("dir", &varve.Entry{Flags: 0x20}, varve.Flags))
	must(t, sub.Mkdir("new", 0o700))
	want(t, sub.Remove("inside"), fs.ErrPermission)
}

func TestChangingOwnerOrContentTakesPrivilegesAway(t *testing.T) {
	f := memfs.New(memfs.Options{}).Root()
	w, err := f.Create("file", 0o600)
	must(t, err)
	capability := &varve.Entry{Mode: 0o6711, Xattrs: []varve.Xattr{{Name: "security.capability", Value: "c"}}}
	for what, change := range map[string]func() error{
		"owner":    func() error { return f.Set("file", &varve.Entry{UID: 5}, varve.Owner) },
		"content":  func() error { _, err := w.WriteAt([]byte("x"), 0); return err },
		"truncate": func() error { return w.Truncate(0) },
	} {
		must(t, f.Set("file", capability, varve.Mode))
		must(t, f.Set("file", capability, varve.Xattrs))
		must(t, change())
		if got, err := f.Xattrs("file"); err != nil || len(got) != 0 {
			t.Errorf("after %s: xattrs %v, error %v", what, got, err)
		}
		info, err := f.Lookup("file")
		must(t, err)
		if cleared := info.Mode == 0o711; cleared != (what == "owner") {
			t.Errorf("after %s: mode %o", what, info.Mode)
		}
	}
}

func TestTheGroupIsInheritedWhereTheDirectorySaysSo(t *testing.T) {
	f := memfs.New(memfs.Options{}).Root()
	must(t, f.Set(".", &varve.Entry{GID: 77}, varve.Owner))
	must(t, f.Set(".", &varve.Entry{Mode: 0o2755}, varve.Mode))
	put(t, f, "file", "", false)
	must(t, f.Mkdir("dir", 0o755))
	file, err := f.Lookup("file")
	must(t, err)
	dir, err := f.Lookup("dir")
	must(t, err)
	if file.GID != 77 || file.Mode != 0o644 || dir.GID != 77 || dir.Mode != 0o2755 {
		t.Errorf("the file has group %d, mode %o, the directory group %d, mode %o", file.GID, file.Mode, dir.GID, dir.Mode)
	}
}
