package tree

import (
	"fmt"
	"slices"

	"varve"
	"varve/internal/compare"
)

// newTally returns what holds the new snapshot against the newest good one of the series; nil where nobody judges it. findBases has
// opened that one, or told why it could not.
func (v *save) newTally(all []varve.Snapshot) *compare.Tally {
	if v.opts.Judge == nil || v.opts.Origin != nil {
		return nil
	}
	var good *varve.Snapshot
	for i := range all {
		if s := &all[i]; s.Series == v.opts.Series && s.State.Good() && (good == nil || s.Seq > good.Seq) {
			good = s
		}
	}
	if good == nil {
		return compare.NewTally(0, nil, nil)
	}
	i := slices.IndexFunc(v.bases, func(b *base) bool { return b.published && b.id == good.ID })
	if i < 0 {
		return compare.NewTally(good.Files, nil, nil)
	}
	return compare.NewTally(good.Files, v.bases[i].reader.Cursor().Next, v.opts.Sources)
}

// judge lets the caller say what becomes of the snapshot, also of one that lacks what could not be read. What could not be read of the last good one is told.
func (v *save) judge() error {
	if v.tally == nil {
		return nil
	}
	diff, err := v.tally.Difference()
	if err != nil {
		v.report(varve.Event{Kind: varve.Damage, Err: fmt.Errorf("compare with the last good snapshot: %w", err)})
	}
	v.snap.State, err = compare.Judge(v.opts.Judge, v.snap.State, diff)
	return err
}
