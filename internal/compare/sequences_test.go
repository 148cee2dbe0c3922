package compare

import (
	"errors"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"varve"
)

// sequence yields entries and, where err is not nil, ends with it.
func sequence(err error, entries ...varve.Entry) iter.Seq2[varve.Entry, error] {
	return func(yield func(varve.Entry, error) bool) {
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
		if err != nil {
			yield(varve.Entry{}, err)
		}
	}
}

// tree makes entries: "a/" is a directory, "a!" an object that could not be read, anything else a file.
func tree(paths ...string) []varve.Entry {
	var entries []varve.Entry
	for _, path := range paths {
		e := varve.Entry{Path: path, Kind: varve.Regular}
		if dir, ok := strings.CutSuffix(path, "/"); ok {
			e.Path, e.Kind = dir, varve.Dir
		}
		if name, ok := strings.CutSuffix(path, "!"); ok {
			e.Path, e.Err = name, fs.ErrPermission
		}
		entries = append(entries, e)
	}
	return entries
}

// diff prints changes one by one: + added, - removed, = same, ~ different, and ? where an object could not be read.
func diff(t *testing.T, before, after iter.Seq2[varve.Entry, error]) (changes []string, err error) {
	t.Helper()
	for c, err := range Sequences(before, after) {
		if err != nil {
			return changes, err
		}
		sign := "~"
		switch {
		case c.Err() != nil:
			sign = "?"
			if c.Aspects != varve.Content {
				t.Errorf("%q could not be read: %q", c.Path(), c.Aspects)
			}
		case c.Same():
			sign = "="
		case c.Before == nil:
			sign = "+"
		case c.After == nil:
			sign = "-"
		}
		changes = append(changes, sign+c.Path())
	}
	return changes, nil
}

func TestSequencesPairsWhatHasOnePath(t *testing.T) {
	before := tree("/", "a/", "b", "c/", "a/x", "a/y", "c/z")
	after := tree("/", "a/", "b", "d/", "a/w", "a/y", "d/z")
	after[2].Mode = 0o600
	got, err := diff(t, sequence(nil, before...), sequence(nil, after...))
	want := strings.Fields("= =a ~b -c +d +a/w -a/x =a/y -c/z +d/z")
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestAnEmptySequenceMakesEverythingAddedOrRemoved(t *testing.T) {
	entries := tree("/", "a/", "a/x")
	if got, err := diff(t, sequence(nil), sequence(nil, entries...)); err != nil || !slices.Equal(got, []string{"+", "+a", "+a/x"}) {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := diff(t, sequence(nil, entries...), sequence(nil)); err != nil || !slices.Equal(got, []string{"-", "-a", "-a/x"}) {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := diff(t, sequence(nil), sequence(nil)); err != nil || len(got) != 0 {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestWhatLiesBelowAnUnreadDirectoryIsNotCalledRemoved(t *testing.T) {
	full := tree("/", "a/", "b/", "c", "a/s/", "a/x", "a/s/y", "b/z")
	for name, c := range map[string]struct {
		entries []varve.Entry
		want    string
	}{
		"listing failed":          {tree("/", "a/", "b/", "c", "a!", "b/z"), "= =a =b =c ?a =b/z"},
		"directory failed":        {tree("/", "a!", "b/", "c", "b/z"), "= ?a =b =c =b/z"},
		"listing of root failed":  {tree("/", "!"), "= ?"},
		"root failed":             {tree("!"), "?"},
		"one of two levels":       {tree("/", "a/", "b/", "c", "a/s/", "a/x", "a/s!", "b/z"), "= =a =b =c =a/s =a/x ?a/s =b/z"},
		"a file failed":           {tree("/", "a/", "b/", "c!", "a/s/", "a/x", "a/s/y", "b/z"), "= =a =b ?c =a/s =a/x =a/s/y =b/z"},
		"failed, and new here":    {tree("/", "a/", "b/", "c", "d!", "a/s/", "a/x", "a/s/y", "b/z"), "= =a =b =c ?d =a/s =a/x =a/s/y =b/z"},
		"last directory's failed": {tree("/", "a/", "b/", "c", "a/s/", "a/x", "a/s/y", "b!"), "= =a =b =c =a/s =a/x =a/s/y ?b"},
	} {
		t.Run(name, func(t *testing.T) {
			want := strings.Fields(c.want)
			for i := range want {
				want[i] = strings.TrimSuffix(want[i], "/")
			}
			if got, err := diff(t, sequence(nil, full...), sequence(nil, c.entries...)); err != nil || !slices.Equal(got, want) {
				t.Errorf("got %q, %v", got, err)
			}
			if got, err := diff(t, sequence(nil, c.entries...), sequence(nil, full...)); err != nil || !slices.Equal(got, want) {
				t.Errorf("the other way round: got %q, %v", got, err)
			}
		})
	}
}

func TestAListingThatFailedOnBothSidesIsOneChange(t *testing.T) {
	entries := tree("/", "a/", "a!")
	got, err := diff(t, sequence(nil, entries...), sequence(nil, entries...))
	if err != nil || !slices.Equal(got, []string{"=", "=a", "?a"}) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestEntriesOutOfOrderEndTheWalk(t *testing.T) {
	for name, entries := range map[string][]varve.Entry{
		"names":                 tree("/", "b", "a"),
		"twice":                 tree("/", "a", "a"),
		"root later":            tree("a", "/"),
		"depth first":           tree("/", "a/", "a/x", "b"),
		"parent after children": tree("/", "a/", "a/x", "a/"),
		"late listing error":    tree("/", "a/", "b/", "a/x", "a!"),
		"listing error twice":   tree("/", "a/", "a!", "a!"),
	} {
		for range 2 {
			_, errBefore := diff(t, sequence(nil, entries...), sequence(nil, tree("/", "z")...))
			_, errAfter := diff(t, sequence(nil, tree("/", "z")...), sequence(nil, entries...))
			if errBefore == nil || !strings.Contains(errBefore.Error(), "before") || errAfter == nil {
				t.Errorf("%s: got %v, %v", name, errBefore, errAfter)
			}
		}
	}
}

func TestAnErrorOfEitherSideEndsTheWalk(t *testing.T) {
	broken := errors.New("broken")
	entries := tree("/", "a", "b")
	for n := range entries {
		if got, err := diff(t, sequence(broken, entries[:n]...), sequence(nil, entries...)); err != broken || len(got) > n {
			t.Errorf("before breaks at %d: got %q, %v", n, got, err)
		}
		if got, err := diff(t, sequence(nil, entries...), sequence(broken, entries[:n]...)); err != broken || len(got) > n {
			t.Errorf("after breaks at %d: got %q, %v", n, got, err)
		}
	}
}

func TestBothSequencesAreLeftWhenTheReceiverStops(t *testing.T) {
	left := 0
	watched := func(yield func(varve.Entry, error) bool) {
		defer func() { left++ }()
		sequence(nil, tree("/", "a", "b")...)(yield)
	}
	for range Sequences(watched, watched) {
		break
	}
	if left != 2 {
		t.Errorf("%d of 2 sequences were left", left)
	}
}

// drawTree draws a tree by path.
func drawTree(t *rapid.T, label string) map[string]varve.Entry {
	entries := map[string]varve.Entry{"": {Kind: varve.Dir}}
	dirs := []string{""}
	for range rapid.IntRange(0, 25).Draw(t, label) {
		name := rapid.SampledFrom([]string{"a", "b", "a-", "a!", "c", "\xff", "ab"}).Draw(t, "name")
		e := varve.Entry{Path: varve.Join(rapid.SampledFrom(dirs).Draw(t, "dir"), name), Kind: varve.Regular}
		if _, taken := entries[e.Path]; taken {
			continue
		}
		if rapid.Bool().Draw(t, "is dir") {
			e.Kind = varve.Dir
			dirs = append(dirs, e.Path)
		}
		e.Mode = rapid.Uint32Range(0, 1).Draw(t, "mode")
		entries[e.Path] = e
	}
	return entries
}

func sorted(tree map[string]varve.Entry) []varve.Entry {
	return slices.SortedFunc(maps.Values(tree), func(a, b varve.Entry) int { return varve.ComparePaths(a.Path, b.Path) })
}

func TestSequencesFindsWhatAComparisonByPathFinds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before, after := drawTree(t, "before"), drawTree(t, "after")
		union := maps.Clone(before)
		maps.Copy(union, after)
		paths := sorted(union)
		n := 0
		for c, err := range Sequences(sequence(nil, sorted(before)...), sequence(nil, sorted(after)...)) {
			if err != nil {
				t.Fatal(err)
			}
			if n == len(paths) || c.Path() != paths[n].Path {
				t.Fatalf("change %d is %q, of %d", n, c.Path(), len(paths))
			}
			n++
			b, inBefore := before[c.Path()]
			a, inAfter := after[c.Path()]
			if inBefore != (c.Before != nil) || inAfter != (c.After != nil) {
				t.Fatalf("%q: got %v and %v", c.Path(), c.Before, c.After)
			}
			var want varve.Aspect
			if inBefore && inAfter {
				want = Aspects(&b, &a)
			}
			if c.Aspects != want {
				t.Fatalf("%q: got %q, want %q", c.Path(), c.Aspects, want)
			}
		}
		if n != len(paths) {
			t.Fatalf("%d changes, want %d", n, len(paths))
		}
	})
}

func FuzzSequencesNeverPanicsOnAnyOrder(f *testing.F) {
	f.Add("/,a/,a/x", "/,a!,b")
	f.Add("/,a/,a!", "b,a")
	f.Fuzz(func(t *testing.T, before, after string) {
		b, a := tree(strings.Split(before, ",")...), tree(strings.Split(after, ",")...)
		previous, n := "", 0
		for c, err := range Sequences(sequence(nil, b...), sequence(nil, a...)) {
			if err != nil {
				return
			}
			if n > 0 && c.Err() == nil && varve.ComparePaths(previous, c.Path()) > 0 {
				t.Errorf("%q after %q", c.Path(), previous)
			}
			previous = c.Path()
			n++
		}
		if n > len(b)+len(a) {
			t.Errorf("%d changes of %d and %d entries", n, len(b), len(a))
		}
	})
}
