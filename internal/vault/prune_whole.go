package vault

import (
	"context"

	"varve"
	"varve/internal/table"
)

// whole reports whether a pack is what it was. It is read once for that. Of what several packs hold, a backup that checks may have stored the
// second because the first is damaged.
func (p *plan) whole(ctx context.Context, name table.Name) (bool, error) {
	if known, asked := p.read[name]; asked {
		return known, nil
	}
	whole, err := p.store.packWhole(ctx, name)
	if err == nil {
		p.read[name] = whole
	}
	return whole, err
}

// young reports whether a pack may belong to a backup that has not said yet what it needs. Safety does not rest on it: that backup would begin
// again.
func (p *plan) young(o varve.Object) bool {
	return p.undo > 0 && !o.Time.IsZero() && p.now.Sub(o.Time) < silence
}
