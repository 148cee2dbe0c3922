package manifest

import (
	"math/rand/v2"
	"testing"

	"varve"
)

func benchTree() []varve.Entry { return plainTree(200, 200) }

func perEntry(b *testing.B, entries int) {
	b.ReportMetric(float64(entries)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}

// noPages forgets what it is given.
type noPages struct{ n PageID }

func (p *noPages) Put(page []byte) (PageID, error) { p.n[0]++; return p.n, nil }

func BenchmarkEncode(b *testing.B) {
	list := benchTree()
	b.ReportAllocs()
	for b.Loop() {
		write(b, &noPages{}, list)
	}
	perEntry(b, len(list))
}

func BenchmarkDecode(b *testing.B) {
	list := benchTree()
	pages := newMemPages()
	r := NewReader(pages, write(b, pages, list))
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for c := r.Cursor(); ; n++ {
			if _, err := c.Next(); err != nil {
				break
			}
		}
		if n != len(list) {
			b.Fatal(n)
		}
	}
	perEntry(b, len(list))
}

func BenchmarkSeek(b *testing.B) {
	list := benchTree()
	pages := newMemPages()
	r := NewReader(pages, write(b, pages, list))
	rng := rand.New(rand.NewPCG(1, 1))
	for b.Loop() {
		if _, err := r.Lookup(list[rng.IntN(len(list))].Path); err != nil {
			b.Fatal(err)
		}
	}
	perEntry(b, 1)
}

func BenchmarkReadDir(b *testing.B) {
	list := benchTree()
	pages := newMemPages()
	r := NewReader(pages, write(b, pages, list))
	b.ReportAllocs()
	for b.Loop() {
		for i := range 20 {
			if _, err := r.ReadDir(varve.Parent(list[1+i*len(list)/20].Path)); err != nil {
				b.Fatal(err)
			}
		}
	}
	perEntry(b, 20*200)
}
