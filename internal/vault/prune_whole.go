package vault

import (
	"context"
	"crypto/sha256"

	"varve"
	"varve/internal/backend"
	"varve/internal/table"
)

// whole reports whether a pack is what it was. It is read once for that. Of what several packs hold, a backup that checks may have stored the
// second because the first is damaged.
func (p *plan) whole(ctx context.Context, name table.Name) (bool, error) {
	if known, asked := p.read[name]; asked {
		return known, nil
	}
	data, err := p.store.backend.Get(ctx, backend.Data.Name(name), 0, backend.Data.MaxSize()+1)
	if err != nil && !isDamage(err) {
		return false, err
	}
	p.read[name] = err == nil && sha256.Sum256(data) == [32]byte(name)
	return p.read[name], nil
}

// young reports whether a pack may belong to a backup that has not said yet what it needs. Safety does not rest on it: that backup would begin
// again.
func (p *plan) young(o varve.Object) bool {
	return p.undo > 0 && p.byStorage && !o.Time.IsZero() && p.now.Sub(o.Time) < silence
}
