package disktest

import (
	"io/fs"
	"testing"
	"time"

	"varve"
	"varve/internal/disk"
)

var lookPart = []clause{
	{"what is absent does not exist, and the error says where", absentNames},
	{"Lookup tells what the contract promises and nothing that costs more", lookupFields},
	{"the ctime changes with every kind of change", ctimeChanges},
	{"OpenDir opens directories only, and no symlink to one", openDirKinds},
	{"Open opens regular files only, blocks on none, and no symlink", openKinds},
	{"xattrs, flags and modes of a symlink are not those of its target", symlinkIsNotTarget},
	{"a held directory stays the same wherever it is moved", heldDirectoryMoves},
	{"a directory that was removed takes no new names", removedDirectory},
	{"the room on the file system is plausible", plausibleSpace},
}

func absentNames(t *testing.T, f disk.FS, opts Options) {
	write(t, f, "there", "")
	for method, call := range calls(f) {
		if !opts.looksFor(method) {
			continue
		}
		switch method {
		case "Create", "Mkdir", "Symlink", "Mknod", "Lock", "Link to", "Rename to", "Replace to":
		default:
			refused(t, method, call("absent"), fs.ErrNotExist, "absent")
		}
	}
	wantList(t, f, "there")
}

func lookupFields(t *testing.T, f disk.FS, opts Options) {
	write(t, f, "file", "12345")
	info := lookup(t, f, "file")
	equal(t, "path", info.Path, "file")
	equal(t, "kind", info.Kind, varve.Regular)
	equal(t, "mode", info.Mode, 0o644)
	equal(t, "size", info.Size, 5)
	equal(t, "links", info.Links, 1)
	equal(t, "target", info.Target, "")
	equal(t, "rdev", info.Rdev, varve.Rdev{})
	equal(t, "same-as", info.SameAs, "")
	if s := info.Stamp; !opts.ByPath && (s.Dev == 0 || s.Ino == 0 || s.CTime == (varve.Time{})) {
		t.Errorf("the stamp %v is not whole", s)
	}
	if info.MTime == (varve.Time{}) || info.Xattrs != nil || info.Holes != nil || info.Err != nil {
		t.Errorf("unexpected metadata: %+v", info)
	}
	self := lookup(t, f, ".")
	equal(t, "owner of a new file", info.UID, self.UID)
	if !opts.ByPath {
		equal(t, "device of the directory", self.Stamp.Dev, info.Stamp.Dev)
	}
	if opts.Xattrs {
		must(t, f.Set("file", &varve.Entry{Xattrs: []varve.Xattr{{Name: "user.a", Value: "b"}}}, varve.Xattrs))
		equal(t, "number of xattrs from Lookup", len(lookup(t, f, "file").Xattrs), 0)
	}
}

func ctimeChanges(t *testing.T, f disk.FS, opts Options) {
	lacks(t, opts.ByPath, "change times")
	write(t, f, "file", "")
	changes := map[string]func(i int) error{
		"mode":  func(i int) error { return f.Set("file", &varve.Entry{Mode: 0o600 + uint32(i%2)}, varve.Mode) },
		"mtime": func(i int) error { return f.Set("file", &varve.Entry{MTime: varve.Time{Sec: int64(i)}}, varve.MTime) },
	}
	if opts.Xattrs {
		changes["xattrs"] = func(i int) error {
			return f.Set("file", &varve.Entry{Xattrs: []varve.Xattr{{Name: "user.a", Value: string(rune('a' + i%2))}}}, varve.Xattrs)
		}
	}
	for what, change := range changes {
		before := lookup(t, f, "file").Stamp
		// Clocks of file systems are coarse: change until it shows.
		begin := time.Now()
		for i := 0; lookup(t, f, "file").Stamp == before; i++ {
			must(t, change(i))
			if time.Since(begin) > 10*time.Second {
				t.Fatalf("the ctime does not change with the %s", what)
			}
		}
	}
}

func openDirKinds(t *testing.T, f disk.FS, opts Options) {
	write(t, mkdir(t, f, "real"), "inside", "")
	must(t, f.Symlink("to-dir", "real"))
	must(t, f.Symlink("to-itself", "."))
	for kind, mk := range makers(opts) {
		if kind != varve.Dir {
			must(t, mk(f, kind.String()))
			_, err := f.OpenDir(kind.String())
			refused(t, "OpenDir of a "+kind.String(), err, disk.ErrKind, kind.String())
		}
	}
	for _, name := range []string{"to-dir", "to-itself"} {
		_, err := f.OpenDir(name)
		refused(t, "OpenDir of a symlink to a directory", err, disk.ErrKind, name)
	}
	wantList(t, openDir(t, f, "real"), "inside")
}

func openKinds(t *testing.T, f disk.FS, opts Options) {
	write(t, f, "real", "content")
	must(t, f.Symlink("to-file", "real"))
	for kind, mk := range makers(opts) {
		if kind != varve.Regular {
			must(t, mk(f, kind.String()))
			_, err := f.Open(kind.String())
			refused(t, "Open of a "+kind.String(), err, disk.ErrKind, kind.String())
		}
	}
	_, err := f.Open("to-file")
	refused(t, "Open of a symlink to a file", err, disk.ErrKind, "to-file")
	equal(t, "content", read(t, f, "real"), "content")
}

func symlinkIsNotTarget(t *testing.T, f disk.FS, opts Options) {
	write(t, f, "file", "")
	must(t, f.Symlink("link", "file"))
	before := lookup(t, f, "file")
	f.Set("link", &varve.Entry{Mode: 0o711}, varve.Mode)
	f.Set("link", &varve.Entry{Xattrs: []varve.Xattr{{Name: "user.a", Value: "x"}}}, varve.Xattrs)
	f.Set("link", &varve.Entry{Flags: noDump}, varve.Flags)
	if err := f.Set("link", &varve.Entry{MTime: varve.Time{Sec: 5}}, varve.MTime); opts.FixedSymlinks {
		refused(t, "Set of a time on a symlink", err, disk.ErrUnsupported, "link")
	} else {
		must(t, err)
	}
	if after := lookup(t, f, "file"); after.Stamp != before.Stamp || after.Mode != before.Mode || after.MTime != before.MTime {
		t.Errorf("the target changed from %+v to %+v", before, after)
	}
	if opts.Xattrs {
		must(t, f.Set("file", &varve.Entry{Xattrs: []varve.Xattr{{Name: "user.a", Value: "b"}}}, varve.Xattrs))
		equal(t, "number of xattrs of the symlink", len(xattrs(t, f, "link")), 0)
	}
}

func heldDirectoryMoves(t *testing.T, f disk.FS, opts Options) {
	lacks(t, opts.ByPath, "directories held by more than their path")
	a, b := mkdir(t, f, "a"), mkdir(t, f, "b")
	deep := mkdir(t, a, "deep")
	write(t, deep, "one", "1")
	must(t, f.Rename("a", b, "moved"))
	write(t, deep, "two", "2")
	wantList(t, deep, "one", "two")
	wantList(t, openDir(t, openDir(t, b, "moved"), "deep"), "one", "two")
	// Something else under the old name is something else.
	mkdir(t, mkdir(t, f, "a"), "deep")
	wantList(t, deep, "one", "two")
	must(t, a.Close())
	equal(t, "content", read(t, deep, "two"), "2")
}

func removedDirectory(t *testing.T, f disk.FS, _ Options) {
	gone := mkdir(t, f, "gone")
	write(t, f, "file", "")
	must(t, f.Rmdir("gone"))
	refused(t, "Mkdir", gone.Mkdir("sub", 0o700), fs.ErrNotExist, "sub")
	_, err := gone.Create("new", 0o600)
	refused(t, "Create", err, fs.ErrNotExist, "new")
	refused(t, "Rename", f.Rename("file", gone, "file"), fs.ErrNotExist, "file")
	wantList(t, f, "file")
}

func plausibleSpace(t *testing.T, f disk.FS, opts Options) {
	s, err := f.Space()
	if opts.NoSpace {
		refused(t, "Space", err, disk.ErrUnsupported, "")
		return
	}
	must(t, err)
	if s.Total <= 0 || s.Free < 0 || s.Free > s.Total || s.Pseudo {
		t.Errorf("implausible room: %+v", s)
	}
}
