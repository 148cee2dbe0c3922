package hook

import (
	"context"
	"io"
	"io/fs"

	"varve"
)

// headSize is how much of an output may have been read, in bytes, for it to be read from the beginning again.
const headSize = 4 << 20

// outlet is the output of a running command, with what was read of it, so that it can be opened again.
type outlet struct {
	ctx    context.Context // of the Open that started the command
	stream *Stream
	head   []byte
	whole  bool // head is all that was read
	err    error
}

// read reads from the command, and remembers.
func (o *outlet) read(p []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.stream.Read(p)
	o.err = err
	if o.whole = o.whole && len(o.head)+n <= headSize; o.whole {
		o.head = append(o.head, p[:n]...)
	} else {
		o.head = nil
	}
	return n, err
}

// opened is a file that a command prints; for one goroutine.
type opened struct {
	source *Source
	outlet *outlet
	entry  varve.Entry
	off    int // in the outlet's head
	done   bool
}

var _ varve.File = (*opened)(nil)

// Entry is varve.File's. It does not change.
func (f *opened) Entry() (varve.Entry, error) { return f.entry, nil }

// Read is io.Reader's. The error is io.EOF only if the command has succeeded.
func (f *opened) Read(p []byte) (int, error) {
	o := f.outlet
	switch {
	case f.done:
		return 0, fs.ErrClosed
	case f.off < len(o.head):
		n := copy(p, o.head[f.off:])
		f.off += n
		return n, nil
	}
	n, err := o.read(p)
	f.off += n
	if err != nil && err != io.EOF && o.ctx.Err() == nil {
		err = f.source.fail(whole(err))
	}
	return n, err
}

// Close is io.Closer's. A command that has not ended goes on, if the file can still be opened again; else it is ended.
func (f *opened) Close() error {
	if f.done {
		return fs.ErrClosed
	}
	f.done = true
	if f.outlet.err == nil && f.source.park(f.entry.Path, f.outlet) {
		return nil
	}
	return f.outlet.stream.Close()
}
