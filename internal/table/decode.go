package table

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"iter"

	"varve"
)

// DecodeTable reads the table of a pack, decompressed and without the codec and length before it. limit is the offset in the pack
// that no blob may reach beyond: where the table begins. Of the result Name, Size and Signer are left for the caller, the IDs of the
// blobs are computed, and nothing refers to data. Errors match varve.ErrDamaged.
func DecodeTable(data []byte, limit uint32) (Pack, error) {
	if len(data) > MaxTable {
		return Pack{}, fmt.Errorf("decode table: too long: %w", varve.ErrDamaged)
	}
	d := decoder{data: data}
	p := d.pack(limit)
	if d.fault == "" && d.off != len(d.data) {
		d.fail("something follows the table")
	}
	if d.fault != "" {
		return Pack{}, fmt.Errorf("decode table: %s: %w", d.fault, varve.ErrDamaged)
	}
	return p, nil
}

// DecodeIndex reads the body of an index object and yields the packs that it lists. Signer is left for the caller; no pack refers to
// data. A fault is yielded as an error that matches varve.ErrDamaged, and ends the sequence; the packs before it were whole.
func DecodeIndex(data []byte) iter.Seq2[Pack, error] {
	return func(yield func(Pack, error) bool) {
		d := decoder{data: data}
		if len(data) > MaxIndex {
			d.fail("too long")
		}
		n := d.count(MaxIndex, minIndexPack)
		for i := 0; i < n && d.fault == ""; i++ {
			p, err := d.indexPack()
			if !yield(p, err) || err != nil {
				return
			}
		}
		if d.fault == "" && d.off != len(d.data) {
			d.fail("something follows the last pack")
		}
		if d.fault != "" {
			yield(Pack{}, fmt.Errorf("decode index: %s: %w", d.fault, varve.ErrDamaged))
		}
	}
}

// The fewest bytes that some parts take, so that a number of them can be refused before memory is taken for it.
const (
	minBlobChunk = 32 + 1
	minBlob      = 6 + minBlobChunk
	minIndexPack = 32 + 4 + 1 + 1 + SessionSize + 1 + 1
)

// decoder reads data from its start to its end. The first fault that it meets stays, and nothing is read after it.
type decoder struct {
	data  []byte
	off   int
	fault string
}

const cutShort = "cut short"

func (d *decoder) fail(reason string) {
	if d.fault == "" {
		d.fault = reason
	}
	d.off = len(d.data)
}

// number reads a number in its shortest form, up to limit.
func (d *decoder) number(limit uint64) uint64 {
	v, n := binary.Uvarint(d.data[d.off:])
	switch {
	case n == 0:
		d.fail(cutShort)
	case n < 0 || n > 1 && d.data[d.off+n-1] == 0:
		d.fail("a number that is too large or too long")
	case v > limit:
		d.fail("a number out of range")
	default:
		d.off += n
		return v
	}
	return 0
}

// count reads the number of things that follow, at least size bytes each.
func (d *decoder) count(limit, size int) int {
	n := d.number(uint64(limit))
	if n > uint64((len(d.data)-d.off)/size) {
		d.fail(cutShort)
		return 0
	}
	return int(n)
}

// take returns the next n bytes; none where there are not so many.
func (d *decoder) take(n int) []byte {
	if n > len(d.data)-d.off {
		d.fail(cutShort)
		return nil
	}
	d.off += n
	return d.data[d.off-n : d.off]
}

func (d *decoder) byte() byte {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

// indexPack reads one pack of an index object.
func (d *decoder) indexPack() (Pack, error) {
	var p Pack
	copy(p.Name[:], d.take(len(p.Name)))
	if b := d.take(4); b != nil {
		p.Size = binary.LittleEndian.Uint32(b)
	}
	body := d.take(int(d.number(MaxTable)))
	if d.fault == "" {
		if reason := p.sizeFault(); reason != "" {
			d.fail(reason)
		}
	}
	if d.fault != "" {
		return Pack{}, fmt.Errorf("decode index: %s: %w", d.fault, varve.ErrDamaged)
	}
	t, err := DecodeTable(body, p.Size-FooterSize)
	if err != nil {
		return Pack{}, fmt.Errorf("decode index of pack %s: %w", p.Name, err)
	}
	t.Name, t.Size = p.Name, p.Size
	return t, nil
}

// pack reads a table.
func (d *decoder) pack(limit uint32) (p Pack) {
	n := d.count(MaxTable, SessionSize)
	p.Sessions = make([][]byte, n)
	for i := range p.Sessions {
		p.Sessions[i] = bytes.Clone(d.take(SessionSize))
	}
	p.Domains = make([]Domain, d.count(MaxTable, len(Domain{})))
	for i := range p.Domains {
		copy(p.Domains[i][:], d.take(len(Domain{})))
	}
	p.Blobs = make([]Blob, d.count(MaxTable, minBlob))
	end := uint64(0)
	for i := range p.Blobs {
		b := &p.Blobs[i]
		end = d.blob(b, end)
		if d.fault != "" {
			return Pack{}
		}
	}
	if reason := p.fault(limit); d.fault == "" && reason != "" {
		d.fail(reason)
	}
	if d.fault != "" {
		return Pack{}
	}
	for i := range p.Blobs {
		p.Blobs[i].ID = p.Blobs[i].ComputeID()
	}
	return p
}

// blob reads one blob into b. end is where the blob before it ended; it returns where this one does.
func (d *decoder) blob(b *Blob, end uint64) uint64 {
	head := d.byte()
	b.Group, b.Codec = Group(head&1), Codec(head>>1)
	b.Session = int(d.number(MaxTable))
	b.Domain = int(d.number(MaxTable))
	off := end + d.number(MaxPack)
	b.Sealed = uint32(d.number(MaxPack))
	end = off + uint64(b.Sealed)
	if end > MaxPack {
		d.fail("a blob beyond the end of its pack")
		return 0
	}
	b.Off = uint32(off)
	b.Chunks = make([]Chunk, d.count(MaxBlobChunks, minBlobChunk))
	for i := range b.Chunks {
		c := &b.Chunks[i]
		copy(c.ID[:], d.take(len(c.ID)))
		c.Len = uint32(d.number(MaxChunk))
		b.Plain += c.Len
		if b.Group == StructureGroup {
			c.Class = Class(d.byte())
		}
	}
	return end
}
