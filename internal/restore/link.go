package restore

import (
	"errors"
	"io/fs"

	"varve"
	"varve/internal/disk"
	"varve/internal/place"
)

// first is the object that the later names of a group of hard links become names of. It is there and right, or would be after a dry
// run.
type first struct {
	path   string
	kind   varve.Kind
	digest varve.Digest
}

// lead makes e's object, which has no flags yet, the one that the later names of its group are linked to.
func (r *run) lead(group string, e *varve.Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.firsts[group] = first{e.Path, e.Kind, e.Digest}
	if e.Flags != 0 {
		alone := *e
		alone.Marks &^= varve.Linked
		r.later = append(r.later, alone)
	}
}

// leader returns the object that e is to become a name of; false where it was not restored.
func (r *run) leader(e *varve.Entry) (first, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	to, known := r.firsts[e.SameAs]
	return to, known
}

// linkAll makes the entries of some jobs in t hard links. At a far target those whose object is there are set aside; of the others the
// first one of each group may become it.
func (r *run) linkAll(t *target, jobs []*job) error {
	for _, j := range jobs {
		if _, known := r.leader(&j.entry); known && r.opts.Far {
			t.busy.Add(1)
			r.aside = append(r.aside, &batch{dir: t, links: []*job{j}})
		} else if err := r.linkAlike(t, j); err != nil {
			return err
		}
	}
	return nil
}

// linkAlike makes j's entry a hard link to the first entry of its object. Where that was not restored, or is something else, it is
// restored by itself; in the first case the rest of the group is linked to it.
func (r *run) linkAlike(t *target, j *job) error {
	e := &j.entry
	w, err := r.newWorker(t)
	if err == nil {
		defer w.close()
		err = w.entering(func() error { return w.name(e) })
	}
	if fatal(err) {
		return err
	}
	if err != nil {
		j.bad = true
		r.fail(e.Path, err)
	}
	return r.ctx.Err()
}

// name makes e what linkAlike says.
func (w *worker) name(e *varve.Entry) error {
	to, known := w.run.leader(e)
	switch {
	case !known:
		return w.lone(e)
	case to.kind != e.Kind || to.digest != e.Digest:
		return w.object(e)
	}
	return w.link(e, to.path)
}

// lone restores e by itself, as the one that the rest of its group is linked to.
func (w *worker) lone(e *varve.Entry) error {
	alone := *e
	alone.Marks |= varve.Linked
	if err := w.object(&alone); err != nil {
		return err
	}
	w.run.lead(e.SameAs, e)
	return nil
}

// link makes e another name of what was restored as first.
func (w *worker) link(e *varve.Entry, first string) error {
	action := Create
	if w.target.names[e.Name()] {
		same, info, err := w.alike(e, first)
		if err != nil {
			return err
		}
		if same {
			w.run.tell(Event{Action: Same, Path: e.Path})
			return nil
		}
		if err := w.makeWay(&info, e); err != nil {
			return err
		}
		action = Replace
	}
	if w.run.opts.DryRun {
		w.run.tell(Event{Action: action, Path: e.Path, Aspect: varve.HardLink})
		return nil
	}
	err := w.newName(e, first, action)
	if errors.Is(err, disk.ErrTooManyLinks) || errors.Is(err, disk.ErrUnsupported) || errors.Is(err, disk.ErrCrossDevice) {
		w.run.tell(Event{Action: Unkept, Path: e.Path, Aspect: varve.HardLink})
		return w.lone(e)
	}
	if err == nil {
		w.run.tell(Event{Action: action, Path: e.Path, Aspect: varve.HardLink})
	}
	return err
}

// newName links e to what lies at first, under another name to begin with where something is to be replaced.
func (w *worker) newName(e *varve.Entry, first string, action Action) error {
	to := varve.Entry{Path: first}
	dir := w.run.held.At(to.Parent())
	from, err := dir.Use()
	if err != nil {
		return err
	}
	defer dir.Done()
	if action != Replace {
		return from.Link(to.Name(), w.at, e.Name())
	}
	name := place.TempName(e.Name())
	if err := from.Link(to.Name(), w.at, name); err != nil {
		return err
	}
	err = w.at.Replace(name, w.at, e.Name())
	if err != nil || w.run.opts.Far { // where it may have been the same object: then both names stay
		err = errors.Join(err, ignoreMissing(w.at.Remove(name)))
	}
	return err
}

// alike reports whether what is there is the same object as what lies at first. Where there are no inode numbers, nobody knows.
func (w *worker) alike(e *varve.Entry, first string) (bool, disk.Info, error) {
	info, err := w.at.Lookup(e.Name())
	if err != nil || w.run.remakes(first) {
		return false, info, err
	}
	to := varve.Entry{Path: first}
	dir := w.run.held.At(to.Parent())
	from, err := dir.Use()
	if errors.Is(err, fs.ErrNotExist) {
		return false, info, nil // in a dry run
	}
	if err != nil {
		return false, info, err
	}
	defer dir.Done()
	other, err := from.Lookup(to.Name())
	if errors.Is(err, fs.ErrNotExist) {
		return false, info, nil
	}
	same := info.Stamp.Ino != 0 && other.Stamp.Dev == info.Stamp.Dev && other.Stamp.Ino == info.Stamp.Ino
	return same, info, err
}

// remake remembers in a dry run that e would be another object than what is there now.
func (r *run) remake(e *varve.Entry) {
	if e.Marks&varve.Linked != 0 {
		r.mu.Lock()
		r.remade[e.Path] = true
		r.mu.Unlock()
	}
}

// remakes reports whether path is one that remake was told of.
func (r *run) remakes(path string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.remade[path]
}

// lateFlags sets the flags of a file with several names.
func (r *run) lateFlags(e *varve.Entry) error {
	dir := r.held.At(e.Parent())
	at, err := dir.Use()
	if err != nil {
		return err
	}
	defer dir.Done()
	if err := r.metadata(place.Named{Dir: at, Name: e.Name()}, nil, e, varve.Flags); err != nil {
		r.fail(e.Path, err)
	}
	return nil
}
