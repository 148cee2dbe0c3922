package chunk

import (
	"errors"
	"io"
	"iter"
)

// Split reads r to its end and yields its chunks, in order. A chunk stays as it is until the next one is asked for. buf is where they are
// read into; one that is shorter than Max is replaced. An error of r is yielded without a chunk and ends the sequence; the
// content before it that is not yet known to be a chunk is not yielded.
func (c *Chunker) Split(r io.Reader, buf []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if len(buf) < c.most {
			buf = make([]byte, c.most)
		}
		rest := 0 // bytes at the front of buf that are not yet a chunk
		for last := false; !last; {
			n, err := io.ReadFull(r, buf[rest:])
			last = errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
			if err != nil && !last {
				yield(nil, err)
				return
			}
			data := buf[:rest+n]
			for n := c.Next(data, last); n > 0; n = c.Next(data, last) {
				if !yield(data[:n:n], nil) {
					return
				}
				data = data[n:]
			}
			rest = copy(buf, data)
		}
	}
}
