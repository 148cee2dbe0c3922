package sftp

import (
	"context"
	"io"
)

// Reader reads an open file in sequence, and asks ahead for what comes next. It is for one goroutine.
type Reader struct {
	s       *Session
	ctx     context.Context
	h       Handle
	next    int64 // what is asked for next
	end     int64 // nothing is asked for from here on
	most    int   // how many requests may be under way
	width   int   // how many are to be under way
	flight  []piece[int]
	scratch []byte // where an answer is put that the caller has no room for
	rest    []byte // of scratch, not yet read
	err     error
}

// NewReader returns a Reader of the n bytes at off of h, or of all up to the end of the file where n is negative. It has up to
// ahead bytes asked for and not yet read; 4 MiB where ahead is 0. Where the file ends before n bytes, so does the Reader. It lives
// no longer than ctx. Close leaves h open.
func (s *Session) NewReader(ctx context.Context, h Handle, off, n int64, ahead int) *Reader {
	if ahead <= 0 {
		ahead = window
	}
	r := &Reader{s: s, ctx: ctx, h: h, next: off, end: off + n, width: 2}
	if n < 0 || r.end < off {
		r.end = 1<<63 - 1
	}
	r.most = max(1, min(ahead/s.limits.Read, s.o.InFlight))
	return r
}

// Read reads the next bytes into p.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(r.rest) == 0 && r.err == nil {
		r.fill()
	}
	if len(r.rest) == 0 {
		return 0, r.err
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// Close drops what is under way. The Reader reads no more.
func (r *Reader) Close() error {
	dropAll(r.flight)
	r.flight, r.rest, r.err = nil, nil, io.ErrClosedPipe
	return nil
}

// fill waits for the next answer, with more asked for behind it. All answers use the same scratch, one after the other.
func (r *Reader) fill() {
	r.ask()
	if len(r.flight) == 0 {
		r.err = io.EOF
		return
	}
	head := r.flight[0]
	n, err := head.call.Wait(r.ctx)
	if err != nil {
		dropAll(r.flight[1:])
		r.flight, r.err = nil, err
		return
	}
	r.rest = head.p[:n]
	if n < len(head.p) {
		r.flight[0] = r.s.readPiece(r.ctx, r.h, head.p[n:], head.off+int64(n))
		return
	}
	r.flight = r.flight[1:]
	r.width *= 2
}

// ask sees to it that enough is under way. It begins with little: most files are small.
func (r *Reader) ask() {
	if r.scratch == nil {
		r.scratch = make([]byte, min(int64(r.s.limits.Read), r.end-r.next))
	}
	r.width = min(r.width, r.most)
	for len(r.flight) < r.width && r.next < r.end {
		part := r.scratch[:min(int64(len(r.scratch)), r.end-r.next)]
		r.flight = append(r.flight, r.s.readPiece(r.ctx, r.h, part, r.next))
		r.next += int64(len(part))
	}
}
