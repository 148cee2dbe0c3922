package tree

import (
	"errors"
	"io/fs"

	"varve"
	"varve/internal/disk"
	"varve/internal/parallel"
)

// group is an object that has several names at the source. Once its first one is there, the others are linked to it by whoever meets
// them; what that does not settle is left to linkAlike.
type group struct {
	ready chan struct{} // closed once first is set
	first varve.Entry   // with Err where it could not be read
}

// follow makes j, a later name of an object, a hard link to the first one, where that can be.
func (w *worker) follow(stop <-chan struct{}, j *job) error {
	if j.group == nil {
		return nil
	}
	select {
	case <-j.group.ready:
	case <-stop:
		return parallel.ErrStopped
	}
	first := &j.group.first
	if first.Err != nil || isLent(first) || w.save.noLinks.Load() {
		return nil
	}
	dir := w.save.partial.held.At(first.Parent())
	from, err := dir.Use()
	if err != nil {
		return err
	}
	defer dir.Done()
	err = from.Link(first.Name(), w.at, j.entry.Name())
	switch {
	case errors.Is(err, disk.ErrUnsupported):
		return w.save.doubtLinks()
	case errors.Is(err, disk.ErrTooManyLinks) || errors.Is(err, fs.ErrNotExist):
		return nil
	}
	j.linked = err == nil
	return err
}

// alike returns the entry of another name of an object whose first one is first.
func alike(e, first *varve.Entry) varve.Entry {
	a := *first
	a.Path, a.SameAs, a.Marks = e.Path, first.Path, e.Marks
	return a
}
