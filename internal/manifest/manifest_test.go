package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"varve"
)

func TestEntriesComeBackAsTheyWereAdded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawEntries(t)
		pages := newMemPages()
		w := NewWriter(pages)
		for i := range want {
			if err := w.Add(&want[i]); err != nil {
				t.Fatal(err)
			}
		}
		root, err := w.Close()
		if err != nil {
			t.Fatal(err)
		}
		got, err := readAll(NewReader(pages, root))
		if err != nil {
			t.Fatal(err)
		}
		same(t, got, want)
	})
}

func TestAnEmptyManifestHasNoEntries(t *testing.T) {
	pages := newMemPages()
	root := write(t, pages, nil)
	r := NewReader(pages, root)
	if got, err := readAll(r); len(got) != 0 || err != nil {
		t.Fatal(got, err)
	}
	if _, err := r.Lookup(""); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if _, err := r.Get(0); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
}

func TestTheRootTellsEntriesAndBytes(t *testing.T) {
	list := plainTree(3, 20)
	list[len(list)-1].SameAs = list[len(list)-2].Path
	want := int64(0)
	for _, e := range list[:len(list)-1] {
		want += e.Size
	}
	root := write(t, newMemPages(), list)
	if root.Entries != int64(len(list)) || root.Bytes != want {
		t.Fatalf("%+v, want %d entries of %d bytes", root, len(list), want)
	}
	text, err := json.Marshal(root)
	if err != nil {
		t.Fatal(err)
	}
	var back Root
	if err := json.Unmarshal(text, &back); err != nil || back != root {
		t.Fatalf("%s: %+v, %v", text, back, err)
	}
}

func TestTheSumOfSizesStopsAtTheLargestNumber(t *testing.T) {
	list := plainTree(5, 300)
	for i := range list {
		if list[i].Kind == varve.Regular {
			list[i].Size = 1<<63 - 1
		}
	}
	pages := newMemPages()
	root := write(t, pages, list)
	if root.Bytes != 1<<63-1 || root.Level == 0 {
		t.Fatalf("%+v", root)
	}
	got, err := readAll(NewReader(pages, root))
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, list)
}

func TestAnOrdinarySmallFileTakesAtMostSixtyBytes(t *testing.T) {
	list := plainTree(300, 20)
	pages := newMemPages()
	write(t, pages, list)
	total := 0
	for _, page := range pages.pages {
		total += len(page)
	}
	if each := float64(total) / float64(len(list)); each > 60 {
		t.Fatalf("%.1f bytes for each entry", each)
	}
}

func TestLargeAndDeepEntriesComeBack(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("n", 255)
	list := []varve.Entry{plainDir("", 0)}
	for path, i := "", 0; i < 10000; i++ {
		path = varve.Join(path, "d")
		if i%50 == 0 || i > 9900 {
			list = append(list, varve.Entry{Path: path, Kind: varve.Dir})
		}
	}
	deep := strings.Repeat(long+"/", 500) // 128 kB
	for i := range 20 {
		e := plainFile(deep+"x", i, i)
		for j := range 3 {
			e.Xattrs = append(e.Xattrs, varve.Xattr{Name: fmt.Sprintf("user.%d", j), Value: strings.Repeat(string(rune('a'+i%7)), 65536)})
		}
		list = append(list, e)
	}
	huge := plainFile("", 0, 0)
	huge.Path, huge.Size = strings.Repeat("p/", MaxPath/2-1)+"q", 1<<40
	for i := range int64(100000) {
		huge.Holes = append(huge.Holes, varve.Extent{Off: i << 20, Len: 4096})
	}
	list = sortEntries(append(list, huge))
	pages := newMemPages()
	root := write(t, pages, list)
	got, err := readAll(NewReader(pages, root))
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, list)
	for id, page := range pages.pages {
		if len(page) > MaxPage {
			t.Fatalf("page %v of %d bytes", id, len(page))
		}
	}
}

func TestNoNamesMakeATreeOfPagesTooHigh(t *testing.T) {
	pages := newMemPages()
	w := NewWriter(pages)
	path := strings.Repeat("p", fullBytes)
	w.hash, w.begun = 0, true // as after a path chosen so that all bits are zero
	for i := range 12 {
		w.err = w.addRef(1, ref{first: fmt.Sprintf("%s%09d", path, i), entries: 1})
	}
	w.leaf.reset()
	root, err := w.Close()
	if err != nil || root.Level > 4 || root.Entries != 12 {
		t.Fatalf("%+v, %v", root, err)
	}
}

func TestPageIDsReadWhatTheyWrite(t *testing.T) {
	id := PageID{1, 2, 255}
	text, _ := id.MarshalText()
	var back PageID
	if err := back.UnmarshalText(text); err != nil || back != id {
		t.Fatal(back, err)
	}
	for _, bad := range []string{"", "00", strings.Repeat("0", 63), strings.Repeat("x", 64)} {
		if back.UnmarshalText([]byte(bad)) == nil {
			t.Errorf("%q is taken for a page ID", bad)
		}
	}
}

func TestPagesDependOnEntriesAlone(t *testing.T) {
	list := plainTree(60, 40)
	a, b := newMemPages(), newMemPages()
	write(t, a, list)
	write(t, b, list)
	if !slices.Equal(a.order, b.order) {
		t.Fatal("the same entries made different pages")
	}
	if !bytes.Equal(writeFile(t, list, "r"), writeFile(t, list, "r")) {
		t.Fatal("the same entries made different files")
	}
}
