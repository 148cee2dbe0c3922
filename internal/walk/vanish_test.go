package walk_test

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"varve"
	"varve/internal/disk"
	"varve/internal/walk"
)

func TestASourceThatVanishesAfterTheStartIsMissedAloud(t *testing.T) {
	specs := []string{"a/b/f", "a/other", "file", "link -> a/b", "z"}
	for _, tt := range []struct {
		name    string
		sources []string
		vanish  string
		instead string
		want    string // the entry with Err
	}{
		{"a directory", []string{"a", "z"}, "a", "", "a"},
		{"a deep one", []string{"a/b", "z"}, "a/b", "", "a/b"},
		{"one on the way", []string{"a/b", "z"}, "a", "", "a"},
		{"a file", []string{"file", "z"}, "file", "", "file"},
		{"one in another", []string{"", "a/b"}, "a/b", "", "a/b"},
		{"a target", []string{"link", "z"}, "a/b", "", "link"},
		{"what holds a target", []string{"link", "z"}, "a", "", "link"},
		{"a file is in its place", []string{"a/b", "z"}, "a", "a", "a"},
		{"a file is in the place of the one around", []string{"a", "a/b", "z"}, "a", "a", "a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := memory(t, specs...).Root()
			s := start(t, root, tt.sources, walk.Options{})
			e := varve.Entry{Path: tt.vanish}
			ok(t, disk.RemoveAll(dirAt(t, root, e.Parent()), e.Name(), 1))
			if tt.instead != "" {
				build(t, root, tt.instead)
			}
			lost := entry(t, collect(t, s), tt.want)
			if lost.Err == nil || errors.Is(lost.Err, fs.ErrNotExist) || !strings.Contains(lost.Err.Error(), "/"+tt.want) {
				t.Errorf("%q: %v, want an error that names it and is not fs.ErrNotExist", lost.Path, lost.Err)
			}
		})
	}
}

// vanished is a directory in which the directory called name is not there any more when it is listed.
type vanished struct {
	disk.FS
	name string
	self bool
}

func (d vanished) OpenDir(name string) (disk.FS, error) {
	f, err := d.FS.OpenDir(name)
	return vanished{f, d.name, name == d.name}, err
}

func (d vanished) Names() ([]disk.Name, error) {
	if d.self {
		return nil, &fs.PathError{Op: "read directory", Path: d.name, Err: fs.ErrNotExist}
	}
	return d.FS.Names()
}

func TestADirectoryThatVanishesBeforeItsListingMayHaveBeenRenamed(t *testing.T) {
	for source, text := range map[string]string{"": "it may have been renamed", "a": "named as a source"} {
		s := start(t, vanished{FS: memory(t, "a/f", "b/g").Root(), name: "a"}, []string{source}, walk.Options{})
		list := collect(t, s)
		last := list[len(list)-1]
		if last.Path != "a" || last.Err == nil || errors.Is(last.Err, fs.ErrNotExist) || !strings.Contains(last.Err.Error(), text) {
			t.Errorf("source %q: %q: %v, want %q and not fs.ErrNotExist", source, last.Path, last.Err, text)
		}
	}
}

func TestASourceThatIsASymlinkIsMarkedAsFollowed(t *testing.T) {
	specs := []string{"real/dir/f", "to-dir -> real/dir", "to-file -> real/dir/f", "way -> real", "dangling -> none", "real/in -> dir", "up/top -> /."}
	s := start(t, memory(t, specs...).Root(), []string{"to-dir", "to-file", "way/dir", "dangling", "real", "real/in", "up/top"}, walk.Options{})
	list := collect(t, s)
	for path, followed := range map[string]bool{"": false, "to-dir": true, "to-dir/f": false, "to-file": true, "way": false, "way/dir": false,
		"dangling": false, "real": false, "real/in": true, "real/dir": false, "up": false, "up/top": true} {
		if e := entry(t, list, path); (e.Marks&varve.Followed != 0) != followed {
			t.Errorf("%q has the marks %b, want followed: %v", path, e.Marks, followed)
		}
	}
}

func TestAFileThatWasReplacedHasItsOwnRights(t *testing.T) {
	for _, tt := range []struct {
		name string
		opts walk.Options
	}{{"fresh", walk.Options{}}, {"old", walk.Options{Now: hour}}} {
		t.Run(tt.name, func(t *testing.T) {
			root := memory(t, "f=public", "new=secret").Root()
			ok(t, root.Set("f", &varve.Entry{Xattrs: []varve.Xattr{{Name: "user.access", Value: "everybody"}}}, varve.Xattrs))
			s := start(t, root, []string{""}, tt.opts)
			walked := entry(t, collect(t, s), "f")
			ok(t, root.Set("new", &varve.Entry{Mode: 0o600}, varve.Mode))
			ok(t, root.Replace("new", root, "f"))
			f, err := s.Open(context.Background(), walked)
			ok(t, err)
			defer f.Close()
			e, err := f.Entry()
			ok(t, err)
			if e.Mode != 0o600 || len(e.Xattrs) != 0 {
				t.Errorf("mode %o, xattrs %q, want those of the new file", e.Mode, e.Xattrs)
			}
			if e.Stamp == walked.Stamp && e.Stamp != (varve.Stamp{}) {
				t.Error("the stamp says that nothing changed")
			}
			ok(t, root.Set("f", &varve.Entry{Xattrs: []varve.Xattr{{Name: "user.later", Value: "x"}}}, varve.Xattrs))
			if e, err = f.Entry(); err != nil || len(e.Xattrs) != 1 {
				t.Errorf("after another change: xattrs %q, %v", e.Xattrs, err)
			}
		})
	}
}
