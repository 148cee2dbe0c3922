package gc

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"varve"
)

// maxCondemned is how many packs one condemn record lists at most: some MiB.
const maxCondemned = 50_000

// trait is what a collector knows of a pack.
type trait uint8

const (
	learned trait = 1 << iota // the plan knows what it holds
	listed                    // in the last listing
	shunned                   // condemned by another collector
	going                     // to be deleted
	deleted
)

// collection is one collector under way.
type collection struct {
	*reader
	plan   Plan
	packs  map[string]trait
	sizes  map[string]int64 // of the packs on the own record, in bytes
	listed []varve.Object   // the last listing that the plan learned
	snaps  []Snap
	others []*entry        // the condemn records that were there at the beginning
	graves map[string]bool // the records that were no longer needed at the beginning
	own    []string
	record string // the name of the own record, once it may be there
	begun  bool   // something may have been deleted
	report Report
}

func newCollection(p *Protocol, plan Plan) *collection {
	return &collection{reader: newReader(p), plan: plan, packs: map[string]trait{}, sizes: map[string]int64{}, graves: map[string]bool{}}
}

// Collect removes packs that no snapshot needs, what is left of collectors that died, and the records of forgotten snapshots whose
// content is gone. It stops, and deletes nothing, where a root is damaged or incomplete. It may break off anywhere; the next call, by
// anybody, goes on. On a full storage the plan should choose packs that need no copying; all else is a record, see MakeRoom.
func (p *Protocol) Collect(ctx context.Context, plan Plan) (Report, error) {
	c := newCollection(p, plan)
	err := c.run(ctx)
	if err != nil {
		c.withdraw(ctx)
		err = fmt.Errorf("collect packs: %w", err)
	}
	return c.report, err
}

// Preview reports which packs Collect would choose now. It changes nothing.
func (p *Protocol) Preview(ctx context.Context, plan Plan) (Report, error) {
	c := newCollection(p, plan)
	_, err := c.survey(ctx)
	if err != nil {
		return c.report, fmt.Errorf("choose packs: %w", err)
	}
	return c.report, nil
}

func (c *collection) run(ctx context.Context) error {
	move, err := c.survey(ctx)
	if err == nil && len(move) > 0 {
		err = c.plan.Repack(ctx, move)
	}
	if err != nil {
		return err
	}
	c.open()
	if len(c.own) == 0 && len(c.others) == 0 && len(c.graves) == 0 {
		return nil
	}
	for _, step := range c.rules().collect {
		if err := step(c, ctx); err != nil {
			return err
		}
	}
	return nil
}

// survey marks and chooses: the first half of G1. It returns what is to be copied.
func (c *collection) survey(ctx context.Context) (move []string, err error) {
	if c.snaps, err = c.snapshots(ctx); err != nil {
		return nil, err
	}
	if c.others, err = c.condemned(ctx, ""); err != nil {
		return nil, err
	}
	c.avoid(c.others)
	if err := c.mark(ctx); err != nil {
		return nil, err
	}
	free, rescue, adopted, err := c.sort(ctx)
	if err != nil {
		return nil, err
	}
	choice, err := c.plan.Choose(ctx, free, rescue)
	if err != nil {
		return nil, err
	}
	return c.choose(choice, adopted), nil
}

// sort parts the listed packs into those that nobody condemned, those condemned by others that have to be copied, and those condemned
// by others that can go.
func (c *collection) sort(ctx context.Context) (free, rescue []varve.Object, adopted []string, err error) {
	for _, o := range c.listed {
		if c.packs[o.Name]&shunned == 0 {
			free = append(free, o)
			continue
		}
		covered, err := c.plan.Covered(ctx, o.Name, c.usable)
		switch {
		case err != nil:
			return nil, nil, nil, err
		case covered:
			adopted = append(adopted, o.Name)
		default:
			rescue = append(rescue, o)
		}
	}
	return free, rescue, adopted, nil
}

// choose makes the choice, and what others condemned and can go, the own list, and returns what is to be copied. What is not listed
// it leaves out.
func (c *collection) choose(choice Choice, adopted []string) []string {
	c.report.More = choice.More
	var move []string
	for _, names := range [][]string{adopted, choice.Drop, choice.Move} {
		for _, name := range names {
			_, twice := c.sizes[name]
			switch {
			case twice || c.packs[name]&listed == 0:
			case len(c.own) == maxCondemned:
				c.report.More = true
			default:
				c.own = append(c.own, name)
				c.sizes[name] = 0
			}
		}
	}
	for _, o := range c.listed {
		if _, chosen := c.sizes[o.Name]; chosen {
			c.sizes[o.Name] = o.Size
		}
	}
	for _, name := range choice.Move {
		if _, chosen := c.sizes[name]; chosen {
			move = append(move, name)
		}
	}
	c.report.Chosen, c.report.Moved = c.own, move
	return move
}

// mark lists the packs and has the plan mark what the roots need. What others move meanwhile may be in none of the packs
// that a listing shows, so it is made again before something counts as missing.
func (c *collection) mark(ctx context.Context) error {
	roots, err := c.roots()
	if err != nil {
		return err
	}
	for range listings {
		if err = c.learn(ctx); err == nil {
			err = c.plan.Mark(ctx, roots)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := c.settle(ctx); err != nil {
			return err
		}
	}
	return fmt.Errorf("mark what snapshots need: %w", err)
}

// roots returns the records whose content has to stay.
func (c *collection) roots() ([]Snap, error) {
	var roots []Snap
	for _, s := range c.snaps {
		switch {
		case c.rules().root(&s):
			if s.Err != nil {
				return nil, s.Err
			}
			roots = append(roots, s)
		case len(s.Data) > 0 && len(s.Tombs) > 0 && c.plan.Keep(s):
			roots = append(roots, s)
		}
	}
	return roots, nil
}

// learn lists the packs and has the plan learn what they hold.
func (c *collection) learn(ctx context.Context) (err error) {
	if c.listed, err = c.list(ctx, packs); err != nil {
		return err
	}
	if err := c.plan.Learn(ctx, c.listed); err != nil {
		return err
	}
	c.set(learned|listed, c.listed)
	return nil
}

// set gives these packs some traits, and takes them from all others.
func (c *collection) set(traits trait, packs []varve.Object) {
	for name := range c.packs {
		c.packs[name] &^= traits
	}
	for _, o := range packs {
		c.packs[o.Name] |= traits
	}
}

// avoid takes the packs on these records for absent.
func (c *collection) avoid(records []*entry) {
	for _, r := range records {
		for _, name := range r.Names {
			c.packs[name] |= shunned
		}
	}
}

// usable reports whether a pack counts as a copy of what it holds.
func (c *collection) usable(pack string) bool {
	return c.packs[pack]&(learned|listed|shunned|going) == learned|listed
}

// withdraw removes the own record after an error, if nothing can have been deleted yet. Where that fails the next collector sees to it.
func (c *collection) withdraw(ctx context.Context) {
	if c.record != "" && !c.begun {
		_ = c.remove(ctx, c.record)
	}
}
