package walk_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"reflect"
	"slices"
	"testing"

	"varve"
	"varve/internal/disk"
	"varve/internal/disk/faultfs"
	"varve/internal/walk"
)

// faultTree is a tree that makes a walk use all of a disk: two file systems would be needed beside.
func faultTree(t *testing.T) disk.FS {
	t.Helper()
	root := memory(t, "a/b/f=text", "a/b/g", "a/link -> b", "c/.varveignore=*.o", "c/x.o", "c/y", "d/CACHEDIR.TAG=no", "d/e/h", "s -> a", "z/").Root()
	ok(t, root.Set("c", &varve.Entry{Flags: 0x40}, varve.Flags))
	ok(t, root.Set("z", &varve.Entry{Xattrs: []varve.Xattr{{Name: "user.x", Value: "y"}}}, varve.Xattrs))
	return root
}

var faultOptions = walk.Options{IgnoreFile: ".varveignore", IfPresent: []walk.Marker{walk.CacheTag()}, Workers: 2}

// looks reports whether a walk makes calls of this kind.
func looks(k faultfs.Kind) bool {
	return k.On == nil || k.On(faultfs.Op{Method: "FS.OpenDir"}) || k.On(faultfs.Op{Method: "Reader.ReadAt"})
}

func TestNoFaultMakesAnEntryVanishSilently(t *testing.T) {
	sources := []string{"", "s"}
	whole := map[string]varve.Entry{}
	for _, e := range collect(t, start(t, faultTree(t), sources, faultOptions)) {
		whole[e.Path] = e
	}
	for _, kind := range faultfs.Kinds() {
		if !looks(kind) {
			continue
		}
		t.Run(kind.Name, func(t *testing.T) {
			count := kind.At(0)
			collect(t, start(t, faultfs.New(faultTree(t), count), sources, faultOptions))
			for n := 1; n <= count.Count(); n++ {
				s, err := walk.New(faultfs.New(faultTree(t), kind.At(n)), sources, faultOptions)
				if err != nil {
					continue
				}
				checkCover(t, s, whole, fmt.Sprint("call ", n))
				_ = s.Close()
			}
		})
	}
}

// checkCover checks that a walk yields what whole says, but for what it reports: entries with Err, and what lies below them.
func checkCover(t *testing.T, s *walk.Source, whole map[string]varve.Entry, what string) {
	t.Helper()
	got := map[string]varve.Entry{}
	var bad []string
	for e, err := range s.Entries(context.Background()) {
		if err != nil {
			return
		}
		if e.Err != nil {
			bad = append(bad, e.Path)
			if errors.Is(e.Err, fs.ErrNotExist) {
				t.Errorf("%s: %q is said to have vanished: %v", what, e.Path, e.Err)
			}
			continue
		}
		got[e.Path] = e
	}
	for path, e := range whole {
		g, there := got[path]
		covered := slices.ContainsFunc(bad, func(dir string) bool { return varve.Within(path, dir) })
		e.SameAs, g.SameAs = "", ""
		if there && !reflect.DeepEqual(g, e) {
			t.Errorf("%s: %q is %+v, want %+v", what, path, g, e)
		}
		if !there && !covered {
			t.Errorf("%s: %q is missing, and nothing says so", what, path)
		}
	}
}

func TestNoFaultMakesContentWrong(t *testing.T) {
	for _, kind := range faultfs.Kinds() {
		if !looks(kind) || kind.Name == "early end" { // as if the file had become shorter, which is not an error of reading
			continue
		}
		t.Run(kind.Name, func(t *testing.T) {
			for n := 1; ; n++ {
				inj := kind.At(0)
				s, err := walk.New(faultfs.New(faultTree(t), inj), []string{""}, faultOptions)
				ok(t, err)
				e := entry(t, collect(t, s), "a/b/f")
				inj.At = inj.Count() + n
				text, err := content(s, e)
				if err == nil && text != "text" {
					t.Errorf("call %d: read %q", n, text)
				}
				_ = s.Close()
				if inj.Count() < inj.At {
					return
				}
			}
		})
	}
}

func content(s *walk.Source, e varve.Entry) (string, error) {
	f, err := s.Open(context.Background(), e)
	if err != nil {
		return "", err
	}
	_, err = f.Entry()
	text, readErr := io.ReadAll(f)
	return string(text), errors.Join(err, readErr, f.Close())
}

func TestADirectoryThatVanishesCostsItselfAlone(t *testing.T) {
	count := &faultfs.Injector{}
	collect(t, start(t, faultfs.New(faultTree(t), count), []string{""}, faultOptions))
	for n := 1; n <= count.Count(); n++ {
		plain := faultTree(t)
		inj := &faultfs.Injector{At: n, Do: func(faultfs.Op) {
			if err := disk.RemoveAll(plain, "a", 1); err != nil {
				t.Error(err)
			}
		}}
		s, err := walk.New(faultfs.New(plain, inj), []string{""}, faultOptions)
		if err != nil {
			continue
		}
		var rest []string
		for _, e := range collect(t, s) {
			switch {
			case varve.Within(e.Path, "a"):
				if e.Err != nil && !errors.Is(e.Err, fs.ErrNotExist) {
					t.Errorf("call %d: %q: %v, want fs.ErrNotExist", n, e.Path, e.Err)
				}
			case e.Err != nil:
				t.Errorf("call %d: %q: %v", n, e.Path, e.Err)
			default:
				rest = append(rest, e.Path)
			}
		}
		if len(rest) != 10 {
			t.Errorf("call %d: the walk without the directory has %d entries, want 10: %q", n, len(rest), rest)
		}
		ok(t, s.Close())
	}
}

func TestUnreadableDirectoriesCostThemselvesAlone(t *testing.T) {
	d := memory(t, "a/b/f", "c/d/g", "e/h")
	user := unlisted{d.Root(), "c"}
	s := start(t, user, []string{""}, walk.Options{})
	list := collect(t, s)
	want(t, list, "a/", "c/", "e/", "a/b/", "a/b/f", "e/h", "c!")
	if e := list[len(list)-1]; e.Kind != varve.Dir || !errors.Is(e.Err, fs.ErrPermission) {
		t.Errorf("the unreadable directory is a %v, %v", e.Kind, e.Err)
	}
}

// unlisted is a directory in which the directory in may not be listed.
type unlisted struct {
	disk.FS
	in string
}

func (d unlisted) OpenDir(name string) (disk.FS, error) {
	f, err := d.FS.OpenDir(name)
	if name != d.in {
		return unlisted{f, d.in}, err
	}
	return unlisted{f, ""}, err
}

func (d unlisted) Names() ([]disk.Name, error) {
	if d.in == "" {
		return nil, &fs.PathError{Op: "read directory", Path: "x", Err: fs.ErrPermission}
	}
	return d.FS.Names()
}

func TestADirectoryIsListedOnceEvenIfItIsToldTwice(t *testing.T) {
	s := start(t, stutter{memory(t, "a/f", "b", "c").Root()}, []string{""}, walk.Options{})
	want(t, collect(t, s), "a/", "b", "c", "a/f")
}

// stutter is a directory whose listing tells every name twice, as one that is changed meanwhile may.
type stutter struct{ disk.FS }

func (d stutter) OpenDir(name string) (disk.FS, error) {
	f, err := d.FS.OpenDir(name)
	return stutter{f}, err
}

func (d stutter) Names() ([]disk.Name, error) {
	names, err := d.FS.Names()
	return append(names, names...), err
}
