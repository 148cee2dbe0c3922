package tree

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"varve"
	"varve/internal/disk"
	"varve/internal/place"
)

// adoptAll makes the objects of one batch, which lie in their directory already, part of the snapshot.
func (w *worker) adoptAll(b *batch) error {
	for i := range b.jobs {
		j := &b.jobs[i]
		if err := w.save.ctx.Err(); err != nil {
			return err
		}
		var err error
		switch {
		case j.entry.Err != nil:
		case j.dir != nil:
			if err = w.save.adoptDir(w.at, j.entry.Name(), j.entry); err == nil {
				close(j.dir.Made)
			}
		case j.entry.SameAs == "": // others follow once their first name is recorded
			err = w.adopt(j)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// adoptDir records a directory that is there.
func (v *save) adoptDir(at disk.FS, name string, e *varve.Entry) error {
	info, err := v.found(at, name, e)
	if err != nil {
		return err
	}
	return v.describeCopy(at, name, e, &info)
}

// found returns what lies in the place of e. It must be of e's kind, or stand for it.
func (v *save) found(at disk.FS, name string, e *varve.Entry) (disk.Info, error) {
	info, err := at.Lookup(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return info, fmt.Errorf("/%s is not among the staged files: %w", e.Path, err)
	case err != nil:
		return info, err
	case info.Kind != e.Kind && (e.Kind == varve.Dir || e.Kind == varve.Regular || !standsFor(&info, e)):
		return info, fmt.Errorf("/%s is a %s where a %s was staged", e.Path, e.Kind, info.Kind)
	case e.Kind == varve.Regular && info.Size != e.Size:
		return info, fmt.Errorf("/%s has %d bytes where %d were staged", e.Path, e.Size, info.Size)
	}
	return info, nil
}

// describeCopy completes e by what of it the staged object does not hold.
func (v *save) describeCopy(at disk.FS, name string, e *varve.Entry, info *disk.Info) error {
	if m, ok := v.staged.modes[e.Path]; ok && e.Mode == m.is {
		e.Mode = m.was
	}
	e.Stamp, e.Unkept = varve.Stamp{}, 0 // the stamp of the copy says nothing about a source,
	if e.BTime == info.BTime {           // nor does its birth,
		e.BTime = varve.Time{}
	}
	if _, several := slices.BinarySearch(v.staged.twins, info.Stamp.Ino); !several { // nor links from other snapshots
		e.Marks &^= varve.Linked
	}
	for _, side := range [...]struct {
		aspect varve.Aspect
		kept   bool
	}{
		{varve.Type, info.Kind == e.Kind && info.Target == e.Target && info.Rdev == e.Rdev},
		{varve.Owner, info.UID == e.UID && info.GID == e.GID},
		{varve.Mode, info.Mode == e.Mode || e.Kind == varve.Symlink},
		{varve.MTime, info.MTime == e.MTime},
		{varve.Flags, e.Flags == 0},
	} {
		if !side.kept {
			e.Unkept |= side.aspect
		}
	}
	xattrs, err := at.Xattrs(name)
	if err != nil {
		return err
	}
	if !slices.Equal(place.WithoutImposed(xattrs, e.Xattrs), e.Xattrs) {
		e.Unkept |= varve.Xattrs
	}
	if v.staged.whole {
		if e.MTime != info.MTime && e.Marks&varve.Passage == 0 {
			return fmt.Errorf("/%s changes while it is adopted", e.Path)
		}
		e.Stamp = v.farStamp(e)
		return nil
	}
	return v.disarm(at, name, e, info)
}

// disarm takes the set-ID bits from a copy that belongs to somebody else than the object it is a copy of.
func (v *save) disarm(at disk.FS, name string, e *varve.Entry, info *disk.Info) error {
	if e.Unkept&varve.Owner == 0 || info.Kind != varve.Regular || info.Mode&0o6000 == 0 || info.Links > 1 {
		return nil
	}
	plain := info.Entry
	plain.Mode &^= 0o6000
	e.Unkept |= varve.Mode
	return at.Set(name, &plain, varve.Mode)
}

// adopt records an object that is there. Content is read unless it is that of an inode which an earlier snapshot has, too.
func (w *worker) adopt(j *job) error {
	v, e := w.save, j.entry
	info, err := v.found(w.at, e.Name(), e)
	if err != nil {
		return err
	}
	if err := v.describeCopy(w.at, e.Name(), e, &info); err != nil {
		return err
	}
	if e.Kind != varve.Regular {
		return nil
	}
	o, err := w.shared(j, &info)
	if err != nil {
		return err
	}
	if o != nil {
		return adoptContent(e, o)
	}
	if v.staged.whole {
		return w.readWhole(j, &info)
	}
	return w.readStaged(j, &info)
}

// adoptContent says that e has the content of o.
func adoptContent(e, o *varve.Entry) error {
	if e.Digest != (varve.Digest{}) && e.Digest != o.Digest {
		return fmt.Errorf("/%s: content is not what its digest says: %w", e.Path, varve.ErrDamaged)
	}
	e.Digest, e.Holes = o.Digest, o.Holes
	return nil
}

// shared returns the entry of a base whose copy is the inode in j's place; nil where there is none, or where nothing vouches for it.
func (w *worker) shared(j *job, info *disk.Info) (*varve.Entry, error) {
	if info.Links < 2 || info.Stamp.Ino == 0 || w.save.opts.Recheck {
		return nil, nil
	}
	for i := range j.candidates {
		c := &j.candidates[i]
		at, err := w.baseDir(c.base, c.entry.Parent())
		if err != nil {
			continue
		}
		have, err := at.Lookup(c.entry.Name())
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if err == nil && have.Stamp.Ino == info.Stamp.Ino && have.Stamp.Dev == info.Stamp.Dev && have.Size == c.entry.Size &&
			w.save.vouches(c, &have) {
			return &c.entry, nil
		}
	}
	if o, ok := w.save.staged.linked[info.Stamp.Ino]; ok && o.Kind == varve.Regular && o.Size == info.Size {
		return &o, nil
	}
	return nil, nil
}

// vouches reports whether a base's record of its copy can be relied on: the guard of a stage has looked at all of them before.
func (v *save) vouches(c *candidate, have *disk.Info) bool {
	return !v.staged.whole || v.store.fault(have, &c.entry) == ""
}

// seekLinked finds what the bases have under the path of j, which may be the same inode.
func (v *save) seekLinked(j *job) {
	if j.entry.Kind != varve.Regular {
		return
	}
	for _, b := range v.bases {
		if b.reader == nil {
			continue
		}
		found, err := b.advance(j.entry.Path)
		if err != nil { // content is read instead
			v.report(varve.Event{Kind: varve.Damage, Path: j.entry.Path, Err: err})
			b.next, b.at = nil, nil
			continue
		}
		if found && b.at.Kind == varve.Regular && !isLent(b.at) {
			j.candidates = append(j.candidates, candidate{base: b, pos: b.pos, entry: *b.at})
		}
	}
}

// readStaged reads a staged file.
func (w *worker) readStaged(j *job, info *disk.Info) error {
	e := j.entry
	r, err := w.at.Open(e.Name())
	if err != nil {
		return err
	}
	defer r.Close()
	if err := w.save.steady(e, r, info); err != nil {
		return err
	}
	var holes []varve.Extent
	if info.Allocated < info.Size {
		if holes, err = r.Holes(info.Size, false); err != nil {
			return err
		}
	}
	now := varve.Entry{Size: info.Size, Holes: holes}
	sum, n, err := w.copier.Sum(place.NewStream(r, &now))
	if err != nil {
		return fmt.Errorf("read staged file /%s: %w", e.Path, err)
	}
	if err := w.save.steady(e, r, info); err != nil {
		return err
	}
	now.Digest, j.stored = sum, n
	return adoptContent(e, &now)
}

// adoptAlike records another name of an object whose first one is recorded.
func (v *save) adoptAlike(at disk.FS, j *job, first *linked) error {
	e := j.entry
	info, err := v.found(at, e.Name(), e)
	if err != nil {
		return err
	}
	dir := v.partial.held.At(varve.Parent(first.at))
	from, err := dir.Use()
	if err != nil {
		return err
	}
	defer dir.Done()
	one, err := from.Lookup(nameOf(first.at))
	if err != nil {
		return err
	}
	if one.Stamp.Ino != info.Stamp.Ino || one.Stamp.Dev != info.Stamp.Dev || info.Stamp.Ino == 0 {
		if err := v.alone(at, j); err != nil {
			return err
		}
		e.Unkept |= varve.HardLink
		return nil
	}
	*e = alike(e, &first.entry)
	return nil
}

// complete makes sure that nothing lies in a staged directory but what was recorded.
func (d ended) complete(at disk.FS) error {
	names, err := at.Names()
	if err == nil && len(names) != d.names {
		err = fmt.Errorf("/%s: %d objects were staged, and %d are to be recorded", d.Path, len(names), d.names)
	}
	return err
}
