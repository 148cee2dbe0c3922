package restore

import (
	"errors"
	"fmt"
	"io/fs"

	"varve"
	"varve/internal/disk"
	"varve/internal/place"
)

// make makes the object e under its name, or, where something is there, under another name that then replaces it.
func (w *worker) make(e *varve.Entry, action Action, differ varve.Aspect) error {
	if w.run.opts.DryRun {
		w.run.remake(e)
		w.told(Event{Action: action, Path: e.Path, Bytes: e.Size, Aspect: differ})
		return nil
	}
	name := e.Name()
	if action == Replace {
		name = place.TempName(name)
	}
	var err error
	if e.Kind == varve.Regular {
		err = w.file(e, name)
	} else {
		err = w.special(e, name)
	}
	if err == nil && action == Replace {
		err = w.at.Replace(name, w.at, e.Name())
	}
	if errors.Is(err, fs.ErrExist) && action == Create {
		return err // somebody else made it meanwhile
	}
	if err != nil {
		return errors.Join(err, ignoreMissing(w.at.Remove(name)))
	}
	w.told(Event{Action: action, Path: e.Path, Bytes: e.Size, Aspect: differ})
	return nil
}

// file writes the content of e and holds it against its digest.
func (w *worker) file(e *varve.Entry, name string) (err error) {
	f, err := w.run.files.Open(w.run.ctx, *e)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	out, err := w.at.Create(name, w.firstMode(e))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if err := w.noCopyOnWrite(out, e); err != nil {
		return err
	}
	sum, n, err := w.copier.Copy(out, f, e.Size, e.Holes)
	if err != nil {
		return err
	}
	w.run.wrote(n)
	if sum != e.Digest || n != place.StreamLen(e) {
		return fmt.Errorf("content is not what was saved: %w", varve.ErrDamaged)
	}
	return w.run.metadata(place.Named{Dir: w.at, Name: name}, out, e, w.needed(e, name))
}

// firstMode returns the permission bits with which e is made. Where it inherits a group or ACLs nobody may use it before it has its own.
func (w *worker) firstMode(e *varve.Entry) uint32 {
	if w.target.inherits {
		return e.Mode & 0o600
	}
	return e.Mode
}

// flagNoCOW is FS_NOCOW_FL, which btrfs takes for an empty file alone.
const flagNoCOW = 0x00800000

// noCopyOnWrite sets the one flag that has to come before the content. Where it cannot be, the flags that are set at the end tell.
func (w *worker) noCopyOnWrite(out disk.Writer, e *varve.Entry) error {
	if e.Flags&flagNoCOW == 0 {
		return nil
	}
	err := out.Set(&varve.Entry{Kind: e.Kind, Flags: flagNoCOW}, varve.Flags)
	if place.Unkeepable(err) {
		return nil
	}
	return err
}

// special makes what is neither a regular file nor a directory.
func (w *worker) special(e *varve.Entry, name string) error {
	bare := *e
	bare.Mode = w.firstMode(e)
	if err := place.Special(w.at, name, &bare); err != nil {
		return err
	}
	return w.run.metadata(place.Named{Dir: w.at, Name: name}, nil, e, w.needed(e, name))
}
