package table

import (
	"encoding/binary"
	"fmt"
)

// AppendTable appends the table of p, not compressed and without the codec and length before it, to dst. Size, Name and Signer of p,
// and the IDs of its blobs, do not matter. An error says that p is against the format; dst is returned as it was then.
func AppendTable(dst []byte, p *Pack) ([]byte, error) {
	if reason := p.fault(MaxPack); reason != "" {
		return dst, fmt.Errorf("encode table: %s", reason)
	}
	out := appendTable(dst, p)
	if len(out)-len(dst) > MaxTable {
		return dst, fmt.Errorf("encode table: longer than %d bytes", MaxTable)
	}
	return out, nil
}

func appendTable(dst []byte, p *Pack) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(p.Sessions)))
	for _, s := range p.Sessions {
		dst = append(dst, s...)
	}
	dst = binary.AppendUvarint(dst, uint64(len(p.Domains)))
	for i := range p.Domains {
		dst = append(dst, p.Domains[i][:]...)
	}
	dst = binary.AppendUvarint(dst, uint64(len(p.Blobs)))
	end := uint32(0)
	for i := range p.Blobs {
		dst = appendBlob(dst, &p.Blobs[i], end)
		end = p.Blobs[i].End()
	}
	return dst
}

// appendBlob appends b; end is where the blob before it ended.
func appendBlob(dst []byte, b *Blob, end uint32) []byte {
	dst = append(dst, byte(b.Group)|byte(b.Codec)<<1)
	dst = binary.AppendUvarint(dst, uint64(b.Session))
	dst = binary.AppendUvarint(dst, uint64(b.Domain))
	dst = binary.AppendUvarint(dst, uint64(b.Off-end))
	dst = binary.AppendUvarint(dst, uint64(b.Sealed))
	dst = binary.AppendUvarint(dst, uint64(len(b.Chunks)))
	for i := range b.Chunks {
		c := &b.Chunks[i]
		dst = append(dst, c.ID[:]...)
		dst = binary.AppendUvarint(dst, uint64(c.Len))
		if b.Group == StructureGroup {
			dst = append(dst, byte(c.Class))
		}
	}
	return dst
}

// The most bytes that some parts of a table take.
const (
	maxHead  = 3 * 4      // the three numbers of sessions, domains and blobs
	maxBlob  = 1 + 5*4    // a blob without its chunks
	maxChunk = 32 + 4 + 1 // a chunk
)

// MaxSize returns how long the table of p can be, in bytes: at least what AppendTable appends, and little more. Who fills a pack
// adds the MaxSize of each blob to that of a pack without blobs.
func (p *Pack) MaxSize() int {
	n := maxHead + len(p.Sessions)*SessionSize + len(p.Domains)*len(Domain{})
	for i := range p.Blobs {
		n += p.Blobs[i].MaxSize()
	}
	return n
}

// MaxSize returns how much b adds to the table of its pack at most, in bytes.
func (b *Blob) MaxSize() int { return maxBlob + len(b.Chunks)*maxChunk }

// AppendIndex appends the body of an index object that lists packs to dst. Signer of the packs and the IDs of their blobs do not
// matter. An error says that a pack is against the format or the body would be longer than MaxIndex; dst is returned as it was then.
// A body of packs whose IndexSize sums up to less than MaxIndex - 16 is never too long.
func AppendIndex(dst []byte, packs []Pack) ([]byte, error) {
	out := binary.AppendUvarint(dst, uint64(len(packs)))
	var body []byte
	for i := range packs {
		p := &packs[i]
		reason := p.sizeFault()
		if reason == "" {
			reason = p.fault(p.Size - FooterSize)
		}
		if reason != "" {
			return dst, fmt.Errorf("encode index of pack %s: %s", p.Name, reason)
		}
		body = appendTable(body[:0], p)
		out = append(out, p.Name[:]...)
		out = binary.LittleEndian.AppendUint32(out, p.Size)
		out = binary.AppendUvarint(out, uint64(len(body)))
		out = append(out, body...)
		if len(body) > MaxTable || len(out)-len(dst) > MaxIndex {
			return dst, fmt.Errorf("encode index of pack %s: too long", p.Name)
		}
	}
	return out, nil
}

// IndexSize returns how much p adds to the body of an index object at most, in bytes.
func (p *Pack) IndexSize() int { return len(Name{}) + 4 + 4 + p.MaxSize() }

// sizeFault says what is wrong with the size of p; empty where nothing is.
func (p *Pack) sizeFault() string {
	if p.Size < FooterSize || p.Size > MaxPack {
		return "a pack of impossible size"
	}
	return ""
}
