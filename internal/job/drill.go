package job

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"varve"
	"varve/internal/config"
	"varve/internal/digest"
	"varve/internal/disk"
	"varve/internal/disk/osfs"
	"varve/internal/history"
	"varve/internal/location"
	"varve/internal/part"
	"varve/internal/restore"
	"varve/internal/ssh"
)

// Drill rehearses a restore of a job from one of its stores, now, and remembers it, unless the store is away or has nothing of the job. The
// error matches varve.ErrDamaged where a file came back wrong, varve.ErrBusy where a store is being looked after, varve.ErrNoSnapshot where
// there is none; where it is about the drill as a whole the returned record says so, too.
func Drill(ctx context.Context, j *config.Job, store string, d *Deps) (history.Drill, error) {
	s := d.Config.Store(store)
	if s == nil {
		return history.Drill{}, fmt.Errorf("drill: there is no store %q", store)
	}
	if err := present(d.Machine, s); err != nil {
		return history.Drill{}, fmt.Errorf("drill store %s: %w: %w", store, varve.ErrNoStore, err)
	}
	lease, err := d.History.LockStore(store)
	if err != nil {
		return history.Drill{}, fmt.Errorf("drill store %s: %w", store, err)
	}
	record, err := rehearse(ctx, j, s, d)
	if ctx.Err() == nil && !nothingToRehearse(err) {
		lease.Record.Meet(d.Now())
		lease.Record.Rehearse(record)
		d.warn(lease.Save())
	}
	d.warn(lease.Close())
	if err != nil {
		err = fmt.Errorf("drill store %s: %w", store, err)
	}
	return record, err
}

// nothingToRehearse reports whether a drill came to nothing for a reason that says nothing of the store: it is not there, or has nothing of
// the job yet.
func nothingToRehearse(err error) bool {
	return errors.Is(err, varve.ErrNoStore) || errors.Is(err, ssh.ErrUnreachable) || errors.Is(err, varve.ErrNoSnapshot)
}

// rehearse opens the store as a machine would that has nothing but the key, and restores a sample from it.
func rehearse(ctx context.Context, j *config.Job, s *config.Store, d *Deps) (record history.Drill, err error) {
	record = history.Drill{Time: d.Now(), Job: j.Name}
	defer func() {
		if err != nil {
			record.Error = cut(err.Error())
		}
	}()
	place, err := d.Open(ctx, s, true)
	if err != nil {
		return record, err
	}
	defer func() { err = errors.Join(err, place.Close()) }()
	snap, err := toDrill(ctx, place.Store, j, d.Machine)
	if err != nil {
		return record, err
	}
	record.Snapshot = snap.ID
	view, err := place.Store.View(ctx, snap.ID)
	if err != nil {
		return record, err
	}
	defer func() { err = errors.Join(err, view.Close()) }()
	r := &rehearsal{deps: d, job: j, view: view, record: &record}
	if err = r.run(ctx, s.Drill.Files); err != nil {
		return record, err
	}
	if record.Rate > 0 {
		record.Whole = time.Duration(float64(snap.Bytes) / record.Rate * float64(time.Second))
	}
	return record, errors.Join(r.wrong...)
}

// toDrill returns the newest good snapshot of a job, or the newest where none is good.
func toDrill(ctx context.Context, store varve.Store, j *config.Job, m Machine) (*varve.Snapshot, error) {
	series, _, err := Series(j, m)
	if err != nil {
		return nil, err
	}
	list, err := store.Snapshots(ctx)
	if err != nil {
		return nil, err
	}
	s := newestGood(list, series)
	if s == nil {
		s = newest(list, series)
	}
	if s == nil {
		return nil, fmt.Errorf("series %q: %w", series, varve.ErrNoSnapshot)
	}
	return s, nil
}

// rehearsal restores the files of a sample one after the other.
type rehearsal struct {
	deps   *Deps
	job    *config.Job
	view   varve.View
	record *history.Drill
	wrong  []error // files that came back wrong
	spent  time.Duration
}

// spare is the room that a drill leaves on the disk, in bytes.
const spare = 64 << 20

func (r *rehearsal) run(ctx context.Context, files int) (err error) {
	chosen, err := sample(ctx, r.view, files, r.random)
	if err != nil {
		return err
	}
	if r.deps.Scratch == nil {
		return errors.New("there is no place to restore into")
	}
	scratch, end, err := r.deps.Scratch()
	if err != nil {
		return fmt.Errorf("open scratch space: %w", err)
	}
	defer func() { err = errors.Join(err, end()) }()
	for i := range chosen {
		if err := r.one(ctx, scratch, &chosen[i]); err != nil {
			return err
		}
	}
	if r.spent > 0 {
		r.record.Rate = float64(r.record.Bytes) / r.spent.Seconds()
	}
	return nil
}

func (r *rehearsal) random(n int64) int64 {
	if r.deps.Random == nil {
		return n // nothing is drawn: the first files are the sample
	}
	return r.deps.Random(n)
}

// scratchName is the directory in the scratch space that one file at a time is restored into.
const scratchName = "drill"

// one restores a file, compares it and removes it. The error is about the drill, not about the file.
func (r *rehearsal) one(ctx context.Context, scratch disk.FS, e *varve.Entry) (err error) {
	room, err := scratch.Space()
	if err != nil {
		return fmt.Errorf("scratch space: %w", err)
	}
	if room.Free < e.Size+spare {
		return fmt.Errorf("scratch space: %d bytes are free, and a file has %d: %w", room.Free, e.Size, ErrRoom)
	}
	if err := scratch.Mkdir(scratchName, 0o700); err != nil {
		return fmt.Errorf("scratch space: %w", err)
	}
	defer func() { err = errors.Join(err, disk.RemoveAll(scratch, scratchName, 1)) }()
	begin := r.deps.Now()
	err = r.restore(ctx, scratch, e)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	r.spent += r.deps.Now().Sub(begin)
	r.record.Files++
	r.record.Bytes += e.Size
	if err == nil {
		err = r.compare(scratch, e)
	}
	switch {
	case err == nil:
	case errors.Is(err, disk.ErrNoSpace):
		return fmt.Errorf("scratch space: %w", err)
	case temporary(err):
		return err
	default:
		r.record.Damage++
		r.wrong = append(r.wrong, fmt.Errorf("/%s: %w: %w", e.Path, varve.ErrDamaged, err))
	}
	return nil
}

// restore puts one file into the scratch space, as it would come back after a disaster.
func (r *rehearsal) restore(ctx context.Context, scratch disk.FS, e *varve.Entry) error {
	src, _, err := part.Of(ctx, r.view, e.Path)
	if err != nil {
		return err
	}
	target, err := scratch.OpenDir(scratchName)
	if err != nil {
		return fmt.Errorf("scratch space: %w", err)
	}
	var failed error
	report, err := restore.Run(ctx, removable{src}, target, restore.Options{NoOwner: true, Workers: 1, Progress: func(v restore.Event) {
		if v.Action == restore.Failed {
			failed = errors.Join(failed, v.Err)
		}
	}})
	if err == nil && report.Failed > 0 {
		err = errors.Join(errors.New("was not restored"), failed)
	}
	return err
}

// removable is a source without inode flags: what came back immutable could not be removed after the drill.
type removable struct{ varve.Source }

// Entries is varve.Source's.
func (r removable) Entries(ctx context.Context) iter.Seq2[varve.Entry, error] {
	return func(yield func(varve.Entry, error) bool) {
		for e, err := range r.Source.Entries(ctx) {
			if e.Flags = 0; !yield(e, err) {
				return
			}
		}
	}
}

// compare holds what was restored against the manifest, and against the live file where that is the same one still.
func (r *rehearsal) compare(scratch disk.FS, e *varve.Entry) error {
	dir, err := scratch.OpenDir(scratchName)
	if err != nil {
		return err
	}
	defer dir.Close()
	sum, info, err := contentOf(dir, e.Name(), e.Holes)
	if err == nil && (sum != e.Digest || info.Size != e.Size) {
		err = errors.New("what was restored is not what was saved")
	}
	if err != nil {
		return err
	}
	return r.compareLive(e)
}

// compareLive looks at the live file. Only where nothing at all has touched it since it was saved must it be the same.
func (r *rehearsal) compareLive(e *varve.Entry) error {
	if isFar(r.job) || e.Stamp == (varve.Stamp{}) {
		return nil
	}
	var o location.Options
	if r.deps.Sources != nil {
		o = r.deps.Sources(r.job)
	}
	open := o.OpenDir
	if open == nil {
		open = osfs.Open
	}
	dir, err := open("/" + e.Parent())
	if err != nil {
		return nil // it is gone, or nobody may look
	}
	defer dir.Close()
	if info, err := dir.Lookup(e.Name()); err != nil || !same(&info, e) {
		return nil
	}
	sum, info, err := contentOf(dir, e.Name(), e.Holes)
	if err == nil && same(&info, e) && sum != e.Digest {
		return errors.New("the live file has another content, and nothing has written to it: its disk or the store is wrong")
	}
	return nil
}

// same reports whether nothing has touched the live file since it was saved.
func same(live *disk.Info, e *varve.Entry) bool {
	return live.Kind == varve.Regular && live.Size == e.Size && live.MTime == e.MTime && live.Stamp == e.Stamp
}

// contentOf returns the digest of the content stream of a file with these holes, and its metadata after that was read.
func contentOf(dir disk.FS, name string, holes []varve.Extent) (sum varve.Digest, info disk.Info, err error) {
	f, err := dir.Open(name)
	if err != nil {
		return sum, info, err
	}
	defer f.Close()
	if info, err = f.Info(); err != nil {
		return sum, info, err
	}
	h := digest.New()
	off := int64(0)
	for _, hole := range append(holes[:len(holes):len(holes)], varve.Extent{Off: info.Size}) {
		if _, err := io.Copy(h, io.NewSectionReader(f, off, hole.Off-off)); err != nil {
			return sum, info, err
		}
		off = hole.Off + hole.Len
	}
	info, err = f.Info()
	return h.Digest(), info, err
}
