package manifest

import (
	"fmt"
	"testing"

	"varve"
)

func TestAWalkMeetsEveryEntryAndSkipsWhatItIsToldTo(t *testing.T) {
	pages := newMemPages()
	w := NewWriter(pages)
	root := varve.Entry{Kind: varve.Dir}
	if err := w.Add(&root); err != nil {
		t.Fatal(err)
	}
	const files = 20_000
	for i := range files {
		if err := w.Add(&varve.Entry{Path: fmt.Sprintf("%08d", i), Kind: varve.Regular}); err != nil {
			t.Fatal(err)
		}
	}
	top, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	seen, entries := map[PageID]bool{}, 0
	visit := Visitor{
		Enter: func(id PageID) (bool, error) {
			fresh := !seen[id]
			seen[id] = true
			return fresh, nil
		},
		Leaf: func(list []varve.Entry) error { entries += len(list); return nil },
	}
	for round := range 2 {
		if err := NewReader(pages, top).Walk(visit); err != nil {
			t.Fatal(err)
		}
		if entries != files+1 {
			t.Errorf("round %d: %d entries, want %d", round, entries, files+1)
		}
	}
}
