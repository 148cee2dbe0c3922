package tree

import (
	"cmp"
	"errors"
	"fmt"

	"varve"
	"varve/internal/disk"
	"varve/internal/manifest"
	"varve/internal/place"
)

// settle takes a batch that was worked on, in listing order: it makes hard links, for which all earlier entries must be there,
// writes the manifest, counts, and finds the directories that are finished.
func (v *save) settle(b *batch) error {
	if !b.root && !b.lost() {
		v.finished = append(v.finished, v.ending(v.trail.Enter(b.dir.Path))...)
	}
	for i := range b.jobs {
		j := &b.jobs[i]
		if j.entry.SameAs != "" && j.entry.Err == nil {
			if err := v.settleLink(b, j); err != nil {
				return err
			}
		}
		if err := v.record(j); err != nil {
			return err
		}
	}
	return nil
}

// settleLink deals with a hard link: where it was not made yet, it is now.
func (v *save) settleLink(b *batch, j *job) error {
	first, ok := v.firsts[j.entry.SameAs]
	switch {
	case j.linked && ok:
		*j.entry = alike(j.entry, &first.entry)
		return nil
	case j.linked: // the manifest could not take the first one
		e := alike(j.entry, &j.group.first)
		e.SameAs, e.Marks = "", e.Marks|varve.Linked
		*j.entry = e
		v.firsts[j.group.first.Path] = &linked{entry: e, at: e.Path}
		return nil
	}
	dir := v.partial.held.At(b.dir.Path)
	at, err := dir.Use()
	if err != nil {
		return err
	}
	defer dir.Done()
	return v.linkAlike(at, j)
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
	if v.staged != nil {
		return v.adoptAlike(at, j, first)
	}
	err := v.linkTo(first, at, e.Name())
	if isLent(&first.entry) || v.noLinks.Load() {
		if ok, err := v.lendAlike(e, &first.entry); ok || err != nil {
			return err
		}
	}
	switch {
	case err == nil:
		*e = alike(e, &first.entry)
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

// linkTo links the copy of first to name in the directory at. disk.ErrUnsupported where there is none, or the disk has no links.
func (v *save) linkTo(first *linked, at disk.FS, name string) error {
	if isLent(&first.entry) || v.noLinks.Load() {
		return disk.ErrUnsupported
	}
	dir := v.partial.held.At(varve.Parent(first.at))
	from, err := dir.Use()
	if err != nil {
		return err
	}
	defer dir.Done()
	err = from.Link(nameOf(first.at), at, name)
	if errors.Is(err, disk.ErrUnsupported) {
		err = cmp.Or(v.doubtLinks(), err)
	}
	return err
}

// alone puts one job by itself.
func (v *save) alone(at disk.FS, j *job) error {
	w := worker{save: v, at: at, copier: v.copiers.Get().(*place.Copier)}
	defer v.copiers.Put(w.copier)
	defer w.release()
	switch {
	case v.staged != nil:
		return w.adopt(j)
	case j.entry.Kind == varve.Regular:
		return w.copy(j)
	}
	return w.special(j)
}

// manifestEvery is how many bytes of content are copied between two writes of what is whole of the manifest.
const manifestEvery = 4 << 20

// record enters one job into the manifest and the counts.
func (v *save) record(j *job) error {
	e := j.entry
	if e.Err != nil {
		v.miss(e)
		return nil
	}
	if err := v.entries.Add(e); errors.Is(err, manifest.ErrEntry) && e.Kind != varve.Dir {
		if v.staged != nil && v.staged.whole {
			return fmt.Errorf("/%s: %w", e.Path, err)
		}
		e.Err = err
		v.miss(e)
		return v.takeBack(e)
	} else if err != nil {
		return err
	}
	v.lends = v.lends || isLent(e)
	if e.Marks&varve.Linked != 0 && e.SameAs == "" {
		v.firsts[e.Path] = &linked{entry: *e, at: e.Path}
	}
	v.snap.Count(e, j.stored, j.changed)
	v.snap.Beside += v.beside(j)
	if v.unwritten += j.stored; v.unwritten >= manifestEvery {
		v.unwritten = 0
		if err := v.partial.pages.Flush(); err != nil {
			return err
		}
	}
	if v.tally != nil {
		v.tally.Add(e)
	}
	if v.staged != nil && e.Path != "" {
		v.staged.inside[e.Parent()]++
	}
	if e.Kind == varve.Dir {
		if v.staged == nil {
			v.late(j.dir, e)
		}
		v.trail.Add(j.dir)
	}
	if j.changed {
		v.report(varve.Event{Kind: varve.Changed, Path: e.Path})
	}
	if aspect := e.Unkept &^ varve.Flags; aspect != 0 && !isLent(e) && !v.madeUp(e) { // flags are never set on copies
		v.report(varve.Event{Kind: varve.Unkept, Path: e.Path, Aspect: aspect})
	}
	v.report(varve.Event{Kind: varve.Done, Path: e.Path, Bytes: max(e.Size-j.told, 0), Stored: j.stored > 0})
	return nil
}

// takeBack removes an object that the manifest cannot hold.
func (v *save) takeBack(e *varve.Entry) error {
	if isLent(e) {
		return nil
	}
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
