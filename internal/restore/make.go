package restore

import (
	"errors"
	"fmt"
	"io/fs"

	"varve"
	"varve/internal/compare"
	"varve/internal/disk"
	"varve/internal/place"
)

// make makes the object e under its name, or, where something is there, under another name that then replaces it.
func (w *worker) make(e *varve.Entry, action Action, differ varve.Aspect) error {
	if w.run.opts.DryRun {
		w.run.remake(e)
		w.run.tell(Event{Action: action, Path: e.Path, Bytes: e.Size, Aspect: differ})
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
	if err != nil {
		if rest := w.at.Remove(name); rest != nil && !errors.Is(rest, fs.ErrNotExist) {
			err = errors.Join(err, rest)
		}
		return err
	}
	w.run.tell(Event{Action: action, Path: e.Path, Bytes: e.Size, Aspect: differ})
	return nil
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

// file writes the content of e and holds it against its digest.
func (w *worker) file(e *varve.Entry, name string) (err error) {
	f, err := w.run.src.Open(w.run.ctx, *e)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	out, err := w.at.Create(name, e.Mode)
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
	return w.metadata(out, e, w.needed(e))
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
	if err := place.Special(w.at, name, e); err != nil {
		return err
	}
	return w.metadata(place.Named{Dir: w.at, Name: name}, e, w.needed(e))
}

// linkAlike makes j's entry a hard link to the first entry of its object, or, where there is none, an object by itself.
func (r *run) linkAlike(t *target, j *job) error {
	e := &j.entry
	w, err := r.newWorker(t)
	if err == nil {
		defer w.close()
		if r.failed[e.SameAs] {
			err = w.object(e)
		} else {
			err = w.link(e)
		}
	}
	if err != nil {
		j.bad = true
		r.fail(e.Path, err)
	}
	return r.ctx.Err()
}

// link makes e another name of what was restored as e.SameAs.
func (w *worker) link(e *varve.Entry) error {
	action := Create
	if w.target.names[e.Name()] {
		same, info, err := w.alike(e)
		if err != nil {
			return err
		}
		if same {
			w.run.tell(Event{Action: Same, Path: e.Path})
			return nil
		}
		if info.Kind == varve.Dir {
			if err := w.clear(e.Name()); err != nil {
				return err
			}
		}
		action = Replace
	}
	event := Event{Action: action, Path: e.Path, Aspect: varve.HardLink}
	if w.run.opts.DryRun {
		w.run.tell(event)
		return nil
	}
	first := varve.Entry{Path: e.SameAs}
	dir := w.run.held.At(first.Parent())
	from, err := dir.Use()
	if err != nil {
		return err
	}
	defer dir.Done()
	name := e.Name()
	if action == Replace {
		name = place.TempName(name)
	}
	err = from.Link(first.Name(), w.at, name)
	if errors.Is(err, disk.ErrTooManyLinks) || errors.Is(err, disk.ErrUnsupported) {
		w.run.tell(Event{Action: Unkept, Path: e.Path, Aspect: varve.HardLink})
		return w.object(e)
	}
	if err == nil && action == Replace {
		err = w.at.Replace(name, w.at, e.Name())
	}
	if err == nil {
		w.run.tell(event)
	}
	return err
}

// alike reports whether what is there is the same object as e.SameAs.
func (w *worker) alike(e *varve.Entry) (bool, disk.Info, error) {
	info, err := w.at.Lookup(e.Name())
	if err != nil || w.run.remakes(e.SameAs) {
		return false, info, err
	}
	first := varve.Entry{Path: e.SameAs}
	dir := w.run.held.At(first.Parent())
	from, err := dir.Use()
	if errors.Is(err, fs.ErrNotExist) {
		return false, info, nil // in a dry run
	}
	if err != nil {
		return false, info, err
	}
	defer dir.Done()
	other, err := from.Lookup(first.Name())
	if errors.Is(err, fs.ErrNotExist) {
		return false, info, nil
	}
	same := other.Stamp.Dev == info.Stamp.Dev && other.Stamp.Ino == info.Stamp.Ino
	return same, info, err
}

// finish deletes the extras of directories that nothing more comes into, and gives them their metadata.
func (r *run) finish(dirs []*target) error {
	for _, t := range dirs {
		if t.Lost || r.opts.DryRun && t.Fresh {
			continue
		}
		dir := r.held.At(t.Path)
		at, err := dir.Use()
		if err == nil {
			w := worker{run: r, target: t, at: at}
			if err = w.lookOnce(); err == nil {
				err = errors.Join(r.deleteExtras(at, t), r.settleDir(at, t))
			}
			dir.Done()
		}
		if err = errors.Join(err, dir.Drop()); err != nil {
			r.fail(t.Path, err)
		}
		if err := r.ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// deleteExtras removes what t holds and the source has not.
func (r *run) deleteExtras(at disk.FS, t *target) error {
	if t.wants == nil || t.Fresh || r.spared(t.Path) {
		return nil
	}
	names, err := at.Names()
	if err != nil {
		return err
	}
	for _, n := range names {
		if t.wants[n.Name] || !t.names[n.Name] {
			continue
		}
		path := varve.Join(t.Path, n.Name)
		if r.spared(path) {
			continue
		}
		if !r.opts.DryRun {
			if err := disk.RemoveAll(at, n.Name, r.opts.Workers); err != nil {
				r.fail(path, err)
				continue
			}
		}
		r.tell(Event{Action: Delete, Path: path})
	}
	return nil
}

// settleDir gives the directory t its metadata, or reports what of it differs.
func (r *run) settleDir(at disk.FS, t *target) error {
	e := &t.entry
	if t.spare && !t.Fresh {
		return nil
	}
	todo := varve.Owner | varve.Mode | varve.Xattrs | varve.MTime
	if e.Flags != 0 {
		todo |= varve.Flags
	}
	if !t.Fresh {
		info, err := at.Lookup(".")
		if err != nil {
			return err
		}
		var differ varve.Aspect
		if differ, err = dirDiffers(at, &info, e, r.opts.NoOwner); err != nil {
			return err
		}
		if t.differed != 0 { // what comes from putting things into it is not worth telling
			r.tell(Event{Action: Update, Path: t.Path, Aspect: t.differed})
		}
		if differ == 0 {
			return nil
		}
		todo = differ
	} else if len(e.Xattrs) == 0 {
		todo &^= varve.Xattrs
	}
	if r.opts.DryRun {
		return nil
	}
	return r.metadata(place.Named{Dir: at, Name: "."}, e, todo)
}

// dirDiffers returns the aspects in which a directory that is there is not e.
func dirDiffers(at disk.FS, info *disk.Info, e *varve.Entry, noOwner bool) (varve.Aspect, error) {
	have := info.Entry
	have.Path = e.Path
	var err error
	if have.Xattrs, err = at.Xattrs("."); err != nil {
		return 0, err
	}
	if have.Flags, err = at.Flags("."); err != nil {
		return 0, err
	}
	differ := compare.Aspects(&have, e)
	if noOwner {
		differ &^= varve.Owner
	}
	return differ, nil
}

// lateFlags sets the flags of a file with several names.
func (r *run) lateFlags(e *varve.Entry) error {
	dir := r.held.At(e.Parent())
	at, err := dir.Use()
	if err != nil {
		return err
	}
	defer dir.Done()
	alone := *e
	alone.Marks &^= varve.Linked
	if err := r.metadata(place.Named{Dir: at, Name: e.Name()}, &alone, varve.Flags); err != nil {
		r.fail(e.Path, err)
	}
	return nil
}
