package job

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"varve"
	"varve/internal/disk"
	"varve/internal/replicate"
	"varve/internal/retention"
)

// missing returns the snapshots of a series in from that held is to get, in the order of their sequence: those that came after the newest
// that it has, as far as policy keeps them. What is older was forgotten there, or came when the store was not there and is passed by: a
// series goes on in one direction.
func missing(from, held []varve.Snapshot, series string, p retention.Policy, now time.Time) []varve.Snapshot {
	var own []varve.Snapshot
	for _, s := range from {
		if s.Series == series {
			own = append(own, s)
		}
	}
	slices.SortFunc(own, func(a, b varve.Snapshot) int { return cmp.Compare(a.Seq, b.Seq) })
	own = own[after(own, held, series):]
	kept := keeps(own, p, now)
	own = slices.DeleteFunc(own, func(s varve.Snapshot) bool { return !kept[s.ID] })
	return replicate.Missing(own, held)
}

// after returns the index in own, which is in the order of its sequence, of the first snapshot that comes after the newest in held.
func after(own, held []varve.Snapshot, series string) int {
	has := map[varve.SnapshotID]bool{}
	for _, s := range held {
		has[replicate.Identity(s)] = true
	}
	for i, s := range slices.Backward(own) {
		if has[replicate.Identity(s)] {
			return i + 1
		}
	}
	last := newest(held, series)
	if last == nil {
		return 0
	}
	// The one that they had in common is gone.
	n := slices.IndexFunc(own, func(s varve.Snapshot) bool { return s.Time.After(last.Time) })
	if n < 0 {
		return len(own)
	}
	return n
}

// bring copies what a store lacks from another one.
func (r *run) bring(ctx context.Context, from, to *target) error {
	if from.place == nil || to.place == nil {
		return fmt.Errorf("a store was lost on the way: %w", varve.ErrNoStore)
	}
	have, err := from.place.Store.Snapshots(ctx)
	if err != nil && !errors.Is(err, varve.ErrDamaged) { // what can be read is worth copying then most of all
		return fmt.Errorf("from %s: %w", from.conf.Name, err)
	}
	var held []varve.Snapshot
	if to.blind {
		have = since(have, r.memory.Good[to.conf.Name])
	} else if held, err = to.place.Store.Snapshots(ctx); err != nil {
		return err
	}
	list := missing(have, held, r.report.Series, r.deps.Config.Policy(r.job, to.conf), r.clock.now)
	if len(list) == 0 {
		return nil
	}
	err = r.replicate(ctx, from, to, &list)
	if last := len(list) - 1; last > 0 && errors.Is(err, disk.ErrNoSpace) && ctx.Err() == nil {
		list = list[last:] // the newest matters most, and may be smaller
		if again := r.replicate(ctx, from, to, &list); !errors.Is(again, disk.ErrNoSpace) {
			err = errors.Join(err, again)
		}
	}
	return err
}

// replicate copies the snapshots of a list, and leaves those there that it could not copy.
func (r *run) replicate(ctx context.Context, from, to *target, list *[]varve.Snapshot) error {
	return r.tryAgain(ctx, []*target{from, to}, func() error {
		_, err := replicate.Run(ctx, from.place.Store, to.place.Store, *list, replicate.Options{Progress: r.watch(to),
			Done: func(_, c varve.Snapshot) {
				to.report.Copied = append(to.report.Copied, c)
				to.got(c, replicate.Identity(c) == r.report.Snapshot.ID)
				*list = (*list)[1:]
			},
			Failed: func(varve.Snapshot, error) { *list = (*list)[1:] }})
		return err
	})
}

// catchUp gives the store that gets the backup what the others got while it was away. That it cannot be done does not keep the backup from
// being made.
func (r *run) catchUp(ctx context.Context, first *target) {
	for _, t := range r.targets {
		if t != first && t.place != nil && !t.blind {
			first.fail("catch up", r.bring(ctx, t, first))
		}
	}
}

// spread copies the new snapshot, and what they lack besides, to the other stores.
func (r *run) spread(ctx context.Context, first *target) {
	for _, t := range r.targets {
		if t == first || t.place == nil || t.spent || ctx.Err() != nil {
			continue
		}
		err := r.give(ctx, first, t)
		t.fail("copy", err)
		t.holds = err == nil
	}
}

// give lets a store have the new snapshot too: by copying, or by a backup of its own where the first cannot be read.
func (r *run) give(ctx context.Context, first, to *target) error {
	if !first.blind {
		return r.bring(ctx, first, to)
	}
	r.first = to
	snap, err := r.attempt(ctx)
	r.first = first
	if err == nil {
		to.got(snap, true)
	}
	return err
}

// since returns what was begun after a time.
func since(list []varve.Snapshot, at time.Time) (young []varve.Snapshot) {
	for _, s := range list {
		if s.Time.After(at) {
			young = append(young, s)
		}
	}
	return young
}
