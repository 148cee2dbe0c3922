package pack

import (
	"fmt"
	"slices"

	"varve"
	"varve/internal/seal"
	"varve/internal/table"
)

// BundleSize is how much content a blob of small chunks holds at most, in bytes. It is a little less than 1 MiB, so that sixteen of
// them fit a pack even where nothing compresses.
const BundleSize = 1<<20 - 8<<10

// frameSpare is by how many bytes a frame of zstd is longer than a blob that does not compress, at most.
const frameSpare = 1 << 10

// BundleChunks is how many chunks a blob holds at most. The format allows more; whoever looks for one chunk has to count those before it.
const BundleChunks = 512

// Sealed is a blob ready for a pack.
type Sealed struct {
	// Data is the sealed blob.
	Data []byte
	// Blob says what it is; its Session, Domain and Off mean nothing yet.
	Blob table.Blob
	// Session is the session it is sealed in, table.SessionSize bytes.
	Session []byte
	// Domain is the one that its chunks belong to.
	Domain table.Domain
}

// SealedIn returns the i-th blob of a pack, ready for another one; data is that blob as it stands in the pack, and becomes a part of
// the result. An error that matches varve.ErrDamaged where data has another length. That data is what was written is not checked: the
// pack that it comes from must have been read whole, and had the name that its bytes hash to.
func SealedIn(p *table.Pack, i int, data []byte) (Sealed, error) {
	b := p.Blobs[i]
	if len(data) != int(b.Sealed) {
		return Sealed{}, fmt.Errorf("take blob %s: %d bytes instead of %d: %w", b.ID, len(data), b.Sealed, varve.ErrDamaged)
	}
	return Sealed{Data: data, Blob: b, Session: p.Sessions[b.Session], Domain: p.Domains[b.Domain]}, nil
}

// Bundle collects chunks of one class group, and seals them into a blob. Its buffers are used again and again, those for sealing by all
// bundles of a writer in turn. One goroutine at a time may use it.
type Bundle struct {
	writer  *Writer
	session []byte
	group   table.Group
	plain   []byte
	chunks  []table.Chunk
	sealed  *[]byte // of the last Seal, lent by the writer; nil where it was given back
}

// NewBundle returns an empty bundle for chunks of a class group.
func (w *Writer) NewBundle(group table.Group) *Bundle {
	return &Bundle{writer: w, session: w.session(), group: group}
}

// Len returns how much the bundle holds, in bytes.
func (b *Bundle) Len() int { return len(b.plain) }

// Fits reports whether a chunk of n bytes may be added. An empty bundle takes any chunk; one that holds something, only what leaves
// it within BundleSize and BundleChunks.
func (b *Bundle) Fits(n int) bool {
	if len(b.chunks) == 0 {
		return n <= table.MaxChunk
	}
	return len(b.chunks) < BundleChunks && n <= BundleSize-len(b.plain)
}

// Room returns n bytes behind what the bundle holds, for a chunk to be read into. Add copies nothing where it is given these bytes,
// or the first of them. They are valid until the next call of Add, Room or Reset.
func (b *Bundle) Room(n int) []byte {
	held := len(b.plain)
	if cap(b.plain)-held < n {
		b.plain = append(make([]byte, 0, max(held+n, BundleSize)), b.plain...)
	}
	return b.plain[held : held+n]
}

// Add adds a chunk, with its ID. An error says that it does not fit, or is empty, or not of the class group.
func (b *Bundle) Add(id varve.ChunkID, class table.Class, data []byte) error {
	switch {
	case len(data) == 0 || !b.Fits(len(data)):
		return fmt.Errorf("bundle chunk %s: no place for %d bytes", id, len(data))
	case class > table.Page || class.Group() != b.group:
		return fmt.Errorf("bundle chunk %s: no place for class %d", id, class)
	}
	b.giveBack()
	if room := b.Room(len(data)); &room[0] != &data[0] {
		copy(room, data)
	}
	b.plain = b.plain[:len(b.plain)+len(data)]
	b.chunks = append(b.chunks, table.Chunk{ID: id, Class: class, Len: uint32(len(data))})
	return nil
}

// Reset makes the bundle empty.
func (b *Bundle) Reset() {
	b.giveBack()
	b.plain, b.chunks = b.plain[:0], b.chunks[:0]
}

// giveBack lets others use the buffer of what was sealed.
func (b *Bundle) giveBack() {
	if b.sealed != nil {
		b.writer.scratch.put(b.sealed)
		b.sealed = nil
	}
}

// Seal compresses and seals what the bundle holds, which must be something, and leaves it there. The result is valid until the next
// call of Add, Seal or Reset.
func (b *Bundle) Seal() Sealed {
	b.giveBack()
	buf := b.writer.scratch.get()
	defer b.writer.scratch.put(buf)
	*buf = slices.Grow((*buf)[:0], len(b.plain)+frameSpare) // also where compression makes it longer, before it is given up
	codec, packed := b.writer.Compressor.Compress(*buf, b.plain)
	*buf = packed
	blob := table.Blob{
		Group: b.group, Codec: table.Codec(codec), Sealed: uint32(len(packed) + seal.Overhead), Plain: uint32(len(b.plain)),
		Chunks: b.chunks,
	}
	blob.ID = blob.ComputeID()
	secret := b.writer.Session.Content
	if b.group == table.StructureGroup {
		secret = b.writer.Session.Structure
	}
	b.sealed = b.writer.scratch.get()
	*b.sealed = seal.Seal((*b.sealed)[:0], secret, b.writer.scope(kindOf(b.group), blob.ID[:]), packed)
	return Sealed{Data: *b.sealed, Blob: blob, Session: b.session, Domain: b.writer.Domain}
}
