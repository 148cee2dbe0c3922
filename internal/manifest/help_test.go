package manifest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"varve"
	"varve/internal/digest"
)

// memPages keeps pages in memory, in the order of Put.
type memPages struct {
	mu    sync.Mutex
	pages map[PageID][]byte
	order []PageID
	gets  int
}

func newMemPages() *memPages { return &memPages{pages: map[PageID][]byte{}} }

func (m *memPages) Put(page []byte) (PageID, error) {
	id := PageID(digest.Sum(page))
	m.pages[id] = bytes.Clone(page)
	m.order = append(m.order, id)
	return id, nil
}

func (m *memPages) Get(id PageID) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gets++
	page, ok := m.pages[id]
	if !ok {
		return nil, fmt.Errorf("no such page: %w", varve.ErrDamaged)
	}
	return page, nil
}

// memFile is a file in memory.
type memFile struct{ data []byte }

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	if need := int(off) + len(p); need > len(f.data) {
		f.data = append(f.data, make([]byte, need-len(f.data))...)
	}
	return copy(f.data[off:], p), nil
}

// write makes a manifest of entries, which must be in order.
func write(t testing.TB, p PageWriter, entries []varve.Entry) Root {
	t.Helper()
	w := NewWriter(p)
	for i := range entries {
		if err := w.Add(&entries[i]); err != nil {
			t.Fatal(err)
		}
	}
	root, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// writeFile makes a finished manifest file of entries.
func writeFile(t testing.TB, entries []varve.Entry, record string) []byte {
	t.Helper()
	file := &memFile{}
	fw := NewFileWriter(file)
	root := write(t, fw, entries)
	if err := fw.Finish([]byte(record), root); err != nil {
		t.Fatal(err)
	}
	return file.data
}

// readFile opens a manifest file and reads all of it.
func readFile(data []byte) ([]varve.Entry, string, error) {
	f, err := OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, "", err
	}
	list, err := readAll(NewReader(f, f.Root()))
	return list, string(f.Record()), err
}

func readAll(r *Reader) (list []varve.Entry, err error) {
	for e, err := range r.Entries() {
		if err != nil {
			return list, err
		}
		list = append(list, e)
	}
	return list, nil
}

// same fails the test where two lists of entries differ.
func same(t interface {
	Helper()
	Fatalf(string, ...any)
}, got, want []varve.Entry) {
	t.Helper()
	for i := range min(len(got), len(want)) {
		if got[i].Path != want[i].Path || !equalEntries(&got[i], &want[i]) {
			t.Fatalf("entry %d:\n got %+v\nwant %+v", i, got[i], want[i])
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d entries, want %d", len(got), len(want))
	}
}

func equalEntries(a, b *varve.Entry) bool { return reflect.DeepEqual(a, b) }

// known reports whether err is one that bad bytes may lead to.
func known(err error) bool { return errors.Is(err, varve.ErrDamaged) || errors.Is(err, ErrVersion) }

// sortEntries puts entries into listing order, each path once.
func sortEntries(list []varve.Entry) []varve.Entry {
	slices.SortStableFunc(list, func(a, b varve.Entry) int { return varve.ComparePaths(a.Path, b.Path) })
	return slices.CompactFunc(list, func(a, b varve.Entry) bool { return a.Path == b.Path })
}

// plainTree returns the entries of a tree like those of real life: dirs directories with files files each.
func plainTree(dirs, files int) []varve.Entry {
	list := []varve.Entry{plainDir("", 1)}
	for d := range dirs {
		dir := fmt.Sprintf("usr-%d/share%d", d/100, d%100)
		list = append(list, plainDir(varve.Parent(dir), 2+d/100), plainDir(dir, 1000*d))
		for f := range files {
			list = append(list, plainFile(dir, f, 1000*d+f))
		}
	}
	return sortEntries(list)
}

func plainDir(path string, n int) varve.Entry {
	e := plainFile("", n, n)
	e.Path, e.Kind, e.Mode, e.Size, e.Digest = path, varve.Dir, 0o755, 0, varve.Digest{}
	return e
}

func plainFile(dir string, f, n int) varve.Entry {
	e := varve.Entry{
		Path: varve.Join(dir, fmt.Sprintf("%s-%04d.txt", []string{"notes", "chapter", "image"}[f%3], f)),
		Kind: varve.Regular, Mode: 0o644, User: "root", Group: "root",
		MTime: varve.Time{Sec: 1700000000 + int64(n%100000)*37},
		BTime: varve.Time{Sec: 1760000000 + int64(n/90), Nsec: int32(n * 7919 % 1e9)},
		Size:  int64(n*131%70000 + 1),
		Stamp: varve.Stamp{Dev: 2049, Ino: uint64(5000000 + n), CTime: varve.Time{Sec: 1760000000 + int64(n/90), Nsec: int32(n*7919%1e9 + 40000)}},
	}
	for i := range 4 {
		binary.LittleEndian.PutUint64(e.Digest[8*i:], mix(uint64(4*n+i+1)))
	}
	return e
}

// Generators of entries.

func drawName(t *rapid.T) string {
	name := rapid.OneOf(
		rapid.StringMatching(`[a-c]{1,3}`),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 1, 6), func(b []byte) string { return string(b) }),
		rapid.StringOfN(rapid.Rune(), 1, 60, 255),
	).Draw(t, "name")
	if nameFault(name) != "" {
		return "x"
	}
	return name
}

func drawTime(t *rapid.T) varve.Time {
	return varve.Time{
		Sec:  rapid.OneOf(rapid.Int64(), rapid.Int64Range(0, 3), rapid.SampledFrom([]int64{math.MinInt64, math.MaxInt64})).Draw(t, "sec"),
		Nsec: rapid.OneOf(rapid.Int32Range(0, 999999999), rapid.Just(int32(0))).Draw(t, "nsec"),
	}
}

// drawEntries returns a valid list of entries.
func drawEntries(t *rapid.T) []varve.Entry {
	paths := []string{""}
	for range rapid.IntRange(0, 40).Draw(t, "entries") {
		parent := rapid.SampledFrom(paths).Draw(t, "parent")
		paths = append(paths, varve.Join(parent, drawName(t)))
	}
	slices.SortFunc(paths, varve.ComparePaths)
	paths = slices.Compact(paths)
	list := make([]varve.Entry, len(paths))
	for i, path := range paths {
		list[i] = drawEntry(t, path, paths[:i])
		if i > 0 && rapid.Bool().Draw(t, "alike") {
			alike(&list[i], &list[i-1])
		}
	}
	return list
}

// alike gives e what neighbours often have in common.
func alike(e, before *varve.Entry) {
	e.Mode, e.UID, e.GID, e.User, e.Group = before.Mode, before.UID, before.GID, before.User, before.Group
	e.MTime, e.Stamp.CTime, e.Xattrs = before.MTime, before.Stamp.CTime, before.Xattrs
	e.BTime = e.Stamp.CTime
}

func drawEntry(t *rapid.T, path string, earlier []string) varve.Entry {
	u32 := rapid.OneOf(rapid.Uint32(), rapid.Uint32Range(0, 2))
	e := varve.Entry{
		Path: path, Kind: varve.Dir, Mode: rapid.Uint32Range(0, 0o7777).Draw(t, "mode"),
		UID: u32.Draw(t, "uid"), GID: u32.Draw(t, "gid"),
		User: rapid.StringN(0, 3, 9).Draw(t, "user"), Group: rapid.StringN(0, 3, 9).Draw(t, "group"),
		MTime: drawTime(t), BTime: drawTime(t),
		Stamp:  varve.Stamp{Dev: rapid.Uint64().Draw(t, "dev"), Ino: rapid.Uint64().Draw(t, "ino"), CTime: drawTime(t)},
		Flags:  u32.Draw(t, "flags"),
		Marks:  varve.Marks(rapid.Byte().Draw(t, "marks")),
		Unkept: varve.Aspect(rapid.Uint16().Draw(t, "unkept")),
	}
	if rapid.Bool().Draw(t, "no stamp") {
		e.Stamp, e.Flags, e.Marks, e.Unkept = varve.Stamp{}, 0, 0, 0
	}
	if rapid.Bool().Draw(t, "no birth") {
		e.BTime = varve.Time{}
	}
	if path != "" {
		e.Kind = varve.Kind(rapid.IntRange(1, 7).Draw(t, "kind"))
	}
	drawXattrs(t, &e)
	drawContent(t, &e)
	if e.Kind != varve.Dir && len(earlier) > 1 && rapid.Bool().Draw(t, "link") {
		e.SameAs = rapid.SampledFrom(earlier[1:]).Draw(t, "same as")
	}
	return e
}

func drawXattrs(t *rapid.T, e *varve.Entry) {
	for range rapid.IntRange(0, 3).Draw(t, "xattrs") {
		value := rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(t, "value")
		e.Xattrs = append(e.Xattrs, varve.Xattr{Name: fmt.Sprintf("user.%d", len(e.Xattrs)), Value: string(value)})
	}
}

func drawContent(t *rapid.T, e *varve.Entry) {
	switch e.Kind {
	case varve.Regular:
		e.Size = rapid.OneOf(rapid.Int64Range(0, math.MaxInt64), rapid.Int64Range(0, 9)).Draw(t, "size")
		if rapid.Bool().Draw(t, "digest") {
			e.Digest = digest.Sum(rapid.SliceOfN(rapid.Byte(), 1, 3).Draw(t, "content"))
			for range rapid.IntRange(0, 3).Draw(t, "chunks") {
				e.Chunks = append(e.Chunks, digest.Sum(rapid.SliceOfN(rapid.Byte(), 1, 3).Draw(t, "chunk")))
				e.Depth = uint8(rapid.IntRange(0, MaxDepth).Draw(t, "depth"))
			}
		}
		drawHoles(t, e)
	case varve.Symlink:
		e.Target = string(rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "target"))
	case varve.CharDevice, varve.BlockDevice:
		e.Rdev = varve.Rdev{Major: rapid.Uint32().Draw(t, "major"), Minor: rapid.Uint32().Draw(t, "minor")}
	}
}

func drawHoles(t *rapid.T, e *varve.Entry) {
	at := int64(0)
	for range rapid.IntRange(0, 3).Draw(t, "holes") {
		if at >= e.Size {
			return
		}
		off := rapid.Int64Range(at, e.Size-1).Draw(t, "off")
		n := rapid.Int64Range(1, e.Size-off).Draw(t, "len")
		e.Holes = append(e.Holes, varve.Extent{Off: off, Len: n})
		if off+n >= e.Size {
			return
		}
		at = off + n + 1
	}
}
