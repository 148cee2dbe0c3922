package tree

import (
	"iter"
	"slices"

	"varve"
	"varve/internal/disk"
	"varve/internal/place"
)

// worker puts the jobs of one batch into their directory.
type worker struct {
	save   *save
	at     disk.FS // the directory in the partial
	copier *place.Copier

	near   *disk.HeldDir // the directory of a base that was used last
	nearFS disk.FS
}

// release lets go of what the worker held.
func (w *worker) release() {
	if w.near != nil {
		w.near.Done()
	}
	w.near, w.nearFS = nil, nil
}

// put deals with one job. What concerns the entry alone is set as its Err; an error returned ends the run.
func (w *worker) put(stop <-chan struct{}, j *job) (err error) {
	e := j.entry
	switch {
	case e.Err != nil || e.Kind == varve.Dir:
		return nil
	case e.SameAs != "":
		return w.follow(stop, j)
	case e.Kind == varve.Regular:
		err = w.regular(j)
	default:
		err = w.special(j)
	}
	if err == nil && j.group != nil {
		j.group.first = *e
		close(j.group.ready)
	}
	return err
}

// prepare gives the new directory name what of its metadata does not depend on what comes into it; late has the rest. The time, and
// what is handed down, is tried as well, so that the manifest can say whether it is kept; the latter is taken away again before
// anything is made in the directory.
func (v *save) prepare(at disk.FS, name string, e *varve.Entry) error {
	k, unkept := v.store.kept(e)
	todo := v.needed(&k)
	if !v.partial.modeless {
		todo &^= varve.Mode
	}
	target := place.Named{Dir: at, Name: name}
	unkept, err := v.store.metadata(target, &k, unkept, todo)
	if err == nil && slices.ContainsFunc(k.Xattrs, place.HandedDown) && unkept&varve.Xattrs == 0 {
		k.Xattrs = slices.DeleteFunc(slices.Clone(k.Xattrs), place.HandedDown)
		err = target.Set(&k, varve.Xattrs)
	}
	e.Unkept = unkept
	return err
}

// late sets what the directory e gets at the end.
func (v *save) late(d *place.Dir, e *varve.Entry) {
	k, _ := v.store.kept(e)
	d.Late = place.Late{Sides: varve.MTime &^ e.Unkept, Mode: k.Mode, MTime: k.MTime}
	if k.Mode&0o7000 != 0 || e.Path == "" {
		d.Late.Sides |= varve.Mode
	}
	if slices.ContainsFunc(k.Xattrs, place.HandedDown) && e.Unkept&varve.Xattrs == 0 {
		d.Late.Xattrs = k.Xattrs
		d.Late.Sides |= varve.Xattrs | varve.Mode
	}
	if v.partial.modeless {
		d.Late.Sides &^= varve.Mode
	}
}

// needed returns what has to be set on something that was just made. Where there are no modes that is tried all the same, so that the
// manifest can say so.
func (v *save) needed(k *varve.Entry) varve.Aspect {
	todo := place.Needed(k, v.store.opts.UID, v.store.opts.GID)
	if v.partial.modeless {
		todo |= varve.Mode
	}
	return todo
}

// special deals with everything that is neither a regular file nor a directory.
func (w *worker) special(j *job) error {
	e := j.entry
	for i := range j.candidates {
		if w.save.noLinks.Load() {
			break
		}
		if ok, err := w.link(&j.candidates[i], e); ok || err != nil {
			j.took(&j.candidates[i])
			return err
		}
	}
	k, unkept := w.save.store.kept(e)
	err := place.Special(w.at, e.Name(), &k)
	if place.Unkeepable(err) {
		unkept |= varve.Type
		var f disk.Writer
		if f, err = w.at.Create(e.Name(), 0o600); err == nil {
			err = f.Close()
		}
		k.Kind = varve.Regular
	}
	if err != nil {
		return err
	}
	todo := w.save.needed(&k)
	if k.Kind == varve.Regular {
		todo |= varve.Mode
	}
	e.Unkept, err = w.save.store.metadata(place.Named{Dir: w.at, Name: e.Name()}, &k, unkept, todo)
	return err
}

// regular deals with a regular file: it is linked to where it is known to be unchanged, compared where it may be, else copied.
func (w *worker) regular(j *job) error {
	for i := range j.candidates {
		c := &j.candidates[i]
		if c.proven {
			if ok, err := w.reuse(c, j.entry); ok || err != nil {
				j.took(c)
				return err
			}
		}
	}
	if len(j.moved) > 0 || slices.ContainsFunc(j.candidates, func(c candidate) bool { return !c.proven }) {
		if done, err := w.compared(j); done || err != nil {
			return err
		}
	}
	err := w.copy(j)
	if err == nil && j.entry.Err == nil {
		w.save.partial.done.add(j.entry, j.stored)
	}
	return err
}

// compared reads the source's file and links to the candidate that has the same content, and reports whether there was one.
func (w *worker) compared(j *job) (bool, error) {
	e := j.entry
	f, err := w.save.files.Open(w.save.ctx, j.there())
	if err != nil {
		return false, nil // the copy that follows says why
	}
	defer f.Close()
	now, err := f.Entry()
	if err != nil {
		return false, nil
	}
	sum, n, err := w.copier.Sum(f)
	if err != nil || n != place.StreamLen(&now) {
		return false, nil
	}
	after, err := f.Entry()
	if err != nil || differs(&now, &after) || now.Size != e.Size || now.MTime != e.MTime {
		return false, nil
	}
	stamp := settled(e.Stamp, now.Stamp)
	for c := range j.compareWith(&sum) {
		if c.entry.Digest != sum || !slices.Equal(c.entry.Holes, now.Holes) || now.Flags != c.entry.Flags {
			continue
		}
		if ok, err := w.reuse(&c, e); ok || err != nil {
			j.took(&c)
			e.Stamp = stamp
			return ok, err
		}
	}
	return false, nil
}

// took takes down that j's copy is that of c.
func (j *job) took(c *candidate) {
	if j.old = c.base.published; !j.old && c.entry.Kind == varve.Regular {
		j.resumed = place.StreamLen(&c.entry)
	}
}

// compareWith returns the files that j's may have the content of, the likelier first.
func (j *job) compareWith(sum *varve.Digest) iter.Seq[candidate] {
	return func(yield func(candidate) bool) {
		for _, c := range j.candidates {
			if !yield(c) {
				return
			}
		}
		j.movedTo(sum)(yield)
	}
}

// differs reports whether a file changed between two looks through one handle.
func differs(a, b *varve.Entry) bool {
	return a.Stamp != b.Stamp || a.MTime != b.MTime || a.Size != b.Size
}

// settled returns the stamp that two looks agree on, else zero, so that the next run looks again.
func settled(a, b varve.Stamp) varve.Stamp {
	if a != b {
		return varve.Stamp{}
	}
	return a
}
