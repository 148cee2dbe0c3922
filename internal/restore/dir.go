package restore

import (
	"errors"
	"fmt"
	"slices"

	"varve"
	"varve/internal/compare"
	"varve/internal/disk"
	"varve/internal/parallel"
	"varve/internal/place"
)

// dir makes one directory, or takes the one that is there.
func (w *worker) dir(j *job) {
	t, e := j.dir, &j.entry
	defer close(t.Made)
	var action Action
	err := w.entering(func() (err error) {
		action, err = w.makeDir(t, e)
		return err
	})
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

// finish deletes the extras of a directory that nothing more comes into, and gives it its metadata: after those in it, which may
// not be reached any more once it has its mode.
func (r *run) finish(stop <-chan struct{}, t *target) error {
	select {
	case <-t.quiet:
	case <-stop:
		return parallel.ErrStopped
	}
	if t.above != nil {
		defer t.above.calm()
	}
	if t.Lost || r.opts.DryRun && t.Fresh {
		return nil
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
	if err = errors.Join(err, dir.Drop()); fatal(err) {
		return err
	}
	if err != nil {
		r.fail(t.Path, err)
	}
	return r.ctx.Err()
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
	names = slices.DeleteFunc(names, func(n disk.Name) bool {
		return t.wants[n.Name] || !t.names[n.Name] || r.spared(varve.Join(t.Path, n.Name))
	})
	if len(names) == 0 {
		return nil
	}
	return parallel.Ordered(r.pace.aside, func(disk.Name) int { return 1 }, each(names), func(_ <-chan struct{}, n disk.Name) error {
		path := varve.Join(t.Path, n.Name)
		err := r.entering(t, at, func() error { return r.deleteExtra(at, n.Name, path) })
		switch {
		case fatal(err):
			return err
		case err != nil:
			r.fail(path, err)
		default:
			r.tell(Event{Action: Delete, Path: path})
		}
		return nil
	}, func(disk.Name) error { return nil })
}

func (r *run) deleteExtra(at disk.FS, name, path string) error {
	if err := r.guard(at, name, path); err != nil || r.opts.DryRun {
		return err
	}
	return disk.RemoveAll(at, name, r.pace.workers)
}

// settleDir gives the directory t its metadata, or reports what of it differs.
func (r *run) settleDir(at disk.FS, t *target) error {
	e := t.own()
	if t.spare && !t.Fresh {
		return t.entrance.shut(at)
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
		if differ, err = r.dirDiffers(at, &info, e); err != nil {
			return err
		}
		r.coarsened(t.Path, r.coarse(&info, e))
		if t.differed != 0 { // what comes from putting things into it is not worth telling
			r.tell(Event{Action: Update, Path: t.Path, Aspect: t.differed})
		}
		if differ == 0 {
			return nil
		}
		todo = differ
	} else {
		todo = r.neededDir(at, t, todo)
	}
	if r.opts.DryRun {
		return nil
	}
	return r.metadata(place.Named{Dir: at, Name: "."}, nil, e, todo)
}

// neededDir returns the aspects of todo that have to be set on t, which was made just now and is at.
func (r *run) neededDir(at disk.FS, t *target, todo varve.Aspect) varve.Aspect {
	if len(t.Late.Xattrs) == 0 {
		todo &^= varve.Xattrs
	}
	if !r.opts.Far || t.above.inherits {
		return todo
	}
	if uid, gid := r.owner(at, "."); t.uid == uid && t.gid == gid {
		todo &^= varve.Owner
	}
	return todo
}

// dirDiffers returns the aspects in which a directory that is there is not e, as far as the target can hold them.
func (r *run) dirDiffers(at disk.FS, info *disk.Info, e *varve.Entry) (varve.Aspect, error) {
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
	if r.coarse(info, e) {
		differ &^= varve.MTime
	}
	if r.opts.NoOwner {
		differ &^= varve.Owner
	}
	return differ, nil
}
