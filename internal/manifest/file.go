package manifest

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"varve"
)

// A manifest file is the magic, frames with the pages, one frame with the index, and the trailer.
const (
	magic       = "varve manifest\n\x01" // the last byte is the version
	trailerSize = 8 + len(magic)         // the offset of the frame with the index, and the magic again
	frameSize   = 1 + 4 + 32             // kind, length and BLAKE3 hash of what follows
	framePage   = 'p'
	frameIndex  = 'i'
)

// What a file may hold at most, in bytes.
const (
	maxIndex  = 64 << 20
	maxRecord = 16 << 20
)

// A row of the page table is the page's ID, the offset of its frame and its length. Rows are sorted by ID.
const rowSize = 32 + 8 + 4

// rootSize is the level, the number of pages, the number of entries, the sum of bytes and the ID of the root page.
const rootSize = 1 + 4 + 8 + 8 + 32

// index is what the last frame holds: where the pages are, the root, and the record.
type index struct {
	root   Root
	rows   []byte // as in the file
	record []byte
}

func (x *index) append(b []byte) []byte {
	b = append(b, byte(x.root.Level))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(x.rows)/rowSize))
	b = binary.LittleEndian.AppendUint64(b, uint64(x.root.Entries))
	b = binary.LittleEndian.AppendUint64(b, uint64(x.root.Bytes))
	b = append(b, x.root.ID[:]...)
	b = append(b, x.rows...)
	return append(b, x.record...)
}

// parseIndex is the reverse of append, for an index whose frame is at offset at. It says why it cannot be.
func parseIndex(b []byte, at int64) (x index, fault string) {
	if len(b) < rootSize {
		return x, "the index is cut short"
	}
	pages := int64(binary.LittleEndian.Uint32(b[1:]))
	x.root.Level = int(b[0])
	x.root.Entries = int64(binary.LittleEndian.Uint64(b[5:]))
	x.root.Bytes = int64(binary.LittleEndian.Uint64(b[13:]))
	x.root.ID = PageID(b[21:rootSize])
	b = b[rootSize:]
	if pages*rowSize > int64(len(b)) {
		return x, "the page table is cut short"
	}
	x.rows, x.record = b[:pages*rowSize], b[pages*rowSize:]
	switch {
	case x.root.Level > MaxLevel || x.root.Entries < 0 || x.root.Bytes < 0:
		return x, "the root is out of range"
	case len(x.record) > maxRecord:
		return x, "the record is too long"
	}
	return x, x.tableFault(at)
}

// tableFault says what is wrong with the page table of an index whose frame is at offset at.
func (x *index) tableFault(at int64) string {
	for i := 0; i < len(x.rows); i += rowSize {
		off, length := x.row(i)
		if i > 0 && bytes.Compare(x.rows[i-rowSize:i-rowSize+32], x.rows[i:i+32]) >= 0 {
			return "the page table is not in order"
		}
		if length > MaxPage || off < int64(len(magic)) || off > at-frameSize-int64(length) {
			return "the page table refers to something that cannot be a page"
		}
	}
	return ""
}

// row returns what the row at byte i says.
func (x *index) row(i int) (off int64, length int) {
	return int64(binary.LittleEndian.Uint64(x.rows[i+32:])), int(binary.LittleEndian.Uint32(x.rows[i+40:]))
}

// find returns where the page named id is.
func (x *index) find(id PageID) (off int64, length int, ok bool) {
	low, high := 0, len(x.rows)/rowSize
	for low < high {
		mid := (low + high) / 2
		switch bytes.Compare(x.rows[mid*rowSize:mid*rowSize+32], id[:]) {
		case 0:
			off, length = x.row(mid * rowSize)
			return off, length, true
		case -1:
			low = mid + 1
		default:
			high = mid
		}
	}
	return 0, 0, false
}

// appendFrame appends the head of a frame.
func appendFrame(b []byte, kind byte, length int, hash PageID) []byte {
	b = append(b, kind)
	b = binary.LittleEndian.AppendUint32(b, uint32(length))
	return append(b, hash[:]...)
}

// parseFrame is the reverse of appendFrame. b is frameSize long.
func parseFrame(b []byte) (kind byte, length int64, hash PageID) {
	return b[0], int64(binary.LittleEndian.Uint32(b[1:])), PageID(b[5:frameSize])
}

// checkMagic says whether b, as long as the magic, is that of a format that is known.
func checkMagic(b []byte) error {
	last := len(magic) - 1
	switch {
	case string(b[:last]) != magic[:last]:
		return fmt.Errorf("not a manifest file, or its beginning is overwritten: %w", varve.ErrDamaged)
	case b[last] != magic[last]:
		return ErrVersion
	}
	return nil
}
