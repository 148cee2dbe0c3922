package index

import (
	"iter"

	"varve"
)

// Entry is a chunk and one of its places.
type Entry struct {
	ID varve.ChunkID
	Place
}

// Entries yields every place of every chunk, in the order of IDs; what is added or removed meanwhile may be left out. Where a pack has
// a chunk twice, one place is told. An error matches varve.ErrDamaged and ends the sequence.
func (s *Set) Entries() iter.Seq2[Entry, error] {
	return walk(s, func(layers []layer) iter.Seq[Entry] {
		return func(yield func(Entry) bool) {
			for i, r := range mergedRows(layers) {
				l := &layers[i]
				c := l.chunk(r.chunk)
				b := l.blob(c.blob)
				p := l.pack(b.pack)
				if !yield(Entry{c.id, l.place(&p, &b, r.chunk)}) {
					return
				}
			}
		}
	})
}

// walk yields what list yields for the layers as they are now.
func walk[T any](s *Set, list func([]layer) iter.Seq[T]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		layers := s.snapshot()
		defer release(layers)
		stopped := false
		err := s.guarded(func() {
			for i := range layers {
				layers[i].prepare()
			}
			for v := range list(layers) {
				if stopped = !yield(v, nil); stopped {
					return
				}
			}
		})
		if err != nil && !stopped {
			var none T
			yield(none, err)
		}
	}
}
