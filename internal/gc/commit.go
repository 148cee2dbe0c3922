package gc

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"slices"
)

// rounds is how often a writer stores lost packs again before it takes the storage for broken. Each further round takes a collector
// that began within the one before.
const rounds = 10

// Claim is a snapshot about to be made. Its packs and index objects are durable already: that was W1.
type Claim interface {
	// Snap returns the bytes of the snapshot record. No two calls, on any claim, return the same.
	Snap(ctx context.Context) ([]byte, error)
	// Needs yields the object names of all packs that the snapshot relies on, after what Replace did. A pack may come repeatedly.
	Needs(ctx context.Context) iter.Seq2[string, error]
	// Replace stores what the snapshot needs of the lost packs again, in new packs and index objects; the claim then needs these
	// instead. The lost ones count as absent even if they can still be read. ErrLost where the content is not at hand.
	Replace(ctx context.Context, lost []string) error
}

// Commit makes a claim a snapshot, and returns the object name of its record, which is empty as long as none was put. Only a nil
// error says that the snapshot is valid. After any other the record may be there, unsealed or even sealed: what it needs is kept until
// somebody seals it, or gives it up, with Tidy. ErrTombed says that this happened meanwhile.
func (p *Protocol) Commit(ctx context.Context, claim Claim) (string, error) {
	c := &commit{reader: newReader(p), claim: claim, before: map[string]bool{}}
	listed, err := p.list(ctx, snapshots)
	for _, o := range listed {
		c.before[o.Name] = true
	}
	if err == nil {
		err = c.validate(ctx)
	}
	for _, step := range p.rules().finish {
		if err == nil {
			err = step(c, ctx)
		}
	}
	if err != nil {
		return c.snap, fmt.Errorf("commit snapshot: %w", err)
	}
	return c.snap, nil
}

// commit is one writer under way.
type commit struct {
	*reader
	claim  Claim
	before map[string]bool // what was in snapshots/ before the record: it holds no tomb for it
	snap   string          // the object name of the record, once it may be there
	needs  map[string]bool // the packs that are needed: whether the last listing showed them
	lost   map[string]bool // those that are absent or condemned
}

// validate announces the snapshot and does not return before all that it needs is there, and stays.
func (c *commit) validate(ctx context.Context) error {
	for range rounds {
		if err := c.gather(ctx); err != nil {
			return err
		}
		for _, step := range c.rules().check {
			if err := step(c, ctx); err != nil {
				return err
			}
		}
		if len(c.lost) == 0 {
			return nil
		}
		if err := c.claim.Replace(ctx, slices.Sorted(maps.Keys(c.lost))); err != nil {
			return err
		}
	}
	return fmt.Errorf("needed packs were gone %d times over", rounds)
}

// gather asks what the claim needs now.
func (c *commit) gather(ctx context.Context) error {
	c.needs, c.lost = map[string]bool{}, map[string]bool{}
	for pack, err := range c.claim.Needs(ctx) {
		if err != nil {
			return err
		}
		c.needs[pack] = false
	}
	return nil
}

// announce puts the snapshot record: W2. From here on collectors keep what it needs.
func (c *commit) announce(ctx context.Context) error {
	if c.snap != "" {
		return nil
	}
	data, err := c.claim.Snap(ctx)
	if err != nil {
		return err
	}
	c.snap = nameOf(snapshots, data)
	return c.put(ctx, c.snap, data)
}

// shun takes what collectors condemned for lost: W3. Who condemns later than this sees the record.
func (c *commit) shun(ctx context.Context) error {
	records, err := c.condemned(ctx, "")
	for _, r := range records {
		for _, name := range r.Names {
			if _, needed := c.needs[name]; needed {
				c.lost[name] = true
			}
		}
	}
	return err
}

// find takes what is not listed for lost: W4. It comes after shun, since a collector deletes before it removes its record.
func (c *commit) find(ctx context.Context) error {
	for o, err := range c.Backend.List(ctx, packs) {
		if err != nil {
			return about("list", packs, err)
		}
		if _, needed := c.needs[o.Name]; needed {
			c.needs[o.Name] = true
		}
	}
	for name, found := range c.needs {
		if !found {
			c.lost[name] = true
		}
	}
	return nil
}

// seal puts the seal: W5.
func (c *commit) seal(ctx context.Context) error { return c.putSeal(ctx, c.snap) }

func (p *Protocol) putSeal(ctx context.Context, snap string) error {
	seal, err := p.Codec.Seal(snap)
	if err != nil {
		return err
	}
	return p.put(ctx, nameOf(snapshots, seal), seal)
}

// doubted looks whether somebody is about to give the record up: the first half of W6. It comes before the second half, since
// the tomb is put before the doubt is removed; and after the seal, since who doubts looks for that before putting the tomb.
func (c *commit) doubted(ctx context.Context) error {
	records, err := c.condemned(ctx, "")
	for _, r := range records {
		if slices.Contains(r.Names, c.snap) {
			return ErrTombed
		}
	}
	return err
}

// tombed looks whether somebody gave the record up: the second half of W6. Only then is the snapshot a success.
func (c *commit) tombed(ctx context.Context) error {
	entries, err := c.directory(ctx, snapshots, func(name string) bool { return c.before[name] || name == c.snap })
	for _, e := range entries {
		switch {
		case e.err != nil && !errors.Is(e.err, fs.ErrNotExist): // tombs do not go away
			return e.err
		case e.Kind == Tomb && e.Snap == c.snap:
			return ErrTombed
		}
	}
	return err
}
