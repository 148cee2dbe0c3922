package sftp

import (
	"math"

	"varve"
)

// Fields is a set of the fields of Attrs.
type Fields uint32

// The fields of Attrs, with the bits of the protocol.
const (
	Size     Fields = 1 << 0
	Owner    Fields = 1 << 1 // UID and GID
	Mode     Fields = 1 << 2
	Times    Fields = 1 << 3 // ATime and MTime
	Extended Fields = 1 << 31
)

// knownFields are those whose place in a packet is known.
const knownFields = Size | Owner | Mode | Times | Extended

// Attrs is the metadata of one object: what a server sent, or what it shall set. Only what Has says is meant.
type Attrs struct {
	Fields Fields
	Size   int64 // bytes
	UID    uint32
	GID    uint32
	// Mode is st_mode as Unix has it: permission, set-ID and sticky bits, and, from a server, the type in 0170000.
	Mode uint32
	// ATime and MTime are whole seconds since 1970. The wire holds 32 bits: OpenSSH cuts off the rest, so that a time before
	// 1970 or after February 2106 comes as another one, 2³² seconds or a multiple of it away, and nothing tells.
	ATime uint32
	MTime uint32
}

// Has reports whether all fields of f are there.
func (a Attrs) Has(f Fields) bool { return a.Fields&f == f }

// Kind returns the kind of the object; 0 where the server did not tell or it is a kind that varve does not know.
func (a Attrs) Kind() varve.Kind {
	if !a.Has(Mode) {
		return 0
	}
	return varve.KindOf(a.Mode)
}

func appendAttrs(b []byte, a Attrs) []byte {
	b = appendUint32(b, uint32(a.Fields&^Extended))
	if a.Has(Size) {
		b = appendUint64(b, uint64(a.Size))
	}
	if a.Has(Owner) {
		b = appendUint32(appendUint32(b, a.UID), a.GID)
	}
	if a.Has(Mode) {
		b = appendUint32(b, a.Mode)
	}
	if a.Has(Times) {
		b = appendUint32(appendUint32(b, a.ATime), a.MTime)
	}
	return b
}

// attrs takes an ATTRS field. Extended attributes are passed over.
func (d *decoder) attrs() Attrs {
	a := Attrs{Fields: Fields(d.uint32())}
	if unknown := a.Fields &^ knownFields; unknown != 0 {
		d.fail("attributes with unknown flags %#x", uint32(unknown))
		return Attrs{}
	}
	if a.Has(Size) {
		a.Size = d.size()
	}
	if a.Has(Owner) {
		a.UID, a.GID = d.uint32(), d.uint32()
	}
	if a.Has(Mode) {
		a.Mode = d.uint32()
	}
	if a.Has(Times) {
		a.ATime, a.MTime = d.uint32(), d.uint32()
	}
	if a.Has(Extended) {
		for range d.count(8) {
			d.bytes()
			d.bytes()
		}
	}
	if d.err != nil {
		return Attrs{}
	}
	return a
}

func (d *decoder) size() int64 {
	size := d.uint64()
	if size > math.MaxInt64 {
		d.fail("a size of %d bytes", size)
		return 0
	}
	return int64(size)
}
