package table

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"varve"
)

// blobLabel begins what a blob ID is the hash of.
const blobLabel = "varve vault 1 blob"

// chunkBytes is how much one chunk adds to what a blob ID is the hash of.
const chunkBytes = 32 + 4

// ComputeID returns the ID of b, which follows from its codec, its length before it was sealed and its chunks. It does not look at b.ID.
func (b *Blob) ComputeID() (id BlobID) {
	h := sha256.New()
	var buf [len(blobLabel) + 5 + 64*chunkBytes]byte
	out := append(buf[:0], blobLabel...)
	out = append(out, byte(b.Codec))
	out = binary.LittleEndian.AppendUint32(out, b.Sealed-SealOverhead)
	for i := range b.Chunks {
		if len(out)+chunkBytes > len(buf) {
			h.Write(out)
			out = buf[:0]
		}
		out = append(out, b.Chunks[i].ID[:]...)
		out = binary.LittleEndian.AppendUint32(out, b.Chunks[i].Len)
	}
	h.Write(out)
	h.Sum(id[:0])
	return id
}

// End returns the offset in the pack at which b ends.
func (b *Blob) End() uint32 { return b.Off + b.Sealed }

// fault says why b, whose encoding would have p and end before it, is against the format; empty where it is not.
func (b *Blob) fault(p *Pack, end uint64) string {
	if b.Group > StructureGroup {
		return "unknown class group"
	}
	if b.Session < 0 || b.Session >= len(p.Sessions) {
		return "a session that is not listed"
	}
	if b.Domain < 0 || b.Domain >= len(p.Domains) {
		return "a domain that is not listed"
	}
	if uint64(b.Off) < end {
		return "a blob begins before the one before it ends"
	}
	if reason := b.chunksFault(); reason != "" {
		return reason
	}
	return b.lengthFault()
}

// lengthFault says what is wrong with the lengths of b, whose chunks are right.
func (b *Blob) lengthFault() string {
	inner := int64(b.Sealed) - SealOverhead
	switch {
	case b.Codec == Raw && inner != int64(b.Plain):
		return "a blob whose length is not that of its chunks"
	case b.Codec == Zstd && (inner <= 0 || inner >= int64(b.Plain)):
		return "a compressed blob that is not smaller, or empty"
	case b.Codec > Zstd:
		return "unknown codec"
	}
	return ""
}

func (b *Blob) chunksFault() string {
	if len(b.Chunks) == 0 || len(b.Chunks) > MaxBlobChunks {
		return "a blob with no chunk or with too many"
	}
	sum := uint64(0)
	for i := range b.Chunks {
		c := &b.Chunks[i]
		switch {
		case c.Len == 0 || c.Len > MaxChunk:
			return "a chunk of impossible length"
		case c.Class > Page:
			return "unknown class"
		case c.Class.Group() != b.Group:
			return "a chunk in a blob of another class group"
		}
		sum += uint64(c.Len)
	}
	if sum > MaxBlob {
		return "a blob that is too long"
	}
	if sum != uint64(b.Plain) {
		return "a blob whose length is not that of its chunks"
	}
	return ""
}

// Check returns an error that matches varve.ErrDamaged where p is against the format, or a blob of it ends behind limit. Name, Size and
// Signer of p and the IDs of its blobs are not looked at.
func (p *Pack) Check(limit uint32) error {
	if reason := p.fault(limit); reason != "" {
		return fmt.Errorf("pack %s: %s: %w", p.Name, reason, varve.ErrDamaged)
	}
	return nil
}

// fault says why p is against the format, given that blobs must end at limit; empty where it is not.
func (p *Pack) fault(limit uint32) string {
	if len(p.Sessions) == 0 {
		return "no session"
	}
	for _, s := range p.Sessions {
		if len(s) != SessionSize {
			return "a session of impossible length"
		}
	}
	end := uint64(0)
	for i := range p.Blobs {
		b := &p.Blobs[i]
		if reason := b.fault(p, end); reason != "" {
			return reason
		}
		end = uint64(b.Off) + uint64(b.Sealed)
	}
	if end > uint64(limit) {
		return "a blob beyond the end of its pack"
	}
	return ""
}
