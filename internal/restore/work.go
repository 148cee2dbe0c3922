package restore

import (
	"errors"
	"io/fs"
	"slices"
	"strings"

	"varve"
	"varve/internal/compare"
	"varve/internal/disk"
	"varve/internal/parallel"
	"varve/internal/place"
)

// do works on one batch; on any goroutine.
func (r *run) do(stop <-chan struct{}, b *batch) error {
	switch {
	case len(b.jobs) == 0:
		return r.doAside(stop, b)
	case b.dir == nil:
		close(b.jobs[0].dir.Made)
		return nil
	}
	select {
	case <-b.dir.Made:
	case <-stop:
		return parallel.ErrStopped
	}
	w, err := r.newWorker(b.dir)
	if fatal(err) {
		return err
	}
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
	w.want(b)
	for i := range b.jobs {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		if err := w.put(&b.jobs[i]); err != nil {
			return err
		}
		r.files.Drop(b.jobs[i].entry.Path)
	}
	return nil
}

// want has the files of b opened ahead that are to be made where there is nothing.
func (w *worker) want(b *batch) {
	if w.run.blank || w.run.opts.DryRun || w.run.opts.Ahead == 0 {
		return
	}
	for i := range b.jobs {
		if e := &b.jobs[i].entry; w.target.Fresh || !w.target.names[e.Name()] {
			w.run.files.Want(*e)
		}
	}
}

// doAside makes links and finishes directories.
func (r *run) doAside(stop <-chan struct{}, b *batch) error {
	for _, j := range b.links {
		if err := r.linkAlike(b.dir, j); err != nil {
			return err
		}
		b.dir.calm()
	}
	for _, t := range b.finish {
		if err := r.finish(stop, t); err != nil {
			return err
		}
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
		r.files.Drop(j.entry.Path)
	}
}

// worker restores the jobs of one batch. In a dry run, a directory that would be made has no at.
type worker struct {
	run    *run
	target *target
	held   *disk.HeldDir
	at     disk.FS
	copier *place.Copier
	// left is how much of the object at hand no event has counted yet, in bytes.
	left int64
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
	w.copier.Progress = w.partly
	if err := w.lookOnce(); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

// lookOnce makes sure that somebody has looked at the target, unless it was made just now.
func (w *worker) lookOnce() error {
	t := w.target
	if t.Fresh {
		return nil
	}
	if t.looking.Swap(true) {
		<-t.looked
		return t.lookErr
	}
	defer close(t.looked)
	t.lookErr = w.look()
	return t.lookErr
}

func (w *worker) close() {
	if w.at != nil {
		w.held.Done()
	}
	w.copier.Progress = nil
	w.run.copiers.Put(w.copier)
}

// partly tells that n bytes more of the object at hand were read. One that is compared first and then written counts once.
func (w *worker) partly(n int64) {
	if n = min(n, w.left); n > 0 {
		w.left -= n
		w.run.tell(Event{Action: Partly, Bytes: n})
	}
}

// told tells what was done about the object at hand, whose size the event carries.
func (w *worker) told(e Event) {
	e.Bytes, w.left = w.left, 0
	w.run.tell(e)
}

// look finds out what the directory holds before anything is put into it.
func (w *worker) look() error {
	t := w.target
	names, err := w.at.Names()
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := w.found(n); err != nil {
			return err
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
	t.differed, err = w.run.dirDiffers(w.at, &self, t.own())
	return err
}

// found takes in a name that the directory holds, or removes what an interrupted run left under it.
func (w *worker) found(n disk.Name) error {
	t := w.target
	left, err := w.leftover(n)
	if err != nil {
		return err
	}
	if left {
		if w.run.opts.DryRun {
			return nil
		}
		return ignoreMissing(w.at.Remove(n.Name))
	}
	if t.names == nil {
		t.names = map[string]bool{}
	}
	t.names[n.Name] = true
	return nil
}

// leftover reports whether n is what an interrupted run left: no directory is made under such a name.
func (w *worker) leftover(n disk.Name) (bool, error) {
	if !place.IsTemp(n.Name) || strings.Trim(n.Name[len(n.Name)-16:], "0123456789abcdef") != "" {
		return false, nil
	}
	if n.Kind != 0 {
		return n.Kind != varve.Dir, nil
	}
	info, err := w.at.Lookup(n.Name)
	return err == nil && info.Kind != varve.Dir, ignoreMissing(err)
}

// entering is run.entering for the directory at hand.
func (w *worker) entering(f func() error) error { return w.run.entering(w.target, w.at, f) }

// put restores one entry that is not a directory. The error says that nothing more can be restored.
func (w *worker) put(j *job) error {
	e := &j.entry
	if j.dir != nil || e.SameAs != "" {
		return nil
	}
	err := w.entering(func() error { return w.object(e) })
	if fatal(err) {
		return err
	}
	if err != nil {
		j.bad = true
		w.run.fail(e.Path, err)
	}
	return nil
}

// object restores one object, comparing it with what is there.
func (w *worker) object(e *varve.Entry) error {
	w.left = e.Size
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
	coarse := w.run.coarse(&info, e)
	if coarse {
		differ &^= varve.MTime
	}
	switch {
	case differ == 0:
		w.told(Event{Action: Same, Path: e.Path})
		w.run.coarsened(e.Path, coarse)
		return nil
	case differ&(varve.Type|varve.Content) == 0 && info.Links == 1:
		w.run.coarsened(e.Path, coarse)
		return w.update(e, differ)
	}
	if err := w.makeWay(&info, e); err != nil {
		return err
	}
	return w.make(e, Replace, differ)
}

// makeWay sees to what is in the place of e, which is no directory, and cannot be or must not be replaced.
func (w *worker) makeWay(info *disk.Info, e *varve.Entry) error {
	switch {
	case info.Kind == varve.Symlink && e.Marks&varve.Followed != 0:
		return errFollowed
	case info.Kind == varve.Dir:
		return w.clear(e.Name())
	}
	return nil
}

// clear removes a directory that stands where something else belongs. What it holds is only removed with Delete.
func (w *worker) clear(name string) error {
	if err := w.run.guard(w.at, name, varve.Join(w.target.Path, name)); err != nil {
		return err
	}
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
	have.Xattrs = place.WithoutImposed(have.Xattrs, e.Xattrs)
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
	w.told(Event{Action: Update, Path: e.Path, Aspect: differ})
	if w.run.opts.DryRun {
		return nil
	}
	todo := differ
	if differ&varve.Owner != 0 {
		todo |= varve.Mode | varve.Xattrs // chown takes set-ID bits and capabilities away
	}
	return w.run.metadata(place.Named{Dir: w.at, Name: e.Name()}, nil, e, todo)
}
