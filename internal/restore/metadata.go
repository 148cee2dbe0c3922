package restore

import (
	"varve"
	"varve/internal/place"
)

// needed returns the aspects of e that have to be set on a new object.
func (w *worker) needed(e *varve.Entry) varve.Aspect {
	todo := place.Needed(e, w.run.opts.UID, w.run.opts.GID)
	if w.target.inherits {
		todo |= varve.Owner | varve.Mode | varve.Xattrs
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
	unkept, err := place.Metadata(out, &k, todo)
	if unkept |= lost; err == nil && unkept != 0 {
		r.tell(Event{Action: Unkept, Path: e.Path, Aspect: unkept})
	}
	return err
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
