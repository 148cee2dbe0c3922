package vault

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"varve"
	"varve/internal/backend"
	"varve/internal/seal"
	"varve/internal/table"
)

// RepairReport says what Repair found.
type RepairReport struct {
	// Packs counts the packs that were looked at, Indexed those that the new index lists, Damaged those whose table cannot be read.
	Packs   int64 `json:"packs"`
	Indexed int64 `json:"indexed"`
	Damaged int64 `json:"damaged"`
}

// Repair reads the tables of all packs and writes the whole index anew, here and in the vault, whatever there was. It needs the
// maintenance key. Nothing but index objects is deleted, and these only once the new ones are there. Progress, where set, is told of each
// pack as Done with its length in bytes, or as Damage, by one goroutine at a time.
func (s *Store) Repair(ctx context.Context, progress func(varve.Event)) (RepairReport, error) {
	r := &repair{store: s, ctx: ctx, progress: progress}
	if s.keys.admin == nil {
		return r.report, fmt.Errorf("repair index: %w", s.needsKey(seal.MaintenanceKey))
	}
	if err := r.run(); err != nil {
		return r.report, fmt.Errorf("repair index: %w", err)
	}
	return r.report, nil
}

// repair is one run of Repair.
type repair struct {
	store    *Store
	ctx      context.Context
	progress func(varve.Event)

	mu     sync.Mutex
	report RepairReport
}

func (r *repair) run() error {
	s := r.store
	old, err := backend.Objects(r.ctx, s.backend, backend.Index)
	if err != nil {
		return err
	}
	packs, err := backend.Objects(r.ctx, s.backend, backend.Data)
	if err != nil {
		return err
	}
	if err := errors.Join(r.forgetAll(), s.local.writeIndexed(nil)); err != nil {
		return err
	}
	if err := together(r.ctx, s.opts.requests(), len(packs), func(i int) error { return r.read(packs[i]) }); err != nil {
		return err
	}
	if err := r.salvage(packs); err != nil {
		return err
	}
	if r.report.Indexed, err = s.writeIndex(r.ctx, old); err != nil {
		return err
	}
	return s.index.Flush()
}

// salvage takes from the old index objects what is in packs that do not tell it any more: their blobs may be whole.
func (r *repair) salvage(packs []varve.Object) error {
	mute := map[table.Name]int64{}
	for _, o := range packs {
		_, sum, err := backend.Parse(o.Name)
		if err != nil {
			continue
		}
		if known, err := r.store.index.HasPack(sum); err != nil {
			return err
		} else if !known {
			mute[sum] = o.Size
		}
	}
	if len(mute) == 0 {
		return nil
	}
	_, err := r.store.learnIndexes(r.ctx, mute)
	return err
}

// forgetAll empties the local index.
func (r *repair) forgetAll() error {
	var names []table.Name
	for p, err := range r.store.index.Packs() {
		if errors.Is(err, varve.ErrDamaged) { // the file is left out now
			return r.forgetAll()
		}
		if err != nil {
			return err
		}
		names = append(names, p.Name)
	}
	return r.store.index.Remove(names...)
}

// read enters one pack.
func (r *repair) read(o varve.Object) error {
	_, sum, err := backend.Parse(o.Name)
	if err != nil {
		return err
	}
	p, err := r.store.readTable(r.ctx, sum, o.Size)
	switch {
	case isGone(err): // collected since it was listed
		return nil
	case isDamage(err) || isStrange(err):
		r.tell(varve.Event{Kind: varve.Damage, Err: fmt.Errorf("%s: %w", o.Name, err)})
		return nil
	case err != nil:
		return fmt.Errorf("%s: %w", o.Name, err)
	}
	r.tell(varve.Event{Kind: varve.Done, Bytes: o.Size})
	return r.store.index.Add(&p)
}

// tell counts one pack and reports it.
func (r *repair) tell(e varve.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Packs++
	if e.Kind == varve.Damage {
		r.report.Damaged++
	}
	if r.progress != nil {
		r.progress(e)
	}
}
