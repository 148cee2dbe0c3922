// Package digest computes the hash that names content: BLAKE3 with 32 bytes of output. It is the only package that knows the
// library behind it.
package digest

import (
	"hash"
	"sync"

	"github.com/zeebo/blake3"

	"varve"
)

// Sum returns the digest of data; zero for empty data, as varve.Entry has it.
func Sum(data []byte) varve.Digest {
	if len(data) == 0 {
		return varve.Digest{}
	}
	return blake3.Sum256(data)
}

// The classes of chunks, part of what a chunk ID is a hash of.
const (
	ClassContent = iota // a part of a file's content stream
	ClassList           // digests of chunks
	ClassPage           // a page of a manifest
)

// IDKey turns digests of chunks into their IDs. The format is docs/format/vault.md, section 6.
type IDKey struct{ hashers sync.Pool }

// NewIDKey returns the IDKey with this key.
func NewIDKey(key [32]byte) *IDKey {
	return &IDKey{hashers: sync.Pool{New: func() any {
		h, err := blake3.NewKeyed(key[:])
		if err != nil {
			panic(err) // the key has the right length
		}
		return h
	}}}
}

// ID returns the ID of the chunk of a class with digest d. It may be called from several goroutines.
func (k *IDKey) ID(class byte, d varve.Digest) (id varve.ChunkID) {
	h := k.hashers.Get().(*blake3.Hasher)
	defer k.hashers.Put(h)
	h.Reset()
	var in [1 + len(d)]byte
	in[0] = class
	copy(in[1:], d[:])
	h.Write(in[:])
	h.Digest().Read(id[:])
	return id
}

// Hash is a digest in the making. The zero value is not usable; call New.
type Hash struct {
	h *blake3.Hasher
	n int64
}

var _ hash.Hash = (*Hash)(nil)

// New returns an empty Hash.
func New() *Hash { return &Hash{h: blake3.New()} }

// Write adds data; it never fails.
func (h *Hash) Write(data []byte) (int, error) {
	h.n += int64(len(data))
	return h.h.Write(data)
}

// Digest returns the digest of what was written; zero when nothing was.
func (h *Hash) Digest() (d varve.Digest) {
	if h.n == 0 {
		return d
	}
	h.h.Digest().Read(d[:])
	return d
}

// Len returns the number of bytes written.
func (h *Hash) Len() int64 { return h.n }

// Reset makes h empty again.
func (h *Hash) Reset() { h.h.Reset(); h.n = 0 }

// Sum appends the digest to b, as hash.Hash has it.
func (h *Hash) Sum(b []byte) []byte { return h.h.Sum(b) }

// Size returns 32, the length of a digest in bytes.
func (h *Hash) Size() int { return h.h.Size() }

// BlockSize returns the block size of BLAKE3 in bytes.
func (h *Hash) BlockSize() int { return h.h.BlockSize() }
