package vault

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"time"

	"varve"
	"varve/internal/backend"
	"varve/internal/gc"
	"varve/internal/index"
	"varve/internal/seal"
	"varve/internal/table"
)

// plan is one prune: what it knows of packs, and what it decides.
//
// What a put-only client says is in its packs is never a reason to delete what is live elsewhere: it could be a lie. So a copy in another
// pack counts, in the domain of a put-only client, only where it is the same sealed bytes. And what is in domains that no
// known client has is left alone altogether: its client may be new, or what the vault knows of it damaged.
type plan struct {
	store      *Store
	opts       PruneOptions
	undo       time.Duration
	keyObjects map[string]bool // under keys/, when the keyring was read
	expected   []string        // the records without a tomb at the beginning
	now        time.Time
	byStorage  bool // now is by the clock of the storage

	listed   map[table.Name]int64 // the packs of the last listing, in bytes
	marks    *index.Marks
	usage    map[table.Name]usage
	distinct uint64 // chunks that are marked
	places   uint64 // where marked chunks are: more than distinct where some are in several packs
	nowhere  int    // needed content that is in no pack
	stays    map[table.Name]bool
	kept     map[string]bool     // of forgotten records: whether they are kept
	read     map[table.Name]bool // packs that were read: whether they are whole

	mu     sync.Mutex
	sums   map[blobKey][32]byte // of sealed blobs
	report PruneReport
	passed int // packs that could not be copied
	// written is how much was put into new packs, in bytes.
	written int64
	full    bool // the storage
}

var _ gc.Plan = (*plan)(nil)

// usage is how much of a pack is live.
type usage struct {
	live, dead int64 // bytes of blobs
	chunks     uint32
	blobs      uint32
}

func newPlan(s *Store, opts PruneOptions) *plan {
	p := &plan{store: s, opts: opts, undo: opts.Undo, kept: map[string]bool{}, read: map[table.Name]bool{}, sums: map[blobKey][32]byte{}}
	if p.undo == 0 {
		p.undo = s.opts.Undo
	}
	if p.undo == 0 {
		p.undo = usualUndo
	}
	if p.opts.MaxUnused == 0 {
		p.opts.MaxUnused = usualUnused
	}
	return p
}

func (p *plan) close() {
	if p.marks != nil {
		p.marks.Close()
	}
}

// tell reports something, from any goroutine.
func (p *plan) tell(e varve.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.opts.Progress != nil {
		p.opts.Progress(e)
	}
}

// packName returns the name of the pack that an object is; zero where it is none.
func packName(object string) table.Name {
	_, sum, _ := backend.Parse(object)
	return sum
}

// Learn is gc.Contents's.
func (p *plan) Learn(ctx context.Context, packs []varve.Object) error {
	first := p.listed == nil
	p.listed = make(map[table.Name]int64, len(packs))
	total := int64(0)
	for _, o := range packs {
		if _, sum, err := backend.Parse(o.Name); err == nil {
			p.listed[sum] = o.Size
			total += o.Size
		}
	}
	if first {
		p.report.Packs, p.report.Bytes = int64(len(p.listed)), total
	}
	return p.store.learnAll(ctx, packs)
}

// learnAll makes the index know exactly these packs, also those that the Store would not rely on.
func (s *Store) learnAll(ctx context.Context, packs []varve.Object) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.learn(ctx, packs, nil)
	if errors.Is(err, varve.ErrDamaged) { // a file of the local index, which is left out now
		err = s.learn(ctx, packs, nil)
	}
	return err
}

// Mark is gc.Contents's. Roots without a tomb come first: what only the others lack may be missing.
func (p *plan) Mark(ctx context.Context, roots []gc.Snap) error {
	if err := p.sameKeys(ctx); err != nil {
		return err
	}
	if err := p.allThere(ctx, roots); err != nil {
		return err
	}
	p.close()
	p.marks = p.store.index.NewMarks()
	p.distinct, p.nowhere = 0, 0
	for _, tombed := range []bool{false, true} {
		for i := range roots {
			if len(roots[i].Tombs) > 0 != tombed {
				continue
			}
			if err := p.markRoot(ctx, &roots[i]); err != nil {
				return err
			}
		}
	}
	return p.measure()
}

// allThere makes sure that the records that were there at the beginning are among the roots, or have a tomb now: a listing that lacks
// some is worth nothing.
func (p *plan) allThere(ctx context.Context, roots []gc.Snap) error {
	listed := map[string]bool{}
	for i := range roots {
		listed[roots[i].Name] = true
	}
	missing := slices.DeleteFunc(slices.Clone(p.expected), func(name string) bool { return listed[name] })
	if len(missing) == 0 {
		return nil
	}
	r, err := p.store.readRecords(ctx)
	if err != nil {
		return err
	}
	for _, name := range missing {
		if !r.tombs[name] {
			return fmt.Errorf("%s is missing from a listing, and was not forgotten: %w", name, varve.ErrDamaged)
		}
	}
	return nil
}

// record returns what a snapshot record says.
func (p *plan) record(snap *gc.Snap) (*record, error) {
	parsed, err := p.store.parse(snap.Name, snap.Data)
	if err == nil && (parsed.record == nil || !parsed.record.opened) {
		err = varve.ErrDamaged
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", snap.Name, err)
	}
	return parsed.record, nil
}

// markRoot marks what one snapshot needs. What was marked already, everything below it included, is passed over.
func (p *plan) markRoot(ctx context.Context, root *gc.Snap) error {
	rec, err := p.record(root)
	if err != nil {
		return err
	}
	tombed, domain := len(root.Tombs) > 0, table.Domain(rec.domain)
	t := &tour{plan: p, domain: rec.domain, forgiving: tombed}
	t.visit = func(class table.Class, id varve.ChunkID) (bool, error) {
		found, fresh, err := p.marks.Mark(domain, id)
		switch {
		case err != nil: // a file of the local index, which is left out now
			return false, fmt.Errorf("%w: %w", fs.ErrNotExist, err)
		case fresh:
			p.distinct++
		case !found && !tombed && class != table.Content:
			return false, fmt.Errorf("chunk %s of class %d is in no pack: %w: %w", id, class, varve.ErrDamaged, fs.ErrNotExist)
		case !found && !tombed:
			p.nowhere++
		}
		return fresh, nil
	}
	if err := t.run(ctx, rec); err != nil {
		return fmt.Errorf("snapshot %s: %w", rec.snap.ID.Short(), err)
	}
	return nil
}

// measure finds out how much of each pack is marked. Of several who tell of a pack, the one counts by whom most is live.
func (p *plan) measure() error {
	p.usage, p.places = map[table.Name]usage{}, 0
	for u, err := range p.marks.Usage() {
		if err != nil { // a file of the local index, which is left out now
			return fmt.Errorf("%w: %w", fs.ErrNotExist, err)
		}
		if _, listed := p.listed[u.Name]; !listed {
			continue
		}
		p.places += uint64(u.LiveChunks)
		known, twice := p.usage[u.Name]
		if !twice || int64(u.LiveBytes) > known.live {
			p.usage[u.Name] = usage{int64(u.LiveBytes), int64(u.DeadBytes), u.LiveChunks, u.Blobs}
		}
	}
	return nil
}

// kinship says whose chunks a pack holds.
type kinship struct {
	known   bool // all their domains are those of known clients
	putOnly bool // some are those of put-only clients
}

// kin returns whose chunks a pack holds, as far as is known of it.
func (p *plan) kin(name table.Name) (k kinship, err error) {
	list, err := p.store.index.Pack(name)
	if err != nil {
		return k, err
	}
	k.known = len(list) > 0
	for i := range list {
		for _, d := range list[i].Domains {
			c := p.store.keys.clients[seal.SignerID(d)]
			k.known = k.known && c != nil && c.ids != nil
			k.putOnly = k.putOnly || !p.trusted(d)
		}
	}
	return k, nil
}

// trusted reports whether who writes in a domain could delete everything anyway.
func (p *plan) trusted(d table.Domain) bool {
	c := p.store.keys.clients[seal.SignerID(d)]
	return c != nil && c.Kind == kindFull
}

// sameKeys makes sure that nobody has come since the keyring was read: his records would be taken for foreign. It is called after
// records were listed, and who writes records was entered before he wrote any.
func (p *plan) sameKeys(ctx context.Context) error {
	objects, err := backend.Objects(ctx, p.store.backend, backend.Keys)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(objects, func(o varve.Object) bool { return !p.keyObjects[o.Name] }) {
		return errors.New("keys were added meanwhile: prune once more")
	}
	return nil
}

// renewKeys brings the keyring up to date, and returns what it was read from. A damaged object under keys/ is an error: whose records
// count cannot be told without it.
func (s *Store) renewKeys(ctx context.Context) (map[string]bool, error) {
	objects, err := backend.Objects(ctx, s.backend, backend.Keys)
	if err != nil {
		return nil, err
	}
	err = together(ctx, s.opts.requests(), len(objects), func(i int) error {
		if _, err := backend.Load(ctx, s.backend, objects[i].Name); err != nil && !isGone(err) {
			return fmt.Errorf("%s: %w", objects[i].Name, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, o := range objects {
		names[o.Name] = true
	}
	k, err := s.freshKeys(ctx)
	if err == nil && !k.alike(s.keys) {
		s.useKeys(k)
	}
	return names, err
}
