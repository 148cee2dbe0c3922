package restore

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"varve"
	"varve/internal/compare"
	"varve/internal/disk"
	"varve/internal/parallel"
	"varve/internal/place"
)

// do works on one batch; on any goroutine.
func (r *run) do(stop <-chan struct{}, b *batch) error {
	if err := r.finish(b.finish); err != nil {
		return err
	}
	if b.dir == nil {
		close(b.jobs[0].dir.Made)
		return nil
	}
	select {
	case <-b.dir.Made:
	case <-stop:
		return parallel.ErrStopped
	}
	w, err := r.newWorker(b.dir)
	if err != nil {
		r.lose(b, err)
		return nil
	}
	defer w.close()
	for i := range b.jobs {
		if b.jobs[i].dir != nil {
			w.dir(&b.jobs[i])
		}
	}
	for i := range b.jobs {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		w.put(&b.jobs[i])
	}
	return nil
}

// lose gives up all entries of a batch whose directory cannot be used.
func (r *run) lose(b *batch, err error) {
	for i := range b.jobs {
		j := &b.jobs[i]
		j.bad = true
		if j.dir != nil {
			j.dir.Lost = true
			close(j.dir.Made)
		}
		r.fail(j.entry.Path, err)
	}
}

// worker restores the jobs of one batch. In a dry run, a directory that would be made has no at.
type worker struct {
	run    *run
	target *target
	held   *disk.HeldDir
	at     disk.FS
	copier *place.Copier
}

var errParent = errors.New("its directory could not be restored")

func (r *run) newWorker(t *target) (*worker, error) {
	if t.Lost {
		return nil, errParent
	}
	w := &worker{run: r, target: t, held: r.held.At(t.Path)}
	if !(t.Fresh && r.opts.DryRun) {
		at, err := w.held.Use()
		if err != nil {
			return nil, err
		}
		w.at = at
	}
	w.copier = r.copiers.Get().(*place.Copier)
	if err := w.lookOnce(); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

// lookOnce makes sure that somebody has looked at the target.
func (w *worker) lookOnce() error {
	t := w.target
	t.look.Do(func() { t.lookErr = w.look() })
	return t.lookErr
}

func (w *worker) close() {
	if w.at != nil {
		w.held.Done()
	}
	w.run.copiers.Put(w.copier)
}

// look finds out what the directory holds before anything is put into it.
func (w *worker) look() error {
	t := w.target
	if t.Fresh {
		return nil
	}
	names, err := w.at.Names()
	if err != nil {
		return err
	}
	t.names = make(map[string]bool, len(names))
	for _, n := range names {
		switch {
		case !place.IsTemp(n.Name):
			t.names[n.Name] = true
		case !w.run.opts.DryRun:
			if err := disk.RemoveAll(w.at, n.Name, 1); err != nil {
				return err
			}
		}
	}
	self, err := w.at.Lookup(".")
	if err != nil {
		return err
	}
	xattrs, err := w.at.Xattrs(".")
	if err != nil {
		return err
	}
	t.inherits = self.Mode&0o2000 != 0 || slices.ContainsFunc(xattrs, place.HandedDown)
	t.differed, err = dirDiffers(w.at, &self, &t.entry, w.run.opts.NoOwner)
	return err
}

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

func (w *worker) makeDir(t *target, e *varve.Entry) (Action, error) {
	name, action := e.Name(), Create
	if w.target.names[name] {
		info, err := w.at.Lookup(name)
		if err != nil {
			return 0, err
		}
		if info.Kind == varve.Dir {
			return 0, nil // finish sees to its metadata
		}
		if info.Kind == varve.Symlink && t.spare {
			return 0, fmt.Errorf("a symlink to %s is in the place of this directory on the way to a source", info.Target)
		}
		action = Replace
		if !w.run.opts.DryRun {
			if err := w.at.Remove(name); err != nil {
				return 0, err
			}
		}
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

// put restores one entry that is not a directory.
func (w *worker) put(j *job) {
	e := &j.entry
	if j.dir != nil || e.SameAs != "" {
		return
	}
	if err := w.object(e); err != nil {
		j.bad = true
		w.run.fail(e.Path, err)
	}
}

// object restores one object, comparing it with what is there.
func (w *worker) object(e *varve.Entry) error {
	if !w.target.names[e.Name()] {
		return w.make(e, Create, 0)
	}
	info, err := w.at.Lookup(e.Name())
	if errors.Is(err, fs.ErrNotExist) {
		return w.make(e, Create, 0)
	}
	if err != nil {
		return err
	}
	differ, err := w.differ(&info, e)
	if err != nil {
		return err
	}
	switch {
	case differ == 0:
		w.run.tell(Event{Action: Same, Path: e.Path, Bytes: e.Size})
		return nil
	case differ&(varve.Type|varve.Content) == 0 && info.Links == 1:
		return w.update(e, differ)
	}
	if info.Kind == varve.Dir {
		if err := w.clear(e.Name()); err != nil {
			return err
		}
	}
	return w.make(e, Replace, differ)
}

// clear removes a directory that stands where something else belongs. What it holds is only removed with Delete.
func (w *worker) clear(name string) error {
	switch {
	case w.run.opts.DryRun && w.run.opts.Delete:
		return nil
	case w.run.opts.DryRun:
		dir, err := w.at.OpenDir(name)
		if err != nil {
			return err
		}
		names, err := dir.Names()
		if err == nil && len(names) > 0 {
			err = disk.ErrNotEmpty
		}
		return errors.Join(err, dir.Close())
	case w.run.opts.Delete:
		return disk.RemoveAll(w.at, name, 1)
	}
	return w.at.Rmdir(name)
}

// differ returns the aspects in which what is there, info, is not e.
func (w *worker) differ(info *disk.Info, e *varve.Entry) (varve.Aspect, error) {
	name := e.Name()
	have := info.Entry
	var err error
	if have.Xattrs, err = w.at.Xattrs(name); err != nil {
		return 0, err
	}
	if have.Kind == varve.Regular && e.Kind == varve.Regular {
		if err := w.readExisting(&have, e); err != nil {
			return 0, err
		}
	}
	have.SameAs = e.SameAs
	differ := compare.Aspects(&have, e)
	if info.Links > 1 && e.Marks&varve.Linked == 0 && e.SameAs == "" {
		differ |= varve.HardLink // to something that it should be separate from
	}
	if w.run.opts.NoOwner {
		differ &^= varve.Owner
	}
	if differ == 0 && info.Links > 1 && !w.run.claim(info.Stamp) {
		differ = varve.HardLink // to another group of the same content
	}
	return differ, nil
}

// readExisting completes have, a regular file that is there, by its flags and, where it may be e, its content.
func (w *worker) readExisting(have, e *varve.Entry) error {
	f, err := w.at.Open(e.Name())
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Info()
	if err != nil {
		return err
	}
	have.Flags = info.Flags
	if have.Size != e.Size || e.Size == 0 {
		return nil
	}
	if len(e.Holes) > 0 {
		if have.Holes, err = f.Holes(have.Size, true); err != nil {
			return err
		}
		if !slices.Equal(have.Holes, e.Holes) {
			have.Digest[0] = ^e.Digest[0] // not worth reading: the holes differ
			return nil
		}
	}
	have.Digest, _, err = w.copier.Sum(place.NewStream(f, e))
	if errors.Is(err, place.ErrShort) {
		return nil
	}
	return err
}

// update sets metadata alone.
func (w *worker) update(e *varve.Entry, differ varve.Aspect) error {
	w.run.tell(Event{Action: Update, Path: e.Path, Aspect: differ})
	if w.run.opts.DryRun {
		return nil
	}
	todo := differ
	if differ&varve.Owner != 0 {
		todo |= varve.Mode | varve.Xattrs // chown takes set-ID bits and capabilities away
	}
	return w.metadata(place.Named{Dir: w.at, Name: e.Name()}, e, todo)
}

// metadata sets aspects of e, as far as the user may, and reports what is not kept.
func (w *worker) metadata(s place.Setter, e *varve.Entry, todo varve.Aspect) error {
	return w.run.metadata(s, e, todo)
}

func (r *run) metadata(s place.Setter, e *varve.Entry, todo varve.Aspect) error {
	k := *e
	if r.opts.NoOwner {
		todo &^= varve.Owner
		if e.UID != r.opts.UID {
			k.Mode &^= 0o6000
		}
	}
	if e.Marks&varve.Linked != 0 {
		todo &^= varve.Flags
	}
	unkept, err := place.Metadata(s, &k, todo)
	if err == nil && unkept != 0 {
		r.tell(Event{Action: Unkept, Path: e.Path, Aspect: unkept})
	}
	return err
}
