// Package replicate copies snapshots from one store to another.
//
// A copy is lossless or is not made. It has an ID of its own and remembers its origin: the ID of the snapshot that it goes back to, through
// all copies. By that a store is known to hold a snapshot already, whoever copied it there and by what way. Within a series the older one
// comes first, so that each finds the one before it to build on; every copy is durable by itself, so that an interrupted run is
// taken up again by the next one.
//
// It is not for choosing snapshots (package selector), nor does it remove from the target what the source has no more.
package replicate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"varve"
)

// Options vary a run. The zero value is right.
type Options struct {
	// Begin is told of each snapshot before it is copied, and Done of it and of its copy.
	Begin func(from varve.Snapshot)
	Done  func(from, to varve.Snapshot)
	// Progress is told what happens while a snapshot is copied, as with varve.SaveOptions.
	Progress func(varve.Event)
	// Failed is told of a snapshot that cannot be copied because it is damaged. The others are copied nevertheless.
	Failed func(from varve.Snapshot, err error)
	// Ahead is that of varve.SaveOptions.
	Ahead int
}

// Report is what a run did.
type Report struct {
	// Copied and Failed count snapshots.
	Copied int64 `json:"copied"`
	Failed int64 `json:"failed"`
	// Files, Bytes and Added are the sums over the copies; Added counts the bytes of content that the target had to store anew.
	Files int64 `json:"files"`
	Bytes int64 `json:"bytes"`
	Added int64 `json:"added"`
}

// Identity returns what a snapshot and all its copies have in common: its origin, or its own ID where it is no copy.
func Identity(s varve.Snapshot) varve.SnapshotID {
	if s.Origin != (varve.SnapshotID{}) {
		return s.Origin
	}
	return s.ID
}

// Missing returns those of wanted that are not among held in any form, each once, in the order in which they are to be copied.
func Missing(wanted, held []varve.Snapshot) []varve.Snapshot {
	known := map[varve.SnapshotID]bool{}
	for _, s := range held {
		known[Identity(s)] = true
	}
	var missing []varve.Snapshot
	for _, s := range wanted {
		if id := Identity(s); !known[id] {
			known[id] = true
			missing = append(missing, s)
		}
	}
	return ordered(missing)
}

// ordered returns list oldest first. Within a series the sequence counts, and not the clock, which may have been wrong.
func ordered(list []varve.Snapshot) []varve.Snapshot {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b varve.Snapshot) int { return a.Time.Compare(b.Time) })
	places := map[string][]int{}
	for i, s := range list {
		places[s.Series] = append(places[s.Series], i)
	}
	sorted := slices.Clone(list)
	slices.SortStableFunc(sorted, func(a, b varve.Snapshot) int { return cmp.Compare(a.Seq, b.Seq) })
	for _, s := range sorted {
		at := places[s.Series][0]
		places[s.Series] = places[s.Series][1:]
		list[at] = s
	}
	return list
}

// Run copies snapshots, in the order given, as Missing returns them. What is damaged is left out and counted; the error then matches
// varve.ErrDamaged. Any other error ends the run, and what was copied before is there.
func Run(ctx context.Context, from, to varve.Store, snapshots []varve.Snapshot, opts Options) (Report, error) {
	var r Report
	for _, s := range snapshots {
		if opts.Begin != nil {
			opts.Begin(s)
		}
		c, err := one(ctx, from, to, s, opts)
		if errors.Is(err, errSource) && errors.Is(err, varve.ErrDamaged) && ctx.Err() == nil {
			r.Failed++
			if opts.Failed != nil {
				opts.Failed(s, err)
			}
			continue
		}
		if err != nil {
			return r, err
		}
		r.Copied++
		r.Files += c.Files
		r.Bytes += c.Bytes
		r.Added += c.Added
		if opts.Done != nil {
			opts.Done(s, c)
		}
	}
	if r.Failed > 0 {
		return r, fmt.Errorf("copy: not all snapshots could be read: %w", varve.ErrDamaged)
	}
	return r, nil
}

// one copies one snapshot.
func one(ctx context.Context, from, to varve.Store, s varve.Snapshot, opts Options) (c varve.Snapshot, err error) {
	fail := func(err error) error { return fmt.Errorf("copy snapshot %s: %w", s.ID.Short(), err) }
	view, err := from.View(ctx, s.ID)
	if err != nil {
		return c, fail(fmt.Errorf("%w: %w", errSource, err))
	}
	defer func() { err = errors.Join(err, view.Close()) }()
	under, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	src := &strict{view: view, cancel: cancel}
	c, err = to.Save(under, src, varve.SaveOptions{Series: s.Series, Host: s.Host, Sources: s.Sources, Tags: s.Tags, Pinned: s.Pinned,
		Program: s.Program, Origin: &s, Ahead: opts.Ahead, Progress: opts.Progress})
	if cause := src.failure(); cause != nil && ctx.Err() == nil {
		return c, fail(fmt.Errorf("%w: %w", errSource, errors.Join(cause, withdraw(ctx, to, c, err))))
	}
	if err != nil {
		return c, fail(err)
	}
	return c, nil
}

// withdraw forgets a copy that came about although the source failed: it lacks something.
func withdraw(ctx context.Context, to varve.Store, c varve.Snapshot, saved error) error {
	if saved != nil {
		return nil // nothing came about
	}
	return to.Forget(ctx, c.ID)
}
