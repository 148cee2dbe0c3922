package restore

import (
	"errors"
	"fmt"

	"varve"
	"varve/internal/compare"
	"varve/internal/disk"
	"varve/internal/place"
)

// dir makes one directory, or takes the one that is there.
func (w *worker) dir(j *job) {
	t, e := j.dir, &j.entry
	defer close(t.Made)
	action, err := w.makeDir(t, e)
	if err != nil {
		t.Lost, j.bad = true, true
		w.run.fail(e.Path, err)
		return
	}
	if action != 0 {
		w.run.tell(Event{Action: action, Path: e.Path, Aspect: varve.Type})
	}
}

// errFollowed says that a symlink stays, because the snapshot holds what one like it led to.
var errFollowed = errors.New("a symlink is in the place of what a symlink led to; restore it with -t or name its path")

func (w *worker) makeDir(t *target, e *varve.Entry) (Action, error) {
	name, action := e.Name(), Create
	if w.target.names[name] {
		stays, err := w.takeDir(t, e)
		if stays || err != nil {
			return 0, err // finish sees to its metadata
		}
		action = Replace
	}
	t.Fresh = true
	if w.run.opts.DryRun {
		return action, nil
	}
	if err := w.at.Mkdir(name, 0o700); err != nil {
		return 0, err
	}
	if !w.target.inherits {
		return action, nil
	}
	bare := varve.Entry{Kind: varve.Dir, Mode: 0o700}
	_, err := place.Metadata(place.Named{Dir: w.at, Name: name}, &bare, varve.Mode|varve.Xattrs)
	return action, err
}

// takeDir looks at what is in the place of a directory: another one stays, anything else is removed.
func (w *worker) takeDir(t *target, e *varve.Entry) (stays bool, err error) {
	info, err := w.at.Lookup(e.Name())
	switch {
	case err != nil:
		return false, err
	case info.Kind == varve.Dir && w.run.isStore(info.Stamp):
		return false, errStore
	case info.Kind == varve.Dir:
		return true, nil
	case info.Kind == varve.Symlink && e.Marks&varve.Followed != 0:
		return false, errFollowed
	case info.Kind == varve.Symlink && t.spare:
		return false, fmt.Errorf("a symlink to %s is in the place of this directory on the way to a source", info.Target)
	case w.run.opts.DryRun:
		return false, nil
	}
	return false, w.at.Remove(e.Name())
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
	if !t.clean || t.Fresh || r.spared(t.Path) {
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
		if err := r.deleteExtra(at, n.Name, path); err != nil {
			r.fail(path, err)
			continue
		}
		r.tell(Event{Action: Delete, Path: path})
	}
	return nil
}

func (r *run) deleteExtra(at disk.FS, name, path string) error {
	if err := r.guard(at, name, path); err != nil || r.opts.DryRun {
		return err
	}
	return disk.RemoveAll(at, name, r.opts.Workers)
}

// settleDir gives the directory t its metadata, or reports what of it differs.
func (r *run) settleDir(at disk.FS, t *target) error {
	e := t.own()
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
	return r.metadata(place.Named{Dir: at, Name: "."}, nil, e, todo)
}

// dirDiffers returns the aspects in which a directory that is there is not e.
func dirDiffers(at disk.FS, info *disk.Info, e *varve.Entry, noOwner bool) (varve.Aspect, error) {
	have := info.Entry
	have.Path = e.Path
	var err error
	if have.Xattrs, err = at.Xattrs("."); err != nil {
		return 0, err
	}
	have.Xattrs = place.WithoutImposed(have.Xattrs, e.Xattrs)
	if have.Flags, err = at.Flags("."); err != nil {
		return 0, err
	}
	differ := compare.Aspects(&have, e)
	if noOwner {
		differ &^= varve.Owner
	}
	return differ, nil
}
