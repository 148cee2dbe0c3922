package remote

import (
	"encoding/binary"
	"math"

	"varve"
	"varve/internal/manifest"
)

// decoder reads what an encoder wrote. The first fault stays, and nothing is read after it. What it returns shares no memory with the
// message. Whether the fields of an entry go together is not its business, see gate.
type decoder struct {
	b     []byte
	fault string
	path  string
	owner owner
}

func (d *decoder) fail(reason string) {
	if d.fault == "" {
		d.fault = reason
	}
	d.b = nil
}

// more reports whether something is left.
func (d *decoder) more() bool { return d.fault == "" && len(d.b) > 0 }

// err returns what was wrong; also where something is left.
func (d *decoder) err() error {
	if len(d.b) > 0 {
		d.fail("a message that goes on where it should have ended")
	}
	if d.fault != "" {
		return protocolError("%s", d.fault)
	}
	return nil
}

func (d *decoder) number(limit uint64) uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 || v > limit {
		d.fail("a number that is cut short or out of range")
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) signed() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail("a number that is cut short or out of range")
		return 0
	}
	d.b = d.b[n:]
	return v
}

// take returns the next n bytes; nil where there are fewer.
func (d *decoder) take(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.fail("a message that is cut short")
		return nil
	}
	part := d.b[:n]
	d.b = d.b[n:]
	return part
}

func (d *decoder) byte() byte {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) text() string { return string(d.take(d.number(math.MaxUint64))) }

func (d *decoder) time() varve.Time {
	return varve.Time{Sec: d.signed(), Nsec: int32(d.number(999_999_999))}
}

// count reads how many items follow, at least size bytes each.
func (d *decoder) count(limit, size int) int {
	n := d.number(uint64(limit))
	if n > uint64(len(d.b)/size) {
		d.fail("a message that is cut short")
		return 0
	}
	return int(n)
}

// tail reads what encoder.tail wrote.
func (d *decoder) tail(before string) string {
	keep := d.number(uint64(len(before)))
	rest := d.take(d.number(manifest.MaxPath - min(keep, manifest.MaxPath)))
	return before[:keep] + string(rest)
}

// entry reads one entry.
func (d *decoder) entry() (e varve.Entry) {
	e.Kind = varve.Kind(d.byte())
	has := int(d.number(hasAll))
	if e.Path = d.tail(d.path); d.fault != "" {
		return e
	}
	d.path = e.Path
	if has&hasErr != 0 {
		e.Err = decodeError(d.take(d.number(2 * maxText)))
		return e
	}
	e.Mode = uint32(d.number(math.MaxUint32))
	e.MTime = d.time()
	d.readOwner(&e, has)
	d.readTimes(&e, has)
	d.readContent(&e, has)
	d.readLists(&e, has)
	d.readRest(&e, has)
	return e
}

func (d *decoder) readOwner(e *varve.Entry, has int) {
	if has&hasOwner != 0 {
		d.owner = owner{uint32(d.number(math.MaxUint32)), uint32(d.number(math.MaxUint32)), d.text(), d.text()}
	}
	e.UID, e.GID, e.User, e.Group = d.owner.uid, d.owner.gid, d.owner.user, d.owner.group
}

func (d *decoder) readTimes(e *varve.Entry, has int) {
	if has&hasBTime != 0 {
		e.BTime = d.time()
	}
	if has&hasStamp != 0 {
		e.Stamp = varve.Stamp{Dev: d.number(math.MaxUint64), Ino: d.number(math.MaxUint64), CTime: d.time()}
	}
}

func (d *decoder) readContent(e *varve.Entry, has int) {
	if has&hasSize != 0 {
		e.Size = int64(d.number(math.MaxInt64))
	}
	if has&hasTarget != 0 {
		e.Target = d.text()
	}
	if has&hasRdev != 0 {
		e.Rdev = varve.Rdev{Major: uint32(d.number(math.MaxUint32)), Minor: uint32(d.number(math.MaxUint32))}
	}
	if has&hasDigest != 0 {
		copy(e.Digest[:], d.take(uint64(len(e.Digest))))
	}
	if has&hasChunks != 0 {
		e.Depth = uint8(d.number(manifest.MaxDepth))
		e.Chunks = make([]varve.Digest, d.count(manifest.MaxChunks, len(varve.Digest{})))
		for i := range e.Chunks {
			copy(e.Chunks[i][:], d.take(uint64(len(e.Chunks[i]))))
		}
	}
}

func (d *decoder) readLists(e *varve.Entry, has int) {
	if has&hasXattrs != 0 {
		e.Xattrs = make([]varve.Xattr, d.count(manifest.MaxXattrs, 2))
		for i := range e.Xattrs {
			e.Xattrs[i] = varve.Xattr{Name: d.text(), Value: d.text()}
		}
	}
	if has&hasHoles == 0 {
		return
	}
	e.Holes = make([]varve.Extent, d.count(manifest.MaxHoles, 2))
	end := uint64(0)
	for i := range e.Holes {
		off := end + d.number(math.MaxInt64-end)
		length := d.number(math.MaxInt64 - off)
		e.Holes[i] = varve.Extent{Off: int64(off), Len: int64(length)}
		end = off + length
	}
}

func (d *decoder) readRest(e *varve.Entry, has int) {
	if has&hasFlags != 0 {
		e.Flags = uint32(d.number(math.MaxUint32))
	}
	if has&hasSameAs != 0 {
		e.SameAs = d.tail(e.Path)
	}
	if has&hasMarks != 0 {
		e.Marks = varve.Marks(d.number(math.MaxUint8))
	}
	if has&hasUnkept != 0 {
		e.Unkept = varve.Aspect(d.number(math.MaxUint16))
	}
}
