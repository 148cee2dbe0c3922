package tree

import (
	"errors"
	"fmt"
	"io/fs"

	"varve"
	"varve/internal/disk"
	"varve/internal/place"
)

// reuse makes what the base has of c the content of e, by a hard link or, where the disk has none, by saying where it lies; it reports
// whether it could.
func (w *worker) reuse(c *candidate, e *varve.Entry) (bool, error) {
	if c.base.lendable(&c.entry) {
		return w.borrow(c, e)
	}
	if isLent(&c.entry) {
		return false, nil // lent to another series, or to a run that broke off
	}
	if w.save.noLinks.Load() {
		return w.take(c, e)
	}
	ok, err := w.link(c, e)
	if !ok && err == nil && w.save.noLinks.Load() {
		return w.reuse(c, e)
	}
	return ok, err
}

// link makes the file of a base that c names the copy of e, and reports whether it could.
func (w *worker) link(c *candidate, e *varve.Entry) (bool, error) {
	at, ok := w.sound(c)
	if !ok || !c.base.claim(c.pos) {
		return false, nil
	}
	err := at.Link(c.entry.Name(), w.at, e.Name())
	if err != nil {
		c.base.unclaim(c.pos)
	}
	switch {
	case err == nil:
	case errors.Is(err, disk.ErrUnsupported):
		return false, w.save.doubtLinks()
	case errors.Is(err, disk.ErrTooManyLinks), errors.Is(err, disk.ErrCrossDevice), errors.Is(err, fs.ErrNotExist):
		return false, nil
	default:
		return false, err
	}
	e.Digest, e.Holes, e.Flags, e.Unkept = c.entry.Digest, c.entry.Holes, c.entry.Flags, c.entry.Unkept
	return true, nil
}

// take moves the file that c names from what an interrupted run left, where the disk has no hard links; it reports whether it could.
func (w *worker) take(c *candidate, e *varve.Entry) (bool, error) {
	if c.base.published {
		return false, nil
	}
	at, ok := w.sound(c)
	if !ok || !c.base.claim(c.pos) {
		return false, nil
	}
	err := at.Rename(c.entry.Name(), w.at, e.Name())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	e.Digest, e.Holes, e.Flags, e.Unkept = c.entry.Digest, c.entry.Holes, c.entry.Flags, c.entry.Unkept
	return err == nil, err
}

// sound returns the directory of the file that c names, unless it is not what the base's manifest says.
func (w *worker) sound(c *candidate) (disk.FS, bool) {
	at, err := w.baseDir(c.base, c.entry.Parent())
	if err != nil {
		return nil, false // it was forgotten meanwhile, or is damaged, which Verify tells
	}
	ok, err := w.usable(at, c)
	if err != nil {
		w.save.report(varve.Event{Kind: varve.Damage, Path: c.entry.Path, Err: err})
	}
	return at, ok
}

// few is how many files of one directory are asked for one by one.
const few = 3

// prime lists the directory of the best base that b's candidates are likely to be in: a far disk that listed a directory knows
// what lies there.
func (w *worker) prime(b *batch) {
	if !w.save.store.opts.Far || !b.first || len(w.save.bases) == 0 {
		return
	}
	n := 0
	for i := range b.jobs {
		c := b.jobs[i].candidates
		if len(c) > 0 && c[0].base == w.save.bases[0] && !isLent(&c[0].entry) && c[0].entry.Parent() == b.dir.Path {
			n++
		}
	}
	if n < few {
		return
	}
	if at, err := w.baseDir(w.save.bases[0], b.dir.Path); err == nil {
		_, _ = at.Names() // what cannot be listed is asked for one by one, and then says why
	}
}

// baseDir returns a directory of a base, opened, until the next call.
func (w *worker) baseDir(b *base, path string) (disk.FS, error) {
	dir := b.held.At(path)
	if dir == w.near {
		return w.nearFS, nil
	}
	w.release()
	at, err := dir.Use()
	if err != nil {
		return nil, err
	}
	w.near, w.nearFS = dir, at
	return at, nil
}

// usable reports whether the file that c names is what the base's manifest says; an error says in what way it is not.
func (w *worker) usable(at disk.FS, c *candidate) (bool, error) {
	o := &c.entry
	info, err := at.Lookup(o.Name())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if fault := w.save.store.fault(&info, o); fault != "" {
		if !c.base.published {
			return false, nil
		}
		return false, fmt.Errorf("copy in an earlier snapshot was altered: %s: %w", fault, varve.ErrDamaged)
	}
	if !c.base.unproven {
		return true, nil
	}
	ok, err := w.proves(at, o)
	if err == nil && !ok && c.base.published {
		err = fmt.Errorf("copy in an earlier snapshot was altered: content or attributes differ: %w", varve.ErrDamaged)
	}
	return ok, err
}

// proves reads a file that nothing vouches for and reports whether it is what its manifest says.
func (w *worker) proves(at disk.FS, o *varve.Entry) (bool, error) {
	xattrs, err := at.Xattrs(o.Name())
	if err != nil || !w.save.store.tells(xattrs, o) {
		return false, nil
	}
	if o.Kind != varve.Regular {
		return true, nil
	}
	f, err := at.Open(o.Name())
	if err != nil {
		return false, nil
	}
	defer f.Close()
	sum, n, err := w.copier.Sum(place.NewStream(f, o))
	return err == nil && sum == o.Digest && n == place.StreamLen(o), nil
}
