package tree

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"varve"
	"varve/internal/disk"
	"varve/internal/manifest"
	"varve/internal/parallel"
	"varve/internal/place"
)

// save is one snapshot being made.
type save struct {
	store *Store
	ctx   context.Context
	src   varve.Source
	opts  varve.SaveOptions
	snap  varve.Snapshot

	lease    *seriesLease
	partial  *partial
	bases    []*base
	entries  *manifest.Writer
	flusher  flusher
	copiers  sync.Pool
	events   sync.Mutex
	noClones atomic.Bool        // set by the first clone that the file system refuses
	firsts   map[string]*linked // what later hard links need of the first one
	stale    []string           // partials that interrupted runs left
	listed   map[string]bool    // the names of the manifests of all snapshots when the run began
	trail    *place.Trail
	finished []*place.Dir // directories that nothing more comes into
}

// Save makes a snapshot of src: everything is put into a partial directory, made durable, and only then given its name.
func (s *Store) Save(ctx context.Context, src varve.Source, opts varve.SaveOptions) (varve.Snapshot, error) {
	snap, err := s.save(ctx, src, opts)
	if err != nil {
		return varve.Snapshot{}, fmt.Errorf("save snapshot of %s: %w", opts.Series, err)
	}
	return snap, nil
}

func (s *Store) save(ctx context.Context, src varve.Source, opts varve.SaveOptions) (snap varve.Snapshot, err error) {
	if opts.Series == "" || !utf8.ValidString(opts.Series) {
		return snap, fmt.Errorf("%q cannot be the name of a series", opts.Series)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	lease, err := s.lock(opts.Series)
	if err != nil {
		return snap, err
	}
	defer func() { err = errors.Join(err, lease.Close()) }()
	v := &save{store: s, ctx: ctx, src: src, opts: opts, lease: lease,
		firsts: map[string]*linked{}, trail: place.NewTrail()}
	v.copiers.New = func() any { return place.NewCopier() }
	if err = v.begin(); err == nil {
		err = v.run()
	}
	if err == nil {
		err = v.commit()
	}
	full := errors.Is(err, disk.ErrNoSpace)
	err = errors.Join(err, v.end())
	if full { // what was begun, now or earlier, does not fit, and would keep everybody else from writing
		err = errors.Join(err, s.dropLeftovers(opts.Series))
	}
	return v.snap, err
}

// begin finds the bases, clears away what is of no use, and makes the partial.
func (v *save) begin() error {
	if err := v.store.dropForgotten(); err != nil {
		return err
	}
	all, err := v.store.Snapshots(v.ctx)
	if errors.Is(err, varve.ErrDamaged) {
		v.report(varve.Event{Kind: varve.Damage, Err: err})
	} else if err != nil {
		return err
	}
	id, err := v.store.newID()
	if err != nil {
		return err
	}
	v.snap, v.listed = v.describe(id, all), map[string]bool{}
	for i := range all {
		v.listed[all[i].ID.String()] = true
	}
	if err := v.findBases(all); err != nil {
		return err
	}
	v.partial, err = v.store.newPartial(id, v.opts.Series)
	if err != nil {
		return err
	}
	v.entries = manifest.NewWriter(v.partial.pages)
	v.flusher.dir = v.partial.dir
	return nil
}

// describe returns the snapshot's record as far as it is known at the beginning.
func (v *save) describe(id varve.SnapshotID, all []varve.Snapshot) varve.Snapshot {
	seq := uint64(1)
	for _, s := range all {
		if s.Series == v.opts.Series {
			seq = max(seq, s.Seq+1)
		}
	}
	return v.opts.Begin(id, seq)
}

// end lets go of everything. After a success nothing of the partial is left; after a failure the next run makes use of it.
func (v *save) end() error {
	var errs []error
	for _, b := range v.bases {
		errs = append(errs, b.close())
	}
	if v.partial != nil {
		errs = append(errs, v.partial.Close())
	}
	return errors.Join(errs...)
}

// report tells of something; from any goroutine.
func (v *save) report(e varve.Event) {
	if v.opts.Progress == nil {
		return
	}
	v.events.Lock()
	defer v.events.Unlock()
	v.opts.Progress(e)
}

// run puts every entry of the source into the partial and the manifest.
func (v *save) run() error {
	err := parallel.Ordered(v.store.opts.Workers, func(b *batch) int { return len(b.jobs) }, v.feed, v.do, v.settle)
	if lost := v.flusher.wait(); lost != nil {
		err = errors.Join(err, lost, v.partial.distrust())
	}
	if err == nil && v.snap.Dirs == 0 {
		err = errors.New("source yields nothing")
	}
	return err
}

// feed reads the source and finds out, in listing order, what every entry may be linked to.
func (v *save) feed(put func(*batch) error) error {
	for g, err := range parallel.Groups(v.src.Entries(v.ctx)) {
		if err != nil {
			return err
		}
		b := &batch{dir: v.trail.At(g.Dir), root: g.Root, jobs: make([]job, len(g.Entries))}
		for i := range g.Entries {
			j, e := &b.jobs[i], &g.Entries[i]
			j.entry = e
			switch {
			case e.Err != nil:
			case e.Kind == varve.Dir:
				j.dir = place.NewDir(e.Path)
				v.trail.Meet(j.dir)
			case e.SameAs == "":
				v.seek(j)
			}
		}
		if err := b.fault(g.Dir); err != nil {
			return err
		}
		b.finish, v.finished = v.finished, nil
		if err := put(b); err != nil {
			return err
		}
	}
	if v.trail.At("") == nil {
		return errRoot
	}
	return nil
}

var errRoot = errors.New("source has no directory as its root")

// fault says why b cannot lie in the directory dir.
func (b *batch) fault(dir string) error {
	switch {
	case b.root && b.jobs[0].dir == nil:
		return errRoot
	case !b.root && b.dir == nil && !b.lost():
		return fmt.Errorf("source yields entries of /%s without the directory itself", dir)
	}
	return nil
}

// lost reports whether nothing of b could be read. Then it may stand for a directory's listing, in the place of that, and says
// nothing about where the sequence is.
func (b *batch) lost() bool {
	return !slices.ContainsFunc(b.jobs, func(j job) bool { return j.entry.Err == nil })
}

// batch is some neighbours in one directory.
type batch struct {
	dir    *place.Dir
	root   bool // the one job is the root of the tree
	jobs   []job
	finish []*place.Dir // directories that nothing more comes into
}

// job is one entry to be put into the snapshot; once done, entry is what the manifest says of it, or has Err set.
type job struct {
	entry      *varve.Entry
	dir        *place.Dir // of a directory
	candidates []candidate
	moved      []mention // files of the base from that have its size and time
	from       *base
	like       *candidate // an earlier state of the file, whose parts the copy may share
	stored     int64      // bytes of content that were written
	changed    bool       // it changed while it was read
	told       int64      // bytes of content that were reported on the way
}

// do works on one batch; on any goroutine.
func (v *save) do(stop <-chan struct{}, b *batch) error {
	if err := v.finish(b.finish); err != nil {
		return err
	}
	if b.root {
		return v.prepareRoot(&b.jobs[0])
	}
	if b.lost() {
		return nil
	}
	select {
	case <-b.dir.Made:
	case <-stop:
		return parallel.ErrStopped
	}
	dir := v.partial.held.At(b.dir.Path)
	at, err := dir.Use()
	if err != nil {
		return err
	}
	defer dir.Done()
	if err := v.makeDirs(at, b); err != nil {
		return err
	}
	w := worker{save: v, at: at, copier: v.copiers.Get().(*place.Copier)}
	defer v.copiers.Put(w.copier)
	defer w.release()
	for i := range b.jobs {
		if err := v.ctx.Err(); err != nil {
			return err
		}
		if err := w.put(&b.jobs[i]); err != nil {
			return err
		}
	}
	return nil
}

// prepareRoot is prepare for the root of the tree, which is there already.
func (v *save) prepareRoot(j *job) error {
	root := v.partial.held.Root()
	at, err := root.Use()
	if err != nil {
		return err
	}
	defer root.Done()
	defer close(j.dir.Made)
	return v.prepare(at, ".", j.entry)
}

// makeDirs makes the directories among the jobs of b.
func (v *save) makeDirs(at disk.FS, b *batch) error {
	for i := range b.jobs {
		d := b.jobs[i].dir
		if d == nil {
			continue
		}
		e := b.jobs[i].entry
		k, _ := v.store.kept(e)
		if err := at.Mkdir(k.Name(), k.Mode); err != nil {
			return err
		}
		if err := v.prepare(at, e.Name(), e); err != nil {
			return err
		}
		close(d.Made)
	}
	return nil
}

// finish gives directories that nothing more comes into the rest of their metadata.
func (v *save) finish(dirs []*place.Dir) error {
	for _, d := range dirs {
		dir := v.partial.held.At(d.Path)
		at, err := dir.Use()
		if err != nil {
			return err
		}
		late := d.LateEntry()
		unkept, err := place.Metadata(place.Named{Dir: at, Name: "."}, &late, d.Late.Sides)
		if err == nil && unkept != 0 { // the manifest says otherwise already
			err = fmt.Errorf("directory /%s: %s cannot be set", d.Path, unkept)
		}
		dir.Done()
		if err = errors.Join(err, dir.Drop()); err != nil {
			return err
		}
	}
	return nil
}
