package manifest

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"varve"
)

// unfit are changes that make a good entry one that cannot be kept.
var unfit = map[string]func(e *varve.Entry){
	"could not be read":      func(e *varve.Entry) { e.Err = fs.ErrPermission },
	"no kind":                func(e *varve.Entry) { e.Kind = 0 },
	"kind out of range":      func(e *varve.Entry) { e.Kind = varve.BlockDevice + 1 },
	"mode out of range":      func(e *varve.Entry) { e.Mode = 0o10000 },
	"negative size":          func(e *varve.Entry) { e.Size = -1 },
	"size of a directory":    func(e *varve.Entry) { e.Kind, e.Digest = varve.Dir, varve.Digest{} },
	"digest of a FIFO":       func(e *varve.Entry) { e.Kind, e.Size = varve.FIFO, 0 },
	"target of a file":       func(e *varve.Entry) { e.Target = "x" },
	"device number of file":  func(e *varve.Entry) { e.Rdev.Minor = 1 },
	"nanoseconds too many":   func(e *varve.Entry) { e.MTime.Nsec = 1e9 },
	"nanoseconds negative":   func(e *varve.Entry) { e.BTime.Nsec = -1 },
	"nanoseconds of stamp":   func(e *varve.Entry) { e.Stamp.CTime.Nsec = 1e9 },
	"link to itself":         func(e *varve.Entry) { e.SameAs = e.Path },
	"link to a later entry":  func(e *varve.Entry) { e.SameAs = e.Path + "x" },
	"link out of the tree":   func(e *varve.Entry) { e.SameAs = "../x" },
	"absolute link":          func(e *varve.Entry) { e.SameAs = "/etc/passwd" },
	"link of a directory":    func(e *varve.Entry) { *e = varve.Entry{Path: e.Path, Kind: varve.Dir, SameAs: "a"} },
	"hole of no length":      func(e *varve.Entry) { e.Holes = []varve.Extent{{Off: 1}} },
	"hole before the file":   func(e *varve.Entry) { e.Holes = []varve.Extent{{Off: -1, Len: 1}} },
	"hole beyond the end":    func(e *varve.Entry) { e.Holes = []varve.Extent{{Off: e.Size - 1, Len: 2}} },
	"hole of endless length": func(e *varve.Entry) { e.Holes = []varve.Extent{{Off: 1, Len: 1<<63 - 1}} },
	"holes that touch":       func(e *varve.Entry) { e.Holes = []varve.Extent{{Off: 0, Len: 1}, {Off: 1, Len: 1}} },
	"holes out of order":     func(e *varve.Entry) { e.Holes = []varve.Extent{{Off: 5, Len: 1}, {Off: 1, Len: 1}} },
	"too many holes":         func(e *varve.Entry) { e.Holes = make([]varve.Extent, MaxHoles+1) },
	"xattrs out of order":    func(e *varve.Entry) { e.Xattrs = []varve.Xattr{{Name: "b"}, {Name: "a"}} },
	"xattr twice":            func(e *varve.Entry) { e.Xattrs = []varve.Xattr{{Name: "b"}, {Name: "b"}} },
	"xattr without name":     func(e *varve.Entry) { e.Xattrs = []varve.Xattr{{Name: ""}} },
	"xattr name with NUL":    func(e *varve.Entry) { e.Xattrs = []varve.Xattr{{Name: "a\x00"}} },
	"too many xattrs":        func(e *varve.Entry) { e.Xattrs = make([]varve.Xattr, MaxXattrs+1) },
	"too large":              func(e *varve.Entry) { e.Xattrs = []varve.Xattr{{Name: "a", Value: strings.Repeat("x", MaxEntry)}} },
	"absolute path":          func(e *varve.Entry) { e.Path = "/" + e.Path },
	"slash alone":            func(e *varve.Entry) { e.Path = "/" },
	"path ending in slash":   func(e *varve.Entry) { e.Path += "/" },
	"empty element":          func(e *varve.Entry) { e.Path += "//x" },
	"dot":                    func(e *varve.Entry) { e.Path += "/." },
	"dot in the middle":      func(e *varve.Entry) { e.Path += "/./x" },
	"dot dot":                func(e *varve.Entry) { e.Path += "/.." },
	"dot dot first":          func(e *varve.Entry) { e.Path = "../x" },
	"NUL in the name":        func(e *varve.Entry) { e.Path += "\x00" },
	"NUL in a directory":     func(e *varve.Entry) { e.Path = "m\x00/x" },
	"path too long":          func(e *varve.Entry) { e.Path = "m" + strings.Repeat("x", MaxPath) },
	"deep path too long":     func(e *varve.Entry) { e.Path = "m" + strings.Repeat("/x", MaxPath/2) },
}

// unsayable are those of them that the format has no bytes for, or that only the writer counts.
var unsayable = []string{"could not be read", "kind out of range", "size of a directory", "digest of a FIFO", "target of a file", "device number of file", "too large"}

func fitEntry() varve.Entry {
	e := plainFile("", 1, 1)
	e.Path = "m"
	return e
}

func TestAnUnfitEntryIsLeftOutAndNothingElse(t *testing.T) {
	t.Parallel()
	list := []varve.Entry{plainDir("", 0), fitEntry()}
	for name, spoil := range unfit {
		pages := newMemPages()
		w := NewWriter(pages)
		bad := fitEntry()
		spoil(&bad)
		for i := range list {
			if err := w.Add(&bad); i > 0 && !errors.Is(err, ErrEntry) || err == nil {
				t.Errorf("%s: %v", name, err)
			}
			if err := w.Add(&list[i]); err != nil {
				t.Fatalf("%s: %v", name, err)
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
		same(t, got, list)
	}
}

func TestAnUnfitEntryInAPageIsDamage(t *testing.T) {
	for name, spoil := range unfit {
		e := fitEntry()
		spoil(&e)
		if slices.Contains(unsayable, name) {
			continue
		}
		p := &leaf{}
		p.reset()
		p.add(&varve.Entry{Kind: varve.Dir}, "", "")
		dir, base := split(e.Path)
		if i := strings.LastIndexByte(e.Path, '/'); i == 0 {
			dir, base = "", e.Path
		}
		p.add(&e, dir, base)
		if got, err := decodeLeaf(PageID{}, p.buf, nil); !errors.Is(err, varve.ErrDamaged) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestEntriesOutOfOrderAreRefused(t *testing.T) {
	for _, paths := range [][]string{
		{"a"}, {"a/b"}, {"", ""}, {"", "b", "a"}, {"", "a", "a"}, {"", "a", ""}, {"", "a/b", "b"},
		{"", "a/b/c", "a/b"}, {"", "b/x", "a/x"}, {"", "a-b/x", "a/x"}, {"", "a/b", "a/b"},
	} {
		last := len(paths) - 1
		w := NewWriter(&noPages{})
		for i, path := range paths {
			err := w.Add(&varve.Entry{Path: path, Kind: varve.Dir})
			if (i == last) != (err != nil) || errors.Is(err, ErrEntry) {
				t.Errorf("%q at %d: %v", paths, i, err)
			}
		}
		if paths[0] != "" {
			continue
		}
		p := &leaf{}
		p.reset()
		for _, path := range paths {
			dir, name := split(path)
			p.add(&varve.Entry{Path: path, Kind: varve.Dir}, dir, name)
		}
		if _, err := decodeLeaf(PageID{}, p.buf, nil); !errors.Is(err, varve.ErrDamaged) {
			t.Errorf("page with %q: %v", paths, err)
		}
	}
}

// failing fails at the n-th call, and counts.
type failing struct {
	PageWriter
	n, calls int
}

var errTest = errors.New("no more")

func (f *failing) Put(page []byte) (PageID, error) {
	if f.calls++; f.calls == f.n {
		return PageID{}, errTest
	}
	return f.PageWriter.Put(page)
}

func TestAFailingPutFailsTheWriter(t *testing.T) {
	list := plainTree(30, 100)
	all := &failing{PageWriter: &noPages{}}
	write(t, all, list)
	for n := 1; n <= all.calls; n++ {
		w := NewWriter(&failing{PageWriter: &noPages{}, n: n})
		var first error
		for i := range list {
			err := w.Add(&list[i])
			if first != nil && !errors.Is(err, errTest) {
				t.Fatalf("call %d: Add goes on after an error: %v", n, err)
			}
			first = err
		}
		if _, err := w.Close(); !errors.Is(err, errTest) {
			t.Fatalf("call %d: %v", n, err)
		}
		if _, err := w.Close(); !errors.Is(err, errTest) {
			t.Fatalf("call %d, second Close: %v", n, err)
		}
	}
}

func TestAClosedWriterTakesNothing(t *testing.T) {
	w := NewWriter(&noPages{})
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Add(&varve.Entry{Kind: varve.Dir}); err == nil {
		t.Error("Add after Close")
	}
	if _, err := w.Close(); err == nil {
		t.Error("Close after Close")
	}
}
