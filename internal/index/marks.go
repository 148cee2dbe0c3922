package index

import (
	"iter"
	"sync/atomic"

	"varve"
	"varve/internal/table"
)

// Marks is a set of chunks, out of those that a Set knew when it was made: a bit for each. Its methods may be called from several
// goroutines, except Close.
type Marks struct {
	set    *Set
	layers []layer
	bits   [][]atomic.Uint32 // by layer and number of the chunk
}

// NewMarks returns Marks that has no chunk. What the Set learns or forgets afterwards does not matter to it. Close must be called.
func (s *Set) NewMarks() *Marks {
	m := &Marks{set: s, layers: s.snapshot()}
	for i := range m.layers {
		m.bits = append(m.bits, make([]atomic.Uint32, (uint64(m.layers[i].count(chunks))+31)/32))
	}
	return m
}

// Close lets go of files.
func (m *Marks) Close() { release(m.layers) }

// Mark adds a chunk of domain, wherever it is. found is false where no place of it is known, fresh where it was marked before.
// An error matches varve.ErrDamaged; the Marks are of no use then.
func (m *Marks) Mark(domain table.Domain, id varve.ChunkID) (found, fresh bool, err error) {
	err = m.each(domain, &id, func(word *atomic.Uint32, bit uint32) {
		found = true
		fresh = word.Or(bit)&bit == 0 || fresh
	})
	return found && err == nil, fresh && err == nil, err
}

// Has reports whether a chunk of domain was marked. An error matches varve.ErrDamaged.
func (m *Marks) Has(domain table.Domain, id varve.ChunkID) (marked bool, err error) {
	err = m.each(domain, &id, func(word *atomic.Uint32, bit uint32) {
		marked = marked || word.Load()&bit != 0
	})
	return marked && err == nil, err
}

// each calls visit for every place of a chunk.
func (m *Marks) each(domain table.Domain, id *varve.ChunkID, visit func(word *atomic.Uint32, bit uint32)) error {
	return m.set.guarded(func() {
		for i := range m.layers {
			l := &m.layers[i]
			at, next, found := l.next(domain, id, 0)
			for ; found; at, next, found = l.next(domain, id, next) {
				visit(&m.bits[i][at.chunk/32], 1<<(at.chunk%32))
			}
		}
	})
}

// Usage says how much of a pack is marked.
type Usage struct {
	PackInfo
	LiveBlobs  uint32 // that have a marked chunk
	LiveChunks uint32 // that are marked; where a pack has a chunk twice, one of the two never is
	LiveBytes  uint32 // of live blobs, in the pack
	DeadBytes  uint32 // of the other blobs, in the pack; both lack the table, footer and padding of the pack
}

// Usage yields how much of each pack is marked: those learnt first come first, and a pack comes once for each signer who vouches for
// it. An error matches varve.ErrDamaged and ends the sequence.
func (m *Marks) Usage() iter.Seq2[Usage, error] {
	return func(yield func(Usage, error) bool) {
		for i := range m.layers {
			l := &m.layers[i]
			for n := range l.count(packs) {
				if l.dead.has(n) {
					continue
				}
				var u Usage
				err := m.set.guarded(func() { u = m.usage(i, n) })
				if !yield(u, err) || err != nil {
					return
				}
			}
		}
	}
}

// usage returns that of a pack of a layer.
func (m *Marks) usage(layer int, pack uint32) Usage {
	l := &m.layers[layer]
	p := l.pack(pack)
	u := Usage{PackInfo: PackInfo{p.name, p.signer, p.size, p.blobs, p.chunks}}
	for n := range p.blobs {
		b := l.blob(p.blob + n)
		marked := m.marked(layer, &b)
		u.LiveChunks += marked
		if marked > 0 {
			u.LiveBlobs++
			u.LiveBytes += b.sealed
		} else {
			u.DeadBytes += b.sealed
		}
	}
	return u
}

// marked returns how many chunks of a blob are marked.
func (m *Marks) marked(layer int, b *blobRecord) (marked uint32) {
	bits := m.bits[layer]
	if end := uint64(b.chunk) + uint64(b.chunks); end > uint64(m.layers[layer].count(chunks)) {
		m.layers[layer].fail("a blob whose chunks are not there")
	}
	for n := b.chunk; n < b.chunk+b.chunks; n++ {
		marked += bits[n/32].Load() >> (n % 32) & 1
	}
	return marked
}
