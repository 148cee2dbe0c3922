package main

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"varve"
	"varve/internal/location"
)

// finder looks for entries in snapshots.
type finder struct {
	app          *app
	filter       filterFlags
	snapshots    []string
	types        []varve.Kind
	newer, older *time.Time
	larger       int64
	smaller      int64
	long         bool
}

func (a *app) findCommand() *cobra.Command {
	f := &finder{app: a}
	c := &cobra.Command{
		Use:   "find PATTERN...",
		Short: "Find files in snapshots by name",
		Long: `Find files in all snapshots, or in those that are named, oldest first. *, ? and [a-z] in a PATTERN stand for parts of one name. A PATTERN
with a slash is compared with as many of the last elements of the path as it has, or with the whole path where it begins with one.`,
		Example: `  varve find -s /mnt/backup/store 'invoice*.pdf'
  varve find -s /mnt/backup/store --snapshot latest --larger 100M --type f '*'`,
		Args: wants(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withStore(c.Context(), func(p *location.Place) error { return f.find(c.Context(), p.Store, args) })
		},
	}
	flags := c.Flags()
	flags.StringArrayVar(&f.snapshots, "snapshot", nil, "look into this `SNAPSHOT` only (repeatable)")
	flags.Var(parsed(&f.types, "TYPES", parseTypes), "type", "only these kinds, separated by commas: f d l p s c b as for find(1)")
	flags.Var(parsed(&f.newer, "TIME", a.parseTime), "newer", "only what was modified after this date, time or age, such as 10D")
	flags.Var(parsed(&f.older, "TIME", a.parseTime), "older", "only what was modified before this date, time or age")
	flags.Var(parsed(&f.larger, "SIZE", parseSize), "larger", "only files of more bytes; K, M, G, T are powers of 1024")
	flags.Var(parsed(&f.smaller, "SIZE", parseSize), "smaller", "only files of fewer bytes")
	flags.BoolVarP(&f.long, "long", "l", false, "print mode, owner, group, size and time")
	f.filter.add(c)
	return c
}

// parseTypes reads letters as find(1) has them.
func parseTypes(text string) ([]varve.Kind, error) {
	letters := map[string]varve.Kind{"f": varve.Regular, "d": varve.Dir, "l": varve.Symlink, "p": varve.FIFO, "s": varve.Socket,
		"c": varve.CharDevice, "b": varve.BlockDevice}
	var kinds []varve.Kind
	for letter := range strings.SplitSeq(text, ",") {
		kind, ok := letters[letter]
		if !ok {
			return nil, fmt.Errorf("type %q: want f, d, l, p, s, c or b", letter)
		}
		kinds = append(kinds, kind)
	}
	return kinds, nil
}

func (f *finder) find(ctx context.Context, store varve.Store, patterns []string) error {
	for _, p := range patterns {
		if _, err := path.Match(p, ""); err != nil || p == "" {
			return usagef("pattern %q: not a valid pattern", p)
		}
	}
	c, err := f.app.list(ctx, store, &f.filter)
	if err != nil {
		return err
	}
	list := c.list
	if len(f.snapshots) > 0 {
		if list, err = c.snapshots(f.snapshots); err != nil {
			return err
		}
	}
	for _, s := range list {
		if err := f.search(ctx, store, s.ID, patterns); err != nil {
			return fmt.Errorf("find in snapshot %s: %w", s.ID.Short(), err)
		}
	}
	return nil
}

// search looks through one snapshot.
func (f *finder) search(ctx context.Context, store varve.Store, id varve.SnapshotID, patterns []string) error {
	view, err := store.View(ctx, id)
	if err != nil {
		return err
	}
	defer view.Close()
	l := lister{app: f.app, long: f.long, snapshot: id.String()}
	for e, err := range view.Entries(ctx) {
		if err != nil {
			return err
		}
		if !f.wanted(&e) || !slices.ContainsFunc(patterns, func(p string) bool { return matches(p, e.Path) }) {
			continue
		}
		if err := l.print(&e); err != nil {
			return err
		}
	}
	return nil
}

// wanted reports whether e passes what was asked for beside the name.
func (f *finder) wanted(e *varve.Entry) bool {
	file := e.Kind == varve.Regular
	switch {
	case len(f.types) > 0 && !slices.Contains(f.types, e.Kind):
	case f.newer != nil && !e.MTime.Time().After(*f.newer):
	case f.older != nil && !e.MTime.Time().Before(*f.older):
	case f.larger > 0 && !(file && e.Size > f.larger):
	case f.smaller > 0 && !(file && e.Size < f.smaller):
	default:
		return true
	}
	return false
}

// matches reports whether a path, relative to the root, fits a valid pattern: its name, as many of its last elements as the pattern
// has, or, where that begins with a slash, the whole.
func matches(pattern, at string) bool {
	at = "/" + at
	if pattern[0] != '/' {
		from := len(at)
		for range strings.Count(pattern, "/") + 1 {
			if from = strings.LastIndexByte(at[:max(from, 0)], '/'); from < 0 {
				return false
			}
		}
		at = at[from+1:]
	}
	ok, err := path.Match(pattern, at)
	return ok && err == nil
}
