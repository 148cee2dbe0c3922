//go:build linux

package freeze

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"varve"
	"varve/internal/disk"
	"varve/internal/walk"
)

// stillness is the pictures of directories that stay as they are: those of the values, each in the place of its key.
func stillness(t *testing.T, dirs map[string]string, apart ...string) *Frozen {
	t.Helper()
	s := &scheme{apart: apart}
	f := &Frozen{}
	for at, dir := range dirs {
		info, err := lookUp(dir)
		ok(t, err)
		p := &picture{dir: dir, remove: func(context.Context) error { return nil }}
		s.volumes = append(s.volumes, &planned{live: info.Stamp.Dev + 1, shown: []graft{{at, ""}}, picture: p})
		f.pictures = append(f.pictures, p)
	}
	var err error
	f.view, err = s.view()
	ok(t, err)
	return f
}

func isReadOnly(t *testing.T, dir disk.FS) {
	t.Helper()
	_, create := dir.Create("x", 0o600)
	_, lock := dir.Lock("x")
	for op, err := range map[string]error{
		"create": create, "lock": lock, "mkdir": dir.Mkdir("x", 0o700), "remove": dir.Remove("file"), "rmdir": dir.Rmdir("d"), "sync": dir.Sync(),
		"symlink": dir.Symlink("x", "y"), "mknod": dir.Mknod("x", varve.FIFO, 0o600, varve.Rdev{}), "link": dir.Link("file", dir, "x"),
		"rename": dir.Rename("file", dir, "x"), "replace": dir.Replace("file", dir, "x"), "set": dir.Set("file", &varve.Entry{}, varve.Mode),
	} {
		if !errors.Is(err, disk.ErrUnsupported) {
			t.Errorf("%s: %v", op, err)
		}
	}
}

func TestPicturesStandInThePlacesOfWhatTheyAreOf(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	ok(t, err)
	write(t, dir+"/one/d/file", "then")
	write(t, dir+"/two/file", "inner")
	write(t, dir+"/one/away/hidden", "x")
	write(t, dir+"/live/here/file", "now")
	write(t, dir+"/live/beside", "now")
	ok(t, os.Mkdir(dir+"/one/in", 0o755))
	f := stillness(t, map[string]string{dir + "/live/here": dir + "/one", dir + "/live/here/in": dir + "/two"}, dir+"/live/here/away")
	if got := f.Path(dir + "/live/here/in/file"); got != dir+"/two/file" {
		t.Error(got)
	}
	for path, want := range map[string]string{"/live/here": "/one", "/live/here/d": "/one/d", "/live/here/in": "/two"} {
		if got := f.Path(dir + path); got != dir+want {
			t.Errorf("%s: %s", path, got)
		}
	}
	for _, path := range []string{"/", dir, dir + "/live", dir + "/live/beside", dir + "/live/here/away/hidden", dir + "/live/heretic"} {
		if got := f.Path(path); got != "" {
			t.Errorf("%s: %s", path, got)
		}
	}
	src := walked(t, f, walk.Options{}, dir+"/live/here")
	found := entries(t, src, dir+"/live/here")
	for path, want := range map[string]bool{"d/file": true, "in/file": true, "file": false, "away": true, "away/hidden": false} {
		if _, there := found[path]; there != want {
			t.Errorf("%s: %v", path, there)
		}
	}
	if left := src.LeftOut(); len(left) != 1 || "/"+left[0] != dir+"/live/here/away" {
		t.Errorf("left out: %q", left)
	}
	live, err := lookUp(dir)
	ok(t, err)
	if e := found["d/file"]; e.Stamp.Dev != live.Stamp.Dev+1 {
		t.Errorf("%+v", e.Stamp)
	}
	file, err := src.Open(t.Context(), found["d/file"])
	ok(t, err)
	if e, err := file.Entry(); err != nil || e.Stamp != found["d/file"].Stamp {
		t.Errorf("%+v, %v", e.Stamp, err)
	}
	ok(t, file.Close())
	ok(t, src.Close())
	if top, err := f.OpenDir(dir + "/live/here/in"); err != nil {
		t.Error(err)
	} else {
		isReadOnly(t, top)
		ok(t, top.Close())
	}
}

func TestAPictureMayBeOfTheWholeDisk(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	ok(t, err)
	write(t, dir+"/d/file", "then")
	f := stillness(t, map[string]string{"/": dir})
	src := walked(t, f, walk.Options{}, "/")
	if found := entries(t, src, "/"); len(found) != 3 || found["d/file"].Size != 4 {
		t.Errorf("%+v", found)
	}
	ok(t, src.Close())
	if got := f.Path("/d/file"); got != dir+"/d/file" {
		t.Error(got)
	}
	if got := f.Path("/"); got != dir {
		t.Error(got)
	}
}

func TestASourceThatMovesOutOfThePicturesIsToldAndNotRead(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	ok(t, err)
	write(t, dir+"/one/file", "then")
	write(t, dir+"/live/here/file", "now")
	write(t, dir+"/live/beside/file", "now")
	ok(t, os.Symlink("beside", dir+"/live/way")) // it led to here when the picture was taken
	f := stillness(t, map[string]string{dir + "/live/here": dir + "/one"})
	src := walked(t, f, walk.Options{}, dir+"/live/here", dir+"/live/way")
	failed := 0
	for e, err := range src.Entries(t.Context()) {
		ok(t, err)
		if e.Err != nil && errors.Is(e.Err, errLive) {
			failed++
		}
		if varve.Within(e.Path, dir[1:]+"/live/way/file") {
			t.Errorf("%s was read", e.Path)
		}
	}
	if failed != 1 {
		t.Errorf("%d errors", failed)
	}
	ok(t, src.Close())
}
