package index

import (
	"bytes"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"varve"
	"varve/internal/table"
)

// model is what a Set should know, kept in the simplest way.
type model struct {
	packs map[modelKey]table.Pack
}

type modelKey struct {
	name   table.Name
	signer table.Domain
}

func (m *model) add(p table.Pack) {
	k := modelKey{p.Name, p.Signer}
	if _, known := m.packs[k]; !known {
		m.packs[k] = p
	}
}

func (m *model) remove(name table.Name) {
	for k := range m.packs {
		if k.name == name {
			delete(m.packs, k)
		}
	}
}

// places returns where a chunk is: the first place in every pack.
func (m *model) places(domain table.Domain, id varve.ChunkID) (list []Place) {
	for _, p := range m.packs {
		if place, found := firstIn(&p, domain, id); found {
			list = append(list, place)
		}
	}
	sortPlaces(list)
	return list
}

func firstIn(p *table.Pack, domain table.Domain, id varve.ChunkID) (Place, bool) {
	for _, b := range p.Blobs {
		from := uint32(0)
		for _, c := range b.Chunks {
			if c.ID == id && p.Domains[b.Domain] == domain {
				return Place{p.Name, p.Size, p.Signer, domain, p.Sessions[b.Session], b.ID, b.Group, b.Codec, b.Off, b.Sealed, b.Plain, c.Class, from, c.Len}, true
			}
			from += c.Len
		}
	}
	return Place{}, false
}

func sortPlaces(list []Place) {
	slices.SortFunc(list, func(a, b Place) int {
		if c := bytes.Compare(a.Pack[:], b.Pack[:]); c != 0 {
			return c
		}
		return bytes.Compare(a.Signer[:], b.Signer[:])
	})
}

// compare fails where s does not know exactly what m does.
func (m *model) compare(t *rapid.T, s *Set) {
	entries := 0
	for n := range 62 {
		for domain := range byte(2) {
			d := table.Domain{1 + domain}
			want := m.places(d, idOf(n))
			entries += len(want)
			got, err := s.LookupAll(d, idOf(n))
			sortPlaces(got)
			if err != nil || len(got) != len(want) || len(want) > 0 && !reflect.DeepEqual(got, want) {
				t.Fatalf("chunk %d of %d: %v\n%s", n, domain, err, cmp.Diff(want, got))
			}
			one, found, err := s.Lookup(d, idOf(n))
			if err != nil || found != (len(want) > 0) || found && !slices.ContainsFunc(want, func(p Place) bool { return reflect.DeepEqual(p, one) }) {
				t.Fatalf("chunk %d of %d: %v, %v, %v", n, domain, one, found, err)
			}
		}
	}
	m.comparePacks(t, s)
	m.compareEntries(t, s, entries)
}

func (m *model) comparePacks(t *rapid.T, s *Set) {
	n := 0
	var last table.Name
	for info, err := range s.Packs() {
		p, known := m.packs[modelKey{info.Name, info.Signer}]
		if err != nil || !known || info.Size != p.Size || int(info.Blobs) != len(p.Blobs) || bytes.Compare(last[:], info.Name[:]) > 0 {
			t.Fatalf("pack %+v, %v", info, err)
		}
		n++
		last = info.Name
		all, err := s.Pack(info.Name)
		if err != nil || !slices.ContainsFunc(all, func(q table.Pack) bool { return reflect.DeepEqual(p, q) }) {
			t.Fatalf("pack %v: %v\n%s", info.Name, err, cmp.Diff([]table.Pack{p}, all))
		}
	}
	if n != len(m.packs) {
		t.Fatalf("%d packs, want %d", n, len(m.packs))
	}
	if has, err := s.HasPack(nameOf(-1)); has || err != nil {
		t.Fatalf("a pack that was never added: %v, %v", has, err)
	}
}

func (m *model) compareEntries(t *rapid.T, s *Set, want int) {
	n := 0
	var last varve.ChunkID
	for e, err := range s.Entries() {
		if err != nil || bytes.Compare(last[:], e.ID[:]) > 0 || !slices.ContainsFunc(m.places(e.Domain, e.ID), func(p Place) bool { return reflect.DeepEqual(p, e.Place) }) {
			t.Fatalf("entry %v, %v", e, err)
		}
		last = e.ID
		n++
	}
	if n != want {
		t.Fatalf("%d entries, want %d", n, want)
	}
}

// compareMarks marks some chunks and fails where the usage is not what it should be.
func (m *model) compareMarks(t *rapid.T, s *Set, random *rand.Rand) {
	marks := s.NewMarks()
	defer marks.Close()
	marked := map[varve.ChunkID]bool{}
	d := table.Domain{1}
	for range 20 {
		id := idOf(random.IntN(62))
		found, fresh, err := marks.Mark(d, id)
		if err != nil || found != (len(m.places(d, id)) > 0) || fresh != (found && !marked[id]) {
			t.Fatalf("mark: %v, %v, %v", found, fresh, err)
		}
		marked[id] = true
	}
	if err := s.Flush(); err != nil { // Marks do not mind
		t.Fatal(err)
	}
	for n := range 62 {
		id := idOf(n)
		if has, err := marks.Has(d, id); err != nil || has != (marked[id] && len(m.places(d, id)) > 0) {
			t.Fatalf("has: %v, %v", has, err)
		}
	}
	n := 0
	for u, err := range marks.Usage() {
		p, known := m.packs[modelKey{u.Name, u.Signer}]
		if want := usageOf(&p, marked); err != nil || !known || u != want {
			t.Fatalf("%+v, want %+v, %v", u, want, err)
		}
		n++
	}
	if n != len(m.packs) {
		t.Fatalf("usage of %d packs, want %d", n, len(m.packs))
	}
}

func usageOf(p *table.Pack, marked map[varve.ChunkID]bool) Usage {
	u := Usage{PackInfo: PackInfo{Name: p.Name, Signer: p.Signer, Size: p.Size, Blobs: uint32(len(p.Blobs))}}
	seen := map[varve.ChunkID]bool{} // in domain 1
	for _, b := range p.Blobs {
		live := uint32(0)
		for _, c := range b.Chunks {
			if p.Domains[b.Domain] == (table.Domain{1}) && marked[c.ID] && !seen[c.ID] {
				live++
				seen[c.ID] = true
			}
		}
		u.Chunks += uint32(len(b.Chunks))
		u.LiveChunks += live
		if live > 0 {
			u.LiveBlobs++
			u.LiveBytes += b.Sealed
		} else {
			u.DeadBytes += b.Sealed
		}
	}
	return u
}

func TestASetKnowsWhatItWasTold(t *testing.T) {
	root := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(root, "")
		if err != nil {
			t.Fatal(err)
		}
		m := &model{packs: map[modelKey]table.Pack{}}
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		reads := rapid.Bool().Draw(t, "reads")
		s := reopen(t, nil, dir)
		defer func() { _ = s.Close() }()
		for _, step := range rapid.SliceOfN(rapid.SampledFrom([]string{"add", "add", "add", "again", "remove", "flush", "reopen", "compare", "marks"}), 12, 24).Draw(t, "steps") {
			switch step {
			case "add", "again":
				p := randomPack(random, random.IntN(12))
				m.add(p)
				err = s.Add(&p)
			case "remove":
				a, b := nameOf(random.IntN(12)), nameOf(random.IntN(40))
				m.remove(a)
				m.remove(b)
				err = s.Remove(a, b, a)
			case "flush":
				err = s.Flush()
			case "reopen":
				err = s.Flush()
				s = reopen(t, s, dir)
			case "compare":
				m.compare(t, s)
			case "marks":
				m.compareMarks(t, s, random)
			}
			if err != nil {
				t.Fatalf("%s: %v", step, err)
			}
			if reads {
				unmap(s)
			}
		}
		m.compare(t, s)
	})
}

// reopen opens a Set that spills early. The one before is closed.
func reopen(t *rapid.T, s *Set, dir string) *Set {
	if s != nil {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	s.budget, s.maxFiles = 4*table.SessionSize, 2
	return s
}
