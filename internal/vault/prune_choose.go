package vault

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"

	"varve"
	"varve/internal/gc"
	"varve/internal/table"
)

const (
	// smallPack is how long a pack is at the least that is not worth joining with others, in bytes; it takes more than fewSmall.
	smallPack = 1 << 20
	fewSmall  = 16
)

// candidate is a pack about which something is decided.
type candidate struct {
	name   table.Name
	object string
	size   int64
	usage
	kinship
}

// chooser decides about packs. What it does not decide about stays as it is.
type chooser struct {
	*plan
	ctx    context.Context
	rest   []candidate // that stay, so far
	choice gc.Choice
	copied int64 // bytes
}

// Choose is gc.Plan's. First come the packs that nobody needs, then those whose live content is elsewhere too, then the ones with the
// largest unused share until little enough is unused, and at last small ones.
func (p *plan) Choose(ctx context.Context, free, rescue []varve.Object) (gc.Choice, error) {
	c := &chooser{plan: p, ctx: ctx}
	if err := c.rescue(rescue); err != nil {
		return c.choice, err
	}
	for _, step := range []func([]varve.Object) error{c.sort, c.dropTwins, c.moveWorst, c.join} {
		if err := step(free); err != nil {
			return c.choice, err
		}
	}
	p.stays = map[table.Name]bool{}
	for i := range c.rest {
		p.stays[c.rest[i].name] = true
	}
	return c.choice, nil
}

// rescue moves what another collector condemned and holds something live.
func (c *chooser) rescue(packs []varve.Object) error {
	for _, o := range packs {
		name := packName(o.Name)
		k, err := c.kin(name)
		if err != nil {
			return err
		}
		if u, known := c.usage[name]; known && k.known {
			c.move(&candidate{object: o.Name, usage: u})
		}
	}
	return nil
}

// candidate returns what is known of a pack; false where that is nothing.
func (c *chooser) candidate(o varve.Object) (candidate, bool, error) {
	name := packName(o.Name)
	u, known := c.usage[name]
	if !known {
		return candidate{}, false, nil
	}
	one := candidate{name: name, object: o.Name, size: o.Size, usage: u}
	if u.live > 0 && u.dead == 0 && o.Size >= smallPack { // nothing is gained by looking closer
		return one, true, nil
	}
	k, err := c.kin(name)
	one.kinship = k
	return one, true, err
}

// sort drops the packs in which nothing is live, but for reserves.
func (c *chooser) sort(free []varve.Object) error {
	reserved := 0
	for _, o := range free {
		one, known, err := c.candidate(o)
		switch {
		case err != nil:
			return err
		case !known:
		case one.blobs == 0 && o.Size == reserveSize && reserved < reserves:
			reserved++
		case one.known && one.live == 0 && c.young(o):
			c.rest = append(c.rest, one)
		case one.known && one.live == 0:
			c.choice.Drop = append(c.choice.Drop, o.Name)
		default:
			c.rest = append(c.rest, one)
		}
	}
	return nil
}

// dropTwins drops packs all of whose live content is in others that stay, as it is after a prune that was broken off. Those with the least
// live content go first.
func (c *chooser) dropTwins([]varve.Object) error {
	if c.places <= c.distinct {
		return nil
	}
	staying := map[table.Name]bool{}
	for i := range c.rest {
		staying[c.rest[i].name] = true
	}
	slices.SortFunc(c.rest, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.live, b.live), bytes.Compare(a.name[:], b.name[:]))
	})
	left := c.rest[:0]
	for _, one := range c.rest {
		if one.chunks == 0 {
			left = append(left, one)
			continue
		}
		delete(staying, one.name)
		var damage error
		covered, err := c.covered(c.ctx, one.name, func(name table.Name) bool {
			whole, err := c.whole(c.ctx, name)
			damage = errors.Join(damage, err)
			return staying[name] && whole
		})
		err = errors.Join(err, damage)
		if err != nil {
			return err
		}
		if covered {
			c.choice.Drop = append(c.choice.Drop, one.object)
			continue
		}
		staying[one.name] = true
		left = append(left, one)
	}
	c.rest = left
	return nil
}

// moveWorst moves packs until no more than the share that may stay unused is unused. Of what put-only clients have, packs
// are moved only where more than half is unused: such a client does not find what was moved, and stores it anew.
func (c *chooser) moveWorst([]varve.Object) error {
	unused, total := int64(0), int64(0)
	for i := range c.rest {
		total += c.rest[i].live + c.rest[i].dead
		if c.rest[i].movable() {
			unused += c.rest[i].dead
		}
	}
	slices.SortFunc(c.rest, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.dead*(a.live+a.dead), a.dead*(b.live+b.dead)), bytes.Compare(a.name[:], b.name[:]))
	})
	c.takeFrom(func(one *candidate) bool {
		if !one.movable() || one.dead == 0 || float64(unused) <= max(0, c.opts.MaxUnused)*float64(total) || !c.move(one) {
			return false
		}
		unused, total = unused-one.dead, total-one.dead
		return true
	})
	return nil
}

// movable reports whether the unused part of a pack is worth copying the rest of it.
func (c *candidate) movable() bool { return c.known && (!c.putOnly || c.dead > c.live) }

// join moves small packs, where there are many.
func (c *chooser) join([]varve.Object) error {
	small := func(one *candidate) bool { return one.known && !one.putOnly && one.blobs > 0 && one.size < smallPack }
	n := 0
	for i := range c.rest {
		if small(&c.rest[i]) {
			n++
		}
	}
	if n > fewSmall {
		c.takeFrom(func(one *candidate) bool { return small(one) && c.move(one) })
	}
	return nil
}

// takeFrom takes out of the rest what take wants.
func (c *chooser) takeFrom(take func(*candidate) bool) {
	c.rest = slices.DeleteFunc(c.rest, func(one candidate) bool { return take(&one) })
}

// move chooses a pack to be copied, if the limit allows that.
func (c *chooser) move(one *candidate) bool {
	if c.opts.MaxRepack > 0 && c.copied+one.live > c.opts.MaxRepack {
		c.choice.More = true
		return false
	}
	c.copied += one.live
	c.choice.Move = append(c.choice.Move, one.object)
	return true
}
