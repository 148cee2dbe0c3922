package farfs

import (
	"varve"
	"varve/internal/disk"
)

// reader is an open file at the other end.
type reader struct {
	disk.Reader
	line *Line
}

func (r *reader) ReadAt(p []byte, off int64) (int, error) {
	if err := r.line.ask("Reader.ReadAt", 1); err != nil {
		return 0, err
	}
	return r.Reader.ReadAt(p, off)
}

func (r *reader) Info() (disk.Info, error) {
	if err := r.line.ask("Reader.Info", 1); err != nil {
		return disk.Info{}, err
	}
	info, err := r.Reader.Info()
	return told(info), err
}

func (r *reader) Xattrs() ([]varve.Xattr, error) { return nil, nil }

func (r *reader) Holes(int64, bool) ([]varve.Extent, error) { return nil, nil }

// writer is a file being written at the other end. Writing does not wait.
type writer struct {
	disk.Writer
	line *Line
}

func (w *writer) Clone(disk.Reader) error { return refuse("clone", "", disk.ErrUnsupported) }

func (w *writer) Set(e *varve.Entry, aspect varve.Aspect) error {
	return w.line.set("Writer.Set", "", e, aspect, w.Writer.Set)
}

func (w *writer) Sync() error {
	if err := w.line.ask("Writer.Sync", 1); err != nil {
		return err
	}
	return w.Writer.Sync()
}

func (w *writer) Close() error {
	err := w.line.ask("Writer.Close", 1)
	if again := w.Writer.Close(); err == nil {
		err = again
	}
	return err
}
