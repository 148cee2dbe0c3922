package manifest

import (
	"encoding/binary"
	"fmt"
)

// decoder reads one page from its start to its end. The first fault that it meets stays, and nothing is read after it.
type decoder struct {
	state
	page   []byte
	off    int
	fault  string
	weight weight // of what was read

	path []byte // of the entry or reference before
	last string // the same
	dir  int    // length of its directory
	name int    // where its name begins
}

// newDecoder returns a decoder that stands behind the header of page, and the level that the header tells.
func newDecoder(id PageID, page []byte) (d *decoder, level int, err error) {
	d = &decoder{page: page}
	switch {
	case len(page) < headerSize:
		d.fail("no header")
	case len(page) > MaxPage:
		d.fail("page too long")
	case page[0] != pageVersion:
		return nil, 0, fmt.Errorf("manifest page %.12s: %w", id, ErrVersion)
	case page[1] > MaxLevel:
		d.fail("level too high")
	default:
		d.off = headerSize
		level = int(page[1])
	}
	return d, level, nil
}

// more reports whether there is another item. Where there is one although the page should have ended, that is a fault.
func (d *decoder) more(level int) bool {
	d.weight.bytes = d.off
	if d.fault != "" || d.off == len(d.page) {
		return false
	}
	if d.weight.full(level) {
		d.fail("the page goes on where it should have ended")
	}
	return d.fault == ""
}

// fail notes a fault.
func (d *decoder) fail(reason string) {
	if d.fault == "" {
		d.fault = reason
	}
	d.off = len(d.page)
}

const cutShort = "the page is cut short"

func (d *decoder) byte() byte {
	if d.off >= len(d.page) {
		d.fail(cutShort)
		return 0
	}
	d.off++
	return d.page[d.off-1]
}

// uvarint reads a number in its shortest form.
func (d *decoder) uvarint() uint64 {
	if d.off < len(d.page) && d.page[d.off] < 0x80 {
		d.off++
		return uint64(d.page[d.off-1])
	}
	v, n := binary.Uvarint(d.page[d.off:])
	if n <= 0 || d.page[d.off+n-1] == 0 {
		d.fail("a number that is cut short, too large or too long")
		return 0
	}
	d.off += n
	return v
}

func (d *decoder) varint() int64 { return unzigzag(d.uvarint()) }

// number reads a number up to limit.
func (d *decoder) number(limit uint64) uint64 {
	v := d.uvarint()
	if v > limit {
		d.fail("a number out of range")
		return 0
	}
	return v
}

// count reads the number of items that follow, at least size bytes each.
func (d *decoder) count(limit, size int) int {
	n := d.number(uint64(limit))
	if n > uint64((len(d.page)-d.off)/size) {
		d.fail(cutShort)
		return 0
	}
	return int(n)
}

// take returns the next n bytes of the page.
func (d *decoder) take(n uint64) []byte {
	if n > uint64(len(d.page)-d.off) {
		d.fail(cutShort)
		return nil
	}
	d.off += int(n)
	return d.page[d.off-int(n) : d.off]
}

func (d *decoder) str() string { return string(d.take(d.uvarint())) }

// tail reads what leaf.tail wrote: it returns how much of before stays, and what follows it.
func (d *decoder) tail(before int) (keep int, rest []byte) {
	keep = int(d.number(uint64(before)))
	rest = d.take(d.uvarint())
	if keep+len(rest) > MaxPath {
		d.fail("path too long")
		return 0, nil
	}
	return keep, rest
}
