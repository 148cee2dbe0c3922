package vault

import (
	"fmt"

	"varve"
	"varve/internal/compare"
)

// newTally returns what holds the new snapshot against rec, the base, where that is a good one; nil where nobody judges it.
func (v *save) newTally(rec *record, b *earlier) *compare.Tally {
	switch {
	case v.opts.Judge == nil || v.opts.Origin != nil:
		return nil
	case rec == nil || !rec.snap.State.Good():
		return compare.NewTally(0, nil, nil)
	}
	return compare.NewTally(rec.snap.Files, b.reader.Cursor().Next, v.opts.Sources)
}

// judge lets the caller say what becomes of the snapshot, also of one that lacks what could not be read. Where the save begins again he is
// asked again.
func (v *save) judge() (err error) {
	if v.opts.Judge == nil || v.opts.Origin != nil {
		return nil
	}
	diff := v.difference()
	if err := v.ctx.Err(); err != nil {
		return err
	}
	v.snap.State, err = compare.Judge(v.opts.Judge, v.snap.State, diff)
	return err
}

// difference says how the snapshot differs from the last good one. What could not be read of that is told.
func (v *save) difference() varve.Difference {
	if l, ok := v.base.(*ledger); ok {
		return l.difference(v.snap.Files)
	}
	d, err := v.tally.Difference()
	if err != nil {
		v.report(varve.Event{Kind: varve.Damage, Err: fmt.Errorf("compare with the last good snapshot: %w", err)})
	}
	return d
}
