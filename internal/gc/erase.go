package gc

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
)

// flag puts the condemn record: G2. From here on the packs that it lists are absent for everybody else.
func (c *collection) flag(ctx context.Context) error {
	if len(c.own) == 0 {
		return nil
	}
	data, err := c.Codec.Condemn(c.own)
	if err != nil {
		return err
	}
	c.record = nameOf(condemned, data)
	return c.put(ctx, c.record, data)
}

// markAgain lists the roots again, completely, and marks: G3. Every writer that did not see the own record is among them.
func (c *collection) markAgain(ctx context.Context) error {
	before := c.snaps
	var err error
	if c.snaps, err = c.snapshots(ctx); err != nil {
		return err
	}
	if err := vanished(before, c.snaps); err != nil {
		return err
	}
	if len(c.own) == 0 {
		return nil
	}
	return c.mark(ctx)
}

// vanished returns an error where a root is gone without a tomb: such a storage shows not all there is.
func vanished(before, after []Snap) error {
	for _, s := range before {
		i, found := slices.BinarySearchFunc(after, s.Name, func(a Snap, name string) int { return strings.Compare(a.Name, name) })
		if s.root() && (!found || after[i].root() && len(after[i].Data) == 0) {
			return errGone(s.Name)
		}
	}
	return nil
}

// shun reads the condemn records of all others: G4.
func (c *collection) shun(ctx context.Context) error {
	records, err := c.condemned(ctx, c.record)
	c.avoid(records)
	return err
}

// find lists the packs: G5. It comes after shun, since a collector deletes before it removes its record.
func (c *collection) find(ctx context.Context) error {
	objects, err := c.list(ctx, packs)
	if err == nil {
		c.set(listed, objects)
	}
	return err
}

// spare chooses what to delete: G6, as much of the own list as leaves a usable copy of everything live. One more could not go; another
// choice might be larger, but finding the largest takes too long. The own packs are usable until they are chosen: nobody else may
// delete them and count on the rest of the list.
func (c *collection) spare(ctx context.Context) error {
	for _, name := range c.own {
		if c.packs[name]&listed == 0 {
			continue
		}
		c.packs[name] |= going
		covered, err := c.plan.Covered(ctx, name, c.usable)
		if err != nil {
			return err
		}
		if !covered {
			c.packs[name] &^= going
		}
	}
	return nil
}

// erase deletes what was chosen. After an error it is not known what is deleted, so the own record stays.
func (c *collection) erase(ctx context.Context) error {
	var doomed []string
	for _, name := range c.own {
		if c.packs[name]&going != 0 {
			doomed = append(doomed, name)
		}
	}
	c.begun = len(doomed) > 0
	var count, bytes atomic.Int64
	err := c.each(len(doomed), func(i int) error {
		err := c.remove(ctx, doomed[i])
		if err == nil {
			count.Add(1)
			bytes.Add(c.sizes[doomed[i]])
		}
		return err
	})
	c.report.Deleted, c.report.Bytes = int(count.Load()), bytes.Load()
	if err != nil {
		return err
	}
	for _, name := range doomed {
		c.packs[name] |= deleted
	}
	return nil
}

// unflag removes the own record: G7. It comes after a pause in which listings cease to show what was deleted.
func (c *collection) unflag(ctx context.Context) error {
	if c.record == "" {
		return nil
	}
	return c.remove(ctx, c.record)
}

// sweep removes the records of others that have nothing left to condemn. They were read before the first pause, so their packs were
// put before it, and the listing after it shows which of them are there.
func (c *collection) sweep(ctx context.Context) error {
	for _, r := range c.others {
		if !slices.ContainsFunc(r.Names, func(name string) bool { return !c.rules().spent(c, name) }) {
			if err := c.remove(ctx, r.Name); err != nil {
				return err
			}
			c.report.Swept++
		}
	}
	return nil
}

// gone reports whether what a record condemned is gone for ever: a pack that is not there, a snapshot record with a tomb or not there.
func (c *collection) gone(name string) bool {
	i, found := slices.BinarySearchFunc(c.snaps, name, func(s Snap, name string) int { return strings.Compare(s.Name, name) })
	if found {
		return len(c.snaps[i].Tombs) > 0
	}
	return c.packs[name]&listed == 0 || c.packs[name]&deleted != 0
}

// open notes whose records are no longer needed: they have a tomb, and nothing that they needed is left after this run.
func (c *collection) open() {
	for _, s := range c.snaps {
		if len(s.Tombs) > 0 && s.Err == nil && !c.report.More && !c.plan.Keep(s) && (len(s.Data) > 0 || len(s.Seals) > 0) {
			c.graves[s.Name] = true
		}
	}
}

// bury deletes the records of forgotten snapshots, and their seals before them. The tombs stay: a delayed put may bring a record back.
func (c *collection) bury(ctx context.Context) error {
	open := slices.DeleteFunc(slices.Clone(c.snaps), func(s Snap) bool { return !c.graves[s.Name] })
	var count atomic.Int64
	err := c.each(len(open), func(i int) error {
		for _, seal := range open[i].Seals {
			if err := c.remove(ctx, seal.Name); err != nil {
				return err
			}
		}
		err := c.remove(ctx, open[i].Name)
		if err == nil {
			count.Add(1)
		}
		return err
	})
	c.report.Buried = int(count.Load())
	return err
}
