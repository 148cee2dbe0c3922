package index

import (
	"encoding/binary"
	"errors"
	"testing"

	"varve"
	"varve/internal/table"
)

func TestARemovedPackStaysAwayAndMayComeBack(t *testing.T) {
	dir := t.TempDir()
	s := openSet(t, dir)
	add(t, s, packOf(1, 1, []int{1, 2}), packOf(2, 1, []int{2, 3}))
	must(t, s.Flush())
	must(t, s.Remove(nameOf(1), nameOf(7)))
	wantPlaces(t, s, 1, 1)
	must(t, s.Flush())

	s = openSet(t, dir)
	wantPlaces(t, s, 1, 1)
	wantPlaces(t, s, 1, 2, 2)
	add(t, s, packOf(1, 1, []int{1}))
	wantPlaces(t, s, 1, 1, 1)
	must(t, s.Flush())

	s = openSet(t, dir)
	wantPlaces(t, s, 1, 1, 1)
	wantPlaces(t, s, 1, 2, 2)
}

func TestWhatIsGoneStaysGoneWhenNewerFilesAreJoined(t *testing.T) {
	dir := t.TempDir()
	s := openSet(t, dir)
	s.maxFiles = 2
	var large []table.Pack
	for n := range 40 {
		large = append(large, packOf(n, 1, []int{n}))
	}
	add(t, s, large...)
	must(t, s.Flush())
	must(t, s.Remove(nameOf(3)))
	must(t, s.Flush())
	add(t, s, packOf(100, 1, []int{100}))
	must(t, s.Flush())
	if n := len(filesIn(t, dir, "*")); n != 2 {
		t.Fatalf("%d files, want the large one and another", n)
	}
	s = openSet(t, dir)
	wantPlaces(t, s, 1, 3)
	wantPlaces(t, s, 1, 4, 4)
	wantPlaces(t, s, 1, 100, 100)
}

func TestTheNumberOfFilesStaysSmall(t *testing.T) {
	dir := t.TempDir()
	s := openSet(t, dir)
	for n := range 50 {
		add(t, s, packOf(n, 1, []int{n, 1000}))
		must(t, s.Flush())
		if n := len(filesIn(t, dir, "*")); n > maxFiles {
			t.Fatalf("%d files", n)
		}
	}
	s = openSet(t, dir)
	for n := range 50 {
		wantPlaces(t, s, 1, n, n)
	}
	list, err := s.LookupAll(table.Domain{1}, idOf(1000))
	if err != nil || len(list) != 50 {
		t.Errorf("%d places, %v", len(list), err)
	}
}

func TestTheFirstThatIsToldOfAPackCounts(t *testing.T) {
	s := openSet(t, t.TempDir())
	one, other := packOf(1, 1, []int{1}), packOf(1, 1, []int{2})
	stranger := packOf(1, 2, []int{2})
	add(t, s, one, other, stranger)
	wantPlaces(t, s, 1, 1, 1)
	wantPlaces(t, s, 1, 2)
	wantPlaces(t, s, 2, 2, 1)
	signers, err := s.Signers(nameOf(1))
	if err != nil || len(signers) != 2 {
		t.Errorf("%v, %v", signers, err)
	}
}

func TestAChunkOfAnotherDomainIsNotThere(t *testing.T) {
	s := openSet(t, t.TempDir())
	add(t, s, packOf(1, 1, []int{1}))
	wantPlaces(t, s, 2, 1)
	must(t, s.Flush())
	wantPlaces(t, s, 2, 1)
	marks := s.NewMarks()
	defer marks.Close()
	if found, _, err := marks.Mark(table.Domain{2}, idOf(1)); found || err != nil {
		t.Errorf("marked: %v, %v", found, err)
	}
}

func TestAPackAgainstTheFormatIsRefused(t *testing.T) {
	s := openSet(t, t.TempDir())
	for name, change := range map[string]func(*table.Pack){
		"no session": func(p *table.Pack) { p.Sessions = nil },
		"too long":   func(p *table.Pack) { p.Size = 10 },
		"session":    func(p *table.Pack) { p.Blobs[0].Session = 2 },
	} {
		p := packOf(1, 1, []int{1})
		change(&p)
		if err := s.Add(&p); !errors.Is(err, varve.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	wantPlaces(t, s, 1, 1)
}

func TestWhatIsReturnedDoesNotChangeWithWhatWasAdded(t *testing.T) {
	s := openSet(t, t.TempDir())
	p := packOf(1, 1, []int{1})
	add(t, s, p)
	p.Sessions[0][0]++
	p.Blobs[0].Chunks[0].Len++
	place, found, err := s.Lookup(table.Domain{1}, idOf(1))
	if err != nil || !found || place.Session[0] == p.Sessions[0][0] || place.Len != 4 {
		t.Errorf("%+v, %v, %v", place, found, err)
	}
}

// Who can choose IDs must not be able to make looking for them slow: all these have the first 12 bytes in common.
func TestIDsThatBeginAlikeAreTold(t *testing.T) {
	const n, perBlob = 5000, 1000
	p := table.Pack{Name: nameOf(1), Size: table.MaxPack, Sessions: [][]byte{sessionOf(0)}, Domains: []table.Domain{{1}}}
	id := func(i int) (id varve.ChunkID) {
		binary.BigEndian.PutUint32(id[12:], uint32(i)*2654435761)
		return id
	}
	for i := range n {
		if i%perBlob == 0 {
			p.Blobs = append(p.Blobs, table.Blob{Off: uint32(i), Plain: perBlob, Sealed: perBlob + table.SealOverhead})
			if i > 0 {
				p.Blobs[len(p.Blobs)-1].Off = p.Blobs[len(p.Blobs)-2].End()
			}
		}
		b := &p.Blobs[len(p.Blobs)-1]
		b.Chunks = append(b.Chunks, table.Chunk{ID: id(i), Len: 1})
	}
	s := openSet(t, t.TempDir())
	add(t, s, p)
	for range 2 {
		for i := range n {
			if place, found, err := s.Lookup(table.Domain{1}, id(i)); err != nil || !found || place.From != uint32(i%perBlob) {
				t.Fatalf("chunk %d: %+v, %v, %v", i, place, found, err)
			}
		}
		if found, err := s.Has(table.Domain{1}, id(n)); found || err != nil {
			t.Fatal(found, err)
		}
		must(t, s.Flush())
	}
}

func TestFilesMaySpillWithoutBeingAsked(t *testing.T) {
	dir := t.TempDir()
	s := openSet(t, dir)
	s.budget = 10000
	for n := range 30 {
		add(t, s, packOf(n, 1, []int{n}))
		if s.recent.bytes > s.budget {
			t.Fatalf("%d bytes in memory", s.recent.bytes)
		}
	}
	if len(filesIn(t, dir, "*")) == 0 {
		t.Error("no file was written")
	}
	for n := range 30 {
		wantPlaces(t, s, 1, n, n)
	}
}

func TestARowTakesLittleMemory(t *testing.T) {
	s := openSet(t, t.TempDir())
	fill(t, s, 20000)
	if perRow := s.recent.bytes / 20000; perRow > 60 {
		t.Errorf("%d bytes for each row", perRow)
	}
}

func TestFiltersKeepMostOfWhatIsNotThereFromBeingLookedFor(t *testing.T) {
	s := openSet(t, t.TempDir())
	const n = 50000
	fill(t, s, n)
	must(t, s.Flush())
	f := s.layers[0].file
	passed := 0
	for i := range n {
		id := idOf(-1 - i)
		if _, maybe := f.search(&id); maybe {
			passed++
		}
	}
	if passed > n/30 {
		t.Errorf("%d of %d passed", passed, n)
	}
}

// fill adds packs of small files that have n chunks together.
func fill(t testing.TB, s *Set, n int) {
	t.Helper()
	const perBlob, perPack = 250, 4000
	for at := 0; at < n; at += perPack {
		var lists [][]int
		for i := at; i < min(at+perPack, n); i += perBlob {
			var list []int
			for k := i; k < min(i+perBlob, n); k++ {
				list = append(list, k)
			}
			lists = append(lists, list)
		}
		add(t, s, smallPack(at, lists))
	}
}

// smallPack returns a pack of domain 1 whose chunks have 1 byte each.
func smallPack(name int, lists [][]int) table.Pack {
	p := table.Pack{Name: nameOf(name), Signer: table.Domain{1}, Sessions: [][]byte{sessionOf(0)}, Domains: []table.Domain{{1}}}
	end := uint32(0)
	for _, list := range lists {
		b := table.Blob{Off: end, Plain: uint32(len(list)), Sealed: uint32(len(list)) + table.SealOverhead}
		for _, n := range list {
			b.Chunks = append(b.Chunks, table.Chunk{ID: idOf(n), Len: 1})
		}
		end = b.End()
		p.Blobs = append(p.Blobs, b)
	}
	p.Size = end + table.FooterSize
	return p
}
