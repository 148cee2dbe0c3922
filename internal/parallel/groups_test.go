package parallel_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"varve"
	"varve/internal/parallel"
)

// listing yields the root, a directory d, n files in it, and then err, if there is one.
func listing(n int, err error) func(func(varve.Entry, error) bool) {
	return func(yield func(varve.Entry, error) bool) {
		if !yield(varve.Entry{Kind: varve.Dir}, nil) || !yield(varve.Entry{Path: "d", Kind: varve.Dir}, nil) {
			return
		}
		for i := range n {
			if !yield(varve.Entry{Path: fmt.Sprintf("d/%06d", i), Kind: varve.Regular, Size: 1}, nil) {
				return
			}
		}
		if err != nil {
			yield(varve.Entry{}, err)
		}
	}
}

func TestGroupsHoldNeighboursOfOneDirectoryAndNoMoreThanAreAskedFor(t *testing.T) {
	for most, want := range map[int][]int{0: {1, 1, 1024, 76}, -1: {1, 1, 1024, 76}, 500: {1, 1, 500, 500, 100}, 1100: {1, 1, 1100}} {
		var sizes []int
		for g, err := range parallel.Groups(listing(1100, nil), most) {
			if err != nil {
				t.Fatal(err)
			}
			sizes = append(sizes, len(g.Entries))
			for _, e := range g.Entries {
				if e.Parent() != g.Dir || (e.Path == "") != g.Root {
					t.Errorf("%q is in the group of %q", e.Path, g.Dir)
				}
			}
		}
		if !slices.Equal(sizes, want) {
			t.Errorf("at most %d: groups of %v, want %v", most, sizes, want)
		}
	}
}

func TestGroupsEndWithTheErrorOfTheSequence(t *testing.T) {
	broken := errors.New("broken")
	var last error
	for _, err := range parallel.Groups(listing(3, broken), 2) {
		last = err
	}
	if last != broken {
		t.Errorf("the last error is %v", last)
	}
}
