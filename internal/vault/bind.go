package vault

import (
	"crypto/rand"
	"fmt"
	"strings"

	"varve"
	"varve/internal/gc"
	"varve/internal/seal"
)

// A put-only client is believed about itself alone. Its snapshots have IDs that end with the beginning of its domain, and stand in series
// that begin with its name; so none of them is taken for somebody else's, or displaces it.

// newID returns a random ID for a snapshot of a client.
func (k *keyring) newID() (id varve.SnapshotID, err error) {
	_, err = rand.Read(id[:])
	if k.admin == nil {
		bound := k.own.Domain()
		copy(id[len(id)/2:], bound[:])
	}
	return id, err
}

// bind holds a record of a put-only client to that, and completes its series.
func (k *keyring) bind(r *record) error {
	c := k.clients[r.domain]
	if c == nil || c.Kind != kindPutOnly {
		return nil
	}
	if half := len(r.snap.ID) / 2; string(r.snap.ID[half:]) != string(r.domain[:half]) {
		return fmt.Errorf("a snapshot ID that its client may not use: %w: %w", gc.ErrForeign, seal.ErrSigner)
	}
	if series := r.snap.Series; series != c.Name && !strings.HasPrefix(series, c.Name+":") {
		r.snap.Series = c.Name + ":" + series
	}
	return nil
}
