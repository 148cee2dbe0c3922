package hook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"varve"
	"varve/internal/storetest"
)

// drawTree returns a tree, of which some objects cannot be read, with files that end in suffix.
func drawTree(rt *rapid.T, suffix string) *storetest.Tree {
	t := storetest.NewTree()
	trouble := rapid.SampledFrom([]error{nil, nil, nil, nil, fs.ErrPermission})
	dirs := []string{""}
	for range rapid.IntRange(0, 12).Draw(rt, "n"+suffix) {
		at := varve.Join(rapid.SampledFrom(dirs).Draw(rt, "dir"), rapid.SampledFrom([]string{"a", "b", "a b", "a!", "b\xff", "\x01"}).Draw(rt, "name"))
		if rapid.Bool().Draw(rt, "file") {
			t.File(at+suffix, "content of "+suffix)
			t.At(at + suffix).Trouble.Entry = trouble.Draw(rt, "trouble")
			continue
		}
		if t.At(at) == nil {
			t.Dir(at)
			t.At(at).Trouble.Listing = trouble.Draw(rt, "listing")
			t.At(at).Trouble.Entry = trouble.Draw(rt, "entry")
			dirs = append(dirs, at)
		}
	}
	return t
}

// said is one line for each entry that a source yields.
func said(t interface{ Fatal(...any) }, src varve.Source) (list []string, order []string) {
	last := ""
	for e, err := range src.Entries(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		place := e.Path
		if e.Err != nil && len(order) > 0 && varve.ComparePaths(e.Path, last) <= 0 {
			place = varve.Join(e.Path, "\x00")
		}
		last = place
		order = append(order, place)
		list = append(list, fmt.Sprint(e.Path, "|", e.Kind, "|", e.Err != nil))
	}
	return list, order
}

func TestAMergedSourceHasWhatBothHaveInOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a, b := drawTree(rt, ".1"), drawTree(rt, ".2")
		m := Merge(a, b)
		got, order := said(rt, m)
		if !slices.IsSortedFunc(order, varve.ComparePaths) {
			rt.Fatalf("not in order: %q", order)
		}
		if n := len(slices.Compact(slices.Clone(order))); n != len(order) {
			rt.Fatalf("something is there twice: %q", order)
		}
		fromA, _ := said(rt, a)
		fromB, _ := said(rt, b)
		want := slices.Compact(slices.Sorted(slices.Values(append(fromA, fromB...))))
		if have := slices.Compact(slices.Sorted(slices.Values(got))); !slices.Equal(have, want) {
			rt.Fatalf("got %q\nwant %q", have, want)
		}
		checkContent(rt, m)
	})
}

func checkContent(rt *rapid.T, m varve.Source) {
	for e, err := range m.Entries(context.Background()) {
		if err != nil || e.Err != nil || e.Kind != varve.Regular {
			continue
		}
		f, err := m.Open(context.Background(), e)
		if err != nil {
			rt.Fatal(err)
		}
		text, err := io.ReadAll(f)
		f.Close()
		if want := "content of " + e.Path[len(e.Path)-2:]; err != nil || string(text) != want {
			rt.Fatalf("/%s: %q, %v", e.Path, text, err)
		}
	}
}

func TestAPathOfBothSourcesEndsTheMerge(t *testing.T) {
	with := func(kind varve.Kind) *storetest.Tree {
		tree := storetest.NewTree()
		tree.Put("x", varve.Entry{Kind: kind, Mode: 0o700}, "")
		return tree
	}
	for _, kinds := range [][2]varve.Kind{{varve.Regular, varve.Regular}, {varve.Dir, varve.Regular}, {varve.Symlink, varve.Dir}} {
		var last error
		for _, err := range Merge(with(kinds[0]), with(kinds[1])).Entries(t.Context()) {
			last = err
		}
		if !errors.Is(last, fs.ErrExist) || !strings.Contains(last.Error(), "/x") {
			t.Errorf("%v: %v", kinds, last)
		}
	}
}

func TestRealMetadataOfADirectoryWinsOverThatOfAPassage(t *testing.T) {
	real, passage := storetest.NewTree(), storetest.NewTree()
	for _, tree := range []*storetest.Tree{real, passage} {
		tree.Dir("d")
	}
	real.At("d").Mode = 0o711
	passage.At("d").Marks |= varve.Passage
	for name, m := range map[string]varve.Source{"first": Merge(real, passage), "second": Merge(passage, real)} {
		for e, err := range m.Entries(t.Context()) {
			if err != nil || e.Path == "d" && (e.Mode != 0o711 || e.Marks != 0) {
				t.Errorf("%s: %+v, %v", name, e, err)
			}
		}
	}
}

// list is a source of entries, and of an error after them.
type list struct {
	entries []varve.Entry
	err     error
}

func (l list) Entries(context.Context) iter.Seq2[varve.Entry, error] {
	return func(yield func(varve.Entry, error) bool) {
		for _, e := range l.entries {
			if !yield(e, nil) {
				return
			}
		}
		if l.err != nil {
			yield(varve.Entry{}, l.err)
		}
	}
}

func (l list) Open(context.Context, varve.Entry) (varve.File, error) { return nil, fs.ErrNotExist }

func TestAFailureOfEitherSourceEndsTheMerge(t *testing.T) {
	root, broken := varve.Entry{Kind: varve.Dir}, errors.New("broken")
	good, bad := list{entries: []varve.Entry{root}}, list{[]varve.Entry{root}, broken}
	back := list{entries: []varve.Entry{root, {Path: "b", Kind: varve.FIFO}, {Path: "a", Kind: varve.FIFO}}}
	for name, m := range map[string]varve.Source{"first": Merge(bad, good), "second": Merge(good, bad), "disorder": Merge(good, back)} {
		var last error
		for _, err := range m.Entries(t.Context()) {
			last = err
		}
		if last == nil || name != "disorder" && !errors.Is(last, broken) {
			t.Errorf("%s: %v", name, last)
		}
	}
}
