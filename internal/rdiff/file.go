package rdiff

import (
	"bufio"
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"math"

	"varve"
	"varve/internal/disk"
)

// Open opens the content of a regular file, see varve.Source. Read returns an error that matches varve.ErrUnreadable where what there is
// has not the length or SHA-1 that the metadata tell; the content read before is not to be trusted then.
func (v *Version) Open(ctx context.Context, e varve.Entry) (varve.File, error) {
	f, err := v.open(ctx, e.Path)
	if err != nil {
		return nil, oneFile(e.Path, err)
	}
	return f, nil
}

func (v *Version) open(ctx context.Context, path string) (*file, error) {
	r, err := v.row(path)
	if err != nil {
		return nil, err
	}
	rec, err := parseRecord(r.attr)
	if err != nil || rec.entry.Kind != varve.Regular {
		return nil, errors.Join(errors.New("not a regular file"), err)
	}
	f := &file{path: path, entry: v.entry(path, &r), size: rec.entry.Size, hash: sha1.New()}
	f.want, f.summed = v.sum(&rec)
	if v.repo.aborted && f.summed {
		return v.openSound(ctx, f, &rec)
	}
	return f, v.assemble(ctx, f, &rec, math.MaxInt64)
}

// openSound is for a repository whose last session was broken off. That may have left the last increment of a file half written, before
// it touched the mirror: then the file is what there is without it.
func (v *Version) openSound(ctx context.Context, f *file, rec *record) (*file, error) {
	trial := *f
	err := v.assemble(ctx, &trial, rec, math.MaxInt64)
	if err == nil {
		_, err = io.Copy(io.Discard, &trial)
		err = errors.Join(err, trial.Close())
	}
	limit := int64(math.MaxInt64)
	if err != nil {
		limit = v.repo.mirror
	}
	f.hash = sha1.New()
	return f, v.assemble(ctx, f, rec, limit)
}

// oneFile marks an error as concerning a single file, unless the disk is lost or temporary files cannot be made. What is missing in a repository has not vanished from a
// source: the error never matches fs.ErrNotExist.
func oneFile(path string, err error) error {
	switch {
	case errors.Is(err, errScratch), errors.Is(err, disk.ErrLost), errors.Is(err, fs.ErrPermission),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: /%s: %w: %v", varve.ErrUnreadable, path, errLost, err)
	}
	return fmt.Errorf("%w: /%s: %w", varve.ErrUnreadable, path, err)
}

// file is the content of a file of a version, opened.
type file struct {
	path  string
	entry varve.Entry
	size  int64

	content *content
	base    disk.Reader
	direct  io.ReaderAt   // the base, where it can be read from anywhere
	stream  *bufio.Reader // the base, where it cannot
	at      int64         // how far stream has been read
	spool   spool

	next int   // the segment to be read
	off  int64 // how much of it has been

	done   int64
	hash   hash.Hash
	want   sum
	summed bool
	err    error
}

// assemble finds out what the content of f is made of.
func (v *Version) assemble(ctx context.Context, f *file, rec *record, limit int64) error {
	f.spool.dir = v.repo.opts.Scratch
	o, err := v.origins(f.path, rec, limit)
	if err == nil {
		err = v.openBase(f, o.base)
	}
	if err == nil {
		err = v.patch(ctx, f, &o)
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	return nil
}

// openBase opens the whole copy that f is made from.
func (v *Version) openBase(f *file, base increment) error {
	in, size, err := v.repo.open(base.dir, base.name)
	if err != nil {
		return err
	}
	f.base = in
	if !base.gz {
		f.direct, f.content = in, whole(size)
		return nil
	}
	s, err := unzip(in, size)
	f.stream, f.content = bufio.NewReader(s), whole(endless)
	return err
}

// patch applies deltas and brings together what cannot be read where it lies.
func (v *Version) patch(ctx context.Context, f *file, o *origins) (err error) {
	for n, i := range o.deltas {
		if f.content, err = v.patchWith(ctx, f.content, n, i); err != nil {
			return fmt.Errorf("%s/%s: %w", i.dir, i.name, err)
		}
	}
	if len(o.deltas) > 0 && f.content.size() != f.size { // before room is taken for it
		return fmt.Errorf("%w: it would have %d bytes instead of %d", errLost, f.content.size(), f.size)
	}
	for n, i := range o.deltas {
		if len(f.content.regions(n)) == 0 {
			continue
		}
		if err := v.gather(ctx, f, n, i); err != nil {
			return err
		}
	}
	if o.base.gz && !f.content.forward(fromBase) {
		if err := v.gather(ctx, f, fromBase, o.base); err != nil {
			return err
		}
	}
	return f.spool.settle()
}

// patchWith applies the delta with number n.
func (v *Version) patchWith(ctx context.Context, c *content, n int, i increment) (*content, error) {
	in, err := v.repo.stream(i)
	if err != nil {
		return nil, err
	}
	next, err := c.patch(ctx, n, in)
	return next, errors.Join(err, in.Close())
}

// gather brings what is needed of one origin into the spool.
func (v *Version) gather(ctx context.Context, f *file, src int, i increment) error {
	in, err := v.repo.stream(i)
	if err != nil {
		return err
	}
	err = f.content.gather(ctx, src, in, &f.spool)
	if err = errors.Join(err, in.Close()); err != nil {
		return fmt.Errorf("%s/%s: %w", i.dir, i.name, err)
	}
	return nil
}

// Entry is the metadata of the version: nothing else is known of the file.
func (f *file) Entry() (varve.Entry, error) { return f.entry, nil }

// Close closes what the content was read from.
func (f *file) Close() error {
	err := f.spool.Close()
	if f.base != nil {
		err = errors.Join(err, f.base.Close())
		f.base = nil
	}
	return err
}

// Read reads on, and checks at the end.
func (f *file) Read(p []byte) (int, error) {
	if f.err != nil || len(p) == 0 {
		return 0, f.err
	}
	n, err := f.read(p)
	f.hash.Write(p[:n])
	f.done += int64(n)
	switch {
	case f.done > f.size:
		err = fmt.Errorf("%w: it has more than the %d bytes that it should have", errLost, f.size)
	case errors.Is(err, io.EOF):
		err = f.check()
	}
	if err != nil && err != io.EOF {
		err = oneFile(f.path, err)
	}
	f.err = err
	return n, err
}

// check returns io.EOF where what was read is what it should be.
func (f *file) check() error {
	if f.done != f.size {
		return fmt.Errorf("%w: it has %d bytes instead of %d", errLost, f.done, f.size)
	}
	if f.summed && sum(f.hash.Sum(nil)) != f.want {
		return fmt.Errorf("%w: its SHA-1 is another one", errLost)
	}
	return io.EOF
}

// read reads from where the next bytes lie; io.EOF at the end.
func (f *file) read(p []byte) (int, error) {
	c := f.content
	for f.next < len(c.segments) && f.off == c.segments[f.next].len {
		f.next, f.off = f.next+1, 0
	}
	if f.next == len(c.segments) {
		return 0, io.EOF
	}
	s := c.segments[f.next]
	p = p[:min(int64(len(p)), s.len-f.off)]
	at := s.off + f.off
	var n int
	var err error
	switch {
	case s.src == fromSpool:
		n, err = f.spool.ReadAt(p, at)
	case f.direct != nil:
		n, err = f.direct.ReadAt(p, at)
	default:
		n, err = f.readOn(p, at)
	}
	f.off += int64(n)
	if n > 0 && errors.Is(err, io.EOF) {
		err = nil // whether more is missing shows at the next call
	}
	if errors.Is(err, io.EOF) && s.len != endless {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// readOn reads the stream at a position that is not before where it is.
func (f *file) readOn(p []byte, at int64) (int, error) {
	for f.at < at {
		n, err := f.stream.Discard(int(min(at-f.at, 1<<20)))
		f.at += int64(n)
		if err != nil {
			return 0, err
		}
	}
	n, err := f.stream.Read(p)
	f.at += int64(n)
	return n, err
}
