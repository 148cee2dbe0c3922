package sftp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// shorts serves the content of one file; each READ gets as much as less returns of what it asks for.
func shorts(content []byte, less func(n int) int) func(*peer) {
	return func(p *peer) {
		for r := p.next(); r.typ == typeRead; r = p.next() {
			r.fields.bytes()
			off, n := r.fields.uint64(), int(r.fields.uint32())
			if off >= uint64(len(content)) {
				p.status(r.id, 1, "")
				continue
			}
			n = min(less(n), len(content)-int(off))
			p.send(typeData, r.id, appendString(nil, content[off:int(off)+n]))
		}
	}
}

func TestShortAnswersAreMadeWhole(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		want := content(rapid.IntRange(0, 200000).Draw(r, "length"))
		most := rapid.IntRange(1000, safeContent).Draw(r, "most")
		turn := 0
		s := converse(t, Options{InFlight: rapid.IntRange(1, 9).Draw(r, "in flight")}, nil, shorts(want, func(n int) int {
			turn++
			return max(1, min(n, most)-turn%3)
		}))
		defer s.Close()
		off := rapid.IntRange(0, len(want)+10).Draw(r, "offset")
		size := rapid.IntRange(1, len(want)+10).Draw(r, "size")
		wanted := want[min(off, len(want)):min(off+size, len(want))]
		p := make([]byte, size)
		n, err := s.ReadAt(context.Background(), aHandle, p, int64(off))
		if !bytes.Equal(p[:n], wanted) || (err == io.EOF) != (n < size) || err != nil && err != io.EOF {
			r.Errorf("%d of %d bytes, %v", n, len(wanted), err)
		}
		got, err := io.ReadAll(s.NewReader(context.Background(), aHandle, int64(off), int64(size), 0))
		if err != nil || !bytes.Equal(got, wanted) {
			r.Errorf("the reader got %d of %d bytes, %v", len(got), len(wanted), err)
		}
	})
}

func TestAFileThatShrinksWhileItIsReadEndsWhereTheServerSaid(t *testing.T) {
	s := converse(t, Options{}, nil, func(p *peer) {
		first, second := p.next(), p.next()
		p.send(typeData, first.id, appendString(nil, make([]byte, 100)))
		p.send(typeData, second.id, appendString(nil, make([]byte, safeContent)))
		p.status(p.next().id, 1, "")
	})
	if n, err := s.ReadAt(context.Background(), aHandle, make([]byte, 2*safeContent), 0); n != 100 || err != io.EOF {
		t.Errorf("%d, %v", n, err)
	}
}

func TestAFailedWriteIsToldWithWhatArrived(t *testing.T) {
	s := converse(t, Options{InFlight: 3}, nil, func(p *peer) {
		for r := p.next(); r.typ == typeWrite; r = p.next() {
			r.fields.bytes()
			if r.fields.uint64() >= 5*safeContent {
				p.status(r.id, 4, "disk full")
			} else {
				p.status(r.id, 0, "")
			}
		}
	})
	n, err := s.WriteAt(context.Background(), aHandle, make([]byte, 9*safeContent), 0)
	if n != 5*safeContent || !errors.Is(err, ErrFailure) || !strings.Contains(err.Error(), "write file: failure: disk full") {
		t.Errorf("%d, %v", n, err)
	}
	if s.Err() != nil {
		t.Error(s.Err())
	}
}
