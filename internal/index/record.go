package index

import (
	"encoding/binary"

	"varve"
	"varve/internal/table"
)

// region numbers the parts of a file. Each is a list of records of one size.
type region int

const (
	packs    region = iota
	names           // numbers of packs, sorted by their names
	blobs           // the blobs of the first pack, then those of the second, and so on
	chunks          // the chunks of the first blob, then those of the second, and so on
	buckets         // and one more that tells where the last one ends
	rows            // sorted by the IDs of their chunks
	refs            // numbers of sessions and of domains: those of the first pack, and so on
	domains         // distinct
	sessions        // distinct
	gone            // names of packs that are not to be found in older files
	regions         // how many there are
)

// sizes of the records, in bytes.
var sizes = [regions]int{
	packs: 80, names: 4, blobs: 64, chunks: 40, buckets: 64, rows: 12, refs: 4, domains: 16, sessions: table.SessionSize, gone: 32,
}

var le = binary.LittleEndian

// packRecord is a pack. Its blobs, chunks and refs are those from one number on.
type packRecord struct {
	name          table.Name
	signer        table.Domain
	size          uint32
	blob, blobs   uint32
	chunk, chunks uint32
	ref           uint32 // sessions come first, then domains
	sessions      uint32
	domains       uint32
}

func (r *packRecord) append(dst []byte) []byte {
	dst = append(append(dst, r.name[:]...), r.signer[:]...)
	for _, v := range [...]uint32{r.size, r.blob, r.blobs, r.chunk, r.chunks, r.ref, r.sessions, r.domains} {
		dst = le.AppendUint32(dst, v)
	}
	return dst
}

func readPack(b []byte) (r packRecord) {
	copy(r.name[:], b)
	copy(r.signer[:], b[32:])
	for i, v := range [...]*uint32{&r.size, &r.blob, &r.blobs, &r.chunk, &r.chunks, &r.ref, &r.sessions, &r.domains} {
		*v = le.Uint32(b[48+4*i:])
	}
	return r
}

// blobRecord is a blob. Its chunks are those from one number on.
type blobRecord struct {
	id      table.BlobID
	pack    uint32
	chunk   uint32
	chunks  uint32 // 16 bits
	group   table.Group
	codec   table.Codec
	session uint32 // in the list of its pack
	domain  uint32 // the same
	off     uint32
	sealed  uint32
	plain   uint32
}

func (r *blobRecord) append(dst []byte) []byte {
	dst = append(dst, r.id[:]...)
	small := r.chunks | uint32(r.group)<<16 | uint32(r.codec)<<24
	for _, v := range [...]uint32{r.pack, r.chunk, small, r.session, r.domain, r.off, r.sealed, r.plain} {
		dst = le.AppendUint32(dst, v)
	}
	return dst
}

func readBlob(b []byte) (r blobRecord) {
	copy(r.id[:], b)
	var small uint32
	for i, v := range [...]*uint32{&r.pack, &r.chunk, &small, &r.session, &r.domain, &r.off, &r.sealed, &r.plain} {
		*v = le.Uint32(b[32+4*i:])
	}
	r.chunks, r.group, r.codec = small&0xffff, table.Group(small>>16&0xff), table.Codec(small>>24)
	return r
}

// chunkRecord is a chunk. It ends where the next one of its blob begins.
type chunkRecord struct {
	id    varve.ChunkID
	from  uint32 // where it begins in the blob before compression; 24 bits
	class table.Class
	blob  uint32
}

func (r *chunkRecord) append(dst []byte) []byte {
	dst = append(dst, r.id[:]...)
	dst = le.AppendUint32(dst, r.from|uint32(r.class)<<24)
	return le.AppendUint32(dst, r.blob)
}

func readChunk(b []byte) (r chunkRecord) {
	copy(r.id[:], b)
	v := le.Uint32(b[32:])
	r.from, r.class = v&(1<<24-1), table.Class(v>>24)
	r.blob = le.Uint32(b[36:])
	return r
}

// row is the number of a chunk, and the beginning of its ID, by which rows are sorted first.
type row struct {
	key   uint64
	chunk uint32
}

// keyOf returns the first bytes of an ID, as a number that sorts as they do.
func keyOf(id []byte) uint64 { return binary.BigEndian.Uint64(id) }

func (r row) append(dst []byte) []byte { return le.AppendUint32(le.AppendUint64(dst, r.key), r.chunk) }

func readRow(b []byte) row { return row{le.Uint64(b), le.Uint32(b[8:])} }
