// Package table holds what the table of a pack says, and its encoding: docs/format/vault.md, sections 6 to 8.
//
//	index object  [ number | name size table | name size table | … ]
//	table         [ sessions | domains | blob | blob | … ]
//	blob          [ group and codec, session, domain, gap, sealed length | chunk | chunk | … ]
//
// Reading trusts nothing: whatever the bytes, the outcome is a table that this package would have written itself, or an error that
// matches varve.ErrDamaged; and no more memory is taken than a small multiple of the bytes that are there. Writing refuses what
// reading would.
//
// The package is not for compressing or sealing a table, nor for finding a chunk, nor for deciding whether the signer of a pack may
// write for a domain. Sessions are opaque to it but for their length.
package table

import (
	"encoding/hex"

	"varve"
)

// Limits of the format, and lengths that it fixes, in bytes unless said otherwise.
const (
	MaxPack       = 16 << 20        // a pack
	MaxChunk      = 8 << 20         // a chunk
	MaxBlob       = 8 << 20         // a blob before compression
	MaxBlobChunks = 4096            // chunks in one blob
	MaxTable      = 8 << 20         // a table before compression
	MaxIndex      = 64 << 20        // the body of an index object before compression
	SessionSize   = 1 + 1120 + 1120 // a session: generation, encapsulation to R, encapsulation to M
	FooterSize    = 1332            // the footer of a pack
	SealOverhead  = 64              // by how much sealing makes a blob longer
)

// Name names a pack: the SHA-256 of all its bytes.
type Name [32]byte

// String returns n in hexadecimal.
func (n Name) String() string { return hex.EncodeToString(n[:]) }

// Domain is what a client deduplicates against: the signer ID of its key.
type Domain [16]byte

// String returns d in hexadecimal.
func (d Domain) String() string { return hex.EncodeToString(d[:]) }

// BlobID names a blob by what it holds: see [Blob.ComputeID].
type BlobID [32]byte

// String returns id in hexadecimal.
func (id BlobID) String() string { return hex.EncodeToString(id[:]) }

// Class says what a chunk is.
type Class uint8

// The classes of chunks.
const (
	Content Class = 0 // a piece of a file
	List    Class = 1 // digests of chunks
	Page    Class = 2 // a page of the manifest
)

// Group returns the class group of the chunks of class c.
func (c Class) Group() Group {
	if c == Content {
		return ContentGroup
	}
	return StructureGroup
}

// Group says which chunks share blobs.
type Group uint8

// The class groups.
const (
	ContentGroup   Group = 0 // chunks of class Content; sealed with the content secret
	StructureGroup Group = 1 // chunks of the classes List and Page; sealed with the structure secret
)

// Codec says how the plaintext of a blob was made shorter before it was sealed.
type Codec uint8

// The codecs.
const (
	Raw  Codec = 0 // not at all
	Zstd Codec = 1
)

// Pack is what is known of one pack.
type Pack struct {
	Name     Name
	Size     uint32   // bytes, at most MaxPack
	Signer   Domain   // who vouches for what is said here; not a part of the encoding
	Sessions [][]byte // SessionSize bytes each; the first is the pack's own
	Domains  []Domain
	Blobs    []Blob // in the order in which they stand in the pack
}

// Blob is one blob in a pack.
type Blob struct {
	ID      BlobID // not a part of the encoding; decoding computes it
	Group   Group
	Codec   Codec
	Session int    // its place in Pack.Sessions
	Domain  int    // its place in Pack.Domains
	Off     uint32 // where it begins in the pack, in bytes
	Sealed  uint32 // its length in the pack, in bytes
	Plain   uint32 // its length before compression, in bytes: the sum of its chunks; not a part of the encoding
	Chunks  []Chunk
}

// Chunk is one chunk in a blob. The chunks of a blob follow one another without a gap.
type Chunk struct {
	ID    varve.ChunkID
	Class Class
	Len   uint32 // bytes, from 1 to MaxChunk
}
