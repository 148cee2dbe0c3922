package storetest

import (
	"context"
	"errors"
	"slices"
	"testing"

	"varve"
)

func TestATreeYieldsWhatASourcePromises(t *testing.T) {
	tree := Sample()
	tree.At("order").Trouble.Listing = errLocked
	last, met, again := "", map[string]bool{}, 0
	for e, err := range tree.Entries(context.Background()) {
		must(t, err)
		switch {
		case errors.Is(e.Err, errLocked) && met[e.Path]:
			again++
			continue
		case len(met) > 0 && varve.ComparePaths(last, e.Path) >= 0:
			t.Errorf("/%s comes before /%s", last, e.Path)
		case e.Path != "" && !met[e.Parent()]:
			t.Errorf("/%s comes before its directory", e.Path)
		case e.SameAs != "" && !met[e.SameAs]:
			t.Errorf("/%s comes before /%s", e.Path, e.SameAs)
		case e.Err != nil || e.Digest != varve.Digest{}:
			t.Errorf("/%s: error %v, digest %s", e.Path, e.Err, e.Digest)
		}
		last, met[e.Path] = e.Path, true
	}
	if again != 1 || met["order/file"] {
		t.Errorf("a directory that cannot be listed came %d times again; its content: %v", again, met["order/file"])
	}
	if _, err := tree.Open(context.Background(), varve.Entry{Path: "absent"}); err == nil {
		t.Error("what is absent can be opened")
	}
}

func TestDifferencesAreFound(t *testing.T) {
	have := wood()
	if d := Differences(have, have.Want(), varve.Entry{}); len(d) > 0 {
		t.Errorf("a tree differs from itself: %q", d)
	}
	for _, change := range []func(*Tree){
		func(o *Tree) { o.Remove("a/file 1") },
		func(o *Tree) { o.File("zzz", "more") },
		func(o *Tree) { o.Edit("a/file 1", func(o *Object) { o.Mode ^= 1 }) },
		func(o *Tree) { o.At("a/file 1").Stream += "!" },
		func(o *Tree) { o.Link("zzz", "a/file 1") },
	} {
		other := *have
		other.objects = clone(have.objects)
		change(&other)
		if len(Differences(have, other.Want(), varve.Entry{})) == 0 || len(Differences(&other, have.Want(), varve.Entry{})) == 0 {
			t.Error("a difference was not found")
		}
	}
	shrunk := wood()
	shrunk.At("a/file 2").Trouble.Shrinks = true
	if d := Differences(shrunk, have.Want(), varve.Entry{}); !slices.ContainsFunc(d, func(s string) bool { return s != "" }) {
		t.Error("a stream that ends early was not noticed")
	}
}
