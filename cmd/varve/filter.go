package main

import (
	"slices"

	"github.com/spf13/cobra"

	"varve"
)

// filterFlags choose among the snapshots of a store.
type filterFlags struct {
	series []string
	hosts  []string
	tags   [][]string
}

// add gives a command the flags.
func (f *filterFlags) add(c *cobra.Command) {
	flags := c.Flags()
	flags.StringArrayVar(&f.series, "series", nil, "only snapshots of the series of this `NAME` (repeatable)")
	flags.StringArrayVar(&f.hosts, "host", nil, "only snapshots of the host of this `NAME` (repeatable)")
	flags.Var(&tagLists{&f.tags}, "tag", "only snapshots that carry all tags of this comma-separated list (repeatable)")
}

// apply returns the snapshots that fit, in their order.
func (f *filterFlags) apply(all []varve.Snapshot) []varve.Snapshot {
	return slices.DeleteFunc(slices.Clone(all), func(s varve.Snapshot) bool {
		return len(f.series) > 0 && !slices.Contains(f.series, s.Series) ||
			len(f.hosts) > 0 && !slices.Contains(f.hosts, s.Host) ||
			len(f.tags) > 0 && !slices.ContainsFunc(f.tags, func(tags []string) bool { return carries(&s, tags) })
	})
}

// carries reports whether s carries all tags.
func carries(s *varve.Snapshot, tags []string) bool {
	return !slices.ContainsFunc(tags, func(tag string) bool { return !slices.Contains(s.Tags, tag) })
}

// empty reports whether every snapshot fits.
func (f *filterFlags) empty() bool { return len(f.series)+len(f.hosts)+len(f.tags) == 0 }
