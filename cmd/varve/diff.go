package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"

	"github.com/spf13/cobra"

	"varve"
	"varve/internal/compare"
	"varve/internal/location"
)

func (a *app) diffCommand() *cobra.Command {
	var filter filterFlags
	c := &cobra.Command{
		Use:   "diff SNAPSHOT[:PATH] [SNAPSHOT[:PATH]]",
		Short: "Print what differs between two snapshots",
		Long: `Print what differs between two snapshots, or between a snapshot and the one before it in its series: + added, - removed, M modified,
and in what. The exit code is 0 whether or not anything differs.`,
		Example: `  varve diff -s /mnt/backup/store latest
  varve diff -s /mnt/backup/store 7D:/etc latest:/etc`,
		Args: wants(cobra.RangeArgs(1, 2)),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withStore(c.Context(), func(p *location.Place) error { return a.diff(c.Context(), p.Store, &filter, args) })
		},
	}
	filter.add(c)
	return c
}

func (a *app) diff(ctx context.Context, store varve.Store, filter *filterFlags, args []string) (err error) {
	c, err := a.list(ctx, store, filter)
	if err != nil {
		return err
	}
	var picks []pick
	for _, arg := range args {
		p, err := c.pick(arg)
		if err != nil {
			return err
		}
		picks = append(picks, p)
	}
	if len(picks) == 1 {
		if c.damage != nil {
			return marked{"diff: cannot tell which snapshot comes before: some are damaged; name both by their IDs", varve.ErrDamaged}
		}
		previous := predecessor(c.list, &picks[0].snap)
		if previous == nil {
			return marked{fmt.Sprintf("diff: snapshot %s is the first of its series", picks[0].snap.ID.Short()), varve.ErrNoSnapshot}
		}
		picks = []pick{{*previous, picks[0].path}, picks[0]}
	}
	sides := make([]iter.Seq2[varve.Entry, error], len(picks))
	for i, p := range picks {
		view, err := store.View(ctx, p.snap.ID)
		if err != nil {
			return err
		}
		defer view.Close()
		if sides[i], err = p.entries(ctx, view); err != nil {
			return err
		}
	}
	return a.printChanges(compare.Sequences(sides[0], sides[1]))
}

// predecessor returns the snapshot before s in its series; nil where there is none.
func predecessor(all []varve.Snapshot, s *varve.Snapshot) *varve.Snapshot {
	var before *varve.Snapshot
	for i := range all {
		if c := &all[i]; c.Series == s.Series && c.Seq < s.Seq && (before == nil || c.Seq > before.Seq) {
			before = c
		}
	}
	return before
}

func (a *app) printChanges(changes iter.Seq2[compare.Change, error]) error {
	for c, err := range changes {
		if err != nil {
			return fmt.Errorf("diff: %w", err)
		}
		if c.Same() || passed(c.Before) && passed(c.After) {
			continue
		}
		if err := a.printChange(c); err != nil {
			return err
		}
	}
	return nil
}

// printChange prints a path of two trees.
func (a *app) printChange(c compare.Change) error {
	sign, word := "M", "modified"
	switch {
	case c.Before == nil:
		sign, word = "+", "added"
	case c.After == nil:
		sign, word = "-", "removed"
	}
	if a.json {
		return a.emit(struct {
			Event string `json:"event"`
			Kind  string `json:"change"`
			jsonPath
			Aspects []string `json:"aspects"`
		}{"change", word, pathOf(c.Path()), aspectWords(c.Aspects)})
	}
	_, err := fmt.Fprintf(a.out, "%s %s\n", sign, change(slashed(c.Path()), c.Aspects))
	return err
}

// isVanished reports whether err says that something went away while it was being read.
func isVanished(err error) bool { return errors.Is(err, fs.ErrNotExist) }
