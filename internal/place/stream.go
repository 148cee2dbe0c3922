package place

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"strings"

	"varve"
)

// ErrShort says that a file ends before its entry says.
var ErrShort = errors.New("shorter than it should be")

// Stream reads the content stream of a plain file that has the holes and the size of an entry.
type Stream struct {
	r     io.ReaderAt
	size  int64
	holes []varve.Extent // those that come next
	off   int64
}

// NewStream returns the content stream of r, which holds what e describes. Reading fails with ErrShort where r does not.
func NewStream(r io.ReaderAt, e *varve.Entry) *Stream {
	return &Stream{r: r, size: e.Size, holes: e.Holes}
}

// Read reads on in the stream.
func (s *Stream) Read(p []byte) (int, error) {
	for len(s.holes) > 0 && s.off == s.holes[0].Off {
		s.off += s.holes[0].Len
		s.holes = s.holes[1:]
	}
	end := s.size
	if len(s.holes) > 0 {
		end = s.holes[0].Off
	}
	if s.off >= end {
		return 0, io.EOF
	}
	n, err := s.r.ReadAt(p[:min(int64(len(p)), end-s.off)], s.off)
	s.off += int64(n)
	if n > 0 {
		return n, nil
	}
	if err == io.EOF {
		err = fmt.Errorf("%w: %d bytes of %d", ErrShort, s.off, s.size)
	}
	return 0, err
}

// StreamLen returns the length of e's content stream in bytes.
func StreamLen(e *varve.Entry) int64 {
	n := e.Size
	for _, h := range e.Holes {
		n -= h.Len
	}
	return n
}

const tempPrefix = ".varve-tmp-"

// TempName returns the name under which what shall replace name is made, in the same directory.
func TempName(name string) string {
	h := fnv.New64a()
	io.WriteString(h, name)
	return fmt.Sprintf("%s%016x", tempPrefix, h.Sum64())
}

// IsTemp reports whether name was made by TempName: what an interrupted run left.
func IsTemp(name string) bool {
	return strings.HasPrefix(name, tempPrefix) && len(name) == len(tempPrefix)+16
}
