package index

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"varve"
	"varve/internal/table"
)

// idOf returns a chunk ID that stands for n.
func idOf(n int) varve.ChunkID { return sha256.Sum256(fmt.Append(nil, n)) }

func nameOf(n int) table.Name { return sha256.Sum256(fmt.Append(nil, "pack", n)) }

func sessionOf(n int) []byte {
	s := make([]byte, table.SessionSize)
	copy(s, fmt.Sprint("session ", n))
	return s
}

// packOf returns a pack of one domain, which is its signer, with one blob for each list of IDs.
func packOf(name int, domain byte, lists ...[]int) table.Pack {
	p := table.Pack{
		Name: nameOf(name), Signer: table.Domain{domain}, Sessions: [][]byte{sessionOf(name / 3), sessionOf(name / 5)}, Domains: []table.Domain{{domain}},
	}
	end := uint32(0)
	for i, list := range lists {
		b := table.Blob{Session: i % 2, Off: end + uint32(i)}
		for _, n := range list {
			b.Chunks = append(b.Chunks, table.Chunk{ID: idOf(n), Len: uint32(n)*3 + 1})
			b.Plain += uint32(n)*3 + 1
		}
		b.Sealed = b.Plain + table.SealOverhead
		b.ID = b.ComputeID()
		end = b.End()
		p.Blobs = append(p.Blobs, b)
	}
	p.Size = end + table.FooterSize
	return p
}

// randomPack returns one with chunks out of few, structure among them, of two domains.
func randomPack(random *rand.Rand, name int) table.Pack {
	var lists [][]int
	for range random.IntN(4) {
		var list []int
		for range 1 + random.IntN(4) {
			list = append(list, 1+random.IntN(60))
		}
		lists = append(lists, list)
	}
	p := packOf(name, byte(1+random.IntN(2)), lists...)
	p.Domains = append(p.Domains, table.Domain{2 - byte(name%2)})
	for i := range p.Blobs {
		p.Blobs[i].Domain = random.IntN(2)
		if b := &p.Blobs[i]; random.IntN(3) == 0 {
			b.Group = table.StructureGroup
			for k := range b.Chunks {
				b.Chunks[k].Class = table.Page
			}
		} else if b.Plain > 3 && random.IntN(2) == 0 {
			b.Codec, b.Sealed = table.Zstd, b.Sealed-2
			b.ID = b.ComputeID()
		}
	}
	return p
}

func openSet(t testing.TB, dir string) *Set {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { must(t, s.Close()) })
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func add(t testing.TB, s *Set, list ...table.Pack) {
	t.Helper()
	for i := range list {
		must(t, s.Add(&list[i]))
	}
}

// filesIn returns the paths of the files in dir whose names match.
func filesIn(t testing.TB, dir, pattern string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, pattern))
	must(t, err)
	return list
}

// wantPlaces checks that a chunk is in these packs, by number, and nowhere else.
func wantPlaces(t testing.TB, s *Set, domain byte, id int, want ...int) {
	t.Helper()
	list, err := s.LookupAll(table.Domain{domain}, idOf(id))
	must(t, err)
	var got, names []table.Name
	for _, p := range list {
		got = append(got, p.Pack)
	}
	for _, n := range want {
		names = append(names, nameOf(n))
	}
	byName := func(a, b table.Name) int { return slices.Compare(a[:], b[:]) }
	slices.SortFunc(got, byName)
	slices.SortFunc(names, byName)
	if !slices.Equal(got, names) {
		t.Errorf("chunk %d of domain %d is in %v, want %v", id, domain, got, names)
	}
	place, found, err := s.Lookup(table.Domain{domain}, idOf(id))
	must(t, err)
	if has, err := s.Has(table.Domain{domain}, idOf(id)); found != (len(want) > 0) || has != found || err != nil {
		t.Errorf("chunk %d: found %v, has %v, %v", id, found, has, err)
	}
	if found && !slices.Contains(names, place.Pack) {
		t.Errorf("chunk %d: in %v", id, place.Pack)
	}
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	return data
}

// unmap makes s read its files, as it does where they cannot be mapped.
func unmap(s *Set) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.opened {
		if f.refs.Load() > 0 && f.body.data != nil {
			unmapFile(f.body.data)
			f.body.data = nil
		}
	}
}
