package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"varve"
	"varve/internal/location"
)

// verifying is one run of varve verify.
type verifying struct {
	app     *app
	filter  filterFlags
	options varve.VerifyOptions
	repair  bool
	witness string
}

func (a *app) verifyCommand() *cobra.Command {
	v := &verifying{app: a}
	c := &cobra.Command{
		Use:   "verify [SNAPSHOT...]",
		Short: "Check that snapshots are what was saved",
		Long: `Check all snapshots, or those that are named: that every file is there, unaltered, and has the content it was saved with. What is
damaged is printed, and the exit code is 4.`,
		Example: `  varve verify -s /mnt/backup/store
  varve verify -s /mnt/backup/store --structure latest
  varve verify -s /mnt/box/vault --subset 10%`,
		Args: wants(cobra.ArbitraryArgs),
		RunE: func(c *cobra.Command, args []string) error {
			if v.options.StructureOnly && v.options.Subset > 0 {
				return usagef("--structure and --subset exclude one another")
			}
			return a.withStore(c.Context(), func(p *location.Place) error { return v.run(c.Context(), p, args) })
		},
	}
	flags := c.Flags()
	flags.BoolVar(&v.options.StructureOnly, "structure", false, "do not read the content of files")
	flags.Var(parsed(&v.options.Subset, "PERCENT", parseSubset), "subset", "read this share of the content only, what was not read for the longest time first (vault)")
	flags.BoolVar(&v.repair, "repair", false, "first rebuild the index from the packs (vault)")
	flags.Var(parsed(&v.witness, "WORDS", parseWitness), "witness", "first check that the snapshot is there that these WORDS were printed for (vault)")
	v.filter.add(c)
	return c
}

// parseSubset reads a percentage above 0.
func parseSubset(text string) (float64, error) {
	share, err := parseShare(text)
	if err == nil && share == 0 {
		err = fmt.Errorf("share %q: want more than 0%%", text)
	}
	return share, err
}

// run does what was asked for besides, then checks.
func (v *verifying) run(ctx context.Context, p *location.Place, args []string) error {
	if p.Vault == nil && (v.repair || v.witness != "" || v.options.Subset > 0) {
		return treeError{"verify", p.Path, "--subset, --repair and --witness are about vaults"}
	}
	if v.witness != "" {
		if err := p.Vault.CheckWitness(ctx, v.witness); err != nil {
			return err
		}
	}
	if v.repair {
		v.app.warnOpen(p)
		if err := ofStore(p.Path, v.app.repair(ctx, p)); err != nil {
			return err
		}
	}
	return v.verify(ctx, p, args)
}

func (v *verifying) verify(ctx context.Context, p *location.Place, args []string) error {
	a, opts := v.app, v.options
	whole := len(args) == 0 && v.filter.empty()
	if !whole {
		list, err := a.toVerify(ctx, p.Store, &v.filter, args)
		if err != nil {
			return err
		}
		for _, s := range list {
			opts.Snapshots = append(opts.Snapshots, s.ID)
		}
	}
	m := a.newMeter()
	opts.Progress = func(e varve.Event) {
		switch e.Kind {
		case varve.Damage:
			a.finding(e)
		case varve.Partly:
			m.add(0, e.Bytes)
		default:
			m.add(1, e.Bytes)
		}
	}
	var report varve.VerifyReport
	err := a.watch(m, func() (err error) {
		report, err = p.Store.Verify(ctx, opts)
		return err
	})
	if err != nil {
		return err
	}
	a.verified(&report, m)
	if report.Damage > 0 {
		return marked{fmt.Sprintf("verify %s: %s", p.Path, count(report.Damage, "finding", "findings")), errVerified}
	}
	return nil
}

// toVerify returns the snapshots that were asked for; at least one.
func (a *app) toVerify(ctx context.Context, store varve.Store, filter *filterFlags, args []string) ([]varve.Snapshot, error) {
	c, err := a.quietList(ctx, store, filter)
	if err != nil {
		return nil, err
	}
	if len(args) > 0 {
		return c.snapshots(args)
	}
	if len(c.list) == 0 {
		return nil, fmt.Errorf("verify: no snapshot fits: %w", varve.ErrNoSnapshot)
	}
	return c.list, nil
}

// finding prints one thing that is damaged. Its path is relative to the store.
func (a *app) finding(e varve.Event) {
	if a.json {
		j := jsonEvent{Event: "damage", Error: errorText(e.Err)}
		if e.Path != "" {
			p := rawPath(e.Path)
			j.jsonPath = &p
		}
		a.emitEvent(j)
		return
	}
	where := ""
	if e.Path != "" {
		where = quote(e.Path) + ": "
	}
	a.screen.clear()
	a.printf("damaged: %s%s\n", where, describe(e.Err))
}

// verified tells what was checked.
func (a *app) verified(r *varve.VerifyReport, m *meter) {
	if a.json {
		a.emitEvent(struct {
			Event string `json:"event"`
			varve.VerifyReport
			Seconds float64 `json:"seconds"`
		}{"summary", *r, m.elapsed().Seconds()})
		return
	}
	if a.talks() {
		a.printf("%s, %s, %s checked in %s: %s\n", count(r.Snapshots, "snapshot", "snapshots"), count(r.Files, "file", "files"), sizeText(r.Bytes),
			durationText(m.elapsed()), count(r.Damage, "finding", "findings"))
	}
}
