package index

import (
	"bytes"
	"iter"
)

// located is a record in one of several layers.
type located struct {
	layer int
	n     uint32 // in the region that the sequence is about
}

// merged yields what the layers have in a region that is sorted, in the order that before tells; equal records are in the order of
// the layers. The layers' recents are sorted.
func merged(layers []layer, r region, before func(a, b located) bool) iter.Seq[located] {
	return func(yield func(located) bool) {
		var heads []located
		for i := range layers {
			if layers[i].count(r) > 0 {
				heads = append(heads, located{i, 0})
			}
		}
		for len(heads) > 0 {
			first := 0
			for i := 1; i < len(heads); i++ {
				if before(heads[i], heads[first]) {
					first = i
				}
			}
			head := heads[first]
			if !yield(head) {
				return
			}
			if heads[first].n++; heads[first].n == layers[head.layer].count(r) {
				heads = append(heads[:first], heads[first+1:]...)
			}
		}
	}
}

// mergedRows yields the rows of layers whose packs count, in the order of IDs.
func mergedRows(layers []layer) iter.Seq2[int, row] {
	return func(yield func(int, row) bool) {
		keys := newCursors(layers)
		for at := range merged(layers, rows, keys.before) {
			r := keys.take(at)
			l := &layers[at.layer]
			if len(l.dead) > 0 && l.dead.has(l.packOf(r.chunk)) {
				continue
			}
			if !yield(at.layer, r) {
				return
			}
		}
	}
}

// packOf returns the pack of a chunk.
func (l *layer) packOf(chunk uint32) uint32 {
	return le.Uint32(l.at(blobs, le.Uint32(l.at(chunks, chunk)[36:]))[32:])
}

// cursors remembers the row that each layer is at, so that it is read once.
type cursors struct {
	layers []layer
	rows   []row
	at     []uint32 // the number of the row, plus 1
}

func newCursors(layers []layer) *cursors {
	return &cursors{layers, make([]row, len(layers)), make([]uint32, len(layers))}
}

func (c *cursors) take(at located) row {
	if c.at[at.layer] != at.n+1 {
		c.rows[at.layer], c.at[at.layer] = c.layers[at.layer].row(at.n), at.n+1
	}
	return c.rows[at.layer]
}

func (c *cursors) before(a, b located) bool {
	x, y := c.take(a), c.take(b)
	if x.key != y.key {
		return x.key < y.key
	}
	return bytes.Compare(c.layers[a.layer].at(chunks, x.chunk)[:32], c.layers[b.layer].at(chunks, y.chunk)[:32]) < 0
}

// mergedNames yields the packs of layers that count, in the order of their names.
func mergedNames(layers []layer) iter.Seq[located] {
	name := func(at located) []byte {
		l := &layers[at.layer]
		return l.at(packs, le.Uint32(l.at(names, at.n)))[:32]
	}
	return func(yield func(located) bool) {
		for at := range merged(layers, names, func(a, b located) bool { return bytes.Compare(name(a), name(b)) < 0 }) {
			l := &layers[at.layer]
			pack := le.Uint32(l.at(names, at.n))
			if !l.dead.has(pack) && !yield(located{at.layer, pack}) {
				return
			}
		}
	}
}
