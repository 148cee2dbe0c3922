package tree

import (
	"errors"
	"fmt"
	"io/fs"

	"varve"
	"varve/internal/disk"
	"varve/internal/place"
)

// attempts is how often a file is read that is cut short while it is read.
const attempts = 3

// errShrank says that a file got shorter while it was read.
var errShrank = errors.New("was cut short while being read")

// copy reads a file and writes the store's own copy.
func (w *worker) copy(j *job) error {
	for try := 1; ; try++ {
		err := w.copyOnce(j)
		var bad *place.SourceError
		switch {
		case err == nil:
			return nil
		case errors.Is(err, errShrank) && try < attempts:
			continue
		case errors.Is(err, disk.ErrLost): // nothing else of the source can be read either
		case errors.As(err, &bad):
			j.entry.Err = bad.Err
			return nil
		}
		return err
	}
}

// copyOnce is copy without a second try. Errors of the source are *place.SourceError values, and leave nothing behind.
func (w *worker) copyOnce(j *job) error {
	f, err := w.save.files.Open(w.save.ctx, j.there())
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, varve.ErrUnreadable) {
			return &place.SourceError{Err: err}
		}
		return err
	}
	defer f.Close()
	before, err := f.Entry()
	if err != nil {
		return &place.SourceError{Err: err}
	}
	now := before
	merge(&now, j.entry)
	err = w.write(j, f, &before, &now)
	var bad *place.SourceError
	if errors.As(err, &bad) {
		return errors.Join(err, w.at.Remove(now.Name()))
	}
	return err
}

// merge completes what an open file says of itself by what only the walk knows.
func merge(now, walked *varve.Entry) {
	now.Path, now.SameAs, now.Marks = walked.Path, walked.SameAs, walked.Marks
	now.Stamp = settled(now.Stamp, walked.Stamp)
	now.Chunks, now.Depth, now.Unkept = nil, 0, 0
}

// write makes the copy of what f was before, which becomes now, and gives it its metadata.
func (w *worker) write(j *job, f varve.File, before, now *varve.Entry) (err error) {
	k, unkept := w.save.store.kept(now)
	out, err := w.at.Create(now.Name(), k.Mode)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	sum, n, stored, err := w.content(j, out, f, now)
	if err != nil {
		return err
	}
	if err := w.check(j, f, before, now, sum, n); err != nil {
		return err
	}
	todo := w.save.needed(&k)
	now.Unkept, err = w.save.store.metadata(out, &k, unkept, todo)
	*j.entry, j.stored = *now, stored
	w.save.flusher.wrote(stored)
	return err
}

// content fills the copy, sharing what it has in common with an earlier state of the file where the file system can. It returns
// the digest and length of the content stream and the number of bytes that were written.
func (w *worker) content(j *job, out disk.Writer, f varve.File, now *varve.Entry) (varve.Digest, int64, int64, error) {
	j.told = 0
	w.copier.Progress = func(n int64) {
		j.told += n
		w.save.report(varve.Event{Kind: varve.Partly, Path: now.Path, Bytes: n})
	}
	defer func() { w.copier.Progress = nil }()
	if j.like == nil || len(now.Holes) > 0 || len(j.like.entry.Holes) > 0 || w.save.noClones.Load() {
		sum, n, err := w.copier.Copy(out, f, now.Size, now.Holes)
		return sum, n, n, err
	}
	old, err := w.earlier(j.like)
	if err != nil { // an earlier state that cannot be had only saves nothing
		sum, n, err := w.copier.Copy(out, f, now.Size, now.Holes)
		return sum, n, n, err
	}
	defer old.Close()
	if err := out.Clone(old); err != nil {
		w.save.noClones.Store(true)
		sum, n, err := w.copier.Copy(out, f, now.Size, now.Holes)
		return sum, n, n, err
	}
	return w.copier.CopyOnto(out, old, f)
}

// earlier opens the file of a base.
func (w *worker) earlier(c *candidate) (disk.Reader, error) {
	at, err := w.baseDir(c.base, c.entry.Parent())
	if err != nil {
		return nil, err
	}
	return at.Open(c.entry.Name())
}

// check holds what was read against what the source said before and says now, and completes now.
func (w *worker) check(j *job, f varve.File, before, now *varve.Entry, sum varve.Digest, n int64) error {
	after, err := f.Entry()
	if err != nil {
		return &place.SourceError{Err: err}
	}
	switch {
	case before.Size == 0:
		now.Size = n // the kernel's own files do not tell
	case n < place.StreamLen(before):
		return &place.SourceError{Err: fmt.Errorf("/%s: %w", now.Path, errShrank)}
	}
	if j.entry.Digest != (varve.Digest{}) && sum != j.entry.Digest {
		return &place.SourceError{Err: fmt.Errorf("/%s: content is not what its digest says: %w", now.Path, varve.ErrDamaged)}
	}
	now.Digest = sum
	if j.changed = differs(before, &after); j.changed {
		now.Stamp = varve.Stamp{}
	}
	return nil
}
