package remote

import (
	"context"
	"errors"
	"fmt"
	"io"

	"varve"
	"varve/internal/place"
)

// maxUnsized is how many bytes may come of a file that claims to be empty.
const maxUnsized = 64 << 20

// file is a file of the other side being read.
type file struct {
	pull  *pull
	ctx   context.Context
	c     *call
	stop  func()
	asked varve.Entry
	base  io.ReadCloser // nil for none
	delta *delta        // nil where content is sent as it is

	first     varve.Entry
	toldFirst bool
	last      *varve.Entry // what it was after its end
	read      int64
	limit     int64 // of read
	err       error // what Read goes on to return
}

// begin reads what the other side says of the file before its content.
func (f *file) begin(payload []byte, r *openRequest) error {
	d := decoder{b: payload}
	mode := d.byte()
	e := d.entry()
	if err := d.err(); err != nil {
		return err
	}
	if err := f.adopt(&e); err != nil {
		return err
	}
	f.first, f.limit = e, place.StreamLen(&e)
	if e.Size == 0 {
		f.limit = maxUnsized
	}
	switch {
	case mode == modeCut && r.cut:
		return f.cut(r.key)
	case mode != modePlain:
		return protocolError("content in a way that was not asked for")
	}
	if f.base != nil {
		f.base.Close()
		f.base = nil
	}
	return nil
}

// adopt checks what the other side says of the file, which is the one that was asked for.
func (f *file) adopt(e *varve.Entry) error {
	if e.Err != nil {
		return protocolError("a file that has an error")
	}
	e.Path, e.SameAs = f.asked.Path, f.asked.SameAs
	f.pull.humbled(e)
	if err := passFile(e); err != nil {
		return fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	return nil
}

// Entry returns what the file was when it was opened, at the first call, and what it is now later on.
func (f *file) Entry() (varve.Entry, error) {
	if !f.toldFirst {
		f.toldFirst = true
		return f.first, nil
	}
	if f.last == nil && f.read > 0 && f.read == place.StreamLen(&f.first) && f.err == nil {
		f.peek()
	}
	if f.last != nil {
		return *f.last, nil
	}
	return f.now()
}

// peek looks whether the content ends here. Nothing of it can be left that Read would have to return, since that would be too much.
func (f *file) peek() {
	var none [1]byte
	f.Read(none[:])
}

// now asks what the file is.
func (f *file) now() (e varve.Entry, err error) {
	c, stop, err := f.pull.p.ask(f.ctx, &request{Op: opStat, ID: f.pull.id, File: f.c.ID()})
	if err != nil {
		return e, f.failed(err)
	}
	defer stop()
	kind, payload, err := c.receive()
	if err == nil && kind != msgTrailer {
		err = outOfTurn(kind)
	}
	if err != nil {
		return e, f.failed(err)
	}
	return f.after(payload)
}

// after reads what the other side says of the file later on.
func (f *file) after(payload []byte) (varve.Entry, error) {
	d := decoder{b: payload}
	e := d.entry()
	err := d.err()
	if err == nil {
		err = f.adopt(&e)
	}
	if err != nil {
		return e, f.failed(err)
	}
	return e, nil
}

// Read reads on in the content stream.
func (f *file) Read(p []byte) (n int, err error) {
	if f.err != nil || len(p) == 0 {
		return 0, f.err
	}
	if f.delta != nil {
		n, err = f.delta.read(p)
	} else {
		n, err = f.plain(p)
	}
	f.read += int64(n)
	if full := f.charge(int64(n)); full != nil {
		err = full
	}
	if err == nil && f.read > f.limit {
		err = protocolError("content of more than %d bytes", f.limit)
	}
	switch {
	case err == io.EOF:
		f.err = err
	case err != nil:
		f.err = f.failed(err)
	}
	return n, f.err
}

// charge tells whoever counts them of the last n bytes that were read, as far as they are among the first.
func (f *file) charge(n int64) error {
	if f.pull.reads == nil || n == 0 || f.read-n >= maxHead {
		return nil
	}
	return f.pull.reads(f.asked.Path, n)
}

// plain reads content that is sent as it is.
func (f *file) plain(p []byte) (int, error) {
	for f.c.rest == 0 {
		kind, err := f.c.next()
		if err != nil {
			return 0, err
		}
		if kind != msgData {
			return 0, f.ended(kind)
		}
	}
	n, err := f.c.Read(p[:min(len(p), f.c.rest)])
	f.c.rest -= n
	return n, err
}

// ended deals with a message that is not content: io.EOF after what tells that it is over.
func (f *file) ended(kind byte) error {
	payload, err := f.c.payload()
	switch {
	case err != nil:
		return err
	case kind == msgFailure:
		return decodeError(payload)
	case kind != msgTrailer:
		return outOfTurn(kind)
	}
	e, err := f.after(payload)
	if err != nil {
		return err
	}
	f.last = &e
	return io.EOF
}

// failed returns err as one of this file. Where the other side did not say so itself it is not the file's fault.
func (f *file) failed(err error) error {
	var told *farError
	if !errors.As(err, &told) && f.pull.lost != nil {
		f.pull.lost(err)
	}
	if f.ctx.Err() != nil {
		return f.ctx.Err()
	}
	return oneFile(err)
}

// Close lets go of the file.
func (f *file) Close() error {
	f.stop()
	if f.delta != nil {
		return f.delta.basis.close()
	}
	return nil
}
