package manifest

import (
	"math"
	"math/bits"
	"strings"

	"varve"
)

const (
	pageVersion = 1
	headerSize  = 2 // version, level
)

// When a page ends. These are part of the format: changing one changes every page.
const (
	leafBits   = 8 // a leaf ends after a path whose hash ends in so many zero bits,
	levelBits  = 6 // a reference page after so many more for each level,
	minEntries = 16
	minRefs    = 2
	fullItems  = 4096    // and both when they hold so many entries or references,
	fullBytes  = 1 << 20 // so many bytes,
	fullPaths  = 4 << 20 // or items whose paths are so long together
)

// weight is what decides that a page is full.
type weight struct {
	items int
	bytes int // the page as encoded, header included
	paths int // Path and SameAs of all entries, or the paths of all references
}

// full reports whether a page ends here whatever the hash says. A page of references has at least two, so that every level has
// fewer pages than the one below.
func (w weight) full(level int) bool {
	if w.items == 0 || level > 0 && w.items < minRefs {
		return false
	}
	return w.items >= fullItems || w.bytes >= fullBytes || w.paths >= fullPaths
}

// ends reports whether a page of the given level ends after an item whose last path has this hash.
func (w weight) ends(level int, hash uint64) bool {
	least := minEntries
	if level > 0 {
		least = minRefs
	}
	return w.full(level) || w.items >= least && bits.TrailingZeros64(hash) >= leafBits+levelBits*level
}

// The FNV-1a hash (RFC 9923) of 64 bits.
const (
	fnvBasis uint64 = 0xcbf29ce484222325
	fnvPrime uint64 = 0x00000100000001b3
)

// fnv continues the FNV-1a hash h over s.
func fnv(h uint64, s string) uint64 {
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * fnvPrime
	}
	return h
}

// mix spreads all bits of a hash over all others, as the last step of SplitMix64 does: the low bits of FNV-1a alone depend on
// little of the path.
func mix(h uint64) uint64 {
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// pathHasher computes the hashes of paths that come in listing order, going over each directory once.
type pathHasher struct {
	dir   string
	state uint64 // after dir and the slash that follows it
}

func newPathHasher() pathHasher { return pathHasher{state: fnvBasis} }

// hash returns the hash of the path made of dir and name.
func (p *pathHasher) hash(dir, name string) uint64 {
	if dir != p.dir {
		p.dir, p.state = dir, fnvBasis
		if dir != "" {
			p.state = fnv(fnv(fnvBasis, dir), "/")
		}
	}
	return mix(fnv(p.state, name))
}

// split returns the parent and the name of path.
func split(path string) (dir, name string) {
	i := strings.LastIndexByte(path, '/')
	return path[:max(i, 0)], path[i+1:]
}

// shared returns the length of the longest common beginning of a and b.
func shared(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// sum adds two numbers that are not negative; what is too large becomes the largest number.
func sum(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// bytesOf is what e adds to Root.Bytes.
func bytesOf(e *varve.Entry) int64 {
	if e.SameAs != "" {
		return 0
	}
	return e.Size
}

func zigzag(v int64) uint64   { return uint64(v)<<1 ^ uint64(v>>63) }
func unzigzag(v uint64) int64 { return int64(v>>1) ^ -int64(v&1) }
