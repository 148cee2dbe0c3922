package ahead

import (
	"io"
	"io/fs"

	"varve"
)

// content is all that a file told while it was read ahead: in the order in which a reader asks, each with what went wrong there.
type content struct {
	// beyond says that there is more than is kept in memory; nothing else is told then.
	beyond bool

	err       error // of opening it
	before    varve.Entry
	beforeErr error
	data      []byte
	dataErr   error // after data; nil at the end of the file
	after     varve.Entry
	afterErr  error
}

// read reads a file wholly, looking at it before and after.
func (s *Source) read(t *task) (c content) {
	f, err := s.src.Open(s.ctx, t.entry)
	if err != nil {
		return content{err: err}
	}
	defer f.Close() // it was read; the reader that this stands for could do no more about an error
	if c.before, c.beforeErr = f.Entry(); c.beforeErr != nil {
		return c
	}
	if c.before.Size > small {
		return content{beyond: true} // it grew
	}
	c.data, c.dataErr = slurp(f, c.before.Size)
	if len(c.data) > small {
		return content{beyond: true} // it did not tell
	}
	if c.dataErr == nil {
		c.after, c.afterErr = f.Entry()
	}
	return c
}

// slurp reads a stream of about size bytes to its end, or until it has more than small.
func slurp(r io.Reader, size int64) ([]byte, error) {
	data := make([]byte, 0, max(size, 0)+512)
	for len(data) <= small {
		n, err := r.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		if err == io.EOF {
			return data, nil
		}
		if err != nil {
			return data, err
		}
		if len(data) == cap(data) {
			data = append(data, 0)[:len(data)]
		}
	}
	return data, nil
}

// file gives out what was read ahead. What Entry says fits what was read so far: it is the first look until the content has been
// read to its end, and the second one from then on.
type file struct {
	source *Source
	task   *task
	*content
	off    int
	ended  bool
	closed bool
}

var _ varve.File = (*file)(nil)

func (f *file) Read(p []byte) (int, error) {
	switch {
	case f.closed:
		return 0, fs.ErrClosed
	case f.beforeErr != nil:
		return 0, f.beforeErr
	case f.off < len(f.data):
		n := copy(p, f.data[f.off:])
		f.off += n
		f.ended = f.off == len(f.data) && f.dataErr == nil
		return n, nil
	case f.dataErr != nil:
		return 0, f.dataErr
	case len(p) == 0:
		return 0, nil
	}
	f.ended = true
	return 0, io.EOF
}

func (f *file) Entry() (varve.Entry, error) {
	switch {
	case f.closed:
		return varve.Entry{}, fs.ErrClosed
	case f.ended:
		return f.after, f.afterErr
	}
	return f.before, f.beforeErr
}

func (f *file) Close() error {
	if f.closed {
		return fs.ErrClosed
	}
	f.closed = true
	f.source.release(f.task)
	return nil
}
