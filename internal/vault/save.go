package vault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"varve"
	"varve/internal/ahead"
	"varve/internal/compare"
	"varve/internal/gc"
	"varve/internal/manifest"
	"varve/internal/parallel"
	"varve/internal/place"
)

// maxAttempts is how often a save begins again because a collector took away what it had relied on.
const maxAttempts = 5

// Save makes a snapshot of src: content into packs, then the manifest, then the record, which is sealed once everything that it needs
// was seen to be there.
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
	if s.keys.own == nil {
		return snap, fmt.Errorf("a maintenance key does not make snapshots: use the restore key or a put-only one: %w", ErrKey)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Recheck {
		s.beWary()
	}
	lease, err := s.local.lock(opts.Series)
	if err != nil {
		return snap, err
	}
	defer func() { err = errors.Join(err, lease.Close()) }()
	for try := 1; ; try++ {
		snap, err = s.attempt(ctx, src, opts)
		if !errors.Is(err, gc.ErrLost) && !errors.Is(err, gc.ErrTombed) || try == maxAttempts {
			return snap, err
		}
		if err := s.refresh(ctx); err != nil {
			return snap, err
		}
	}
}

// save is one attempt at a snapshot.
type save struct {
	store *Store
	ctx   context.Context
	src   varve.Source
	files *ahead.Source // of src
	opts  varve.SaveOptions
	snap  varve.Snapshot

	base    base
	blind   bool // the base cannot be read
	intake  *intake
	tally   *compare.Tally // how it differs from the last good one; nil where nobody judges, or the base is a ledger
	entries *manifest.Writer
	firsts  map[string]*varve.Entry // what later hard links take over from the first one
	readers readers
	large   largeReader
	events  sync.Mutex
}

// attempt makes a snapshot. The error matches gc.ErrLost where something that it relied on was collected meanwhile.
func (s *Store) attempt(ctx context.Context, src varve.Source, opts varve.SaveOptions) (snap varve.Snapshot, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	v := &save{store: s, ctx: ctx, src: src, files: ahead.New(ctx, src, opts.Ahead), opts: opts, firsts: map[string]*varve.Entry{}}
	defer func() { err = errors.Join(err, v.files.Close()) }()
	v.large.save = v
	records, err := s.catalog.read(ctx)
	if err != nil {
		return snap, err
	}
	for _, fault := range records.faults {
		s.opts.Warn(fault)
	}
	if v.snap, err = v.describe(records); err != nil {
		return snap, err
	}
	if v.intake, err = s.newIntake(ctx, opts.Recheck); err != nil {
		return snap, err
	}
	defer giveUp(cancel, v.intake.content, v.intake.structure)
	v.entries = manifest.NewWriter(&pageWriter{v.intake})
	if v.base, err = v.openBase(records); err != nil {
		return snap, err
	}
	defer func() { err = errors.Join(err, v.base.Close()) }()
	if err := v.run(); err != nil {
		return snap, err
	}
	return v.commit(records)
}

// describe returns the snapshot's record as far as it is known at the beginning.
func (v *save) describe(records *records) (varve.Snapshot, error) {
	id, err := v.store.keys.newID()
	return v.opts.Begin(id, records.nextSeq(v.opts.Series)), err
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

// batch is some neighbours in one directory.
type batch struct{ jobs []job }

// job is one entry on its way into the manifest.
type job struct {
	entry   *varve.Entry
	chunks  []varve.Digest // where the source, if it is a vault, has the content
	depth   uint8
	flat    []varve.Digest // of all chunks, where the entry has lists of them; only where the base is to learn that
	known   bool           // its content is in the vault, as the entry says
	stored  int64          // bytes of content that were stored anew
	changed bool           // it changed while it was read
	told    int64          // bytes of content that were reported on the way
}

// run puts the content of every file into packs and every entry into the manifest.
func (v *save) run() error {
	return parallel.Ordered(v.store.opts.workers(), func(b *batch) int { return len(b.jobs) }, v.feed, v.do, v.settle)
}

var errRoot = errors.New("source has no directory as its root")

// feed reads the source and finds out, in listing order, what is known already.
func (v *save) feed(put func(*batch) error) error {
	trail := place.NewTrail()
	for g, err := range parallel.Groups(v.src.Entries(v.ctx), v.group()) {
		if err != nil {
			return err
		}
		if err := enter(trail, &g); err != nil {
			return err
		}
		b := &batch{jobs: make([]job, len(g.Entries))}
		for i := range g.Entries {
			j, e := &b.jobs[i], &g.Entries[i]
			j.entry, j.chunks, j.depth = e, e.Chunks, e.Depth
			e.Chunks, e.Depth, e.Unkept = nil, 0, 0
			if e.Err == nil && e.Kind == varve.Regular && e.SameAs == "" {
				v.seek(j)
				v.want(j)
			}
		}
		if err := put(b); err != nil {
			return err
		}
	}
	if trail.At("") == nil {
		return errRoot
	}
	return nil
}

// enter holds the group g against the directories that came before it. A group of which nothing could be read may stand for a
// directory's listing, in the place of that, and says nothing about where the sequence is.
func enter(trail *place.Trail, g *parallel.Group) error {
	if !slices.ContainsFunc(g.Entries, func(e varve.Entry) bool { return e.Err == nil }) {
		if g.Root {
			return errRoot
		}
		return nil
	}
	switch {
	case g.Root && g.Entries[0].Kind != varve.Dir:
		return errRoot
	case !g.Root && trail.At(g.Dir) == nil:
		return fmt.Errorf("source yields entries of /%s without the directory itself", g.Dir)
	case !g.Root:
		trail.Enter(g.Dir)
	}
	for i := range g.Entries {
		if e := &g.Entries[i]; e.Err == nil && e.Kind == varve.Dir {
			d := place.NewDir(e.Path)
			trail.Meet(d)
			trail.Add(d)
		}
	}
	return nil
}

// do works on one batch; on any goroutine.
func (v *save) do(_ <-chan struct{}, b *batch) error {
	r := v.readers.borrow(v)
	defer v.readers.giveBack(r)
	for i := range b.jobs {
		if err := v.ctx.Err(); err != nil {
			return err
		}
		j := &b.jobs[i]
		if e := j.entry; e.Err != nil || e.Kind != varve.Regular || e.SameAs != "" {
			continue
		}
		if err := r.regular(j); err != nil {
			return err
		}
	}
	return nil
}

// settle takes a batch that was worked on, in listing order.
func (v *save) settle(b *batch) error {
	for i := range b.jobs {
		j := &b.jobs[i]
		if j.entry.SameAs != "" && j.entry.Err == nil {
			if err := v.alike(j); err != nil {
				return err
			}
		}
		if err := v.record(j); err != nil {
			return err
		}
	}
	return nil
}

// alike completes a hard link from the first entry of its object. Where there is none it becomes that.
func (v *save) alike(j *job) error {
	e := j.entry
	first, ok := v.firsts[e.SameAs]
	if ok {
		path, marks, same := e.Path, e.Marks, first.Path
		*e = *first
		e.Path, e.SameAs, e.Marks = path, same, marks
		return nil
	}
	key := e.SameAs
	e.SameAs, e.Marks = "", e.Marks|varve.Linked
	if e.Kind == varve.Regular {
		r := v.readers.borrow(v)
		defer v.readers.giveBack(r)
		if err := r.regular(j); err != nil {
			return err
		}
	}
	if e.Err == nil {
		v.firsts[key] = clone(e)
	}
	return nil
}

func clone(e *varve.Entry) *varve.Entry {
	c := *e
	return &c
}

// record enters one job into the manifest and the counts.
func (v *save) record(j *job) error {
	e := j.entry
	if e.Err != nil {
		v.miss(e)
		return nil
	}
	if err := v.entries.Add(e); errors.Is(err, manifest.ErrEntry) && e.Kind != varve.Dir {
		e.Err = err
		v.miss(e)
		return nil
	} else if err != nil {
		return err
	}
	if e.Marks&varve.Linked != 0 && e.SameAs == "" {
		v.firsts[e.Path] = clone(e)
	}
	if err := v.learn(j); err != nil {
		return err
	}
	v.snap.Count(e, j.stored, j.changed)
	if v.tally != nil {
		v.tally.Add(e)
	}
	if j.changed {
		v.report(varve.Event{Kind: varve.Changed, Path: e.Path})
	}
	v.report(varve.Event{Kind: varve.Done, Path: e.Path, Bytes: max(e.Size-j.told, 0), Stored: j.stored > 0})
	return nil
}

// learn tells the base what the snapshot has.
func (v *save) learn(j *job) error {
	if j.flat == nil {
		return v.base.Learn(j.entry, j.stored > 0)
	}
	e := *j.entry
	e.Chunks, e.Depth, j.flat = j.flat, 0, nil
	return v.base.Learn(&e, j.stored > 0)
}

// miss reports what is not in the snapshot.
func (v *save) miss(e *varve.Entry) {
	v.report(varve.Event{Kind: v.snap.Miss(e), Path: e.Path, Err: e.Err})
}

// openBase finds what earlier runs know: of a put-only client its ledger, else the newest snapshot of the series.
func (v *save) openBase(r *records) (base, error) {
	s := v.store
	if s.keys.admin == nil {
		return s.openLedger(v.opts.Series, v.opts.Sources)
	}
	rec := r.base(v.opts.Series, s.keys.own.Domain())
	if rec == nil {
		v.tally = v.newTally(nil, nil)
		return nothing{}, nil
	}
	b := newEarlier(s.viewOf(v.ctx, rec).reader)
	v.tally = v.newTally(rec, b)
	return b, nil
}
