package manifest

import (
	"encoding/binary"
	"math"
	"strconv"

	"varve"
)

// ref stands for one page in the page above it.
type ref struct {
	id      PageID
	first   string // path of the first entry
	entries int64
	bytes   int64 // as in Root.Bytes
}

// node is a page of references. One that was decoded is never changed.
type node struct {
	level   int
	refs    []ref
	last    string // path of the last reference
	entries int64
	bytes   int64
}

// refPage is a page of references being written.
type refPage struct {
	level  int
	buf    []byte
	weight weight
	sums   ref    // the page as a reference, but for its ID
	path   string // of the last reference
	count  int    // the references in all pages of this level so far
	only   ref    // the first of them
}

func (p *refPage) reset() {
	p.buf = append(p.buf[:0], pageVersion, byte(p.level))
	p.weight, p.sums, p.path = weight{}, ref{}, ""
}

// add appends r.
func (p *refPage) add(r ref) {
	if p.count++; p.count == 1 {
		p.only = r
	}
	if p.weight.items == 0 {
		p.sums.first = r.first
	}
	n := shared(r.first, p.path)
	p.buf = append(p.buf, r.id[:]...)
	p.buf = binary.AppendUvarint(p.buf, uint64(n))
	p.buf = binary.AppendUvarint(p.buf, uint64(len(r.first)-n))
	p.buf = append(p.buf, r.first[n:]...)
	p.buf = binary.AppendUvarint(p.buf, uint64(r.entries))
	p.buf = binary.AppendUvarint(p.buf, uint64(r.bytes))
	p.path = r.first
	p.sums.entries = sum(p.sums.entries, r.entries)
	p.sums.bytes = sum(p.sums.bytes, r.bytes)
	p.weight = weight{p.weight.items + 1, len(p.buf), p.weight.paths + len(r.first)}
}

// decodeNode reads a page of references. The node shares no memory with page.
func decodeNode(id PageID, page []byte) (*node, error) {
	d, level, err := newDecoder(id, page)
	if err != nil {
		return nil, err
	}
	if level == 0 {
		d.fail("entries where references are expected")
	}
	n := &node{level: level}
	for d.more(level) {
		r := d.ref()
		n.refs = append(n.refs, r)
		n.entries = sum(n.entries, r.entries)
		n.bytes = sum(n.bytes, r.bytes)
	}
	if len(n.refs) == 0 {
		d.fail("no references")
	}
	if d.fault != "" {
		return nil, damaged(id, "reference "+strconv.Itoa(d.weight.items)+": "+d.fault)
	}
	n.last = d.last
	return n, nil
}

// ref reads one reference.
func (d *decoder) ref() (r ref) {
	copy(r.id[:], d.take(uint64(len(r.id))))
	keep, rest := d.tail(len(d.last))
	r.first = d.last[:keep] + string(rest)
	r.entries = int64(d.number(math.MaxInt64))
	r.bytes = int64(d.number(math.MaxInt64))
	switch {
	case d.fault != "":
		return r
	case r.entries == 0:
		d.fail("a page without entries")
	case pathFault(r.first) != "":
		d.fail(pathFault(r.first))
	case d.weight.items > 0 && varve.ComparePaths(d.last, r.first) >= 0:
		d.fail("not in listing order")
	}
	d.last = r.first
	d.weight.items++
	d.weight.paths += len(r.first)
	return r
}
