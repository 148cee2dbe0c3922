// Package chunk cuts a stream into chunks where its content says so: content that was cut once is cut alike wherever it stands, but
// for a chunk or two where it begins and ends.
//
// The hash that decides is a gear hash, h = 2h + table[byte] in 64 bits. A byte leaves it after 64 more, so whether a chunk may end
// somewhere depends on the 64 bytes before, and on nothing else. The table is drawn from a key, so who does not have the key
// cannot tell where content would be cut. A chunk ends at the first place from Min on whose hash is 0 in certain bits: in log2(Avg)+2
// of them at first, in log2(Avg)-2 after 13/16 of Avg, and at Max in any case. That keeps chunks near Avg (normalised chunking, as
// in FastCDC: Xia et al., 2020); with a Min of Avg/4 the mean of their lengths is Avg.
//
// Sizes of chunks still tell something about the content, with a key as without; hiding them is up to who stores chunks. Nor is the
// package for hashing or naming them. A reader of a vault needs none of this: where chunks end is up to the writer.
package chunk

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
)

// What Params are where they are not given, in bytes.
const (
	DefaultMin = 256 << 10
	DefaultAvg = 1 << 20
	DefaultMax = 8 << 20
)

// window is how many bytes the hash depends on.
const window = 64

// Params are the lengths of chunks in bytes. The zero value stands for the defaults.
type Params struct {
	Min int // no chunk but the last of a stream is shorter; at least 64
	Avg int // about the mean; a power of two, from 256 to 1<<30
	Max int // no chunk is longer
}

// Chunker finds where chunks end. It never changes, and may be used by several goroutines.
type Chunker struct {
	table  [256]uint64
	double [256]uint64 // table, each entry doubled
	least  int
	normal int // from this length on the loose mask counts
	most   int
	strict uint64
	loose  uint64
}

// New returns a Chunker whose table is drawn from key: the first 256 numbers of ChaCha8 (c2sp.org/chacha8rand) with that seed. The
// error says that the Params contradict one another.
func New(key [32]byte, p Params) (*Chunker, error) {
	if p == (Params{}) {
		p = Params{DefaultMin, DefaultAvg, DefaultMax}
	}
	if p.Avg < 256 || p.Avg > 1<<30 || p.Avg&(p.Avg-1) != 0 {
		return nil, fmt.Errorf("cut into chunks of %d bytes: not a power of two from 256 to 1<<30", p.Avg)
	}
	c := &Chunker{least: p.Min, normal: p.Avg / 16 * 13, most: p.Max}
	if p.Min < window || p.Min > c.normal || p.Max < p.Avg {
		return nil, fmt.Errorf("cut into chunks of %d to %d bytes, %d on average: impossible", p.Min, p.Max, p.Avg)
	}
	n := bits.Len(uint(p.Avg)) - 1
	c.strict, c.loose = mask(n+2), mask(n-2)
	random := rand.NewChaCha8(key)
	for i := range c.table {
		c.table[i] = random.Uint64()
		c.double[i] = c.table[i] << 1
	}
	return c, nil
}

// mask returns n bits below the highest. High bits are those that depend on the most bytes; the highest is left out so that a mask
// can be doubled.
func mask(n int) uint64 { return (1<<n - 1) << (63 - n) }

// Max returns the length in bytes that no chunk exceeds. With so much data at hand Next always finds an end.
func (c *Chunker) Max() int { return c.most }

// Next returns the length of the first chunk in data; 0 means that data, which is shorter than Max, does not suffice to tell. last
// says that the stream ends with data: then all of data is one chunk where no end is found, and 0 is returned for no data alone.
// The result depends on the bytes of the chunk, and on where the stream ends if it ends there, but not on how much follows in data.
func (c *Chunker) Next(data []byte, last bool) int {
	if len(data) > c.most {
		data = data[:c.most]
	}
	if n := c.find(data); n > 0 {
		return n
	}
	if last || len(data) == c.most {
		return len(data)
	}
	return 0
}

// find returns the first length of a chunk, from the least up to that of data, at which the content allows an end; 0 if there is none.
func (c *Chunker) find(data []byte) int {
	if len(data) < c.least {
		return 0
	}
	var h uint64
	for _, b := range data[c.least-window : c.least-1] {
		h = h<<1 + c.table[b]
	}
	change := min(len(data), c.normal-1)
	n, h := c.scan(data[c.least-1:change], h, c.strict)
	if n > 0 {
		return c.least - 1 + n
	}
	if n, _ = c.scan(data[change:], h, c.loose); n > 0 {
		return change + n
	}
	return 0
}
