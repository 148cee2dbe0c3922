package compare

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"varve"
)

// objects is a tree by path.
type objects map[string]varve.Entry

// drawObjects draws a small tree, in which names and contents come again.
func drawObjects(t *rapid.T, label string) objects {
	tree := objects{"": {Kind: varve.Dir}}
	dirs := []string{""}
	for i := range rapid.IntRange(0, 25).Draw(t, label) {
		path := varve.Join(rapid.SampledFrom(dirs).Draw(t, "dir"), rapid.SampledFrom([]string{"a", "b", "c", "d", "b!"}).Draw(t, "name"))
		if _, taken := tree[path]; taken {
			continue
		}
		e := varve.Entry{Path: path, Kind: rapid.SampledFrom([]varve.Kind{varve.Regular, varve.Regular, varve.Dir, varve.Symlink}).Draw(t, "kind")}
		what := rapid.IntRange(0, 4).Draw(t, "content")
		switch e.Kind {
		case varve.Dir:
			dirs = append(dirs, path)
		case varve.Symlink:
			e.Target = fmt.Sprint(what)
		default:
			e.Size, e.Digest = int64(what), varve.Digest{byte(what)}
		}
		e.Mode = uint32(i)
		tree[path] = e
	}
	return tree
}

// listing returns the entries of a tree in listing order.
func (o objects) listing() (list []varve.Entry) {
	for _, path := range slices.SortedFunc(maps.Keys(o), varve.ComparePaths) {
		list = append(list, o[path])
	}
	return list
}

// naive counts the difference with all of both trees at hand.
func naive(before, after objects) (d varve.Difference) {
	what := func(e varve.Entry) string { return fmt.Sprint(e.Kind, e.Size, e.Digest, e.Target) }
	come := map[string]int64{}
	for path, e := range after {
		if e.Kind == varve.Dir {
			continue
		}
		d.Files++
		o, there := before[path]
		switch {
		case !there || o.Kind == varve.Dir:
			come[what(e)]++
		case what(o) != what(e):
			d.Changed++
		}
	}
	for path, o := range before {
		if o.Kind == varve.Dir {
			continue
		}
		d.Before++
		if e, there := after[path]; there && e.Kind != varve.Dir {
			continue
		}
		if come[what(o)] > 0 {
			come[what(o)]--
			continue
		}
		d.Lost++
	}
	return d
}

// puller yields entries in memory that it uses again, as a manifest's cursor does, and ends with err.
func puller(list []varve.Entry, err error) func() (*varve.Entry, error) {
	var e varve.Entry
	return func() (*varve.Entry, error) {
		if len(list) == 0 {
			return nil, err
		}
		e, list = list[0], list[1:]
		return &e, nil
	}
}

// tally counts the difference as a Tally does, against as many entries as were read before err.
func tally(files int64, before []varve.Entry, err error, after objects) (varve.Difference, error) {
	t := NewTally(files, puller(before, err), nil)
	for _, e := range after.listing() {
		t.Add(&e)
	}
	return t.Difference()
}

func TestATallyCountsWhatIsLostAndChangedAndNotWhatMoved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before, after := drawObjects(t, "before"), drawObjects(t, "after")
		got, err := tally(0, before.listing(), io.EOF, after)
		if want := naive(before, after); err != nil || got != want {
			t.Fatalf("got %+v, %v, want %+v", got, err, want)
		}
	})
}

func TestATreeDoesNotDifferFromItselfNorFromOneWithOtherNames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before, after := drawObjects(t, "tree"), objects{"": {Kind: varve.Dir}}
		for path, e := range before {
			if path != "" {
				e.Path = "z" + path
				after[e.Path] = e
			}
		}
		for _, tree := range []objects{before, after} {
			got, err := tally(0, before.listing(), io.EOF, tree)
			if err != nil || got.Lost != 0 || got.Changed != 0 || got.Files != got.Before {
				t.Fatalf("got %+v, %v", got, err)
			}
		}
	})
}

func TestATallyAgainstWhatCannotBeReadSaysNoMoreThanIsKnown(t *testing.T) {
	fault := errors.New("a page is damaged")
	rapid.Check(t, func(t *rapid.T) {
		before, after := drawObjects(t, "before"), drawObjects(t, "after")
		list, whole := before.listing(), naive(before, after)
		read := list[:rapid.IntRange(0, len(list)).Draw(t, "read")]
		got, err := tally(whole.Before, read, fault, after)
		if !errors.Is(err, fault) {
			t.Fatalf("the error is %v", err)
		}
		if got.Files != whole.Files || got.Before != whole.Before || got.Changed > whole.Changed || got.Lost < whole.Before-whole.Files {
			t.Fatalf("got %+v, and all is %+v", got, whole)
		}
	})
}

func TestATallyAgainstARecordAloneKnowsHowManyAreMissing(t *testing.T) {
	for _, c := range []struct{ files, lost int64 }{{0, 0}, {1, 0}, {2, 0}, {5, 3}} {
		tally := NewTally(c.files, nil, nil)
		for _, path := range []string{"a", "b"} {
			tally.Add(&varve.Entry{Path: path, Kind: varve.Regular})
		}
		got, err := tally.Difference()
		if want := (varve.Difference{Files: 2, Before: c.files, Lost: c.lost}); err != nil || got != want {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
}

func TestOneCopyDoesNotMakeUpForManyLostFiles(t *testing.T) {
	before, after := objects{}, objects{"new": {Path: "new", Kind: varve.Regular}}
	for i := range 10 {
		path := fmt.Sprint(i)
		before[path] = varve.Entry{Path: path, Kind: varve.Regular}
	}
	got, err := tally(0, before.listing(), io.EOF, after)
	if err != nil || got.Lost != 9 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestAVerdictIsAState(t *testing.T) {
	for _, state := range []varve.State{varve.Complete, varve.Incomplete, varve.Suspect} {
		for _, found := range []varve.State{varve.Complete, varve.Incomplete} {
			want := state
			if state == varve.Complete {
				want = found
			}
			if got, err := Judge(func(varve.Difference) varve.State { return state }, found, varve.Difference{}); err != nil || got != want {
				t.Errorf("%s of what is %s: got %q, %v", state, found, got, err)
			}
		}
	}
	if got, err := Judge(func(varve.Difference) varve.State { return "" }, varve.Complete, varve.Difference{}); err == nil {
		t.Errorf("no state at all: got %q", got)
	}
}

func TestTheSourceThatLostTheLargestShareIsTold(t *testing.T) {
	put := func(tree objects, dir string, n int) {
		for i := range n {
			path := fmt.Sprintf("%s/%03d", dir, i)
			tree[path] = varve.Entry{Path: path, Kind: varve.Regular, Size: 1, Digest: varve.Digest{byte(i), byte(len(dir)), dir[0], dir[len(dir)-1]}}
		}
	}
	full := map[string]int{"home": 200, "home/me": 40, "etc": 30, "srv": 5}
	sources := []string{"/home", "/etc", "/srv", "/home/me"}
	for name, c := range map[string]struct {
		after   map[string]int
		sources []string
		want    varve.Difference
	}{
		"all is there":                     {full, sources, varve.Difference{}},
		"one is empty":                     {map[string]int{"home": 200, "home/me": 40, "srv": 5}, sources, varve.Difference{Worst: "/etc", WorstBefore: 30, WorstLost: 30}},
		"a small one is empty":             {map[string]int{"home": 150, "home/me": 40, "etc": 30}, sources, varve.Difference{Worst: "/srv", WorstBefore: 5, WorstLost: 5}},
		"a small one has few left":         {map[string]int{"home": 150, "home/me": 40, "etc": 30, "srv": 1}, sources, varve.Difference{Worst: "/home", WorstBefore: 200, WorstLost: 50}},
		"one within another":               {map[string]int{"home": 200, "home/me": 1, "etc": 16, "srv": 5}, sources, varve.Difference{Worst: "/home/me", WorstBefore: 40, WorstLost: 39}},
		"one within the root":              {map[string]int{"home": 200, "home/me": 40, "srv": 5}, []string{"/", "/etc"}, varve.Difference{Worst: "/etc", WorstBefore: 30, WorstLost: 30}},
		"one that is a source no longer":   {map[string]int{"home": 200, "home/me": 40, "srv": 5}, []string{"/home", "/srv"}, varve.Difference{}},
		"there is one source, and no more": {map[string]int{"home": 1}, []string{"/home"}, varve.Difference{}},
	} {
		before, after := objects{}, objects{}
		for dir, n := range full {
			put(before, dir, n)
		}
		for dir, n := range c.after {
			put(after, dir, n)
		}
		tally := NewTally(0, puller(before.listing(), io.EOF), c.sources)
		for _, e := range after.listing() {
			tally.Add(&e)
		}
		got, err := tally.Difference()
		want := naive(before, after)
		want.Worst, want.WorstBefore, want.WorstLost = c.want.Worst, c.want.WorstBefore, c.want.WorstLost
		if err != nil || got != want {
			t.Errorf("%s: got %+v, %v, want %+v", name, got, err, want)
		}
	}
}

func TestWhatMovedToAnotherSourceIsNotLost(t *testing.T) {
	before, after := objects{}, objects{}
	for i := range 20 {
		e := varve.Entry{Path: fmt.Sprintf("a/%02d", i), Kind: varve.Regular, Digest: varve.Digest{byte(i)}}
		before[e.Path] = e
		e.Path = fmt.Sprintf("b/%02d", i)
		after[e.Path] = e
	}
	tally := NewTally(0, puller(before.listing(), io.EOF), []string{"/a", "/b"})
	for _, e := range after.listing() {
		tally.Add(&e)
	}
	if got, err := tally.Difference(); err != nil || got != (varve.Difference{Files: 20, Before: 20}) {
		t.Errorf("got %+v, %v", got, err)
	}
}
