package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"varve"
	"varve/internal/location"
	"varve/internal/vault"
)

// pruning is one run of varve prune.
type pruning struct {
	app     *app
	options vault.PruneOptions
	now     bool
	undoSet bool
}

func (a *app) pruneCommand() *cobra.Command {
	p := &pruning{app: a}
	c := &cobra.Command{
		Use:   "prune",
		Short: "Free the space of what was forgotten",
		Long: `Free the space of what no snapshot of a vault needs any more. Backups may run meanwhile, anywhere; nobody waits for anybody. Snapshots that
were forgotten less than --undo ago are left alone: varve unforget brings them back. It works on a full disk, and with the maintenance key.`,
		Example: `  varve prune -s /mnt/box/vault
  varve prune -s /mnt/box/vault --max-repack 10G --max-unused 10%`,
		Args: wants(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			p.undoSet = c.Flags().Changed("undo")
			if err := p.checkUsage(); err != nil {
				return err
			}
			return a.withVault(c.Context(), "prune", "there is nothing to prune: varve forget frees the space at once", func(place *location.Place) error {
				return p.run(c.Context(), place)
			})
		},
	}
	flags := c.Flags()
	flags.BoolVarP(&p.options.DryRun, "dry-run", "n", false, "print what would be freed; change nothing")
	flags.Var(parsed(&p.options.Undo, "DURATION", parseUndo), "undo", "leave alone what was forgotten less than this ago, such as 12h or 30D (default 7D)")
	flags.BoolVar(&p.now, "now", false, "free at once also what was forgotten just now")
	flags.Var(parsed(&p.options.MaxRepack, "SIZE", parseSize), "max-repack", "copy at most this much of what is still needed, such as 10G, to free the rest")
	flags.Var(parsed(&p.options.MaxUnused, "PERCENT", parseUnused), "max-unused", "leave up to this share of the vault unused rather than copy what is needed (default 5%)")
	flags.BoolVar(&p.options.GiveUp, "give-up", false, "give up for ever what only damaged or missing snapshots need: without it nothing is freed while there are any")
	return c
}

// parseUndo reads a duration such as 30D.
func parseUndo(text string) (time.Duration, error) {
	d, ok := parseAge(text)
	if !ok || text == "" {
		return 0, fmt.Errorf("duration %q: want numbers with units, such as 12h, 7D or 2W", text)
	}
	if d == 0 {
		return -1, nil
	}
	return d, nil
}

// parseUnused reads a percentage, of which none is a number below 0.
func parseUnused(text string) (float64, error) {
	share, err := parseShare(text)
	if share == 0 {
		share = -1
	}
	return share, err
}

// parseShare reads a percentage, as a number from 0 to 1.
func parseShare(text string) (float64, error) {
	n, err := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64)
	if err != nil || !(n >= 0 && n <= 100) {
		return 0, fmt.Errorf("share %q: want a percentage, such as 10%%", text)
	}
	return n / 100, nil
}

func (p *pruning) checkUsage() error {
	if p.now && p.undoSet {
		return usagef("--now and --undo exclude one another")
	}
	if p.now {
		p.options.Undo = -1
	}
	return nil
}

func (p *pruning) run(ctx context.Context, place *location.Place) error {
	a := p.app
	m := a.newMeter()
	damage := 0
	p.options.Progress = func(e varve.Event) {
		switch {
		case e.Kind == varve.Damage:
			damage++
			a.finding(e)
		case e.Kind == varve.Partly:
			m.add(0, e.Bytes)
		default:
			m.add(1, e.Bytes)
		}
	}
	var r vault.PruneReport
	err := a.watch(m, func() (err error) {
		r, err = place.Vault.Prune(ctx, p.options)
		return err
	})
	if err != nil {
		return err
	}
	if !p.options.DryRun {
		if _, err := place.CleanUp(ctx); err != nil {
			return err
		}
	}
	p.summary(&r, m)
	if damage > 0 {
		return errVerified
	}
	return nil
}

// summary tells what was freed.
func (p *pruning) summary(r *vault.PruneReport, m *meter) {
	a := p.app
	if a.json {
		a.emitEvent(struct {
			Event  string `json:"event"`
			DryRun bool   `json:"dry_run"`
			vault.PruneReport
			Seconds float64 `json:"seconds"`
		}{"summary", p.options.DryRun, *r, m.elapsed().Seconds()})
		return
	}
	if !a.talks() && !p.options.DryRun {
		return
	}
	freed := "freed"
	if p.options.DryRun {
		freed = "would be freed"
	}
	a.printf("%s of %s %s: %s deleted, %s repacked (%s), in %s\n", sizeText(r.BytesFreed), sizeText(r.Bytes), freed,
		count(r.PacksDeleted, "pack", "packs"), count(r.PacksRepacked, "pack", "packs"), sizeText(r.BytesRepacked), durationText(m.elapsed()))
	if r.Kept > 0 {
		a.printf("%s left alone: forgotten too recently (--now does not wait)\n", count(r.Kept, "forgotten snapshot", "forgotten snapshots"))
	}
	if r.More {
		a.printf("there is more to free: run it again\n")
	}
}
