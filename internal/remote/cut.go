package remote

import (
	"context"
	"encoding/binary"
	"io"

	"varve"
	"varve/internal/chunk"
	"varve/internal/digest"
)

// cutFrom is the size in bytes from which a file is worth cutting.
const cutFrom = 256 << 10

const (
	maxChunk = 64 << 10
	// pieceSize is the length in bytes of a chunk in a list: length and digest.
	pieceSize = 4 + len(varve.Digest{})
	// leastWindow is how much content every file that is cut may keep until the other side has said what of it it wants, and
	// largestWindow how much it keeps where there is memory, in bytes.
	leastWindow   = 2 * maxChunk
	largestWindow = 4 << 20
)

// cuts are the lengths of the chunks that files are cut into. Both sides must use the same.
func cuts() chunk.Params { return chunk.Params{Min: 8 << 10, Avg: 32 << 10, Max: maxChunk} }

// list is a list of chunks that was sent and not answered, with their content.
type list struct {
	pieces []byte // as sent
	data   []byte
}

func (l *list) count() int { return len(l.pieces) / pieceSize }

// length returns how many bytes chunk i has.
func (l *list) length(i int) int { return int(binary.LittleEndian.Uint32(l.pieces[i*pieceSize:])) }

// cutter sends a content as lists of chunks, and of the chunks those that are wanted.
type cutter struct {
	p      *peer
	c      *call
	window int // bytes
	held   int // bytes of all lists and of the one being filled
	sent   []*list
	filled list
}

// cutContent sends the content of r, which is read once: digests first, and what the other side lacks.
func (p *peer) cutContent(_ context.Context, c *call, r io.Reader, key [32]byte) error {
	chunker, err := chunk.New(key, cuts())
	if err != nil {
		return err
	}
	w := &cutter{p: p, c: c, window: leastWindow}
	if p.windows.try(largestWindow - leastWindow) {
		w.window = largestWindow
		defer p.windows.give(largestWindow - leastWindow)
	}
	for part, err := range chunker.Split(r, make([]byte, 2*maxChunk)) {
		if err != nil {
			return oneFile(err)
		}
		if err := w.add(part); err != nil {
			return err
		}
	}
	if err := w.flush(); err != nil {
		return err
	}
	for len(w.sent) > 0 {
		if err := w.settle(); err != nil {
			return err
		}
	}
	return nil
}

// add takes a chunk in. A list is sent when it makes up a quarter of the window, so that others are under way while one is answered.
func (w *cutter) add(part []byte) error {
	for w.held+len(part) > w.window {
		if len(w.sent) == 0 {
			if err := w.flush(); err != nil {
				return err
			}
		}
		if err := w.settle(); err != nil {
			return err
		}
	}
	w.held += len(part)
	f := &w.filled
	f.pieces = binary.LittleEndian.AppendUint32(f.pieces, uint32(len(part)))
	sum := digest.Sum(part)
	f.pieces = append(f.pieces, sum[:]...)
	f.data = append(f.data, part...)
	if len(f.data) >= w.window/4 {
		return w.flush()
	}
	return nil
}

// flush sends the list that is being filled.
func (w *cutter) flush() error {
	if len(w.filled.pieces) == 0 {
		return nil
	}
	l := w.filled
	w.filled = list{}
	w.sent = append(w.sent, &l)
	return w.c.send(msgChunks, l.pieces)
}

// settle waits for what is wanted of the oldest list, sends that, and forgets the list.
func (w *cutter) settle() error {
	l := w.sent[0]
	kind, wanted, err := w.c.receive()
	switch {
	case err != nil:
		return err
	case kind != msgWanted:
		return outOfTurn(kind)
	case len(wanted) != (l.count()+7)/8:
		return protocolError("an answer about %d chunks of %d", 8*len(wanted), l.count())
	}
	at := 0
	for i := range l.count() {
		n := l.length(i)
		if wanted[i/8]&(1<<(i%8)) != 0 {
			if err := w.sendPart(l.data[at : at+n]); err != nil {
				return err
			}
		}
		at += n
	}
	w.sent = w.sent[1:]
	w.held -= len(l.data)
	return nil
}

// sendPart sends a chunk as messages of data.
func (w *cutter) sendPart(data []byte) error {
	for len(data) > 0 {
		n := min(len(data), maxData)
		if err := w.c.send(msgData, data[:n]); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}
