package tree

import (
	"errors"

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

// linked is what later hard links need of the first one.
type linked struct {
	entry varve.Entry
	at    string // where the copy lies that the next one is linked to
	apart bool   // that copy is not the first one's, which took no more links
}

// linkAlike makes j's entry a hard link to the first entry of its object. Where there is none, or it takes no more links, it becomes
// a copy, to which later ones are linked.
func (v *save) linkAlike(at disk.FS, j *job) error {
	e, key := j.entry, j.entry.SameAs
	first, ok := v.firsts[key]
	if !ok { // the first one could not be read; perhaps this one can
		e.SameAs, e.Marks = "", e.Marks|varve.Linked
		err := v.alone(at, j)
		if err == nil && e.Err == nil {
			v.firsts[key] = &linked{entry: *e, at: e.Path}
		}
		return err
	}
	dir := v.partial.held.At(varve.Parent(first.at))
	from, err := dir.Use()
	if err != nil {
		return err
	}
	defer dir.Done()
	name := varve.Entry{Path: first.at}
	err = from.Link(name.Name(), at, e.Name())
	switch {
	case err == nil:
		path, marks := e.Path, e.Marks
		*e = first.entry
		e.Path, e.SameAs, e.Marks = path, first.entry.Path, marks
	case errors.Is(err, disk.ErrTooManyLinks), errors.Is(err, disk.ErrUnsupported):
		e.SameAs = first.entry.Path
		if err = v.alone(at, j); err != nil || e.Err != nil {
			return err
		}
		first.at, first.apart = e.Path, true
	default:
		return err
	}
	if first.apart {
		e.Unkept |= varve.HardLink
	}
	return nil
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
	e.Chunks, e.Depth = nil, 0 // they say where a vault has the content
	if err := v.entries.Add(e); errors.Is(err, manifest.ErrEntry) && e.Kind != varve.Dir {
		e.Err = err
		v.miss(e)
		return v.takeBack(e)
	} else if err != nil {
		return err
	}
	if e.Marks&varve.Linked != 0 && e.SameAs == "" {
		v.firsts[e.Path] = &linked{entry: *e, at: e.Path}
	}
	v.snap.Count(e, j.stored, j.changed)
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
	v.report(varve.Event{Kind: varve.Done, Path: e.Path, Bytes: max(e.Size-j.told, 0), Stored: j.stored > 0})
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

// miss reports what is not in the snapshot.
func (v *save) miss(e *varve.Entry) {
	v.report(varve.Event{Kind: v.snap.Miss(e), Path: e.Path, Err: e.Err})
}
