package vault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"varve"
	"varve/internal/backend"
	"varve/internal/digest"
	"varve/internal/manifest"
	"varve/internal/seal"
	"varve/internal/table"
)

// Verify checks records, manifests and packs: first that everything snapshots need is there, then that packs are what they were and every
// chunk in them has its ID. With StructureOnly content stays unread; that is all that a maintenance key can check. Packs that no
// snapshot needs are read too, unless only some snapshots are asked for.
func (s *Store) Verify(ctx context.Context, opts varve.VerifyOptions) (varve.VerifyReport, error) {
	c := &check{store: s, ctx: ctx, opts: opts, bad: map[varve.ChunkID]bool{}, sizes: map[table.Name]int64{}}
	if err := c.run(); err != nil {
		return c.report, fmt.Errorf("verify: %w", err)
	}
	return c.report, nil
}

// check is one verification.
type check struct {
	store *Store
	ctx   context.Context
	opts  varve.VerifyOptions

	mu     sync.Mutex
	report varve.VerifyReport
	needs  *needs                 // the packs that the snapshots need
	bad    map[varve.ChunkID]bool // chunks that are damaged in some pack
	sizes  map[table.Name]int64   // of the packs to read, in bytes
}

func (c *check) run() error {
	s := c.store
	if s.keys.admin == nil {
		return fmt.Errorf("a put-only key reads nothing: %w", s.needsKey(seal.MaintenanceKey))
	}
	if !c.opts.StructureOnly && s.keys.root == nil {
		return fmt.Errorf("content cannot be read, structure alone can: %w", s.needsKey(seal.RestoreKey))
	}
	s.beWary()
	r, err := s.catalog.read(c.ctx)
	if err != nil {
		return err
	}
	for _, fault := range r.faults {
		c.damage("", fault)
	}
	if err := c.keys(); err != nil {
		return err
	}
	records, err := c.choose(r.valid())
	if err != nil {
		return err
	}
	if err := c.indexes(); err != nil {
		return err
	}
	if err := s.refresh(c.ctx); err != nil {
		return err
	}
	c.needs = newNeeds()
	if err := c.walk(records, c.present); err != nil {
		return err
	}
	c.report.Snapshots = int64(len(records))
	if err := c.packs(); err != nil {
		return err
	}
	if len(c.bad) == 0 {
		return nil
	}
	return c.walk(records, c.spoilt)
}

// keys reads what is under keys/.
func (c *check) keys() error {
	k := newKeyring(c.store.keys.vault, c.store.keys.publics[0])
	_, err := k.load(c.ctx, c.store.backend, c.store.opts.requests(), func(name string, err error) { c.damage("", fmt.Errorf("%s: %w", name, err)) })
	return err
}

// indexes reads the index objects. A damaged one costs nothing but time.
func (c *check) indexes() error {
	s := c.store
	objects, err := backend.Objects(c.ctx, s.backend, backend.Index)
	if err != nil {
		return err
	}
	for o := range s.indexObjects(c.ctx, objects) {
		err := o.check()
		switch {
		case isGone(err): // written anew meanwhile
		case isDamage(err) || errors.Is(err, seal.ErrSigner):
			c.damage("", fmt.Errorf("%s: %w", o.name, err))
		case err != nil:
			return fmt.Errorf("%s: %w", o.name, err)
		}
	}
	return nil
}

// check says what is wrong with an index object.
func (o *indexObject) check() error {
	for _, err := range o.packs() {
		if err != nil {
			return err
		}
	}
	return nil
}

// needsKey says which key would do.
func (s *Store) needsKey(kind seal.KeyKind) error {
	return &seal.KeyError{Needs: kind, Generation: s.keys.newest().Generation}
}

// choose returns the records to check.
func (c *check) choose(all []*record) ([]*record, error) {
	if len(c.opts.Snapshots) == 0 {
		return all, nil
	}
	var wanted []*record
	for _, id := range c.opts.Snapshots {
		i := slices.IndexFunc(all, func(r *record) bool { return r.snap.ID == id })
		if i < 0 {
			return nil, fmt.Errorf("snapshot %s: %w", id.Short(), varve.ErrNoSnapshot)
		}
		wanted = append(wanted, all[i])
	}
	return wanted, nil
}

// damage counts and tells one finding.
func (c *check) damage(path string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.report.Damage++
	c.tell(varve.Event{Kind: varve.Damage, Path: path, Err: err})
}

// tell reports; c.mu is held.
func (c *check) tell(e varve.Event) {
	if c.opts.Progress != nil {
		c.opts.Progress(e)
	}
}

// walk calls each for every chunk that the records need, each page and what is on it once.
func (c *check) walk(records []*record, each func(*record, part) error) error {
	met := map[manifest.PageID]bool{}
	for _, r := range records {
		for p, err := range c.store.partsOf(c.ctx, r, met) {
			switch {
			case err == nil:
				err = each(r, p)
			case isDamage(err): // each has told it
				err = nil
			}
			if err != nil {
				return fmt.Errorf("snapshot %s: %w", r.snap.ID.Short(), err)
			}
		}
	}
	return nil
}

// present sees to it that a chunk is known to be somewhere, and one of structure that it can be read.
func (c *check) present(r *record, p part) error {
	if p.entry {
		c.report.Files++
		return nil
	}
	name, ok, err := c.store.find(c.ctx, r.domain, p.id)
	if err != nil {
		return err
	}
	if !ok {
		c.lost(r, p, fmt.Errorf("chunk %s is in no pack: %w", p.id, varve.ErrDamaged))
		return nil
	}
	c.needs.add(name)
	if p.class == digest.ClassContent {
		return nil
	}
	return c.readable(r, p)
}

// readable reads a chunk and tells where that is impossible.
func (c *check) readable(r *record, p part) error {
	_, err := c.store.chunksOf(r.domain).read(c.ctx, p.id)
	if isDamage(err) {
		c.lost(r, p, err)
		return nil
	}
	return err
}

// spoilt tells what a damaged chunk is missed by, unless it is whole in another pack.
func (c *check) spoilt(r *record, p part) error {
	if p.entry || !c.bad[p.id] || p.class != digest.ClassContent {
		return nil
	}
	return c.readable(r, p)
}

// lost tells that a part of a snapshot is gone.
func (c *check) lost(r *record, p part, err error) {
	what := fmt.Errorf("snapshot %s: %w", r.snap.ID.Short(), err)
	if p.class == digest.ClassPage {
		what = fmt.Errorf("snapshot %s, a page of its manifest: %w", r.snap.ID.Short(), err)
	}
	c.damage(p.path, what)
}

// wanted returns the packs to read: all that are listed, or those that the snapshots asked for need.
func (c *check) wanted() ([]table.Name, error) {
	objects, err := backend.Objects(c.ctx, c.store.backend, backend.Data)
	if err != nil {
		return nil, err
	}
	var names []table.Name
	for _, o := range objects {
		_, sum, err := backend.Parse(o.Name)
		if err != nil {
			continue
		}
		name := table.Name(sum)
		if _, needed := c.needs.packs[name]; needed || len(c.opts.Snapshots) == 0 {
			names = append(names, name)
			c.sizes[name] = o.Size
		}
	}
	return names, nil
}
