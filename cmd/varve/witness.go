package main

import (
	"context"

	"varve"
	"varve/internal/location"
	"varve/internal/seal"
)

// witnesses returns the words that stand for the newest snapshot of each series of a vault.
func witnesses(ctx context.Context, p *location.Place) (map[string]string, error) {
	if p.Vault == nil {
		return nil, treeError{"witness", p.Path, "its snapshots are not signed"}
	}
	all, err := p.Vault.Witness(ctx)
	if err != nil {
		return nil, err
	}
	words := map[string]string{}
	for _, w := range all {
		words[w.Series] = w.Words
	}
	return words, nil
}

// witnessOf returns the words that stand for a new snapshot, where they are wanted and there are any.
func (a *app) witnessOf(ctx context.Context, p *location.Place, s varve.Snapshot) string {
	if p.Vault == nil || !a.json && a.verbose == 0 {
		return ""
	}
	words, err := witnesses(ctx, p)
	if err != nil {
		return "" // the snapshot is made nevertheless
	}
	return words[s.Series]
}

// parseWitness checks the words of a witness.
func parseWitness(text string) (string, error) {
	_, err := seal.ParseWitness(text)
	return text, err
}
