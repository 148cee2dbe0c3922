package vault

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"varve"
	"varve/internal/gc"
	"varve/internal/manifest"
	"varve/internal/seal"
)

// ErrPruned says that what a forgotten snapshot held is no longer there.
var ErrPruned = errors.New("its content was pruned")

// Forget puts a tomb for each snapshot. What they held stays until Prune, and Unforget brings it back until then.
func (s *Store) Forget(ctx context.Context, ids ...varve.SnapshotID) error {
	if err := s.forget(ctx, ids); err != nil {
		return fmt.Errorf("forget: %w", err)
	}
	return nil
}

func (s *Store) forget(ctx context.Context, ids []varve.SnapshotID) error {
	if s.keys.admin == nil {
		return s.needsKey(seal.MaintenanceKey)
	}
	r, err := s.catalog.read(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if r.find(id) == nil {
			return fmt.Errorf("%s: %w", id.Short(), varve.ErrNoSnapshot)
		}
	}
	doomed := slices.DeleteFunc(slices.Clone(r.all), func(rec *record) bool {
		return !rec.opened || !rec.valid() || !slices.Contains(ids, rec.snap.ID)
	})
	err = together(ctx, s.opts.changes(), len(doomed), func(i int) error {
		if err := s.cleaner(1).Forget(ctx, doomed[i].name); err != nil {
			return fmt.Errorf("%s: %w", doomed[i].snap.ID.Short(), err)
		}
		return nil
	})
	return cmp.Or(err, ctx.Err())
}

// Forgotten is a snapshot that was forgotten and is not pruned yet.
type Forgotten struct {
	varve.Snapshot
	// Forgotten is when, by the clock of who forgot it.
	Forgotten time.Time `json:"forgotten"`
}

// Forgotten returns the snapshots that Unforget can bring back, unless their content is pruned already, ordered as Snapshots are.
func (s *Store) Forgotten(ctx context.Context) ([]Forgotten, error) {
	if s.keys.admin == nil {
		return nil, fmt.Errorf("list forgotten snapshots: %w", s.needsKey(seal.MaintenanceKey))
	}
	r, err := s.catalog.read(ctx)
	if err != nil {
		return nil, fmt.Errorf("list forgotten snapshots: %w", err)
	}
	list := []Forgotten{}
	for _, rec := range r.forgotten() {
		list = append(list, Forgotten{cloneSnapshot(rec.snap), rec.tomb.Time})
	}
	return list, errors.Join(r.faults...)
}

// forgotten returns the records with a tomb that were valid before, and whose snapshot is not there under another record.
func (r *records) forgotten() []*record {
	var list []*record
	met := map[varve.SnapshotID]bool{}
	for _, rec := range r.all {
		if rec.opened && rec.sealed && rec.tomb != nil && !met[rec.snap.ID] && r.find(rec.snap.ID) == nil {
			met[rec.snap.ID] = true
			list = append(list, rec)
		}
	}
	return list
}

// Unforget brings forgotten snapshots back: under new records, since a tomb is for ever. ErrNoSnapshot where there is none with an ID;
// ErrPruned where it comes too late.
func (s *Store) Unforget(ctx context.Context, ids ...varve.SnapshotID) error {
	for _, id := range ids {
		err := s.unforget(ctx, id)
		for try := 1; errors.Is(err, gc.ErrLost) && try < maxAttempts; try++ { // what was lost is not relied on again
			err = s.unforget(ctx, id)
		}
		if errors.Is(err, gc.ErrLost) {
			err = fmt.Errorf("%w: %w", ErrPruned, err)
		}
		if err != nil {
			return fmt.Errorf("unforget %s: %w", id.Short(), err)
		}
	}
	return nil
}

func (s *Store) unforget(ctx context.Context, id varve.SnapshotID) error {
	if s.keys.admin == nil {
		return s.needsKey(seal.MaintenanceKey)
	}
	r, err := s.catalog.read(ctx)
	if err != nil {
		return err
	}
	if r.find(id) != nil { // somebody did
		return nil
	}
	list := r.forgotten()
	i := slices.IndexFunc(list, func(rec *record) bool { return rec.snap.ID == id })
	if i < 0 {
		return r.unknown()
	}
	if err := s.refresh(ctx); err != nil {
		return err
	}
	session, err := seal.NewSession(s.keys.vault, s.keys.newest())
	if err != nil {
		return err
	}
	s.keys.opener.AddSession(session)
	rec := list[i]
	c := &claim{store: s, session: session, signer: s.keys.admin}
	if c.needs, err = s.needsOf(ctx, rec); err != nil {
		return err
	}
	if c.body, err = encodeSnap(&rec.snap, rec.domain, rec.root, rec.previous, rec.heads); err != nil {
		return err
	}
	_, err = s.protocol().Commit(ctx, c)
	return err
}

// unknown says why there is no forgotten snapshot with an ID: the records of those that were pruned are gone, and only their tombs are left.
func (r *records) unknown() error {
	for name := range r.tombs {
		if r.byName[name] == nil {
			return fmt.Errorf("%w, or %w", varve.ErrNoSnapshot, ErrPruned)
		}
	}
	return varve.ErrNoSnapshot
}

// needsOf returns the packs that a snapshot relies on. ErrPruned where a chunk is in none.
func (s *Store) needsOf(ctx context.Context, rec *record) (*needs, error) {
	n := newNeeds()
	for p, err := range s.partsOf(ctx, rec, map[manifest.PageID]bool{}) {
		if isDamage(err) {
			return nil, fmt.Errorf("%w: %w", ErrPruned, err)
		}
		if err != nil {
			return nil, err
		}
		if p.entry {
			continue
		}
		name, ok, err := s.find(ctx, rec.domain, p.id)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, fmt.Errorf("chunk %s: %w", p.id, ErrPruned)
		}
		n.add(name)
	}
	return n, nil
}
