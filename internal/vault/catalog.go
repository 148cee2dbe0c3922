package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"varve"
)

// catalog keeps what was read of records: objects never change.
type catalog struct {
	store   *Store
	mu      sync.Mutex
	objects map[string]parsed
}

func (c *catalog) known(name string) (parsed, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, ok := c.objects[name]
	if ok && p.record != nil {
		fresh := *p.record // seals and tombs may have come since
		fresh.sealed, fresh.tomb = false, nil
		p.record = &fresh
	}
	return p, ok
}

func (c *catalog) keep(name string, p parsed) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.objects == nil {
		c.objects = map[string]parsed{}
	}
	c.objects[name] = p
}

// clear forgets everything.
func (c *catalog) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.objects = nil
}

// read reads all records and holds them against what was seen earlier. A listing is not of one moment: what is put while it is taken may be
// missing from it, and something that refers to that may not. Before anybody is alarmed it is taken once more.
func (c *catalog) read(ctx context.Context) (*records, error) {
	r, err := c.list(ctx)
	if err == nil && len(r.absent()) > 0 {
		r, err = c.list(ctx)
	}
	if err != nil {
		return nil, err
	}
	r.faults = append(r.faults, asErrors(r.absent())...)
	r.faults = append(r.faults, c.store.keyFaults...)
	if c.store.keys.admin == nil {
		return r, nil
	}
	return r, c.store.local.writeHeads(r)
}

// list reads what was seen earlier, and then all records: what others on this machine saw of them meanwhile is held against no listing that is
// older.
func (c *catalog) list(ctx context.Context) (*records, error) {
	heads, err := c.store.local.readHeads()
	if err != nil {
		return nil, err
	}
	r, err := c.store.readRecords(ctx)
	if err != nil {
		return nil, err
	}
	r.seen = heads
	return r, nil
}

// ErrWithheld says that the storage does not show what must be there. It matches varve.ErrDamaged.
var ErrWithheld = fmt.Errorf("the storage lost it or holds it back: %w", varve.ErrDamaged)

// absence is an object that is not there, or not what it was.
type absence struct {
	name string
	err  error // matches varve.ErrDamaged
}

func asErrors(list []absence) []error {
	errs := make([]error, len(list))
	for i := range list {
		errs[i] = list[i].err
	}
	return errs
}

// absent returns what should be there and is not: records that this machine saw earlier, and those that others refer to.
func (r *records) absent() (list []absence) {
	missing := func(name, series, why string) {
		rec := r.byName[name]
		if name != "" && (rec == nil || !rec.sealed) && !r.tombs[name] {
			list = append(list, absence{name, fmt.Errorf("series %s: record %s or its seal is missing, %s: %w",
				series, name, why, ErrWithheld)})
		}
	}
	for _, name := range r.orphans {
		if !r.tombs[name] {
			list = append(list, absence{name, fmt.Errorf("record %s is missing, and there is a seal for it: %w",
				name, ErrWithheld)})
		}
	}
	for series, h := range r.seen {
		missing(h.Record, series, "which this machine saw earlier")
	}
	for _, rec := range r.all {
		if !rec.opened || !rec.sealed {
			continue
		}
		missing(rec.previous, rec.snap.Series, "which comes before "+rec.snap.ID.String())
		for _, name := range rec.heads {
			missing(name, rec.snap.Series, "which "+rec.snap.ID.String()+" names")
		}
	}
	return list
}

// heads is the newest record that this machine saw of each series.
type heads map[string]head

type head struct {
	Record string `json:"record"`
	Seq    uint64 `json:"seq"`
}

const headsName = "heads.json"

func (l *local) readHeads() (heads, error) {
	data, err := l.readState(headsName)
	if err != nil || data == nil {
		return heads{}, err
	}
	h := heads{}
	if err := json.Unmarshal(data, &h); err != nil {
		return nil, fmt.Errorf("%s/%s: %w: remove it to begin anew: %w", l.state, headsName, varve.ErrDamaged, err)
	}
	return h, nil
}

// writeHeads raises the marks to what r holds.
func (l *local) writeHeads(r *records) error {
	if !r.raises(maps.Clone(r.seen)) {
		return nil
	}
	return l.exclusive(func() error {
		h, err := l.readHeads()
		if err != nil || !r.raises(h) {
			return err
		}
		r.seen = h
		return l.storeHeads(h)
	})
}

// raises enters what r holds into h, and reports whether anything was new.
func (r *records) raises(h heads) (changed bool) {
	for _, rec := range r.all {
		if !rec.opened || !rec.sealed {
			continue
		}
		if s := rec.snap.Series; h[s].Record != rec.name && rec.snap.Seq > h[s].Seq {
			h[s] = head{Record: rec.name, Seq: rec.snap.Seq}
			changed = true
		}
	}
	return changed
}

// raise enters a new head.
func (l *local) raise(series string, to head) error {
	return l.exclusive(func() error {
		h, err := l.readHeads()
		if err != nil || to.Seq < h[series].Seq {
			return err
		}
		h[series] = to
		return l.storeHeads(h)
	})
}

func (l *local) storeHeads(h heads) error {
	data, err := json.Marshal(h)
	if err != nil {
		return err
	}
	return l.writeState(headsName, append(data, '\n'))
}

// Snapshots returns the snapshots. With a put-only key that cannot be told: ErrKey.
func (s *Store) Snapshots(ctx context.Context) ([]varve.Snapshot, error) {
	if s.keys.admin == nil {
		return nil, fmt.Errorf("list snapshots: a put-only key does not read: use the restore or the maintenance key: %w", ErrKey)
	}
	r, err := s.catalog.read(ctx)
	if err != nil {
		return nil, fmt.Errorf("list snapshots: %w", err)
	}
	list := []varve.Snapshot{}
	for _, rec := range r.valid() {
		list = append(list, cloneSnapshot(rec.snap))
	}
	return list, errors.Join(r.faults...)
}

func cloneSnapshot(s varve.Snapshot) varve.Snapshot {
	s.Sources, s.Tags = slices.Clone(s.Sources), slices.Clone(s.Tags)
	return s
}
