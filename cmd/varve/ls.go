package main

import (
	"context"
	"fmt"
	"iter"
	"strconv"

	"github.com/spf13/cobra"

	"varve"
	"varve/internal/location"
)

// lister prints entries.
type lister struct {
	app  *app
	long bool
	// snapshot is named with every entry where it is not empty.
	snapshot string
}

func (a *app) lsCommand() *cobra.Command {
	var filter filterFlags
	l := lister{app: a}
	recursive := false
	c := &cobra.Command{
		Use:   "ls SNAPSHOT[:PATH]",
		Short: "List what a snapshot holds",
		Long:  `List a directory of a snapshot, its root where no PATH is given. Paths are printed whole, as they are given to cat and restore.`,
		Example: `  varve ls -s /mnt/backup/store -l latest:/etc
  varve ls -s /mnt/backup/store -R 2026-11-20:/home/u`,
		Args: wants(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			return a.withStore(ctx, func(p *location.Place) error {
				return a.withPick(ctx, p.Store, &filter, args[0], func(o *opened) error {
					return l.list(o.listing(ctx, recursive))
				})
			})
		},
	}
	flags := c.Flags()
	flags.BoolVarP(&l.long, "long", "l", false, "print mode, owner, group, size and time")
	flags.BoolVarP(&recursive, "recursive", "R", false, "list everything below, too")
	filter.add(c)
	return c
}

// listing returns what lies in a directory, or the object itself where it is none.
func (o *opened) listing(ctx context.Context, recursive bool) iter.Seq2[varve.Entry, error] {
	return func(yield func(varve.Entry, error) bool) {
		for e, err := range o.entries(ctx) {
			if err == nil && !recursive && o.entry.Kind == varve.Dir && e.Path != o.path && e.Parent() != o.path {
				return // listing order: what follows lies deeper
			}
			if err == nil && o.entry.Kind == varve.Dir && e.Path == o.path {
				continue
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

func (l *lister) list(entries iter.Seq2[varve.Entry, error]) error {
	for e, err := range entries {
		if err != nil {
			return fmt.Errorf("list: %w", err)
		}
		if err := l.print(&e); err != nil {
			return err
		}
	}
	return nil
}

// print prints one entry.
func (l *lister) print(e *varve.Entry) error {
	if l.app.json {
		j := newJSONEntry(e)
		j.Snapshot = l.snapshot
		return l.app.emit(j)
	}
	line := slashed(e.Path)
	if l.long {
		line = l.app.longText(e) + " " + line
		if e.Kind == varve.Symlink {
			line += " -> " + quote(e.Target)
		}
	}
	if l.snapshot != "" {
		line = l.snapshot[:8] + " " + line
	}
	_, err := fmt.Fprintln(l.app.out, line)
	return err
}

// longText returns the metadata of e as ls -l does.
func (a *app) longText(e *varve.Entry) string {
	size := strconv.FormatInt(e.Size, 10)
	if e.Kind == varve.CharDevice || e.Kind == varve.BlockDevice {
		size = fmt.Sprintf("%d, %d", e.Rdev.Major, e.Rdev.Minor)
	}
	return fmt.Sprintf("%s %-8s %-8s %12s %s", modeText(e.Kind, e.Mode), ownerText(e.User, e.UID), ownerText(e.Group, e.GID), size,
		a.timeText(e.MTime.Time()))
}

// ownerText returns the name of a user or group, or its number where it has none.
func ownerText(name string, id uint32) string {
	if name == "" {
		return strconv.FormatUint(uint64(id), 10)
	}
	return quote(name)
}
