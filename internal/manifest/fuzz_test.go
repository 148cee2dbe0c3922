package manifest

import (
	"bytes"
	"testing"

	"varve"
)

// FuzzPage holds that whatever the bytes of a page, the outcome is an error, or entries that a Writer would have taken and that
// come back from a page of their own.
func FuzzPage(f *testing.F) {
	pages := newMemPages()
	write(f, pages, append(goldenEntries(), plainFile("z", 1, 1)))
	write(f, pages, plainTree(10, 90))
	for _, page := range pages.pages {
		f.Add(page)
	}
	for _, page := range hostileLeaves() {
		f.Add(page[:min(len(page), 4096)])
	}
	for _, page := range hostileNodes() {
		f.Add(page[:min(len(page), 4096)])
	}
	f.Fuzz(func(t *testing.T, page []byte) {
		if n, err := decodeNode(PageID{}, page); err == nil {
			checkNode(t, n)
		} else if !known(err) {
			t.Fatal(err)
		}
		list, err := decodeLeaf(PageID{}, page, nil)
		if err != nil {
			if !known(err) {
				t.Fatal(err)
			}
			return
		}
		p := &leaf{}
		p.reset()
		for i := range list {
			e := &list[i]
			if i > 0 && varve.ComparePaths(list[i-1].Path, e.Path) >= 0 || pathFault(e.Path) != "" || faultOf(e) != "" {
				t.Fatalf("entry %d: %+v", i, e)
			}
			dir, name := split(e.Path)
			p.add(e, dir, name)
		}
		again, err := decodeLeaf(PageID{}, p.buf, nil)
		if err != nil {
			t.Fatal(err)
		}
		same(t, again, list)
	})
}

func checkNode(t *testing.T, n *node) {
	for i, r := range n.refs {
		if i > 0 && varve.ComparePaths(n.refs[i-1].first, r.first) >= 0 || pathFault(r.first) != "" || r.entries <= 0 || r.bytes < 0 {
			t.Fatalf("reference %d: %+v", i, r)
		}
	}
}

// FuzzFile holds that whatever the bytes of a file, opening, reading and recovering it end in an error or in entries in order.
func FuzzFile(f *testing.F) {
	f.Add(writeFile(f, goldenEntries(), "record"))
	f.Add(writeFile(f, nil, ""))
	f.Add(writeFile(f, plainTree(3, 200), "record"))
	x := index{root: Root{Entries: 1}}
	f.Add(forge(x.append(nil), int64(len(magic))))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, _, err := readFile(data)
		if err != nil && !known(err) {
			t.Fatal(err)
		}
		inOrder(t, list)
		list = nil
		for e, err := range Recover(bytes.NewReader(data), int64(len(data))) {
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, e)
		}
		inOrder(t, list)
	})
}

func inOrder(t *testing.T, list []varve.Entry) {
	for i := range list {
		if i == 0 && list[i].Path != "" || i > 0 && varve.ComparePaths(list[i-1].Path, list[i].Path) >= 0 {
			t.Fatalf("entry %d at %q", i, list[i].Path)
		}
	}
}
