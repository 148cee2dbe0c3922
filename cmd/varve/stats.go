package main

import (
	"context"
	"fmt"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"varve"
	"varve/internal/location"
	"varve/internal/vault"
)

func (a *app) statsCommand() *cobra.Command {
	var filter filterFlags
	c := &cobra.Command{
		Use:   "stats [SNAPSHOT...]",
		Short: "Tell what snapshots take, and what a forget would free",
		Long: `Tell how large the snapshots of each series are and what they take. Of a vault also how much deduplication and compression save, and, where
snapshots are named, what forgetting them would free. Of a tree the sizes are those that were recorded when the snapshots were made.`,
		Example: `  varve stats -s /mnt/box/vault
  varve stats -s /mnt/box/vault --series web 3f9a12cd`,
		Args: wants(cobra.ArbitraryArgs),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withStore(c.Context(), func(p *location.Place) error {
				if p.Vault == nil {
					return a.treeStats(c.Context(), p, &filter, args)
				}
				return a.vaultStats(c.Context(), p.Vault, &filter, args)
			})
		},
	}
	filter.add(c)
	return c
}

// treeStats tells what was recorded of the snapshots.
func (a *app) treeStats(ctx context.Context, p *location.Place, filter *filterFlags, args []string) error {
	if len(args) > 0 {
		return treeError{"stats of what a forget would free", p.Path, "du tells, which counts hard links once"}
	}
	c, err := a.list(ctx, p.Store, filter)
	if err != nil {
		return err
	}
	series, sum := seriesOf(c.list)
	if a.json {
		return a.emit(struct {
			Kind      location.Kind       `json:"kind"`
			Series    []vault.SeriesStats `json:"series"`
			Snapshots int64               `json:"snapshots"`
			Logical   int64               `json:"logical_bytes"`
			Stored    int64               `json:"stored_bytes"`
		}{location.Tree, series, sum.Snapshots, sum.Bytes, sum.Stored})
	}
	return a.printSeries(series)
}

// seriesOf returns the numbers of each series, in the order of their first snapshots, and of all together.
func seriesOf(list []varve.Snapshot) (series []vault.SeriesStats, sum vault.SeriesStats) {
	series = []vault.SeriesStats{}
	at, newest := map[string]int{}, map[string]uint64{}
	for _, s := range list {
		i, known := at[s.Series]
		if !known {
			i = len(series)
			at[s.Series] = i
			series = append(series, vault.SeriesStats{Series: s.Series})
		}
		series[i].Snapshots++
		series[i].Stored += s.Added
		if s.Seq >= newest[s.Series] {
			newest[s.Series], series[i].Bytes = s.Seq, s.Bytes
		}
		sum.Snapshots++
		sum.Bytes += s.Bytes
		sum.Stored += s.Added
	}
	return series, sum
}

// printSeries prints the numbers of each series.
func (a *app) printSeries(series []vault.SeriesStats) error {
	if len(series) == 0 {
		return nil
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SERIES\tSNAPSHOTS\tNEWEST\tSTORED")
	for _, s := range series {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\n", quote(s.Series), s.Snapshots, sizeText(s.Bytes), sizeText(s.Stored))
	}
	return w.Flush()
}

// vaultStats tells what a vault holds, and what forgetting the named snapshots would free.
func (a *app) vaultStats(ctx context.Context, v *vault.Store, filter *filterFlags, args []string) error {
	c, err := a.list(ctx, v, filter)
	if err != nil {
		return err
	}
	named, err := c.snapshots(args)
	if err != nil {
		return err
	}
	m := a.newMeter()
	options := vault.StatsOptions{Progress: func(e varve.Event) { m.add(1, e.Bytes) }}
	for _, s := range named {
		options.Forget = append(options.Forget, s.ID)
	}
	var stats vault.Stats
	err = a.watch(m, func() (err error) {
		stats, err = v.Stats(ctx, options)
		return err
	})
	if err != nil {
		return err
	}
	return a.printStats(&stats, filter, len(named) > 0)
}

// printStats prints what a vault holds; of the series those that the filters leave.
func (a *app) printStats(s *vault.Stats, filter *filterFlags, freed bool) error {
	s.Series = slices.DeleteFunc(s.Series, func(one vault.SeriesStats) bool {
		return len(filter.series) > 0 && !slices.Contains(filter.series, one.Series)
	})
	if a.json {
		j := struct {
			Kind location.Kind `json:"kind"`
			vault.Stats
			Freed *int64 `json:"freed,omitempty"` // only where it was asked for
		}{Kind: location.Vault, Stats: *s}
		if freed {
			j.Freed = &s.Freed
		}
		return a.emit(j)
	}
	if err := a.printSeries(s.Series); err != nil {
		return err
	}
	a.printf("%s hold %s, of which %s differ (1:%.1f), compressed (1:%.1f); %s take %s, the index %s\n",
		count(s.Snapshots, "snapshot", "snapshots"), sizeText(s.LogicalBytes), sizeText(s.UniqueBytes), s.Deduplication, s.Compression,
		count(s.Packs, "pack", "packs"), sizeText(s.StoredBytes), sizeText(s.IndexBytes))
	if freed {
		a.printf("forgetting what is named would free %s\n", sizeText(s.Freed))
	}
	return nil
}
