package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"varve"
	"varve/internal/location"
	"varve/internal/retention"
)

// forgetting is one run of varve forget.
type forgetting struct {
	app    *app
	filter filterFlags
	policy retention.Policy
	dryRun bool
	force  bool
}

func (a *app) forgetCommand() *cobra.Command {
	f := &forgetting{app: a}
	c := &cobra.Command{
		Use:   "forget [SNAPSHOT...]",
		Short: "Remove snapshots, by a policy or by name",
		Long: `Remove the snapshots that a policy does not keep, each series by itself, or those that are named. A policy never removes pinned snapshots,
the newest good one of a series, or any dated in the future. -n prints the plan with a reason for every snapshot. A tree frees the space at
once; in a vault varve prune does, and until then varve unforget brings snapshots back.`,
		Example: `  varve forget -s /mnt/backup/store --keep-daily 7 --keep-weekly 4 --keep-monthly 12 -n
  varve forget -s /mnt/backup/store --keep-days 30
  varve forget -s /mnt/backup/store 3f9a12cd`,
		Args: wants(cobra.ArbitraryArgs),
		RunE: func(c *cobra.Command, args []string) error {
			if err := f.checkUsage(args); err != nil {
				return err
			}
			return a.withWritten(c.Context(), func(p *location.Place) error { return f.run(c.Context(), p, args) })
		},
	}
	f.addPolicy(c)
	c.Flags().BoolVarP(&f.dryRun, "dry-run", "n", false, "print the plan; change nothing")
	c.Flags().BoolVar(&f.force, "force", false, "remove named snapshots though they are pinned or the last good one of a series")
	f.filter.add(c)
	return c
}

// addPolicy gives a command the flags of a policy.
func (f *forgetting) addPolicy(c *cobra.Command) {
	flags, p := c.Flags(), &f.policy
	flags.Var(parsed(&p.Last, "N", parseKeep), "keep-last", "keep the newest N, or unlimited")
	spans := []string{"hourly", "daily", "weekly", "monthly", "yearly"}
	for i, count := range []*int{&p.Hourly, &p.Daily, &p.Weekly, &p.Monthly, &p.Yearly} {
		flags.Var(parsed(count, "N", parseKeep), "keep-"+spans[i], "keep the newest snapshot of each of N "+spanNames[i])
	}
	flags.Var(parsed(&p.Within, "DURATION", retention.ParseDuration), "keep-within", "keep what is younger than this, such as 1y5m7d2h, than the newest")
	withins := []*retention.Duration{&p.WithinHourly, &p.WithinDaily, &p.WithinWeekly, &p.WithinMonthly, &p.WithinYearly}
	for i, duration := range withins {
		flags.Var(parsed(duration, "DURATION", retention.ParseDuration), "keep-within-"+spans[i],
			"keep the newest snapshot of each of the "+spanNames[i]+" within this duration")
	}
	flags.Var(&tagLists{&p.Tags}, "keep-tag", "keep what carries all tags of this comma-separated list (repeatable)")
	flags.Var(parsed(&p.Days, "N", retention.ParseDays), "keep-days", "keep the last N calendar days, today included")
}

// parseKeep reads how many snapshots to keep.
func parseKeep(text string) (int, error) {
	if strings.HasPrefix(text, "-") {
		return 0, fmt.Errorf("count %q: want a number from 0, or unlimited", text)
	}
	return retention.ParseCount(text)
}

// spanNames are the spans of a policy, for people.
var spanNames = [...]string{"hours", "days", "weeks", "months", "years"}

// checkUsage refuses a run that says nothing, or two things at once.
func (f *forgetting) checkUsage(args []string) error {
	switch policy := !f.policy.Empty(); {
	case policy && len(args) > 0:
		return usagef("name snapshots or give a policy, not both")
	case !policy && len(args) == 0:
		return usagef("nothing to do: name snapshots, or give a policy that keeps at least one, such as --keep-daily 7")
	case policy && f.force:
		return usagef("--force goes with snapshots that are named")
	}
	return nil
}

func (f *forgetting) run(ctx context.Context, p *location.Place, args []string) error {
	store := p.Store
	c, err := f.app.list(ctx, store, &f.filter)
	if err != nil {
		return err
	}
	var plan []retention.Decision
	if len(args) > 0 {
		plan, err = f.named(ctx, store, c, args)
	} else {
		plan, err = f.planned(c)
	}
	if err != nil {
		return err
	}
	var ids []varve.SnapshotID
	for _, d := range plan {
		if !d.Keep {
			ids = append(ids, d.Snapshot.ID)
		}
	}
	if err := f.print(plan); err != nil || f.dryRun {
		return err
	}
	// Also without any: it finishes what an interrupted run left.
	if err := store.Forget(ctx, ids...); err != nil {
		return err
	}
	if p.Vault != nil && len(ids) > 0 && f.app.talks() {
		f.app.printf("varve prune frees the space; until then varve unforget brings them back\n")
	}
	return nil
}

// planned applies the policy. It must know all snapshots, or it could take an older one for the newest.
func (f *forgetting) planned(c *catalog) ([]retention.Decision, error) {
	if c.damage != nil {
		return nil, marked{"forget: a policy cannot tell which snapshots to keep: some are damaged; forget those by their full IDs first",
			varve.ErrDamaged}
	}
	if len(c.list) == 0 && !f.filter.empty() {
		f.app.warn("no snapshot has this series, host or tag: nothing to forget")
	}
	return retention.Plan(c.list, f.policy, f.app.now())
}

// named plans the removal of the snapshots that arguments name. Of a series the last good snapshot must stay, whatever the filters
// hide. A full ID that is not listed at all may be that of a damaged snapshot, of which nothing else is known.
func (f *forgetting) named(ctx context.Context, store varve.Store, c *catalog, args []string) ([]retention.Decision, error) {
	all, err := f.app.quietList(ctx, store, &filterFlags{})
	if err != nil {
		return nil, err
	}
	var unlisted []varve.SnapshotID
	if !f.dryRun || c.damage != nil {
		unlisted, args = all.without(args)
	}
	found, err := c.snapshots(args)
	if err != nil {
		return nil, err
	}
	plan, err := f.guarded(all.list, found)
	if err != nil {
		return nil, err
	}
	for _, id := range unlisted {
		plan = append(plan, retention.Decision{Snapshot: varve.Snapshot{ID: id}, Reasons: []string{"named, not listed"}})
	}
	return plan, nil
}

// guarded plans the removal of found, unless one of them may not be removed by the way.
func (f *forgetting) guarded(all, found []varve.Snapshot) ([]retention.Decision, error) {
	good := map[string]int{}
	for _, s := range all {
		if s.State.Good() {
			good[s.Series]++
		}
	}
	var plan []retention.Decision
	for _, s := range found {
		if s.Pinned && !f.force {
			return nil, marked{fmt.Sprintf("forget: snapshot %s is pinned", s.ID.Short()), errGuarded}
		}
		if s.State.Good() {
			good[s.Series]--
			if good[s.Series] == 0 && !f.force {
				return nil, marked{fmt.Sprintf("forget: snapshot %s is the last good one of its series", s.ID.Short()), errGuarded}
			}
		}
		plan = append(plan, retention.Decision{Snapshot: s, Reasons: []string{"named"}})
	}
	return plan, nil
}

// jsonDecision is what becomes of one snapshot, in JSON.
type jsonDecision struct {
	ID      varve.SnapshotID `json:"id"`
	Time    time.Time        `json:"time"`
	Series  string           `json:"series"`
	Keep    bool             `json:"keep"`
	Reasons []string         `json:"reasons"`
}

// print prints the plan. It comes before what it announces.
func (f *forgetting) print(plan []retention.Decision) error {
	a := f.app
	if a.json {
		all := []jsonDecision{}
		for _, d := range plan {
			all = append(all, jsonDecision{d.Snapshot.ID, d.Snapshot.Time, d.Snapshot.Series, d.Keep, d.Reasons})
		}
		return a.emit(all)
	}
	if !a.talks() && !f.dryRun {
		return nil
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, d := range plan {
		word := "remove"
		if d.Keep {
			word = "keep"
		}
		when, series := a.timeText(d.Snapshot.Time), quote(d.Snapshot.Series)
		if d.Snapshot.Series == "" {
			when, series = "-", "-"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", word, d.Snapshot.ID.Short(), when, series,
			plain(strings.Join(d.Reasons, ", ")))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return a.out.Flush()
}
