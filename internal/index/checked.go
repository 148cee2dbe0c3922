package index

import (
	"hash/crc32"
	"os"
	"sync/atomic"
)

// blockSize is how many bytes of a file share a checksum.
const blockSize = 4 << 10

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checked is the body of a file, whose checksums are looked at before its bytes are.
type checked struct {
	f      *os.File
	data   []byte // of all of the body; nil where it is read instead
	size   int64
	sums   []byte          // 4 bytes a block
	proven []atomic.Uint32 // a bit for each block of data
}

func newChecked(f *os.File, size int64, sums []byte) *checked {
	c := &checked{f: f, data: mapFile(f, size), size: size, sums: sums}
	if c.data != nil {
		c.proven = make([]atomic.Uint32, (len(sums)/4+31)/32)
	}
	return c
}

// close is called once nobody uses what bytes returned.
func (c *checked) close() {
	if c.data != nil {
		unmapFile(c.data)
	}
	_ = c.f.Close() // nothing was written to it
}

// bytes returns n bytes, at least 1, from off on, which lie within the body; false where they are damaged.
func (c *checked) bytes(off int64, n int) ([]byte, bool) {
	first, last := off/blockSize, (off+int64(n)-1)/blockSize
	if c.data == nil {
		return c.read(off, n, first, last)
	}
	for b := first; b <= last; b++ {
		if c.proven[b/32].Load()&(1<<(b%32)) == 0 && !c.prove(b) {
			return nil, false
		}
	}
	end := off + int64(n)
	return c.data[off:end:end], true
}

// prove looks at the checksum of a block of data.
func (c *checked) prove(b int64) bool {
	if !c.matches(b, c.data[b*blockSize:min((b+1)*blockSize, c.size)]) {
		return false
	}
	c.proven[b/32].Or(1 << (b % 32))
	return true
}

// read is bytes where there is no data.
func (c *checked) read(off int64, n int, first, last int64) ([]byte, bool) {
	start := first * blockSize
	buf := make([]byte, min((last+1)*blockSize, c.size)-start)
	if _, err := c.f.ReadAt(buf, start); err != nil {
		return nil, false
	}
	for b := first; b <= last; b++ {
		from := (b - first) * blockSize
		if !c.matches(b, buf[from:min(from+blockSize, int64(len(buf)))]) {
			return nil, false
		}
	}
	return buf[off-start:][:n:n], true
}

func (c *checked) matches(b int64, block []byte) bool {
	return crc32.Checksum(block, castagnoli) == le.Uint32(c.sums[4*b:])
}
