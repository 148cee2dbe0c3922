package walk_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"varve"
	"varve/internal/disk/memfs"
	"varve/internal/walk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWalkYieldsEveryEntryOnceInListingOrder(t *testing.T) {
	name := rapid.SampledFrom([]string{"a", "b", "a.b", "a-", "A", " ", "\n", "\x01", "\xff", "é", "ab", "-", "a b", "~"})
	rapid.Check(t, func(t *rapid.T) {
		root := memfs.New(memfs.Options{})
		at := root.Root()
		tree := map[string]varve.Kind{"": varve.Dir}
		for _, names := range rapid.SliceOfN(rapid.SliceOfN(name, 1, 5), 0, 40).Draw(t, "paths") {
			path := strings.Join(names, "/")
			if grows(tree, path) {
				build(t, at, path)
			}
		}
		s, err := walk.New(at, []string{""}, walk.Options{Workers: rapid.IntRange(1, 4).Draw(t, "workers")})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		var naive []string
		for path := range tree {
			naive = append(naive, path)
		}
		slices.SortFunc(naive, varve.ComparePaths)
		var got []string
		for e, err := range s.Entries(context.Background()) {
			if err != nil || e.Err != nil {
				t.Fatal(err, e.Err)
			}
			if e.Kind != tree[e.Path] {
				t.Fatalf("%q is a %v", e.Path, e.Kind)
			}
			got = append(got, e.Path)
		}
		if !slices.Equal(got, naive) {
			t.Fatalf("got %q, want %q", got, naive)
		}
	})
}

// grows enters a file and the directories on the way to it into tree, and reports whether that was possible.
func grows(tree map[string]varve.Kind, path string) bool {
	if _, taken := tree[path]; taken {
		return false
	}
	for dir := varve.Parent(path); dir != ""; dir = varve.Parent(dir) {
		if kind, known := tree[dir]; known && kind != varve.Dir {
			return false
		}
	}
	tree[path] = varve.Regular
	for dir := varve.Parent(path); dir != ""; dir = varve.Parent(dir) {
		tree[dir] = varve.Dir
	}
	return true
}

func TestSourcesAreFoundUnderTheirFullPaths(t *testing.T) {
	specs := []string{"a/b/c/f", "a/b/g", "a/other", "d/file", "d/unasked", "e/", "f/x/y"}
	for _, tt := range []struct {
		name    string
		sources []string
		want    []string
	}{
		{"everything", []string{""}, []string{"a/", "d/", "e/", "f/", "a/b/", "a/other", "a/b/c/", "a/b/g", "a/b/c/f", "d/file", "d/unasked",
			"f/x/", "f/x/y"}},
		{"one", []string{"a/b"}, []string{"a/", "a/b/", "a/b/c/", "a/b/g", "a/b/c/f"}},
		{"several", []string{"f/x", "a/b/c", "e"}, []string{"a/", "e/", "f/", "a/b/", "a/b/c/", "a/b/c/f", "f/x/", "f/x/y"}},
		{"nested", []string{"a/b/c", "a/b"}, []string{"a/", "a/b/", "a/b/c/", "a/b/g", "a/b/c/f"}},
		{"twice", []string{"e", "e"}, []string{"e/"}},
		{"a file", []string{"d/file"}, []string{"d/", "d/file"}},
		{"a file and its directory", []string{"d/file", "d"}, []string{"d/", "d/file", "d/unasked"}},
		{"one missing", []string{"e", "a/none/x"}, []string{"a/", "e/", "a/none!"}},
		{"one missing in another", []string{"a", "a/b/none"}, []string{"a/", "a/b/", "a/other", "a/b/c/", "a/b/g", "a/b/none!", "a/b/c/f"}},
		{"two missing in one place", []string{"a/none/x", "a/none/y", "e"}, []string{"a/", "e/", "a/none!"}},
		{"below a file", []string{"e", "d/file/x"}, []string{"d/", "e/", "d/file!"}},
		{"below a file, and the file", []string{"e", "d/file/x", "d/file"}, []string{"d/", "e/", "d/file"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, memory(t, specs...).Root(), tt.sources, walk.Options{})
			want(t, collect(t, s), tt.want...)
		})
	}
}

func TestAMissingSourceIsReportedAndDidNotVanish(t *testing.T) {
	s := start(t, memory(t, "a/f").Root(), []string{"a", "b"}, walk.Options{})
	e := entry(t, collect(t, s), "b")
	if e.Err == nil || errors.Is(e.Err, fs.ErrNotExist) || !strings.Contains(e.Err.Error(), "/b") {
		t.Errorf("missing source: %v", e.Err)
	}
}

func TestNoSourceAtAllIsAnError(t *testing.T) {
	for _, sources := range [][]string{nil, {"none"}, {"none", "f/x", "loop"}} {
		_, err := walk.New(memory(t, "f", "loop/x -> x").Root(), sources, walk.Options{})
		if len(sources) == 3 && err == nil {
			continue // the symlink is a source by itself
		}
		if !errors.Is(err, walk.ErrNoSource) {
			t.Errorf("%q: %v, want ErrNoSource", sources, err)
		}
	}
}

func TestSymlinksThatTheSourcesNameAreFollowed(t *testing.T) {
	specs := []string{"real/dir/f", "real/link -> dir", "link -> real", "dir/in -> /real/dir", "dangling -> none", "to-file -> real/dir/f",
		"deep/up -> ..", "all -> /."}
	for _, tt := range []struct {
		name    string
		sources []string
		want    []string
	}{
		{"the source", []string{"link"}, []string{"link/", "link/dir/", "link/link", "link/dir/f"}},
		{"on the way", []string{"link/dir"}, []string{"link/", "link/dir/", "link/dir/f"}},
		{"both", []string{"link/link"}, []string{"link/", "link/link/", "link/link/f"}},
		{"to a file", []string{"to-file"}, []string{"to-file"}},
		{"dangling", []string{"dangling"}, []string{"dangling"}},
		{"missing behind one", []string{"link/none", "to-file"}, []string{"link/", "to-file", "link/none!"}},
		{"missing behind one that is a source", []string{"link/none", "link"}, []string{"link/", "link/dir/", "link/link", "link/none!", "link/dir/f"}},
		{"below a dangling one", []string{"dangling/x", "to-file"}, []string{"dangling!", "to-file"}},
		{"upwards", []string{"deep/up/real/dir"}, []string{"deep/", "deep/up/", "deep/up/real/", "deep/up/real/dir/", "deep/up/real/dir/f"}},
		{"below a source they are kept", []string{"dir"}, []string{"dir/", "dir/in"}},
		{"to the top", []string{"all/dir"}, []string{"all/", "all/dir/", "all/dir/in"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, memory(t, specs...).Root(), tt.sources, walk.Options{})
			list := collect(t, s)
			want(t, list, tt.want...)
			for _, e := range list {
				if e.Kind == varve.Regular && e.Err == nil {
					if text := read(t, s, e); text != "real/dir/f" {
						t.Errorf("%s holds %q", e.Path, text)
					}
				}
			}
		})
	}
}

func TestASymlinkToTheTopIsNotWalkedForEver(t *testing.T) {
	s := start(t, memory(t, "f", "all -> /.").Root(), []string{"all"}, walk.Options{})
	want(t, collect(t, s), "all/", "all/all", "all/f")
}

func TestDirectoriesOnTheWayAreMarkedAsPassages(t *testing.T) {
	s := start(t, memory(t, "a/b/c/f", "a/x").Root(), []string{"a/b"}, walk.Options{})
	list := collect(t, s)
	for path, passage := range map[string]bool{"": true, "a": true, "a/b": false, "a/b/c": false, "a/b/c/f": false} {
		e := entry(t, list, path)
		if got := e.Marks&varve.Passage != 0; got != passage {
			t.Errorf("%q is marked as a passage: %v", path, got)
		}
	}
}

func TestHardLinksNameTheFirstOfTheirGroup(t *testing.T) {
	d := memory(t, "a/f", "b/g", "single")
	root := d.Root()
	link := func(from, to string) {
		f, g := varve.Entry{Path: from}, varve.Entry{Path: to}
		up, down := dirAt(t, root, f.Parent()), dirAt(t, root, g.Parent())
		ok(t, up.Link(f.Name(), down, g.Name()))
	}
	link("a/f", "z")
	link("a/f", "b/f")
	link("b/g", "b/h")
	build(t, root, "s -> x")
	link("s", "a/s")
	s := start(t, d.Root(), []string{""}, walk.Options{})
	list := collect(t, s)
	for path, same := range map[string]string{"z": "", "a/f": "z", "b/f": "z", "b/g": "", "b/h": "b/g", "s": "", "a/s": "s", "single": ""} {
		e := entry(t, list, path)
		first := same == "" && path != "single"
		if e.SameAs != same || (e.Marks&varve.Linked != 0) != first {
			t.Errorf("%s: same as %q, linked %v", path, e.SameAs, e.Marks&varve.Linked != 0)
		}
		if e.Kind == varve.Regular && e.Size == 0 {
			t.Errorf("%s: the other fields are not filled", path)
		}
	}
}

func TestOwnersAreNamedOnDemand(t *testing.T) {
	d := memory(t, "f", "g")
	ok(t, d.Root().Set("f", &varve.Entry{UID: 7, GID: 8}, varve.Owner))
	s := start(t, d.Root(), []string{""}, walk.Options{Owners: func(uid, gid uint32) (string, string) {
		return fmt.Sprint("u", uid), fmt.Sprint("g", gid)
	}})
	list := collect(t, s)
	for path, owner := range map[string]string{"": "u0", "f": "u7", "g": "u0"} {
		if e := entry(t, list, path); e.User != owner {
			t.Errorf("%q belongs to %q, want %q", path, e.User, owner)
		}
	}
}

func TestACancelledWalkEndsWithTheError(t *testing.T) {
	d := memory(t)
	for i := range 3000 {
		build(t, d.Root(), fmt.Sprintf("%04d", i))
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := start(t, d.Root(), []string{""}, walk.Options{})
	n, last := 0, error(nil)
	for _, err := range s.Entries(ctx) {
		if last = err; err != nil {
			break
		}
		if n++; n == 10 {
			cancel()
		}
	}
	if !errors.Is(last, context.Canceled) || n > 2000 {
		t.Errorf("after %d entries: %v", n, last)
	}
	cancel()
}

func TestAWalkMayBeLeftEarlyAndRepeated(t *testing.T) {
	s := start(t, memory(t, "a/b/c", "d/e/f", "g/h/i").Root(), []string{""}, walk.Options{})
	for stop := 1; stop < 8; stop++ {
		n := 0
		for range s.Entries(context.Background()) {
			if n++; n == stop {
				break
			}
		}
	}
	if n := len(collect(t, s)); n != 10 {
		t.Errorf("the whole walk has %d entries, want 10", n)
	}
}
