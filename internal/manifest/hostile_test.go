package manifest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"strings"
	"testing"

	"varve"
)

// page returns a page with this header and body.
func page(version, level byte, body ...[]byte) []byte {
	b := []byte{version, level}
	for _, part := range body {
		b = append(b, part...)
	}
	return b
}

func uv(v uint64) []byte { return binary.AppendUvarint(nil, v) }

func refBytes(shared int, rest string, entries, bytes uint64) []byte {
	b := make([]byte, 32)
	b = append(b, uv(uint64(shared))...)
	b = append(b, uv(uint64(len(rest)))...)
	b = append(b, rest...)
	return append(append(b, uv(entries)...), uv(bytes)...)
}

// rootEntry is the root directory as it stands in a page: kind, no times, no name.
var rootEntry = []byte{byte(varve.Dir), 0, 0, 0}

func hostileLeaves() map[string][]byte {
	huge := uv(1 << 62)
	file := []byte{byte(varve.Regular) | headExtra, 0}
	name := []byte{0, 1, 'a'}
	crowd := rootEntry
	for i := range fullItems {
		crowd = append(crowd, byte(varve.Dir), 0, 0, 4)
		crowd = binary.BigEndian.AppendUint32(crowd, uint32(i)|0x80808080|uint32(i)<<9)
	}
	return map[string][]byte{
		"nothing":                    nil,
		"half a header":              {1},
		"a root that is a file":      page(1, 0, []byte{byte(varve.Regular), 0, 0, 0, 0}),
		"level too high":             page(1, MaxLevel+1),
		"references":                 page(1, 1, refBytes(0, "", 1, 0)),
		"entry of one byte":          page(1, 0, []byte{2}),
		"unknown bits in times":      page(1, 0, []byte{2, 0x80, 0, 0}),
		"unknown bits in extra":      page(1, 0, []byte{2 | headExtra, 0, 0x80, 0, 0}),
		"extra byte without bits":    page(1, 0, []byte{2 | headExtra, 0, 0, 0, 0}),
		"name longer than page":      page(1, 0, rootEntry, []byte{2, 0, 0}, huge),
		"name shares too much":       page(1, 0, rootEntry, []byte{2, 0, 1, 1, 'a'}),
		"directory shares too much":  page(1, 0, rootEntry, []byte{2 | headDir, 0, 1, 1, 'a', 0, 1, 'b'}),
		"number not in short form":   page(1, 0, []byte{2, 0, 0x80, 0, 0}),
		"number too large":           page(1, 0, []byte{2, 0}, []byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), []byte{0}),
		"directory ends in slash":    page(1, 0, rootEntry, []byte{2 | headDir, 0, 0, 2, 'a', '/', 0, 1, 'b'}),
		"directory begins in slash":  page(1, 0, rootEntry, []byte{2 | headDir, 0, 0, 2, '/', 'a', 0, 1, 'b'}),
		"directory is dot dot":       page(1, 0, rootEntry, []byte{2 | headDir, 0, 0, 2, '.', '.', 0, 1, 'b'}),
		"cut to a slash":             page(1, 0, rootEntry, []byte{2 | headDir, 0, 0, 3, 'a', '/', 'b', 0, 1, 'b', 2 | headDir, 0, 2, 0, 0, 1, 'c'}),
		"grown into dot dot":         page(1, 0, rootEntry, []byte{2 | headDir, 0, 0, 4, 'a', '/', '.', 'b', 0, 1, 'b', 2 | headDir, 0, 3, 1, '.', 0, 1, 'c'}),
		"device without stamp":       page(1, 0, []byte{2, timesDev, 0, 0}),
		"mtime of a missing stamp":   page(1, 0, []byte{2, mtimeIsCTime << mtimeShift, 0, 0}),
		"btime of a missing stamp":   page(1, 0, []byte{2, btimeIsCTime << btimeShift, 0, 0}),
		"nanoseconds cut short":      page(1, 0, []byte{2, timeFull << mtimeShift, 0, 0, 0, 1, 1}),
		"nanoseconds out of range":   page(1, 0, []byte{2, timeFull << mtimeShift, 0, 0, 0, 255, 255, 255, 255}),
		"nanoseconds far away":       page(1, 0, []byte{2, btimeNear << btimeShift, 0, 0, 0}, huge),
		"nanoseconds below zero":     page(1, 0, []byte{2, btimeNear << btimeShift, 0, 0, 0, 1}),
		"owner of no number":         page(1, 0, []byte{2 | headOwner, 0, 0, 0, 1}),
		"user out of range":          page(1, 0, []byte{2 | headOwner, 0, 0, 0, 0}, huge),
		"user name too long":         page(1, 0, []byte{2 | headOwner, 0, 0, 0, 0, 1, 1}, huge),
		"mode out of range":          page(1, 0, []byte{2 | headMode, 0, 0, 0}, huge),
		"digest of a directory":      page(1, 0, []byte{2 | headDigest, 0, 0, 0}, make([]byte, 31), []byte{1}),
		"digest cut short":           page(1, 0, rootEntry, []byte{1 | headDigest, 0}, name, []byte{1}, make([]byte, 31)),
		"size too large":             page(1, 0, rootEntry, []byte{1, 0}, name, uv(1<<63)),
		"target too long":            page(1, 0, rootEntry, []byte{3, 0}, name, huge),
		"device number out of range": page(1, 0, rootEntry, []byte{6, 0}, name, []byte{1}, huge),
		"more xattrs than bytes":     page(1, 0, rootEntry, file, []byte{extraXattrs}, name, []byte{1, 0}, uv(MaxXattrs), []byte("xx")),
		"xattrs of no number":        page(1, 0, rootEntry, file, []byte{extraXattrs}, name, []byte{1, 1}),
		"xattrs beyond all limits":   page(1, 0, rootEntry, file, []byte{extraXattrs}, name, []byte{1, 0}, huge),
		"more holes than bytes":      page(1, 0, rootEntry, file, []byte{extraHoles}, name, []byte{9}, uv(MaxHoles)),
		"hole that overflows":        page(1, 0, rootEntry, file, []byte{extraHoles}, name, []byte{9, 2, 1, 1}, uv(1<<63-1), []byte{2}),
		"flags out of range":         page(1, 0, rootEntry, file, []byte{extraFlags}, name, []byte{1}, huge),
		"marks out of range":         page(1, 0, rootEntry, file, []byte{extraMarks}, name, []byte{1}, uv(256)),
		"unkept out of range":        page(1, 0, rootEntry, file, []byte{extraUnkept}, name, []byte{1}, uv(65536)),
		"link shares too much":       page(1, 0, rootEntry, file, []byte{extraSameAs}, name, []byte{1, 2, 0}),
		"more entries than a page":   page(1, 0, crowd),
	}
}

func TestHostileLeavesAreDamage(t *testing.T) {
	for name, b := range hostileLeaves() {
		if got, err := decodeLeaf(PageID{}, b, nil); !errors.Is(err, varve.ErrDamaged) {
			t.Errorf("%s: %d entries, %v", name, len(got), err)
		}
	}
}

func TestAPageOfTooManyBytesIsNotLookedInto(t *testing.T) {
	b := make([]byte, MaxPage+1)
	b[0] = pageVersion
	if _, err := decodeLeaf(PageID{}, b, nil); !errors.Is(err, varve.ErrDamaged) {
		t.Fatal(err)
	}
}

func hostileNodes() map[string][]byte {
	one := refBytes(0, "", 1, 0)
	return map[string][]byte{
		"nothing":              nil,
		"no references":        page(1, 1),
		"entries":              page(1, 0, rootEntry),
		"half an ID":           page(1, 1, make([]byte, 16)),
		"no entries":           page(1, 1, refBytes(0, "", 0, 0)),
		"too many entries":     page(1, 1, refBytes(0, "", 1<<63, 0)),
		"too many bytes":       page(1, 1, refBytes(0, "", 1, 1<<63)),
		"the same path":        page(1, 1, one, one),
		"paths out of order":   page(1, 1, one, refBytes(0, "b", 1, 0), refBytes(0, "a", 1, 0)),
		"a path with dots":     page(1, 1, one, refBytes(0, "a/../b", 1, 0)),
		"an absolute path":     page(1, 1, one, refBytes(0, "/b", 1, 0)),
		"path shares too much": page(1, 1, one, refBytes(1, "a", 1, 0)),
		"path too long":        page(1, 1, one, refBytes(0, strings.Repeat("x", MaxPath+1), 1, 0)),
		"beyond the end":       page(1, 1, one, refBytes(0, strings.Repeat("a", fullPaths), 1, 0), refBytes(0, "b", 1, 0)),
	}
}

func TestHostileReferencesAreDamage(t *testing.T) {
	for name, b := range hostileNodes() {
		if n, err := decodeNode(PageID{}, b); !errors.Is(err, varve.ErrDamaged) {
			t.Errorf("%s: %+v, %v", name, n, err)
		}
	}
}

func TestPagesOfANewerVersionAreNotDamage(t *testing.T) {
	for level := range 2 {
		pages := newMemPages()
		id, _ := pages.Put(page(2, byte(level), rootEntry))
		_, err := readAll(NewReader(pages, Root{ID: id, Level: level, Entries: 1}))
		if !errors.Is(err, ErrVersion) || errors.Is(err, varve.ErrDamaged) {
			t.Error(err)
		}
	}
}

func TestHostilePagesTakeLittleMemory(t *testing.T) {
	bomb := rootEntry // directories that grow long at the price of a few bytes each
	bomb = append(bomb, 2|headDir, 0, 0)
	bomb = append(bomb, uv(fullPaths/2)...)
	bomb = append(bomb, strings.Repeat("a", fullPaths/2)...)
	bomb = append(bomb, 0, 1, 'x')
	for range 4000 {
		bomb = append(bomb, 2|headDir, 0)
		bomb = append(bomb, uv(fullPaths/2)...)
		bomb = append(bomb, 1, 'b', 0, 1, 'x')
	}
	leaves := hostileLeaves()
	leaves["long directories"] = page(1, 0, bomb)
	for name, b := range leaves {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := decodeLeaf(PageID{}, b, nil)
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 32<<20 || err == nil {
			t.Errorf("%s: %d bytes of memory, %v", name, used, err)
		}
	}
}

func TestAPageInAWrongPlaceIsDamage(t *testing.T) {
	leafOf := func(paths ...string) []byte {
		p := &leaf{}
		p.reset()
		for _, path := range paths {
			dir, name := split(path)
			p.add(&varve.Entry{Path: path, Kind: varve.Dir}, dir, name)
		}
		return p.buf
	}
	type child struct {
		page    []byte
		first   string
		entries int64
	}
	good := child{leafOf("", "a"), "", 2}
	for name, c := range map[string]struct {
		level    byte
		children []child
		entries  int64
		bytes    int64
	}{
		"another beginning":         {1, []child{good, {leafOf("c"), "b", 1}}, 3, 0},
		"no root":                   {1, []child{{leafOf("a"), "a", 1}, {leafOf("c"), "c", 1}}, 2, 0},
		"reaching into the next":    {1, []child{{leafOf("", "b"), "", 2}, {leafOf("b"), "b", 1}}, 3, 0},
		"fewer entries than said":   {1, []child{good, {leafOf("b"), "b", 2}}, 4, 0},
		"fewer entries in all":      {1, []child{good, {leafOf("b"), "b", 1}}, 4, 0},
		"fewer bytes in all":        {1, []child{good, {leafOf("b"), "b", 1}}, 3, 1},
		"a leaf of no entries":      {1, []child{good, {page(1, 0), "b", 1}}, 3, 0},
		"a leaf where none belongs": {2, []child{good, {leafOf("b"), "b", 1}}, 3, 0},
		"references below a leaf":   {1, []child{good, {page(1, 1, refBytes(0, "b", 1, 0)), "b", 1}}, 3, 0},
		"a level that does not fit": {3, []child{{page(1, 1, refBytes(0, "", 1, 0)), "", 1}}, 1, 0},
		"a level too high in root":  {MaxLevel + 1, []child{good}, 2, 0},
	} {
		pages := newMemPages()
		p := &refPage{level: int(c.level)}
		p.reset()
		for _, ch := range c.children {
			id, _ := pages.Put(ch.page)
			p.add(ref{id: id, first: ch.first, entries: ch.entries})
		}
		id, _ := pages.Put(p.buf)
		r := NewReader(pages, Root{ID: id, Level: int(c.level), Entries: c.entries, Bytes: c.bytes})
		if got, err := readAll(r); !errors.Is(err, varve.ErrDamaged) {
			t.Errorf("%s: %d entries, %v", name, len(got), err)
		}
	}
}

func TestAPageThatReachesIntoItselfEnds(t *testing.T) {
	loop := endless(page(1, 5, make([]byte, 32), []byte{0, 0, 1, 0}))
	_, err := readAll(NewReader(loop, Root{Level: 5, Entries: 1}))
	if !errors.Is(err, varve.ErrDamaged) {
		t.Fatal(err)
	}
}

// endless is a PageReader that gives the same page for every ID.
type endless []byte

func (p endless) Get(PageID) ([]byte, error) { return p, nil }

// broken is a PageReader that only fails.
type broken struct{ err error }

func (p broken) Get(PageID) ([]byte, error) { return nil, p.err }

func TestAMissingPageIsDamageAndNotAMissingEntry(t *testing.T) {
	for _, cause := range []error{fs.ErrNotExist, errTest} {
		r := NewReader(broken{fmt.Errorf("get: %w", cause)}, Root{Level: 1, Entries: 5})
		_, lookup := r.Lookup("a")
		_, readDir := r.ReadDir("a")
		_, get := r.Get(1)
		if r.Root().Entries != 5 {
			t.Error(r.Root())
		}
		_, all := readAll(r)
		for _, err := range []error{lookup, readDir, get, all} {
			if errors.Is(err, fs.ErrNotExist) || !errors.Is(err, varve.ErrDamaged) && !errors.Is(err, errTest) {
				t.Error(err)
			}
		}
	}
}

func TestAPageLostInAListingFailsTheListing(t *testing.T) {
	pages := newMemPages()
	list := []varve.Entry{plainDir("", 0)}
	for i := range 3000 {
		list = append(list, plainFile("", i, i))
	}
	root := write(t, pages, sortEntries(list))
	delete(pages.pages, pages.order[3])
	r := NewReader(pages, root)
	if got, err := r.ReadDir(""); !errors.Is(err, varve.ErrDamaged) {
		t.Error(len(got), err)
	}
	before := r.Cursor()
	if err := before.Seek(list[len(list)-1].Path); err != nil {
		t.Error("a page that is there is not found: ", err)
	}
	spoilt, _ := pages.Put(page(1, 0, []byte{0}))
	if _, err := NewReader(pages, Root{ID: spoilt, Entries: 1}).Lookup(""); !errors.Is(err, varve.ErrDamaged) {
		t.Error(err)
	}
}

func TestABrokenCursorStaysBrokenUntilSeek(t *testing.T) {
	pages := newMemPages()
	list := plainTree(40, 40)
	root := write(t, pages, list)
	lost := pages.order[2]
	page := pages.pages[lost]
	delete(pages.pages, lost)
	r := NewReader(pages, root)
	c := r.Cursor()
	var err error
	for err == nil {
		_, err = c.Next()
	}
	if _, again := c.Next(); !errors.Is(again, varve.ErrDamaged) {
		t.Fatalf("%v, then %v", err, again)
	}
	pages.pages[lost] = page
	if err := c.Seek(list[5].Path); err != nil {
		t.Fatal(err)
	}
	if e, err := c.Next(); err != nil || e.Path != list[5].Path {
		t.Fatal(e, err)
	}
}
