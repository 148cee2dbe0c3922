package sftp

import (
	"context"
)

// window is how much content one reading or writing method has under way.
const window = 4 << 20

// depth returns how many requests of size bytes one method has under way.
func (s *Session) depth(size int) int { return max(2, min(window/size, s.o.InFlight)) }

// piece is a part of a buffer on its way.
type piece[T any] struct {
	p    []byte
	off  int64
	call *Call[T]
}

func dropAll[T any](pieces []piece[T]) {
	for _, f := range pieces {
		f.call.Drop()
	}
}

// ReadAt reads the open file h at off until p is full, with as many requests under way as the distance to the server needs. It
// returns how many bytes there are in p without a gap from its start; an error where p is not full, io.EOF at the end of the file.
func (s *Session) ReadAt(ctx context.Context, h Handle, p []byte, off int64) (int, error) {
	var flight []piece[int]
	size, asked, done := s.limits.Read, 0, 0
	for done < len(p) {
		for asked < len(p) && len(flight) < s.depth(size) {
			part := p[asked:min(asked+size, len(p))]
			flight = append(flight, s.readPiece(ctx, h, part, off+int64(asked)))
			asked += len(part)
		}
		head := &flight[0]
		n, err := head.call.Wait(ctx)
		done += n
		switch {
		case err != nil:
			dropAll(flight[1:])
			return done, err
		case n < len(head.p):
			*head = s.readPiece(ctx, h, head.p[n:], head.off+int64(n))
		default:
			flight = flight[1:]
		}
	}
	return done, nil
}

func (s *Session) readPiece(ctx context.Context, h Handle, p []byte, off int64) piece[int] {
	return piece[int]{p: p, off: off, call: Go(ctx, s, Read(h, off, p))}
}

// WriteAt writes p to the open file h at off, with as many requests under way as the distance to the server needs, and returns
// when the server has taken all of it. It returns how many bytes arrived without a gap from the start of p; parts beyond may have
// arrived as well.
func (s *Session) WriteAt(ctx context.Context, h Handle, p []byte, off int64) (int, error) {
	var flight []piece[None]
	size, sent, done := s.limits.Write, 0, 0
	for done < len(p) {
		for sent < len(p) && len(flight) < s.depth(size) {
			part := p[sent:min(sent+size, len(p))]
			flight = append(flight, piece[None]{p: part, call: Go(ctx, s, Write(h, off+int64(sent), part))})
			sent += len(part)
		}
		if _, err := flight[0].call.Wait(ctx); err != nil {
			dropAll(flight[1:])
			return done, err
		}
		done += len(flight[0].p)
		flight = flight[1:]
	}
	return done, nil
}
