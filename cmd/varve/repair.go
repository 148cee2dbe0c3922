package main

import (
	"context"

	"varve"
	"varve/internal/location"
	"varve/internal/vault"
)

// repair rebuilds the index of a vault from its packs. What of the packs is damaged is told; verify counts it.
func (a *app) repair(ctx context.Context, p *location.Place) error {
	m := a.newMeter()
	var r vault.RepairReport
	err := a.watch(m, func() (err error) {
		r, err = p.Vault.Repair(ctx, func(e varve.Event) {
			if e.Kind == varve.Damage {
				a.finding(e)
				return
			}
			m.add(1, e.Bytes)
		})
		return err
	})
	if err != nil {
		return err
	}
	if a.json {
		a.emitEvent(struct {
			Event string `json:"event"`
			vault.RepairReport
			Seconds float64 `json:"seconds"`
		}{"repair", r, m.elapsed().Seconds()})
		return nil
	}
	if a.talks() {
		a.printf("%s looked at, %d entered into the index anew, %d damaged\n", count(r.Packs, "pack", "packs"), r.Indexed, r.Damaged)
	}
	return nil
}
