package tree

import (
	"errors"
	"io/fs"

	"varve"
	"varve/internal/disk"
	"varve/internal/manifest"
	"varve/internal/place"
)

// settle takes a batch that was worked on, in listing order: it makes hard links, for which all earlier entries must be there,
// writes the manifest, counts, and finds the directories that are finished.
func (v *save) settle(b *batch) error {
	if !b.root && !b.lost() {
		v.finished = append(v.finished, v.trail.Enter(b.dir.Path)...)
	}
	var at disk.FS
	for i := range b.jobs {
		j := &b.jobs[i]
		if j.entry.SameAs != "" && j.entry.Err == nil {
			if at == nil {
				dir := v.partial.held.At(b.dir.Path)
				var err error
				if at, err = dir.Use(); err != nil {
					return err
				}
				defer dir.Done()
			}
			if err := v.linkAlike(at, j); err != nil {
				return err
			}
		}
		if err := v.record(j); err != nil {
			return err
		}
	}
	return nil
}

// linkAlike makes j's entry a hard link to the first entry of its object, or, where that cannot be, a copy.
func (v *save) linkAlike(at disk.FS, j *job) error {
	e := j.entry
	first, ok := v.firsts[e.SameAs]
	if !ok {
		e.SameAs = "" // the first one could not be read; perhaps this one can
		return v.alone(at, j)
	}
	dir := v.partial.held.At(first.Parent())
	from, err := dir.Use()
	if err != nil {
		return err
	}
	defer dir.Done()
	err = from.Link(first.Name(), at, e.Name())
	switch {
	case err == nil:
		first.Path, first.SameAs, first.Marks = e.Path, e.SameAs, e.Marks
		*e = first
		return nil
	case errors.Is(err, disk.ErrTooManyLinks), errors.Is(err, disk.ErrUnsupported):
		err = v.alone(at, j)
		e.Unkept |= varve.HardLink
		return err
	}
	return err
}

// alone puts one job by itself.
func (v *save) alone(at disk.FS, j *job) error {
	w := worker{save: v, at: at, copier: v.copiers.Get().(*place.Copier)}
	defer v.copiers.Put(w.copier)
	defer w.release()
	if j.entry.Kind == varve.Regular {
		return w.copy(j)
	}
	return w.special(j)
}

// record enters one job into the manifest and the counts.
func (v *save) record(j *job) error {
	e := j.entry
	if e.Err != nil {
		v.miss(e)
		return nil
	}
	if err := v.entries.Add(e); errors.Is(err, manifest.ErrEntry) && e.Kind != varve.Dir {
		e.Err = err
		v.miss(e)
		return v.takeBack(e)
	} else if err != nil {
		return err
	}
	if e.Marks&varve.Linked != 0 {
		v.firsts[e.Path] = *e
	}
	v.count(j)
	if e.Kind == varve.Dir {
		v.store.late(j.dir, e)
		v.trail.Add(j.dir)
	}
	if j.changed {
		v.report(varve.Event{Kind: varve.Changed, Path: e.Path})
	}
	if aspect := e.Unkept &^ varve.Flags; aspect != 0 { // flags are never set on copies
		v.report(varve.Event{Kind: varve.Unkept, Path: e.Path, Aspect: aspect})
	}
	v.report(varve.Event{Kind: varve.Done, Path: e.Path, Bytes: e.Size, Stored: j.stored > 0})
	return nil
}

// takeBack removes an object that the manifest cannot hold.
func (v *save) takeBack(e *varve.Entry) error {
	dir := v.partial.held.At(e.Parent())
	at, err := dir.Use()
	if err != nil {
		return err
	}
	defer dir.Done()
	return at.Remove(e.Name())
}

func (v *save) count(j *job) {
	s, e := &v.snap, j.entry
	if e.Kind == varve.Dir {
		s.Dirs++
	} else {
		s.Files++
	}
	if e.SameAs == "" {
		s.Bytes += e.Size
	}
	s.Added += j.stored
	if j.changed {
		s.Changed++
	}
}

// miss reports what is not in the snapshot.
func (v *save) miss(e *varve.Entry) {
	kind := varve.Skipped
	if errors.Is(e.Err, fs.ErrNotExist) {
		kind = varve.Vanished
		v.snap.Vanished++
	} else {
		v.snap.Skipped++
		v.snap.State = varve.Incomplete
	}
	v.report(varve.Event{Kind: kind, Path: e.Path, Err: e.Err})
}
