package restore

import (
	"errors"

	"varve"
	"varve/internal/disk"
	"varve/internal/place"
)

// needed returns the aspects of e that have to be set on a new object, which is called name.
func (w *worker) needed(e *varve.Entry, name string) varve.Aspect {
	var todo varve.Aspect
	if w.target.inherits {
		todo = varve.Owner | varve.Mode | varve.Xattrs | varve.MTime
	} else {
		uid, gid := w.run.owner(w.at, name)
		todo = place.Needed(e, uid, gid)
	}
	if e.Flags != 0 {
		todo |= varve.Flags
	}
	return todo
}

// metadata gives the object at some place, opened as out or not, aspects of e, as far as the user may, and reports what is not kept.
func (r *run) metadata(at place.Named, out place.Setter, e *varve.Entry, todo varve.Aspect) error {
	k := *e
	var lost varve.Aspect
	if r.opts.NoOwner {
		todo &^= varve.Owner
		drop, err := strangers(at, e, todo)
		if err != nil {
			return err
		}
		if k.Mode &^= drop; drop != 0 {
			lost = varve.Mode
		}
	}
	if e.Marks&varve.Linked != 0 {
		todo &^= varve.Flags
	}
	if out == nil {
		out = at
	}
	set := &setter{Setter: out}
	unkept, err := place.Metadata(set, &k, todo)
	if err == nil {
		r.unkept(e.Path, unkept|lost)
		r.coarsened(e.Path, set.coarse)
	}
	return err
}

// setter is one for which a time that is kept in coarser units is kept.
type setter struct {
	place.Setter
	coarse bool // such a time was set
}

// Set sets one aspect of the object.
func (s *setter) Set(e *varve.Entry, aspect varve.Aspect) error {
	err := s.Setter.Set(e, aspect)
	if errors.Is(err, disk.ErrCoarse) {
		s.coarse = true
		return nil
	}
	return err
}

// coarsened reports that the time of the object at path is kept in coarser units, where that is so.
func (r *run) coarsened(path string, coarse bool) {
	if coarse && !r.opts.DryRun {
		r.tell(Event{Action: Coarse, Path: path, Aspect: varve.MTime})
	}
}

// unkept reports the aspects of the object at path that the target does not hold, if there are any.
func (r *run) unkept(path string, lost varve.Aspect) {
	if lost != 0 && !r.opts.DryRun {
		r.tell(Event{Action: Unkept, Path: path, Aspect: lost})
	}
}

// strangers returns the set-ID bits of e that would lend the powers of others than those who own it in the source.
func strangers(at place.Named, e *varve.Entry, todo varve.Aspect) (drop uint32, err error) {
	if todo&varve.Mode == 0 || e.Mode&0o6000 == 0 {
		return 0, nil
	}
	info, err := at.Dir.Lookup(at.Name)
	if err != nil {
		return 0, err
	}
	if info.UID != e.UID {
		drop |= 0o6000
	}
	if info.GID != e.GID {
		drop |= 0o2000
	}
	return drop & e.Mode, nil
}
