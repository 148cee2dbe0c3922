package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"varve"
	"varve/internal/location"
	"varve/internal/selector"
)

func (a *app) snapshotsCommand() *cobra.Command {
	var filter filterFlags
	var last int
	c := &cobra.Command{
		Use:   "snapshots [SNAPSHOT...]",
		Short: "List snapshots",
		Long:  `List the snapshots of a store, or those that are named, oldest first. Times are local.`,
		Example: `  varve snapshots -s /mnt/backup/store
  varve snapshots -s /mnt/backup/store --series web --last 10 --json`,
		Args: wants(cobra.ArbitraryArgs),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withStore(c.Context(), func(p *location.Place) error {
				return a.listSnapshots(c.Context(), p.Store, &filter, args, last)
			})
		},
	}
	filter.add(c)
	c.Flags().Var(parsed(&last, "N", parseCount), "last", "only the newest N")
	return c
}

func (a *app) listSnapshots(ctx context.Context, store varve.Store, filter *filterFlags, args []string, last int) error {
	c, err := a.list(ctx, store, filter)
	if err != nil {
		return err
	}
	list := c.list
	if len(args) > 0 {
		if list, err = c.snapshots(args); err != nil {
			return err
		}
	}
	if last > 0 && len(list) > last {
		list = newest(list, last)
	}
	if err := a.printSnapshots(list); err != nil {
		return err
	}
	if c.damage != nil {
		return fmt.Errorf("list snapshots: some could not be read: %w", varve.ErrDamaged)
	}
	return nil
}

// newest returns the newest n snapshots, in the order of the list.
func newest(list []varve.Snapshot, n int) []varve.Snapshot {
	keep := map[varve.SnapshotID]bool{}
	for _, s := range selector.Order(list)[:n] {
		keep[s.ID] = true
	}
	return slices.DeleteFunc(list, func(s varve.Snapshot) bool { return !keep[s.ID] })
}

func (a *app) printSnapshots(list []varve.Snapshot) error {
	if a.json {
		all := make([]varve.Snapshot, len(list))
		for i, s := range list {
			all[i] = lists(s)
		}
		return a.emit(all)
	}
	if len(list) == 0 {
		return nil
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tTIME\tSERIES\tFILES\tSIZE\tADDED\tSTATE\tTAGS")
	for _, s := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\n", s.ID.Short(), a.timeText(s.Time), quote(s.Series), s.Files, sizeText(s.Bytes),
			sizeText(s.Added), stateText(s), plain(strings.Join(s.Tags, ",")))
	}
	return w.Flush()
}

// stateText returns the state of a snapshot, and whether it is pinned.
func stateText(s varve.Snapshot) string {
	text := plain(string(s.State))
	if s.Pinned {
		text += ", pinned"
	}
	return text
}

// parseCount reads a number from 1.
func parseCount(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("number %q: want a number from 1", text)
	}
	return n, nil
}
