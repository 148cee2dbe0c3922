package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"varve"
	"varve/internal/location"
	"varve/internal/selector"
)

// listing is one run of varve snapshots.
type listing struct {
	app       *app
	filter    filterFlags
	last      int
	forgotten bool
	witness   bool
}

func (a *app) snapshotsCommand() *cobra.Command {
	l := &listing{app: a}
	c := &cobra.Command{
		Use:   "snapshots [SNAPSHOT...]",
		Short: "List snapshots",
		Long:  `List the snapshots of a store, or those that are named, oldest first. Times are local.`,
		Example: `  varve snapshots -s /mnt/backup/store
  varve snapshots -s /mnt/backup/store --series web --last 10 --json`,
		Args: wants(cobra.ArbitraryArgs),
		RunE: func(c *cobra.Command, args []string) error {
			if l.forgotten && l.witness {
				return usagef("--forgotten and --witness exclude one another")
			}
			return a.withStore(c.Context(), func(p *location.Place) error { return l.run(c.Context(), p, args) })
		},
	}
	l.filter.add(c)
	flags := c.Flags()
	flags.Var(parsed(&l.last, "N", parseCount), "last", "only the newest N")
	flags.BoolVar(&l.forgotten, "forgotten", false, "list those that varve unforget can bring back (vault)")
	flags.BoolVar(&l.witness, "witness", false, "print the words that stand for the newest of each series (vault)")
	return c
}

func (l *listing) run(ctx context.Context, p *location.Place, args []string) error {
	a := l.app
	if l.forgotten && p.Vault == nil {
		return treeError{"list forgotten snapshots", p.Path, "it forgets at once and for good"}
	}
	var c *catalog
	var rows []row
	var err error
	if l.forgotten {
		c, rows, err = l.gone(ctx, p)
	} else {
		c, rows, err = l.present(ctx, p)
	}
	if err != nil {
		return err
	}
	list := c.list
	if len(args) > 0 {
		if list, err = c.snapshots(args); err != nil {
			return err
		}
	}
	if l.last > 0 && len(list) > l.last {
		list = newest(list, l.last)
	}
	if err := a.printSnapshots(rowsOf(list, rows)); err != nil {
		return err
	}
	if c.damage != nil {
		return fmt.Errorf("list snapshots: some could not be read: %w", varve.ErrDamaged)
	}
	return nil
}

// row is a snapshot as it is listed, with what was asked for besides.
type row struct {
	varve.Snapshot
	Witness   string     `json:"witness,omitempty"`
	Forgotten *time.Time `json:"forgotten,omitempty"`
}

// present lists the snapshots that there are.
func (l *listing) present(ctx context.Context, p *location.Place) (*catalog, []row, error) {
	c, err := l.app.list(ctx, p.Store, &l.filter)
	if err != nil {
		return nil, nil, err
	}
	rows := make([]row, len(c.list))
	for i, s := range c.list {
		rows[i] = row{Snapshot: lists(s)}
	}
	if l.witness {
		err = bearWitness(ctx, p, rows)
	}
	return c, rows, err
}

// bearWitness gives the newest of each series its words.
func bearWitness(ctx context.Context, p *location.Place, rows []row) error {
	words, err := witnesses(ctx, p)
	if err != nil {
		return err
	}
	last := map[string]int{}
	for i, r := range rows {
		if j, met := last[r.Series]; !met || rows[j].Seq < r.Seq {
			last[r.Series] = i
		}
	}
	for series, i := range last {
		rows[i].Witness = words[series]
	}
	return nil
}

// gone lists the snapshots that were forgotten and are not pruned yet.
func (l *listing) gone(ctx context.Context, p *location.Place) (*catalog, []row, error) {
	c, all, err := l.app.listForgotten(ctx, p.Vault, &l.filter)
	if err != nil {
		return nil, nil, err
	}
	rows := make([]row, len(all))
	for i, f := range all {
		rows[i] = row{Snapshot: lists(f.Snapshot), Forgotten: &f.Forgotten}
	}
	return c, rows, nil
}

// rowsOf returns the rows of the snapshots in list.
func rowsOf(list []varve.Snapshot, rows []row) []row {
	found := make([]row, 0, len(list))
	for _, s := range list {
		found = append(found, rows[slices.IndexFunc(rows, func(r row) bool { return r.ID == s.ID })])
	}
	return found
}

// newest returns the newest n snapshots, in the order of the list.
func newest(list []varve.Snapshot, n int) []varve.Snapshot {
	keep := map[varve.SnapshotID]bool{}
	for _, s := range selector.Order(list)[:n] {
		keep[s.ID] = true
	}
	return slices.DeleteFunc(list, func(s varve.Snapshot) bool { return !keep[s.ID] })
}

func (a *app) printSnapshots(rows []row) error {
	if a.json {
		return a.emit(rows)
	}
	if len(rows) == 0 {
		return nil
	}
	has := func(f func(row) bool) bool { return slices.ContainsFunc(rows, f) }
	witness, forgotten := has(func(r row) bool { return r.Witness != "" }), has(func(r row) bool { return r.Forgotten != nil })
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "ID\tTIME\tSERIES\tFILES\tSIZE\tADDED\tSTATE\tTAGS")
	switch {
	case witness:
		fmt.Fprint(w, "\tWITNESS")
	case forgotten:
		fmt.Fprint(w, "\tFORGOTTEN")
	}
	fmt.Fprintln(w)
	for _, s := range rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s", s.ID.Short(), a.timeText(s.Time), quote(s.Series), s.Files, sizeText(s.Bytes),
			sizeText(s.Added), stateText(s.Snapshot), plain(strings.Join(s.Tags, ",")))
		switch {
		case witness:
			fmt.Fprint(w, "\t"+s.Witness)
		case forgotten:
			fmt.Fprint(w, "\t"+a.timeText(*s.Forgotten))
		}
		fmt.Fprintln(w)
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
