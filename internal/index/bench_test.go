package index

import (
	"testing"

	"varve"
	"varve/internal/table"
)

const benchRows = 1 << 20

func ids(from, n int) []varve.ChunkID {
	list := make([]varve.ChunkID, n)
	for i := range list {
		list[i] = idOf(from + i*(benchRows/n))
	}
	return list
}

func BenchmarkLookup(b *testing.B) {
	dir := b.TempDir()
	s := openSet(b, dir)
	fill(b, s, benchRows)
	must(b, s.Flush())
	s = openSet(b, dir)
	there, absent := ids(0, 1<<14), ids(benchRows, 1<<14)
	domain := table.Domain{1}
	for name, list := range map[string][]varve.ChunkID{"hit": there, "miss": absent} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if _, found, err := s.Lookup(domain, list[i%len(list)]); err != nil || found != (name == "hit") {
					b.Fatal(found, err)
				}
				i++
			}
		})
		b.Run("has/"+name, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if found, err := s.Has(domain, list[i%len(list)]); err != nil || found != (name == "hit") {
					b.Fatal(found, err)
				}
				i++
			}
		})
	}
}

// BenchmarkAdd adds a pack of 4000 chunks; spills and merges are a part of it.
func BenchmarkAdd(b *testing.B) {
	s := openSet(b, b.TempDir())
	list := make([]int, 250)
	n := 0
	for b.Loop() {
		b.StopTimer()
		var lists [][]int
		for range 16 {
			for i := range list {
				list[i] = n
				n++
			}
			lists = append(lists, append([]int(nil), list...))
		}
		p := smallPack(n, lists)
		b.StartTimer()
		must(b, s.Add(&p))
	}
}

func BenchmarkFlush(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		s := openSet(b, b.TempDir())
		fill(b, s, 1<<18)
		b.StartTimer()
		must(b, s.Flush())
	}
}
