package walk_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"varve"
	"varve/internal/disk"
	"varve/internal/disk/memfs"
	"varve/internal/disk/osfs"
	"varve/internal/walk"
)

// skip skips a test of a real part that is missing, or fails where nothing may be missing.
func skip(t *testing.T, reason string) {
	t.Helper()
	if os.Getenv("VARVE_TEST_STRICT") == "1" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		skip(t, "takes root")
	}
}

// tester is what testing.T and rapid.T have in common.
type tester interface {
	Helper()
	Fatal(args ...any)
}

func ok(t tester, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// dirAt opens the directory at path, making what is not there.
func dirAt(t tester, root disk.FS, path string) disk.FS {
	t.Helper()
	at := root
	if path == "" {
		return at
	}
	for name := range strings.SplitSeq(path, "/") {
		if _, err := at.Lookup(name); err != nil {
			ok(t, at.Mkdir(name, 0o755))
		}
		next, err := at.OpenDir(name)
		ok(t, err)
		if at != root {
			ok(t, at.Close())
		}
		at = next
	}
	return at
}

// build makes a tree: "dir/" a directory, "link -> target" a symlink, "file" a file with its path as content, "file=text" one with
// that text.
func build(t tester, root disk.FS, specs ...string) {
	t.Helper()
	for _, spec := range specs {
		if dir, found := strings.CutSuffix(spec, "/"); found {
			if at := dirAt(t, root, dir); at != root {
				ok(t, at.Close())
			}
			continue
		}
		path, target, isLink := strings.Cut(spec, " -> ")
		path, text, hasText := strings.Cut(path, "=")
		e := varve.Entry{Path: path}
		at := dirAt(t, root, e.Parent())
		switch {
		case isLink:
			ok(t, at.Symlink(e.Name(), target))
		case hasText:
			put(t, at, e.Name(), text)
		default:
			put(t, at, e.Name(), path)
		}
		if at != root {
			ok(t, at.Close())
		}
	}
}

func put(t tester, at disk.FS, name, text string) {
	t.Helper()
	f, err := at.Create(name, 0o644)
	ok(t, err)
	_, err = f.WriteAt([]byte(text), 0)
	ok(t, errors.Join(err, f.Close()))
}

// memory returns a tree in memory.
func memory(t testing.TB, specs ...string) *memfs.Disk {
	t.Helper()
	d := memfs.New(memfs.Options{})
	root := d.Root()
	build(t, root, specs...)
	ok(t, root.Close())
	return d
}

// real returns a directory of the operating system, opened, and its path.
func real(t testing.TB, dir string) disk.FS {
	t.Helper()
	f, err := osfs.Open(dir)
	ok(t, err)
	return f
}

func start(t testing.TB, top disk.FS, sources []string, o walk.Options) *walk.Source {
	t.Helper()
	s, err := walk.New(top, sources, o)
	ok(t, err)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// collect returns all entries of a walk, and checks that they come in listing order. A directory that is yielded a second time, with
// the reason why it could not be listed, is at the end of the list.
func collect(t testing.TB, s *walk.Source) []varve.Entry {
	t.Helper()
	var list, unlisted []varve.Entry
	known := map[string]bool{}
	for e, err := range s.Entries(context.Background()) {
		ok(t, err)
		if e.Err != nil && known[e.Path] {
			unlisted = append(unlisted, e)
			continue
		}
		if n := len(list); n > 0 && varve.ComparePaths(list[n-1].Path, e.Path) >= 0 {
			t.Fatalf("%q comes after %q", e.Path, list[n-1].Path)
		}
		known[e.Path] = true
		list = append(list, e)
	}
	return append(list, unlisted...)
}

// paths returns the paths of the entries without Err, directories with a "/" at the end, the root left out, and those with Err with
// a "!".
func paths(list []varve.Entry) []string {
	var out []string
	for _, e := range list {
		switch {
		case e.Path == "" && e.Err == nil:
		case e.Err != nil:
			out = append(out, e.Path+"!")
		case e.Kind == varve.Dir:
			out = append(out, e.Path+"/")
		default:
			out = append(out, e.Path)
		}
	}
	return out
}

func want(t testing.TB, list []varve.Entry, expected ...string) {
	t.Helper()
	if got := paths(list); !slices.Equal(got, expected) {
		t.Errorf("walk yields\n%q, want\n%q", got, expected)
	}
}

func entry(t testing.TB, list []varve.Entry, path string) varve.Entry {
	t.Helper()
	for _, e := range list {
		if e.Path == path {
			return e
		}
	}
	t.Fatalf("%q is not in the walk", path)
	return varve.Entry{}
}
