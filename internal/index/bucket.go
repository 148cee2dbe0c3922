package index

import "math/bits"

const (
	bucketRows = 48  // how many rows a bucket has, on average
	filterBits = 480 // in a bucket, after the number of its first row
)

// bucketOf returns which of n buckets key belongs to. It never falls as key grows, so that buckets part sorted rows.
func bucketOf(key uint64, n uint32) uint32 {
	b, _ := bits.Mul64(key, uint64(n))
	return uint32(b)
}

// bucketsFor returns how many buckets so many rows get.
func bucketsFor(rows uint64) uint32 { return uint32(rows/bucketRows) + 1 }

// filter is the Bloom filter of a bucket. With 10 bits for a row, and three bits set for each, one row in sixty that is not there seems to be.
type filter [filterBits / 8]byte

// places returns the bits that key sets. They depend on the half of key that does not decide on the bucket, but in huge files.
func places(key uint64) [3]uint32 {
	low := uint32(key)
	other := low * 0x9e3779b1 >> 16
	return [3]uint32{low >> 16 * filterBits >> 16, low & 0xffff * filterBits >> 16, other * filterBits >> 16}
}

func (f *filter) add(key uint64) {
	for _, i := range places(key) {
		f[i/8] |= 1 << (i % 8)
	}
}

// mayHave reports whether key may have been added to the filter whose bytes are f.
func mayHave(f []byte, key uint64) bool {
	for _, i := range places(key) {
		if f[i/8]&(1<<(i%8)) == 0 {
			return false
		}
	}
	return true
}
