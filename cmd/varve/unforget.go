package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"varve"
	"varve/internal/location"
	"varve/internal/vault"
)

func (a *app) unforgetCommand() *cobra.Command {
	var filter filterFlags
	c := &cobra.Command{
		Use:   "unforget SNAPSHOT...",
		Short: "Bring back snapshots that were forgotten",
		Long: `Bring back forgotten snapshots of a vault, which is possible until varve prune has freed what they held. varve snapshots --forgotten lists
them; latest and dates mean those among them.`,
		Example: `  varve unforget -s /mnt/box/vault 3f9a12cd`,
		Args:    wants(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withVault(c.Context(), "unforget", "it forgets at once and for good", func(p *location.Place) error {
				return a.unforget(c.Context(), p.Vault, &filter, args)
			})
		},
	}
	filter.add(c)
	return c
}

func (a *app) unforget(ctx context.Context, v *vault.Store, filter *filterFlags, args []string) error {
	c, _, err := a.listForgotten(ctx, v, filter)
	if err != nil {
		return err
	}
	found, err := c.snapshots(args)
	if err != nil {
		return err
	}
	for _, s := range found {
		if err := v.Unforget(ctx, s.ID); err != nil {
			return err
		}
		if err := a.snapshotEvent("unforget", "brought back", s); err != nil {
			return err
		}
	}
	return nil
}

// listForgotten returns the forgotten snapshots that the filters leave, as a catalog and as they are. Damage is told.
func (a *app) listForgotten(ctx context.Context, v *vault.Store, filter *filterFlags) (*catalog, []vault.Forgotten, error) {
	c := &catalog{now: a.now}
	all, err := v.Forgotten(ctx)
	if errors.Is(err, varve.ErrDamaged) {
		a.warn("%s", describe(err))
		c.damage, err = err, nil
	}
	var left []vault.Forgotten
	for _, f := range all {
		if len(filter.apply([]varve.Snapshot{f.Snapshot})) > 0 {
			left = append(left, f)
			c.list = append(c.list, f.Snapshot)
		}
	}
	return c, left, err
}

// snapshotEvent tells what was done with one snapshot.
func (a *app) snapshotEvent(event, text string, s varve.Snapshot) error {
	if a.json {
		return a.emit(struct {
			Event string `json:"event"`
			varve.Snapshot
		}{event, lists(s)})
	}
	if a.talks() {
		a.printf("%s %s  %s  %s\n", text, s.ID.Short(), a.timeText(s.Time), quote(s.Series))
	}
	return nil
}
