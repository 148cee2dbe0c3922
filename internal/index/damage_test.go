package index

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"varve"
	"varve/internal/table"
)

// oneFile returns a file that has a few packs, and these packs.
func oneFile(t testing.TB) (data []byte, list []table.Pack) {
	dir := t.TempDir()
	s := openSet(t, dir)
	for n := range 3 {
		list = append(list, packOf(n, 1, []int{n, 10, 11}, []int{20 + n}))
		list[n].Sessions = list[0].Sessions[:1]
		for i := range list[n].Blobs {
			list[n].Blobs[i].Session = 0
		}
	}
	add(t, s, list...)
	must(t, s.Flush())
	return readFile(t, filesIn(t, dir, "*")[0]), list
}

// wantRightOrNothing opens a Set that has one file with these bytes. Whatever it tells must be right; it may tell nothing, and must then
// not tell anything wrong the next time.
func wantRightOrNothing(t *testing.T, what any, dir string, data []byte, list []table.Pack) {
	path := filepath.Join(dir, prefix+"0"+suffix)
	must(t, os.WriteFile(path, data, 0o600))
	s, err := Open(dir)
	must(t, err)
	defer func() { must(t, s.Close()) }()
	damaged := false
	for _, n := range []int{0, 1, 2, 3, 10, 11, 20, 22} {
		for range 2 {
			got, err := s.LookupAll(table.Domain{1}, idOf(n))
			if err != nil {
				if !errors.Is(err, varve.ErrDamaged) || damaged {
					t.Fatalf("%v: %v", what, err)
				}
				damaged = true
				continue
			}
			want := map[table.Name]Place{}
			for i := range list {
				if p, found := firstIn(&list[i], table.Domain{1}, idOf(n)); found {
					want[p.Pack] = p
				}
			}
			if len(got) > 0 && len(got) != len(want) {
				t.Fatalf("%v: chunk %d has %d places", what, n, len(got))
			}
			for _, p := range got {
				if w := want[p.Pack]; p.Blob != w.Blob || p.Off != w.Off || p.From != w.From || p.Len != w.Len || string(p.Session) != string(w.Session) {
					t.Fatalf("%v: chunk %d: %+v", what, n, p)
				}
			}
		}
	}
	if _, err := os.Stat(path); damaged && err == nil {
		t.Fatalf("%v: the damaged file is still there", what)
	}
}

func TestADamagedByteIsFoundWhereverItIs(t *testing.T) {
	data, list := oneFile(t)
	dir := t.TempDir()
	wantRightOrNothing(t, "whole", dir, data, list)
	for i := range data {
		data[i] ^= 1 << (i % 8)
		wantRightOrNothing(t, i, dir, data, list)
		data[i] ^= 1 << (i % 8)
	}
}

func TestAFileThatIsCutShortOrLongerIsNotUsed(t *testing.T) {
	data, list := oneFile(t)
	dir := t.TempDir()
	for n := 0; n < len(data); n += 13 {
		wantRightOrNothing(t, n, dir, data[:n], list)
	}
	wantRightOrNothing(t, "longer", dir, append(data, 0), list)
	if left := filesIn(t, dir, "*"); len(left) != 0 {
		t.Errorf("%q", left)
	}
}

func TestDamageIsToldOnceAndTheRestStays(t *testing.T) {
	dir := t.TempDir()
	s := openSet(t, dir)
	p := packOf(1, 1, []int{1})
	p.Sessions = [][]byte{sessionOf(1), sessionOf(2), sessionOf(3)}
	p.Blobs[0].Session = 2
	add(t, s, p)
	must(t, s.Flush())
	add(t, s, packOf(2, 1, []int{2}))
	must(t, s.Flush())
	f := s.layers[0].file
	data := readFile(t, f.path)
	data[f.size-1]++ // of the last session: far from what Open looks at
	must(t, os.WriteFile(f.path, data, 0o600))
	s = openSet(t, dir)
	if _, _, err := s.Lookup(table.Domain{1}, idOf(1)); !errors.Is(err, varve.ErrDamaged) {
		t.Fatalf("lookup in a damaged file: %v", err)
	}
	wantPlaces(t, s, 1, 1)
	wantPlaces(t, s, 1, 2, 2)
	if has, err := s.HasPack(nameOf(1)); has || err != nil {
		t.Errorf("%v, %v", has, err)
	}
	add(t, s, packOf(1, 1, []int{1}))
	must(t, s.Flush())
	s = openSet(t, dir)
	wantPlaces(t, s, 1, 1, 1)
	wantPlaces(t, s, 1, 2, 2)
}

// every is all that reads files.
var every = map[string]func(*Set) error{
	"Lookup":    func(s *Set) error { _, _, err := s.Lookup(table.Domain{1}, idOf(1)); return err },
	"LookupAll": func(s *Set) error { _, err := s.LookupAll(table.Domain{1}, idOf(1)); return err },
	"Has":       func(s *Set) error { _, err := s.Has(table.Domain{1}, idOf(1)); return err },
	"HasPack":   func(s *Set) error { _, err := s.HasPack(nameOf(1)); return err },
	"Pack":      func(s *Set) error { _, err := s.Pack(nameOf(1)); return err },
	"Add":       func(s *Set) error { p := packOf(1, 1, []int{1}); return s.Add(&p) },
	"Remove":    func(s *Set) error { return s.Remove(nameOf(1)) },
	"Flush": func(s *Set) error {
		s.maxFiles = 1
		p := packOf(9, 1, []int{1})
		s.recent.add(&p)
		return s.Flush()
	},
	"Packs": func(s *Set) (err error) {
		for _, err = range s.Packs() {
		}
		return err
	},
	"Entries": func(s *Set) (err error) {
		for _, err = range s.Entries() {
		}
		return err
	},
	"Mark": func(s *Set) error {
		m := s.NewMarks()
		defer m.Close()
		_, _, err := m.Mark(table.Domain{1}, idOf(1))
		return err
	},
	"Usage": func(s *Set) (err error) {
		m := s.NewMarks()
		defer m.Close()
		for _, err = range m.Usage() {
		}
		return err
	},
}

// A mapped file that becomes shorter, or whose disk fails, makes the processor report a fault.
func TestAFileThatCanNoLongerBeReadIsDamaged(t *testing.T) {
	for name, call := range every {
		for _, mapped := range []bool{true, false} {
			dir := t.TempDir()
			s := openSet(t, dir)
			add(t, s, packOf(1, 1, []int{1}))
			must(t, s.Flush())
			if !mapped {
				unmap(s)
			}
			must(t, os.Truncate(s.layers[0].file.path, 0))
			if err := call(s); !errors.Is(err, varve.ErrDamaged) {
				t.Errorf("%s, mapped %v: %v", name, mapped, err)
			}
			if err := call(s); err != nil {
				t.Errorf("%s, mapped %v, once more: %v", name, mapped, err)
			}
		}
	}
}

func TestPanicsOfOthersAreNotTakenForDamage(t *testing.T) {
	s := openSet(t, t.TempDir())
	add(t, s, packOf(1, 1, []int{1}))
	defer func() {
		if r := recover(); r != "mine" {
			t.Errorf("recovered %v", r)
		}
		wantPlaces(t, s, 1, 1, 1)
	}()
	for range s.Packs() {
		panic("mine")
	}
}
