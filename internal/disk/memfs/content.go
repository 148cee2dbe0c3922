package memfs

import (
	"math"
	"slices"

	"varve"
)

// blockSize is the unit of allocation in bytes: data anywhere in a block fills all of it.
const blockSize = 4096

func roundUp(n int64) int64   { return (n + blockSize - 1) &^ (blockSize - 1) }
func roundDown(n int64) int64 { return n &^ (blockSize - 1) }

// piece is data written to one place of a file. The data is never written to, so that several contents may share it.
type piece struct {
	off  int64
	data []byte
}

func (p piece) end() int64 { return p.off + int64(len(p.data)) }

// content is the content of a file: ascending pieces that do not overlap; holes lie between them.
type content struct {
	pieces []piece
	size   int64
	// blocks counts the blocks that hold data.
	blocks int64
}

// write is one change of content.
type write struct {
	piece
	// cut says that the length was set to off instead.
	cut bool
}

func (c *content) allocated() int64 { return c.blocks * blockSize }

func (c *content) apply(w write) {
	if w.cut {
		c.truncate(w.off)
	} else {
		c.write(w.piece)
	}
}

// clone returns a content that can be written to without changing c.
func (c *content) clone() content {
	return content{pieces: slices.Clone(c.pieces), size: c.size, blocks: c.blocks}
}

// from returns the index of the first piece that ends after off.
func (c *content) from(off int64) int {
	if n := len(c.pieces); n == 0 || c.pieces[n-1].end() <= off {
		return n
	}
	i, _ := slices.BinarySearchFunc(c.pieces, off, func(p piece, off int64) int {
		if p.end() <= off {
			return -1
		}
		return 1
	})
	return i
}

// growth is how many more blocks would hold data if the region from off to end did.
func (c *content) growth(off, end int64) int64 {
	return (roundUp(end)-roundDown(off))/blockSize - c.count(off, end)
}

// count returns how many blocks of the region from off to end hold data, whole blocks taken.
func (c *content) count(off, end int64) int64 {
	blocks, seen := int64(0), roundDown(off)
	end = roundUp(end)
	for _, p := range c.pieces[c.from(seen):] {
		if p.off >= end {
			break
		}
		lo, hi := max(roundDown(p.off), seen), min(roundUp(p.end()), end)
		if hi > lo {
			blocks += (hi - lo) / blockSize
			seen = hi
		}
	}
	return blocks
}

func (c *content) write(w piece) {
	if len(w.data) == 0 {
		return
	}
	c.blocks += c.growth(w.off, w.end())
	c.size = max(c.size, w.end())
	i := c.from(w.off)
	j := i
	for j < len(c.pieces) && c.pieces[j].off < w.end() {
		j++
	}
	c.pieces = slices.Replace(c.pieces, i, j, c.around(w, i, j)...)
}

// around returns w with what remains of the pieces i to j before and after it.
func (c *content) around(w piece, i, j int) []piece {
	parts := make([]piece, 0, 3)
	if i < j && c.pieces[i].off < w.off {
		first := c.pieces[i]
		parts = append(parts, piece{first.off, first.data[:w.off-first.off]})
	}
	parts = append(parts, w)
	if i < j && c.pieces[j-1].end() > w.end() {
		last := c.pieces[j-1]
		parts = append(parts, piece{w.end(), last.data[w.end()-last.off:]})
	}
	return parts
}

func (c *content) truncate(size int64) {
	if size < c.size {
		c.blocks -= c.count(roundUp(size), roundUp(c.size))
		rest := c.count(size, size) > 0
		c.cut(size)
		if n := len(c.pieces); rest && (n == 0 || c.pieces[n-1].end() <= roundDown(size)) {
			// The block stays, although nothing that was written into it does.
			c.pieces = append(c.pieces, piece{roundDown(size), make([]byte, size-roundDown(size))})
		}
	}
	c.size = size
}

// cut drops what lies beyond size.
func (c *content) cut(size int64) {
	i := c.from(size)
	if i < len(c.pieces) && c.pieces[i].off < size {
		c.pieces[i].data = c.pieces[i].data[:size-c.pieces[i].off]
		i++
	}
	clear(c.pieces[i:])
	c.pieces = c.pieces[:i]
}

// readAt fills p from off, which lies before the end, and returns how much there was.
func (c *content) readAt(p []byte, off int64) int {
	p = p[:min(int64(len(p)), c.size-off)]
	clear(p)
	end := off + int64(len(p))
	for _, q := range c.pieces[c.from(off):] {
		if q.off >= end {
			break
		}
		if q.off < off {
			copy(p, q.data[off-q.off:])
		} else {
			copy(p[q.off-off:], q.data)
		}
	}
	return len(p)
}

// holes returns the regions below size whose blocks hold no data.
func (c *content) holes(size int64) []varve.Extent {
	var holes []varve.Extent
	at := int64(0)
	gap := func(end int64) {
		if end = min(end, size); end > at {
			holes = append(holes, varve.Extent{Off: at, Len: end - at})
		}
	}
	for _, p := range c.pieces {
		gap(roundDown(p.off))
		at = roundUp(p.end())
	}
	gap(math.MaxInt64)
	return holes
}
