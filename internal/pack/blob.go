package pack

import (
	"fmt"
	"iter"
	"sync"

	"varve"
	"varve/internal/digest"
	"varve/internal/seal"
	"varve/internal/table"
)

// OpenBlob appends the plaintext of a blob to dst. session is the session it was sealed in; sealed is the blob as it stands in its pack,
// which is left alone. Errors match varve.ErrDamaged, or seal.ErrKey where the key for the session is not at hand.
func (r *Reader) OpenBlob(dst []byte, session []byte, b *table.Blob, sealed []byte) ([]byte, error) {
	out, err := r.openBlob(dst, session, b, sealed)
	if err != nil {
		return dst, fmt.Errorf("open blob %s: %w", b.ID, err)
	}
	return out, nil
}

func (r *Reader) openBlob(dst []byte, session []byte, b *table.Blob, sealed []byte) ([]byte, error) {
	if len(sealed) != int(b.Sealed) || b.Plain > table.MaxBlob {
		return nil, fmt.Errorf("length: %w", varve.ErrDamaged)
	}
	secret, err := r.secret(session, b.Group)
	if err != nil {
		return nil, err
	}
	scope := r.scope(kindOf(b.Group), b.ID[:])
	if b.Codec == table.Raw {
		return r.openRaw(dst, secret, scope, b, sealed)
	}
	buf := r.scratch.get()
	defer r.scratch.put(buf)
	packed, err := seal.Open((*buf)[:0], secret, scope, sealed)
	if err != nil {
		return nil, err
	}
	*buf = packed
	return r.Compressor.Decompress(dst, seal.Codec(b.Codec), packed, int(b.Plain))
}

// openRaw appends the plaintext of a blob that is not compressed to dst.
func (r *Reader) openRaw(dst []byte, secret seal.Secret, scope seal.Scope, b *table.Blob, sealed []byte) ([]byte, error) {
	out, err := seal.Open(dst, secret, scope, sealed)
	if err == nil && len(out)-len(dst) != int(b.Plain) {
		err = fmt.Errorf("length: %w", varve.ErrDamaged)
	}
	return out, err
}

// secret returns the secret that blobs of a class group were sealed with in a session.
func (r *Reader) secret(session []byte, group table.Group) (seal.Secret, error) {
	e, err := seal.ParseEnvelope(session)
	if err != nil {
		return seal.Secret{}, err
	}
	if group == table.ContentGroup {
		return r.Opener.Content(e)
	}
	return r.Opener.Structure(e)
}

// Piece is one chunk of an opened blob.
type Piece struct {
	table.Chunk
	Digest varve.Digest
	// Data is its plaintext, a part of that of the blob.
	Data []byte
}

// Chunks yields the chunks of b, whose plaintext is plain, each checked: its digest has the ID that the table says, under the key of
// its domain. For one that has not, Data is nil and the error matches varve.ErrDamaged; the sequence goes on. A plain of another
// length than b.Plain yields one such error and nothing else.
func Chunks(plain []byte, b *table.Blob, key *digest.IDKey) iter.Seq2[Piece, error] {
	return func(yield func(Piece, error) bool) {
		if len(plain) != int(b.Plain) {
			yield(Piece{}, fmt.Errorf("blob %s: length: %w", b.ID, varve.ErrDamaged))
			return
		}
		for _, c := range b.Chunks {
			data := plain[:c.Len:c.Len]
			plain = plain[c.Len:]
			if !yield(checked(c, data, key)) {
				return
			}
		}
	}
}

// ChunkAt returns one chunk of a blob: c, which begins at an offset in plain, the plaintext of the blob. It is checked as by Chunks.
func ChunkAt(plain []byte, off int, c table.Chunk, key *digest.IDKey) (Piece, error) {
	if off < 0 || off > len(plain) || int64(c.Len) > int64(len(plain)-off) {
		return Piece{Chunk: c}, fmt.Errorf("chunk %s: out of its blob: %w", c.ID, varve.ErrDamaged)
	}
	end := off + int(c.Len)
	return checked(c, plain[off:end:end], key)
}

// checked returns c with its plaintext, if that is it.
func checked(c table.Chunk, data []byte, key *digest.IDKey) (Piece, error) {
	d := digest.Sum(data)
	if key.ID(byte(c.Class), d) != c.ID {
		return Piece{Chunk: c}, fmt.Errorf("chunk %s: content differs: %w", c.ID, varve.ErrDamaged)
	}
	return Piece{Chunk: c, Digest: d, Data: data}, nil
}

// buffers are buffers for one blob each.
type buffers struct{ pool sync.Pool }

func (b *buffers) get() *[]byte {
	if buf, ok := b.pool.Get().(*[]byte); ok {
		return buf
	}
	return new([]byte)
}

func (b *buffers) put(buf *[]byte) { b.pool.Put(buf) }
