package faultfs

import (
	"varve"
	"varve/internal/disk"
)

// reader is a file opened for reading whose calls may fail.
type reader struct {
	inner disk.Reader
	place
}

func (r *reader) ReadAt(p []byte, off int64) (int, error) {
	return r.inj.transfer(r.op("Reader.ReadAt", "."), p, off, r.inner.ReadAt)
}

func (r *reader) Info() (disk.Info, error) {
	return ask(r.inj, r.op("Reader.Info", "."), r.inner.Info)
}

func (r *reader) Xattrs() ([]varve.Xattr, error) {
	return ask(r.inj, r.op("Reader.Xattrs", "."), r.inner.Xattrs)
}

func (r *reader) Holes(size int64, settle bool) ([]varve.Extent, error) {
	return ask(r.inj, r.op("Reader.Holes", "."), func() ([]varve.Extent, error) { return r.inner.Holes(size, settle) })
}

func (r *reader) Close() error {
	return r.inj.shut(r.op("Reader.Close", "."), r.inner.Close)
}

// writer is a file opened for writing whose calls may fail.
type writer struct {
	inner disk.Writer
	place
}

func (w *writer) WriteAt(p []byte, off int64) (int, error) {
	return w.inj.transfer(w.op("Writer.WriteAt", "."), p, off, w.inner.WriteAt)
}

func (w *writer) Truncate(size int64) error {
	return w.inj.do(w.op("Writer.Truncate", "."), func() error { return w.inner.Truncate(size) })
}

func (w *writer) Clone(from disk.Reader) error {
	op := w.op("Writer.Clone", ".")
	return w.inj.do(op, func() error {
		r, ok := from.(*reader)
		if !ok {
			return explain(op, disk.ErrUnsupported)
		}
		return w.inner.Clone(r.inner)
	})
}

func (w *writer) Set(e *varve.Entry, aspect varve.Aspect) error {
	return w.inj.do(w.op("Writer.Set", "."), func() error { return w.inner.Set(e, aspect) })
}

func (w *writer) Sync() error {
	return w.inj.sync(w.op("Writer.Sync", "."), w.inner, w.inner.Sync)
}

// LoseUnsynced passes on what another faultfs around this one asks for.
func (w *writer) LoseUnsynced() { lose(w.inner) }

func (w *writer) Close() error {
	return w.inj.shut(w.op("Writer.Close", "."), w.inner.Close)
}
