package walk_test

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"varve"
	"varve/internal/disk"
	"varve/internal/match"
	"varve/internal/walk"
)

func rules(t *testing.T, patterns ...string) []*match.Rule {
	t.Helper()
	var list []*match.Rule
	for _, p := range patterns {
		r, err := match.Parse(p, "--exclude")
		ok(t, err)
		list = append(list, r)
	}
	return list
}

const tag = "Signature: 8a477f597d28d172789f06886806bc55"

// exclusion is a tree with options, and what is left of it.
type exclusion struct {
	name     string
	tree     []string
	sources  []string
	patterns []string
	opts     walk.Options
	want     []string
	// complaints is how many there are.
	complaints int
}

func exclusions() []exclusion {
	ignore := walk.Options{IgnoreFile: ".varveignore"}
	caches := walk.Options{IfPresent: []walk.Marker{walk.CacheTag(), {Name: ".nobackup"}}, IgnoreFile: ".varveignore"}
	return []exclusion{
		{name: "patterns", tree: []string{"a/x.o", "a/x.c", "b.o/c", "d/e.o"}, patterns: []string{"*.o", "!/d/e.o"},
			want: []string{"a/", "d/", "a/x.c", "d/e.o"}},
		{name: "directories only", tree: []string{"a/tmp/x", "b/tmp"}, patterns: []string{"tmp/"}, want: []string{"a/", "b/", "b/tmp"}},
		{name: "no rule leaves out a source", tree: []string{"a/x.o/f.o", "a/g"}, sources: []string{"a/x.o"}, patterns: []string{"a", "*.o"},
			want: []string{"a/", "a/x.o/"}},
		{name: "relative to a source", tree: []string{"a/b/c", "c"}, sources: []string{"a", "c"}, patterns: []string{"/b"}, want: []string{"a/", "c"}},
		{name: "a directory's own patterns", tree: []string{"a/.varveignore=*.o\n!keep.o\n/top\n", "a/x.o", "a/keep.o", "a/top", "a/s/top",
			"a/s/y.o", "x.o"}, opts: ignore, want: []string{"a/", "x.o", "a/.varveignore", "a/keep.o", "a/s/", "a/s/top"}},
		{name: "deeper patterns go first", tree: []string{".varveignore=*.o", "a/.varveignore=!x.o", "a/x.o", "x.o"}, opts: ignore,
			want: []string{".varveignore", "a/", "a/.varveignore", "a/x.o"}},
		{name: "a bad line costs itself", tree: []string{"a/.varveignore=[\n*.o\n../x", "a/x.o", "a/f"}, opts: ignore, complaints: 1,
			want: []string{"a/", "a/.varveignore", "a/f"}},
		{name: "an endless pattern file is not heeded", tree: []string{"a/.varveignore=" + strings.Repeat("f\n", 600_000), "a/f"}, opts: ignore,
			complaints: 1, want: []string{"a/", "a/.varveignore", "a/f"}},
		{name: "pattern files that are none", tree: []string{"a/.varveignore/x", "b/.varveignore -> ../c", "c=x", "b/x"}, opts: ignore,
			want: []string{"a/", "b/", "c", "a/.varveignore/", "a/.varveignore/x", "b/.varveignore", "b/x"}},
		{name: "tagged caches", tree: []string{"c/CACHEDIR.TAG=" + tag + "\nmore", "c/x", "c/d/y", "n/CACHEDIR.TAG=something else", "n/x",
			"short/CACHEDIR.TAG=Sign", "short/x", "dir/CACHEDIR.TAG/x"}, opts: caches,
			want: []string{"c/", "dir/", "n/", "short/", "c/CACHEDIR.TAG", "dir/CACHEDIR.TAG/", "dir/CACHEDIR.TAG/x", "n/CACHEDIR.TAG", "n/x",
				"short/CACHEDIR.TAG", "short/x"}},
		{name: "markers", tree: []string{"m/.nobackup=", "m/x", "m/.varveignore=.nobackup", "d/.nobackup/", "d/x"}, opts: caches,
			want: []string{"d/", "m/", "d/.nobackup/", "m/.nobackup"}},
		{name: "a source in a marked directory", tree: []string{"m/.nobackup=", "m/x", "m/s/y", "m/z/w"}, sources: []string{"", "m/s"}, opts: caches,
			want: []string{"m/", "m/.nobackup", "m/s/", "m/s/y"}},
		{name: "large files", tree: []string{"four=4444", "five=55555", "named=666666", "d/five=55555"}, sources: []string{"", "named"},
			opts: walk.Options{LargerThan: 4}, want: []string{"d/", "four", "named"}},
		{name: "all at once", tree: []string{".varveignore=*.o\nbuild/\n", "a/x.o", "a/x.c", "build/y", "c/CACHEDIR.TAG=" + tag, "c/d/e",
			"s/t/u", "big=" + strings.Repeat("x", 5000)}, patterns: []string{"/s/t"},
			opts: walk.Options{IgnoreFile: ".varveignore", IfPresent: caches.IfPresent, LargerThan: 4096},
			want: []string{".varveignore", "a/", "c/", "s/", "a/x.c", "c/CACHEDIR.TAG"}},
	}
}

func (x exclusion) start(t *testing.T) *walk.Source {
	t.Helper()
	if x.sources == nil {
		x.sources = []string{""}
	}
	x.opts.Match = match.New(rules(t, x.patterns...), x.sources)
	return start(t, memory(t, x.tree...).Root(), x.sources, x.opts)
}

func TestWhatIsLeftOut(t *testing.T) {
	for _, x := range exclusions() {
		t.Run(x.name, func(t *testing.T) {
			s := x.start(t)
			want(t, collect(t, s), x.want...)
			if got := s.Complaints(); len(got) != x.complaints {
				t.Errorf("%d complaints, want %d: %v", len(got), x.complaints, got)
			}
		})
	}
}

func TestTheStoreItselfIsNeverWalked(t *testing.T) {
	d := memory(t, "a/store/x", "a/f", "store2/y")
	at := dirAt(t, d.Root(), "a")
	first, err := at.Lookup("store")
	ok(t, err)
	second, err := d.Root().Lookup("store2")
	ok(t, err)
	s := start(t, d.Root(), []string{""}, walk.Options{Skip: []varve.Stamp{first.Stamp, second.Stamp}})
	want(t, collect(t, s), "a/", "a/f")
}

func TestASourceThatIsTheStoreUnderWhateverPathIsNotLeftOutInSilence(t *testing.T) {
	d := memory(t, "a/store/sub/x", "a/f")
	store, err := dirAt(t, d.Root(), "a").Lookup("store")
	ok(t, err)
	opts := walk.Options{Skip: []varve.Stamp{store.Stamp}}
	for _, source := range []string{"a/store", "a/store/sub", "a/store/sub/x"} {
		s := start(t, d.Root(), []string{"a/f", source}, opts)
		missed := entry(t, collect(t, s), "a/store")
		if missed.Err == nil || errors.Is(missed.Err, fs.ErrNotExist) || !strings.Contains(missed.Err.Error(), "/"+source) {
			t.Errorf("%s: %v, want an error that names it and is not fs.ErrNotExist", source, missed.Err)
		}
		if _, err := walk.New(d.Root(), []string{source}, opts); !errors.Is(err, walk.ErrNoSource) {
			t.Errorf("%s alone: %v, want ErrNoSource", source, err)
		}
	}
}

func TestFilesThatSayWhatIsLeftOutCostNothingWhereTheyCannotBeRead(t *testing.T) {
	d := memory(t, "a/.varveignore=f", "a/CACHEDIR.TAG="+tag, "a/f", "b/.varveignore=f", "b/f")
	opts := walk.Options{IgnoreFile: ".varveignore", IfPresent: []walk.Marker{walk.CacheTag()}}
	s := start(t, unreadable{d.Root(), "a/"}, []string{""}, opts)
	want(t, collect(t, s), "a/", "b/", "a/.varveignore", "a/CACHEDIR.TAG", "a/f", "b/.varveignore")
	if n := len(s.Complaints()); n != 2 {
		t.Errorf("%d complaints, want 2: %v", n, s.Complaints())
	}
}

// unreadable is a directory in which files below the directory in may not be opened.
type unreadable struct {
	disk.FS
	in string
}

func (d unreadable) OpenDir(name string) (disk.FS, error) {
	f, err := d.FS.OpenDir(name)
	if err != nil || d.in != "" && d.in != name+"/" {
		return f, err
	}
	return unreadable{f, ""}, nil
}

func (d unreadable) Open(name string) (disk.Reader, error) {
	if d.in == "" {
		return nil, disk.ErrNoSpace // any error that is neither of absence nor of kind
	}
	return d.FS.Open(name)
}

func TestWhySaysWhatTheWalkDoes(t *testing.T) {
	for _, x := range exclusions() {
		t.Run(x.name, func(t *testing.T) {
			s := x.start(t)
			var yielded []string
			for e, err := range s.Entries(context.Background()) {
				ok(t, err)
				yielded = append(yielded, e.Path)
			}
			for _, path := range everything(t, x.tree) {
				v, err := s.Why(path)
				ok(t, err)
				if v.Excluded == slices.Contains(yielded, path) || v.Reason == "" || !varve.Within(path, v.Path) {
					t.Errorf("%q: %+v, but the walk yields %q", path, v, yielded)
				}
				if v.Excluded && slices.Contains(yielded, v.Path) {
					t.Errorf("%q: left out with %q, which the walk yields", path, v.Path)
				}
				if top := varve.Parent(v.Path); v.Excluded && !slices.Contains(yielded, top) && v.Reason != "not below any source" {
					t.Errorf("%q: decided at %q, but %q is left out, too", path, v.Path, top)
				}
			}
		})
	}
}

// everything returns the paths in a tree, the root included.
func everything(t *testing.T, specs []string) (paths []string) {
	t.Helper()
	for _, e := range collect(t, start(t, memory(t, specs...).Root(), []string{""}, walk.Options{})) {
		paths = append(paths, e.Path)
	}
	return paths
}

func TestWhyNamesTheReason(t *testing.T) {
	d := memory(t, "s/.varveignore=*.o\n!keep.o\n", "s/x.o", "s/keep.o", "s/f", "s/cache/CACHEDIR.TAG="+tag, "s/cache/x/y", "s/tmp/x",
		"s/big="+strings.Repeat("x", 2000), "s/store/x", "outside/f")
	store, err := dirAt(t, d.Root(), "s").Lookup("store")
	ok(t, err)
	sources := []string{"s", "none/x"}
	s := start(t, d.Root(), sources, walk.Options{
		Match: match.New(rules(t, "tmp/"), sources), IgnoreFile: ".varveignore", LargerThan: 1536,
		IfPresent: []walk.Marker{walk.CacheTag()}, Skip: []varve.Stamp{store.Stamp},
	})
	for _, tt := range []struct {
		path     string
		excluded bool
		at       string
		reason   string
	}{
		{"", false, "", "on the way to a source"},
		{"s", false, "s", "named as a source"},
		{"none", false, "none", "named as a source that cannot be reached"},
		{"s/f", false, "s/f", "no rule matches"},
		{"s/x.o", true, "s/x.o", "pattern *.o in /s/.varveignore:1"},
		{"s/keep.o", false, "s/keep.o", "kept by pattern !keep.o in /s/.varveignore:2"},
		{"s/new.o", true, "s/new.o", "pattern *.o in /s/.varveignore:1"},
		{"s/new.o/below", true, "s/new.o", "pattern *.o in /s/.varveignore:1"},
		{"s/f/tmp/x", true, "s/f/tmp", "pattern tmp/ in --exclude"},
		{"s/new/tmp", false, "s/new/tmp", "no rule matches"},
		{"s/tmp", true, "s/tmp", "pattern tmp/ in --exclude"},
		{"s/tmp/x", true, "s/tmp", "pattern tmp/ in --exclude"},
		{"s/cache", false, "s/cache", "no rule matches"},
		{"s/cache/CACHEDIR.TAG", false, "s/cache/CACHEDIR.TAG", "no rule matches"},
		{"s/cache/x/y", true, "s/cache/x", "marked by CACHEDIR.TAG"},
		{"s/cache/new", true, "s/cache/new", "marked by CACHEDIR.TAG"},
		{"s/big", true, "s/big", "larger than 1.5 KiB"},
		{"s/store/x", true, "s/store", "never walked, such as the store itself"},
		{"outside/f", true, "outside", "not below any source"},
		{"absent/f", true, "absent", "not below any source"},
	} {
		v, err := s.Why(tt.path)
		ok(t, err)
		if v.Excluded != tt.excluded || v.Path != tt.at || v.Reason != tt.reason {
			t.Errorf("Why(%q) = %v at %q: %q, want %v at %q: %q", tt.path, v.Excluded, v.Path, v.Reason, tt.excluded, tt.at, tt.reason)
		}
		if (v.Rule != nil) != strings.Contains(tt.reason, "pattern") {
			t.Errorf("Why(%q) names the rule %v", tt.path, v.Rule)
		}
	}
}

func TestDirectoriesOfANameAreNeverWalkedUnlessTheyAreSources(t *testing.T) {
	d := memory(t, ".pictures/x/f", "a/.pictures/y", "b/.pictures", "c/.pictures/z/f", "a/f")
	s := start(t, d.Root(), []string{"", "c/.pictures/z"}, walk.Options{SkipName: ".pictures"})
	want(t, collect(t, s), "a/", "b/", "c/", "a/f", "b/.pictures", "c/.pictures/", "c/.pictures/z/", "c/.pictures/z/f")
	v, err := s.Why("a/.pictures/y")
	ok(t, err)
	if !v.Excluded || v.Path != "a/.pictures" {
		t.Errorf("%+v", v)
	}
}

func TestAFileSystemThatIsNotThereIsLeftOutAndTold(t *testing.T) {
	d := memory(t, "a/away/hidden", "a/away/in/f", "a/f")
	s := start(t, hollow{FS: d.Root()}, []string{"", "a/away/in"}, walk.Options{})
	want(t, collect(t, s), "a/", "a/away/", "a/f", "a/away/in/", "a/away/in/f")
	if left := s.LeftOut(); !slices.Equal(left, []string{"a/away"}) {
		t.Errorf("left out: %q", left)
	}
}

// hollow is a disk on which directories named away stand for file systems that are not there.
type hollow struct {
	disk.FS
	away bool
}

func (d hollow) OpenDir(name string) (disk.FS, error) {
	below, err := d.FS.OpenDir(name)
	return hollow{below, name == "away"}, err
}

func (d hollow) Lookup(name string) (disk.Info, error) {
	info, err := d.FS.Lookup(name)
	if name == "away" || name == "." && d.away {
		info.Stamp.Dev = 1<<64 - 2
	}
	return info, err
}

func (d hollow) Space() (disk.Space, error) {
	space, err := d.FS.Space()
	space.Absent = d.away
	return space, err
}
