package tree

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"varve"
	"varve/internal/ahead"
	"varve/internal/compare"
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
	files *ahead.Source // opens the files of src
	opts  varve.SaveOptions
	snap  varve.Snapshot

	lease     *seriesLease
	partial   *partial
	bases     []*base
	entries   *manifest.Writer
	unwritten int64 // bytes of content that were copied since the manifest was written
	flusher   flusher
	copiers   sync.Pool
	events    sync.Mutex
	noClones  atomic.Bool        // set by the first clone that the file system refuses
	noLinks   atomic.Bool        // it has no hard links
	doubts    chan struct{}      // holds one while somebody finds that out
	doubted   bool               // somebody has
	lends     bool               // some content lies in earlier snapshots, or under other names
	places    *places            // where such content lies
	groups    map[string]*group  // hard links that are met
	firsts    map[string]*linked // what later hard links need of the first one
	tally     *compare.Tally     // how it differs from the last good one; nil where nobody judges
	stale     []string           // partials that interrupted runs left
	listed    map[string]bool    // the names of the manifests of all snapshots when the run began
	trail     *place.Trail
	finished  []ended // directories that nothing more comes into

	staged *staged      // of a snapshot whose files are there already
	take   func() error // moves the files into the partial at the end, where they lie elsewhere until then
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
	v, err := s.newSave(ctx, opts)
	if err != nil {
		return snap, err
	}
	defer func() { err = errors.Join(err, v.lease.Close()) }()
	if err = v.begin(); err == nil {
		err = v.beginManifest()
	}
	if err == nil {
		err = v.run(src)
	}
	if err == nil {
		err = v.commit()
	}
	full := err != nil && errors.Is(errors.Join(err, context.Cause(ctx)), disk.ErrNoSpace)
	if err != nil && !full && v.partial != nil {
		v.partial.leave()
	}
	err = errors.Join(err, v.end())
	if full { // what was begun, now or earlier, does not fit, and would keep everybody else from writing
		err = errors.Join(err, s.dropLeftovers(opts.Series))
	}
	return v.snap, err
}

// newSave takes the lease of a series and returns a save of it that was not begun. Whoever gets it closes the lease.
func (s *Store) newSave(ctx context.Context, opts varve.SaveOptions) (*save, error) {
	if opts.Series == "" || !utf8.ValidString(opts.Series) {
		return nil, fmt.Errorf("%q cannot be the name of a series", opts.Series)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	lease, err := s.lock(ctx, opts.Series)
	if err != nil {
		return nil, err
	}
	v := &save{store: s, ctx: ctx, opts: opts, lease: lease, doubts: make(chan struct{}, 1), groups: map[string]*group{},
		firsts: map[string]*linked{}, trail: place.NewTrail()}
	v.copiers.New = func() any { return place.NewCopier() }
	return v, nil
}

// begin finds the bases, clears away what is of no use, and makes the directory for the files.
func (v *save) begin() error {
	if err := v.store.dropForgotten(); err != nil {
		return err
	}
	if err := v.store.completeAdoptions(v.opts.Series); err != nil {
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
	v.places = v.store.newPlaces()
	if err := v.findBases(all); err != nil {
		return err
	}
	v.tally = v.newTally(all)
	v.partial, err = v.store.newPartial(id, v.opts.Series)
	if err != nil {
		return err
	}
	v.flusher.dir = v.partial.dir
	return v.identify()
}

// identify finds out who the process is on a far disk: whoever owns what it has just made.
func (v *save) identify() error {
	if !v.store.opts.Far {
		return nil
	}
	info, err := v.partial.dir.Lookup(partialTree)
	if err != nil {
		return err
	}
	mine := *v.store
	mine.opts.UID, mine.opts.GID = info.UID, info.GID
	v.store = &mine
	return nil
}

// beginManifest makes the manifest file, and finds out whether a store that lends has to go on doing so.
func (v *save) beginManifest() error {
	if err := v.partial.begin(v.store.opts.Far); err != nil {
		return err
	}
	v.entries = manifest.NewWriter(v.partial.pages)
	format, err := readFormat(v.store.control)
	if err != nil || format < formatLends {
		return err
	}
	return v.doubtLinks()
}

// doubtLinks finds out, once a hard link was refused, whether the disk has none at all. It may have refused that one alone, such as one
// of another user's file.
func (v *save) doubtLinks() error {
	v.doubts <- struct{}{}
	defer func() { <-v.doubts }()
	if v.doubted {
		return nil
	}
	links, err := v.partial.links()
	v.doubted = err == nil
	v.noLinks.Store(err == nil && !links)
	return err
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
	if v.places != nil {
		errs = append(errs, v.places.Close())
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
func (v *save) run(src varve.Source) error {
	v.src, v.files = src, ahead.New(v.ctx, src, v.opts.Ahead)
	err := parallel.Ordered(v.store.opts.Workers, func(b *batch) int { return len(b.jobs) }, v.feed, v.do, v.settle)
	err = errors.Join(err, v.files.Close())
	if lost := v.flusher.wait(); lost != nil {
		err = errors.Join(err, lost, v.partial.distrust())
	}
	if err == nil && v.snap.Dirs == 0 {
		err = errors.New("source yields nothing")
	}
	return err
}

// do works on one batch; on any goroutine.
func (v *save) do(stop <-chan struct{}, b *batch) error {
	if err := v.finish(b.finish); err != nil {
		return err
	}
	if b.lost() {
		return nil
	}
	if b.root {
		return v.prepareRoot(&b.jobs[0])
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
	w := worker{save: v, at: at, copier: v.copiers.Get().(*place.Copier)}
	defer v.copiers.Put(w.copier)
	defer w.release()
	if v.staged != nil {
		return w.adoptAll(b)
	}
	if err := v.makeDirs(at, b); err != nil {
		return err
	}
	w.prime(b)
	for i := range b.jobs {
		if err := v.ctx.Err(); err != nil {
			return err
		}
		err := w.put(stop, &b.jobs[i])
		v.files.Drop(b.jobs[i].entry.Path)
		if err != nil {
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
	if v.staged != nil {
		return v.adoptDir(at, ".", j.entry)
	}
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
