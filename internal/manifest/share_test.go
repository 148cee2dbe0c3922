package manifest

import (
	"errors"
	"math/rand/v2"
	"testing"

	"varve"
	"varve/internal/digest"
)

// idPages keeps the IDs of pages alone.
type idPages map[PageID]bool

func (p idPages) Put(page []byte) (PageID, error) {
	id := PageID(digest.Sum(page))
	p[id] = true
	return id, nil
}

// edits add an entry to a manifest in one way or another.
var edits = map[string]func(w *Writer, e varve.Entry) error{
	"change": func(w *Writer, e varve.Entry) error { e.Mode ^= 0o111; return w.Add(&e) },
	"delete": func(*Writer, varve.Entry) error { return nil },
	"insert": func(w *Writer, e varve.Entry) error {
		other := e
		other.Path += "~"
		return errors.Join(w.Add(&e), w.Add(&other))
	},
}

// pagesChanged edits the file at or after i and counts the pages that are not the same as before.
func pagesChanged(t *testing.T, list []varve.Entry, before idPages, edit string, i int) (n int) {
	for list[i].Kind == varve.Dir {
		i++
	}
	after := idPages{}
	w := NewWriter(after)
	for j := range list {
		err := error(nil)
		if j == i {
			err = edits[edit](w, list[j])
		} else {
			err = w.Add(&list[j])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for id := range after {
		if !before[id] {
			n++
		}
	}
	return n
}

func TestTreesThatDifferInOnePathShareAlmostAllPages(t *testing.T) {
	t.Parallel()
	list := plainTree(1000, 99)
	pages := idPages{}
	root := write(t, pages, list)
	if len(list) < 100000 || root.Level < 2 || len(pages) < 300 {
		t.Fatalf("%d entries, %d levels: too small to tell", len(list), root.Level)
	}
	for edit := range edits {
		n := pagesChanged(t, list, pages, edit, len(list)/3)
		if n < 1+root.Level || n > 2+root.Level || edit == "change" && n > 1+root.Level {
			t.Errorf("%s: %d of %d pages differ", edit, n, len(pages))
		}
	}
}

func TestNoEditChangesManyPages(t *testing.T) {
	t.Parallel()
	list := plainTree(80, 60)
	pages := idPages{}
	root := write(t, pages, list)
	rng := rand.New(rand.NewPCG(1, 2))
	for edit := range edits {
		for range 10 {
			i := 1 + rng.IntN(len(list)-10)
			if n := pagesChanged(t, list, pages, edit, i); n < 1 || n > 4+2*root.Level {
				t.Errorf("%s at %d: %d of %d pages differ", edit, i, n, len(pages))
			}
		}
	}
}

func TestPagesEndWhereTheyAlwaysDid(t *testing.T) {
	t.Parallel()
	list := plainTree(300, 99)
	pages := newMemPages()
	root := write(t, pages, list)
	leaves, above := 0, 0
	for _, page := range pages.pages {
		if page[1] == 0 {
			leaves++
		} else {
			above++
		}
	}
	if each := len(list) / leaves; each < 200 || each > 350 || above > leaves/20 {
		t.Errorf("%d entries a leaf, %d leaves, %d pages above", each, leaves, above)
	}
	const want = "69197ab46d360b83639bbb557606577ffc2d91096aed05014e980e4e3a5b3e83" // covers every boundary
	if got := root.ID.String(); got != want || root.Level != 2 {
		t.Errorf("root %s at level %d", got, root.Level)
	}
}
