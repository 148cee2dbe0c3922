package remote

import (
	"encoding/binary"
	"io"
	"iter"
	"slices"

	"varve"
	"varve/internal/chunk"
	"varve/internal/digest"
)

// basis finds chunks of a content by their digests. It reads that content once, as far as it must, and remembers a bounded number of
// chunks; of one that cannot be read at an offset it keeps the last few megabytes.
type basis struct {
	r    io.ReadCloser
	at   io.ReaderAt // nil where r is none
	next func() ([]byte, error, bool)
	stop func()
	off  int64 // how much was read
	done bool

	last  []byte // the chunk that was read last, and its digest
	sum   varve.Digest
	young map[uint64]spot
	old   map[uint64]spot // those before; forgotten when there are too many young ones
	kept  int             // bytes of young
}

// spot is where a chunk is.
type spot struct {
	off  int64
	n    int
	data []byte // where it cannot be read at off
}

const (
	// maxSpots is how many chunks are remembered as young, and as many as old; those of 32 GiB together.
	maxSpots = 1 << 19
	// maxKept is how many bytes of content are kept as young, and as many as old.
	maxKept = 8 << 20
	// lead is how far a basis is read ahead of the content, in search of a chunk, and shortLead how far one of which only
	// the last megabytes are kept.
	lead      = 8 << 30
	shortLead = maxKept / 2
)

func newBasis(r io.ReadCloser, chunker *chunk.Chunker) *basis {
	b := &basis{r: r, young: map[uint64]spot{}}
	b.at, _ = r.(io.ReaderAt)
	b.next, b.stop = iter.Pull2(chunker.Split(r, make([]byte, 2*maxChunk)))
	return b
}

func (b *basis) close() error {
	b.stop()
	return b.r.Close()
}

// find returns a copy of the chunk with this digest and length; nil where it is not found. pos is where in the new content it
// stands: things are rarely far from where they were.
func (b *basis) find(sum varve.Digest, n int, pos int64) []byte {
	key := binary.LittleEndian.Uint64(sum[:])
	ahead := int64(lead)
	if b.at == nil {
		ahead = shortLead
	}
	for {
		if data := b.known(key, sum, n); data != nil {
			return data
		}
		if b.done || b.off > pos+ahead {
			return nil
		}
		b.advance()
	}
}

// known returns a copy of a chunk that was read before.
func (b *basis) known(key uint64, sum varve.Digest, n int) []byte {
	if b.sum == sum && len(b.last) == n {
		return slices.Clone(b.last)
	}
	s, ok := b.young[key]
	if !ok {
		s, ok = b.old[key]
	}
	if !ok || s.n != n {
		return nil
	}
	data := s.data
	if data == nil {
		data = make([]byte, n)
		if m, err := b.at.ReadAt(data, s.off); m < n || err != nil && err != io.EOF {
			data = nil
		}
	}
	if data == nil || digest.Sum(data) != sum {
		delete(b.young, key)
		delete(b.old, key)
		return nil
	}
	return data
}

// advance reads one chunk more. A basis that cannot be read ends there.
func (b *basis) advance() {
	part, err, more := b.next()
	if !more || err != nil {
		b.done, b.last, b.sum = true, nil, varve.Digest{}
		return
	}
	b.last, b.sum = part, digest.Sum(part)
	s := spot{off: b.off, n: len(part)}
	if b.at == nil {
		s.data = slices.Clone(part)
		b.kept += len(part)
	}
	b.off += int64(len(part))
	if len(b.young) >= maxSpots || b.kept > maxKept {
		b.old, b.young, b.kept = b.young, map[uint64]spot{}, len(s.data)
	}
	b.young[binary.LittleEndian.Uint64(b.sum[:])] = s
}
