package manifest

import (
	"errors"
	"io"
	"io/fs"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"varve"
)

func TestCursorGoesWhereANaiveSearchGoes(t *testing.T) {
	t.Parallel()
	list := plainTree(120, 40)
	pages := newMemPages()
	r := NewReader(pages, write(t, pages, list))
	rng := rand.New(rand.NewPCG(3, 4))
	c := r.Cursor()
	for range 300 {
		path := list[rng.IntN(len(list))].Path
		switch rng.IntN(4) {
		case 0:
			path += string([]byte{byte(rng.IntN(256))})
		case 1:
			path = path[:rng.IntN(len(path)+1)]
		}
		want, _ := slices.BinarySearchFunc(list, path, func(e varve.Entry, p string) int { return varve.ComparePaths(e.Path, p) })
		if err := c.Seek(path); err != nil {
			t.Fatal(err)
		}
		if c.Pos() != Pos(want) {
			t.Fatalf("seek %q: at %d, want %d", path, c.Pos(), want)
		}
		for i := range rng.IntN(500) {
			e, err := c.Next()
			if want+i == len(list) {
				if err != io.EOF {
					t.Fatal(err)
				}
				break
			}
			if err != nil || e.Path != list[want+i].Path || c.Pos() != Pos(want+i+1) {
				t.Fatalf("after seek %q: %v, %v", path, e, err)
			}
		}
	}
}

func TestEveryPositionLeadsToItsEntry(t *testing.T) {
	list := plainTree(40, 40)
	pages := newMemPages()
	r := NewReader(pages, write(t, pages, list))
	c := r.Cursor()
	for _, i := range rand.New(rand.NewPCG(5, 6)).Perm(len(list)) {
		e, err := r.Get(Pos(i))
		if err != nil || !equalEntries(&e, &list[i]) {
			t.Fatalf("%d: %+v, %v", i, e, err)
		}
		if err := c.SeekPos(Pos(i)); err != nil || c.Pos() != Pos(i) {
			t.Fatalf("%d: at %d, %v", i, c.Pos(), err)
		}
	}
	for _, pos := range []Pos{Pos(len(list)), 1 << 63, 1<<64 - 1} {
		if _, err := r.Get(pos); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("%d: %v", pos, err)
		}
	}
}

// collected returns what a sequence yields before its error.
func collected(seq iter.Seq2[varve.Entry, error]) (list []varve.Entry, err error) {
	for e, err := range seq {
		if err != nil {
			return list, err
		}
		list = append(list, e)
	}
	return list, nil
}

func TestReadDirBelowAndLookupFindWhatTheListHolds(t *testing.T) {
	list := plainTree(120, 30)
	pages := newMemPages()
	r := NewReader(pages, write(t, pages, list))
	dirs := map[string][]varve.Entry{}
	for _, e := range list {
		if e.Path != "" {
			dirs[e.Parent()] = append(dirs[e.Parent()], e)
		}
	}
	for i := range list {
		e, err := r.Lookup(list[i].Path)
		if err != nil {
			t.Fatal(err)
		}
		same(t, []varve.Entry{e}, list[i:i+1])
		got, err := r.ReadDir(e.Path)
		if e.Kind != varve.Dir {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Fatalf("readdir %s: %v", e.Path, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		same(t, got, dirs[e.Path])
		below := slices.DeleteFunc(slices.Clone(list), func(b varve.Entry) bool { return b.Path == e.Path || !varve.Within(b.Path, e.Path) })
		if got, err := collected(r.Below(e.Path)); err != nil || len(got) != len(below) {
			t.Fatalf("below %s are %d entries, want %d; %v", e.Path, len(got), len(below), err)
		} else {
			same(t, got, below)
		}
	}
	for _, path := range []string{"/", "/usr-0", "usr-0/", "no", "usr-0/no", "\x00", "\xff", "usr-0/share0/zzz"} {
		if _, err := r.Lookup(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("lookup %q: %v", path, err)
		}
		if _, err := r.ReadDir(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("readdir %q: %v", path, err)
		}
		if _, err := collected(r.Below(path)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("below %q: %v", path, err)
		}
	}
}

func TestNeighboursAreFoundWithoutReadingPagesAgain(t *testing.T) {
	list := plainTree(120, 30)
	pages := newMemPages()
	r := NewReader(pages, write(t, pages, list))
	for i := range list {
		if _, err := r.Lookup(list[i].Path); err != nil {
			t.Fatal(err)
		}
	}
	if pages.gets > len(pages.pages) {
		t.Fatalf("%d reads of %d pages", pages.gets, len(pages.pages))
	}
}

func TestOneReaderServesManyGoroutines(t *testing.T) {
	t.Parallel()
	list := plainTree(60, 40)
	pages := newMemPages()
	r := NewReader(pages, write(t, pages, list))
	var group sync.WaitGroup
	for g := range 4 {
		group.Go(func() {
			rng := rand.New(rand.NewPCG(7, uint64(g)))
			for range 300 {
				i := rng.IntN(len(list))
				if e, err := r.Lookup(list[i].Path); err != nil || !equalEntries(&e, &list[i]) {
					t.Errorf("%+v, %v", e, err)
				}
			}
			if got, err := readAll(r); err != nil || len(got) != len(list) {
				t.Error(len(got), err)
			}
		})
	}
	group.Wait()
}

func TestEntriesStopWhenTheCallerHasEnough(t *testing.T) {
	pages := newMemPages()
	r := NewReader(pages, write(t, pages, plainTree(60, 40)))
	n := 0
	for range r.Entries() {
		if n++; n == 5 {
			break
		}
	}
	if n != 5 || pages.gets > 3 {
		t.Fatal(n, pages.gets)
	}
}
