package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"

	"varve"
	"varve/internal/part"
)

// pick is what SNAPSHOT[:PATH] names; path is "" for the whole.
type pick struct {
	snap varve.Snapshot
	path string
}

// opened is a pick, opened.
type opened struct {
	pick
	view varve.View
	// source is the part, whose paths are relative to base, and entry what lies at the pick's path.
	source varve.Source
	entry  varve.Entry
	base   string
}

// withPick opens what SNAPSHOT[:PATH] names, calls f and closes it.
func (a *app) withPick(ctx context.Context, store varve.Store, filter *filterFlags, arg string, f func(*opened) error) error {
	c, err := a.list(ctx, store, filter)
	if err != nil {
		return err
	}
	p, err := c.pick(arg)
	if err != nil {
		return err
	}
	view, err := store.View(ctx, p.snap.ID)
	if err != nil {
		return err
	}
	o, err := p.open(ctx, view)
	if err == nil {
		err = f(o)
	}
	return errors.Join(err, view.Close())
}

// open finds the part in the view of its snapshot.
func (p pick) open(ctx context.Context, view varve.View) (*opened, error) {
	source, entry, err := part.Of(ctx, view, p.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("snapshot %s: %s: not in the snapshot", p.snap.ID.Short(), slashed(p.path))
	}
	if err != nil {
		return nil, fmt.Errorf("snapshot %s: %w", p.snap.ID.Short(), err)
	}
	o := &opened{pick: p, view: view, source: source, entry: entry, base: p.path}
	if entry.Kind != varve.Dir {
		o.base = varve.Parent(p.path)
	}
	return o, nil
}

// entries returns the entries of the part, in listing order and with the paths they have in the snapshot, the directory that holds
// a single file left out.
func (p pick) entries(ctx context.Context, view varve.View) (iter.Seq2[varve.Entry, error], error) {
	o, err := p.open(ctx, view)
	if err != nil {
		return nil, err
	}
	return o.entries(ctx), nil
}

func (o *opened) entries(ctx context.Context) iter.Seq2[varve.Entry, error] {
	return func(yield func(varve.Entry, error) bool) {
		for e, err := range o.source.Entries(ctx) {
			if err == nil && e.Path == "" && o.entry.Kind != varve.Dir {
				continue
			}
			if err == nil {
				e.Path = o.whole(e.Path)
				if e.SameAs != "" {
					e.SameAs = o.whole(e.SameAs)
				}
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// whole returns the path in the snapshot of a path in the part.
func (o *opened) whole(path string) string {
	if path == "" {
		return o.base
	}
	return varve.Join(o.base, path)
}
