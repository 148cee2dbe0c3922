package vault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"varve"
	"varve/internal/backend"
	"varve/internal/gc"
	"varve/internal/seal"
)

const (
	// usualUndo is how long prune leaves alone what was forgotten, and usualUnused the share of packs that may stay unused, unless told
	// otherwise.
	usualUndo   = 7 * 24 * time.Hour
	usualUnused = 0.05
	// silence is how long after its record a writer that has not sealed it is taken for dead. Nothing is lost where it lives.
	silence = 2 * 24 * time.Hour
	// pruneRounds is how often a prune that found the storage full goes on with the room that it made.
	pruneRounds = 3
)

// PruneOptions say what Prune may do. The zero value is right.
type PruneOptions struct {
	// DryRun reports what would be done, and changes nothing in the vault. It does not ask the storage for its time.
	DryRun bool
	// Undo is for how long what was forgotten is left alone: 0 stands for that of the Store's Options, whose 0 stands for 7 days; a
	// negative one does not wait. It is measured by the clock of the storage where that tells the time of objects.
	Undo time.Duration
	// MaxRepack is how many bytes may be copied at the most; 0 is no limit.
	MaxRepack int64
	// MaxUnused is the share of what packs hold that may stay there unused, between 0 and 1: 0 stands for 0.05, a negative one for none.
	MaxUnused float64
	// GiveUp gives up snapshots whose records are damaged, or missing although others tell of them: they count as forgotten for ever, and
	// what is left of the records is deleted. Without it Prune refuses while there are any, since what they alone need would be lost when
	// they turn up again; so does a dry run.
	GiveUp bool
	// Progress, where set, is told of every pack copied, as Done with the bytes copied, and of Damage, by one goroutine at a time.
	Progress func(varve.Event)
}

// PruneReport says what Prune did, or would do.
type PruneReport struct {
	// Packs and Bytes count the packs that were there and the bytes they took.
	Packs int64 `json:"packs"`
	Bytes int64 `json:"bytes"`
	// PacksDeleted counts packs that were deleted, PacksRepacked those whose live content was copied to new packs, BytesRepacked what
	// was copied, in bytes.
	PacksDeleted  int64 `json:"packs_deleted"`
	PacksRepacked int64 `json:"packs_repacked"`
	BytesRepacked int64 `json:"bytes_repacked"`
	// BytesFreed is by how many bytes the packs take less than before.
	BytesFreed int64 `json:"bytes_freed"`
	// Snapshots counts forgotten snapshots whose records were removed, Kept those that Unforget can still bring back.
	Snapshots int64 `json:"snapshots"`
	Kept      int64 `json:"kept"`
	// More says that something is left to do: limits or a full storage were in the way, or another collector.
	More bool `json:"more"`
}

// Prune frees the space of what no snapshot needs. It needs the maintenance key. Writers and other collectors may be at work at the same
// time, and Prune may break off anywhere: the next one goes on. It refuses, and deletes nothing, where it cannot tell for sure what
// snapshots need: where a record or a page is damaged or missing, or an object under keys/ is damaged; the error matches varve.ErrDamaged
// then. The Store is used for nothing else meanwhile.
func (s *Store) Prune(ctx context.Context, opts PruneOptions) (PruneReport, error) {
	if s.keys.admin == nil {
		return PruneReport{}, fmt.Errorf("prune: %w", s.needsKey(seal.MaintenanceKey))
	}
	p := newPlan(s, opts)
	defer p.close()
	err := p.run(ctx)
	p.report.BytesFreed = max(p.report.BytesFreed, 0) // reserves may take more than was freed
	if err != nil {
		return p.report, fmt.Errorf("prune: %w", err)
	}
	return p.report, nil
}

func (p *plan) run(ctx context.Context) (err error) {
	if p.keyObjects, err = p.store.renewKeys(ctx); err != nil {
		return err
	}
	if err := p.complete(ctx); err != nil {
		return err
	}
	p.now = p.store.opts.Now()
	if p.opts.DryRun {
		return p.preview(ctx)
	}
	if err := p.askTime(ctx); err != nil {
		return err
	}
	protocol := p.store.cleaner(0)
	if _, err := protocol.Tidy(ctx, p, p.silent); err != nil {
		return err
	}
	if err := p.collect(ctx, protocol); err != nil {
		return err
	}
	return p.tend(ctx)
}

// collect removes packs; on a full storage first those that need no copying, and then the others with the room that this made.
func (p *plan) collect(ctx context.Context, protocol *gc.Protocol) error {
	for range pruneRounds {
		p.full, p.passed = false, 0
		r, err := protocol.Collect(ctx, p)
		p.report.PacksDeleted += int64(r.Deleted)
		p.report.BytesFreed = p.report.BytesFreed + r.Bytes
		p.report.Snapshots += int64(r.Buried)
		p.report.More = r.More || p.full || r.Deleted+p.passed < len(r.Chosen)
		if err != nil {
			return err
		}
		if !p.full || r.Deleted == 0 {
			break
		}
	}
	p.report.BytesFreed -= p.written
	p.report.Kept = p.countKept(true)
	return nil
}

// preview reports what a prune would do.
func (p *plan) preview(ctx context.Context) error {
	r, err := p.store.cleaner(0).Preview(ctx, p)
	if err != nil {
		return err
	}
	p.report.More = r.More
	p.report.PacksDeleted, p.report.PacksRepacked = int64(len(r.Chosen)), int64(len(r.Moved))
	for _, name := range r.Chosen {
		p.report.BytesFreed += p.listed[packName(name)]
	}
	for _, name := range r.Moved {
		live := p.usage[packName(name)].live
		p.report.BytesRepacked += live
		p.report.BytesFreed -= live
	}
	p.report.Kept = p.countKept(true)
	if !r.More {
		p.report.Snapshots = p.countKept(false)
	}
	return nil
}

// complete refuses to go on where records are missing or damaged, or gives up the snapshots that these are of.
func (p *plan) complete(ctx context.Context) error {
	s := p.store
	r, err := s.catalog.read(ctx)
	if err != nil {
		return err
	}
	for _, rec := range r.all {
		if rec.tomb == nil {
			p.expected = append(p.expected, rec.name)
		}
	}
	if r, err = p.sealAgain(ctx, r); err != nil {
		return err
	}
	lost := slices.Concat(r.absent(), r.hurt)
	if !p.opts.GiveUp || p.opts.DryRun {
		return errors.Join(asErrors(lost)...)
	}
	for _, l := range lost {
		if err := s.cleaner(0).Forget(ctx, l.name); err != nil {
			return err
		}
		if err := backend.Remove(ctx, s.backend, l.name); err != nil {
			return err
		}
	}
	return nil
}

// sealAgain gives records that others tell of, and that have lost their seals, new ones if all they need is there, and reads the records
// anew.
func (p *plan) sealAgain(ctx context.Context, r *records) (*records, error) {
	open := map[string]bool{}
	for _, l := range r.absent() {
		if rec := r.byName[l.name]; rec != nil && rec.tomb == nil {
			open[l.name] = true
		}
	}
	if len(open) == 0 || p.opts.DryRun {
		return r, nil
	}
	if _, err := p.store.cleaner(0).Tidy(ctx, p, func(snap gc.Snap) bool { return open[snap.Name] }); err != nil {
		return nil, err
	}
	return p.store.catalog.read(ctx)
}

// askTime finds out what time it is for the storage, from a record that condemns nothing. Where that cannot be told, or a full storage
// does not take the record, the own clock has to do.
func (p *plan) askTime(ctx context.Context) error {
	s := p.store
	data, err := (*codec)(s).Condemn([]string{})
	if err != nil {
		return err
	}
	name := backend.NameOf(backend.Locks, data)
	if err := s.backend.Put(ctx, name, data); isFull(err) {
		return nil
	} else if err != nil {
		return err
	}
	for o, err := range s.backend.List(ctx, name) {
		if err != nil {
			return err
		}
		if o.Name == name && !o.Time.IsZero() {
			p.now, p.byStorage = o.Time, true
		}
	}
	return backend.Remove(ctx, s.backend, name)
}

// since returns how long ago an object was put: by what the storage says, or else by what was written into it.
func (p *plan) since(put, stated time.Time) time.Duration {
	if p.byStorage && !put.IsZero() {
		return p.now.Sub(put)
	}
	return p.now.Sub(stated)
}

// silent reports whether the writer of an unsealed record is taken for dead.
func (p *plan) silent(snap gc.Snap) bool {
	rec, err := p.record(&snap)
	return err == nil && p.since(snap.Put, rec.snap.End) > silence
}

// Keep is gc.Plan's. Of several tombs the last one counts.
func (p *plan) Keep(snap gc.Snap) bool {
	keep := false
	for _, tomb := range snap.Tombs {
		parsed, err := p.store.parse(tomb.Name, tomb.Data)
		if err != nil || parsed.tomb == nil {
			continue
		}
		keep = keep || len(snap.Seals) > 0 && p.since(tomb.Put, parsed.tomb.Time) < p.undo
	}
	if len(snap.Data) > 0 {
		p.kept[snap.Name] = keep
	}
	return keep
}

// countKept counts the forgotten snapshots that are kept, or those that are not.
func (p *plan) countKept(kept bool) (n int64) {
	for _, k := range p.kept {
		if k == kept {
			n++
		}
	}
	return n
}
