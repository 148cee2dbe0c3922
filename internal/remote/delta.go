package remote

import (
	"encoding/binary"

	"varve"
	"varve/internal/chunk"
	"varve/internal/digest"
)

// delta puts a content together from a basis and what the other side sends of it.
type delta struct {
	file  *file
	basis *basis
	queue []piece // what comes next
	ahead int     // bytes of the queue
	told  int64   // bytes of all lists so far
	out   []byte  // of the piece at hand, not yet read
}

// piece is a chunk of the content.
type piece struct {
	n    int
	sum  varve.Digest
	data []byte // from the basis; nil where the other side sends it
}

// maxAhead is how many bytes of chunks the other side may list before they are read.
const maxAhead = 2 * largestWindow

// cut makes ready for content that comes as lists of chunks.
func (f *file) cut(key [32]byte) error {
	chunker, err := chunk.New(key, cuts())
	if err != nil {
		return err
	}
	f.delta = &delta{file: f, basis: newBasis(f.base, chunker)}
	return nil
}

func (d *delta) read(p []byte) (int, error) {
	for len(d.out) == 0 {
		if err := d.advance(); err != nil {
			return 0, err
		}
	}
	n := copy(p, d.out)
	d.out = d.out[n:]
	return n, nil
}

// advance makes the next chunk the one at hand.
func (d *delta) advance() error {
	if len(d.queue) == 0 {
		return d.message(nil)
	}
	next := d.queue[0]
	if next.data == nil {
		next.data = make([]byte, 0, next.n)
		for len(next.data) < next.n {
			if err := d.message(&next); err != nil {
				return err
			}
		}
		if digest.Sum(next.data) != next.sum {
			return protocolError("a chunk that is not what its digest says")
		}
	}
	d.queue = d.queue[1:]
	d.ahead -= next.n
	d.out = next.data
	return nil
}

// message deals with the next message. Where a chunk is waited for that can be a part of it.
func (d *delta) message(wanted *piece) error {
	c := d.file.c
	kind, err := c.next()
	if err != nil {
		return err
	}
	switch {
	case kind == msgChunks:
		pieces, err := c.payload()
		if err != nil {
			return err
		}
		return d.answer(pieces)
	case kind == msgData && wanted != nil && c.rest <= wanted.n-len(wanted.data):
		data, err := c.payload()
		wanted.data = append(wanted.data, data...)
		return err
	case kind == msgTrailer && wanted != nil, kind == msgData:
		return outOfTurn(kind)
	}
	return d.file.ended(kind)
}

// answer says which chunks of a list are wanted.
func (d *delta) answer(pieces []byte) error {
	count := len(pieces) / pieceSize
	if count == 0 || len(pieces)%pieceSize != 0 {
		return protocolError("a list of chunks of %d bytes", len(pieces))
	}
	wanted := make([]byte, (count+7)/8)
	for i := range count {
		row := pieces[i*pieceSize:]
		n := binary.LittleEndian.Uint32(row)
		if n == 0 || n > maxChunk || d.ahead+int(n) > maxAhead {
			return protocolError("a chunk of %d bytes after %d", n, d.ahead)
		}
		p := piece{n: int(n), sum: varve.Digest(row[4:pieceSize])}
		if p.data = d.basis.find(p.sum, p.n, d.told); p.data == nil {
			wanted[i/8] |= 1 << (i % 8)
		}
		d.queue = append(d.queue, p)
		d.ahead += p.n
		d.told += int64(p.n)
	}
	return d.file.c.send(msgWanted, wanted)
}
