package job

import (
	"context"
	"errors"
	"fmt"

	"varve"
	"varve/internal/disk"
	"varve/internal/location"
	"varve/internal/ssh"
	"varve/internal/walk"
)

// anywhere makes the snapshot in the first store, or where that cannot take it in the next one.
func (r *run) anywhere(ctx context.Context) (varve.Snapshot, error) {
	for {
		snap, err := r.attempt(ctx)
		if err == nil || ctx.Err() != nil || !mayBeTheStores(err) {
			return snap, err
		}
		next := r.other()
		if next == nil {
			return snap, fmt.Errorf("store %s: %w", r.first.conf.Name, err)
		}
		r.first.fail("save", err)
		r.first.spent, r.first = true, next
	}
}

// other returns the next store that could take the snapshot instead of the first; nil where there is none.
func (r *run) other() *target {
	for _, t := range r.targets {
		if t != r.first && t.place != nil && !t.spent {
			return t
		}
	}
	return nil
}

// mayBeTheStores reports whether an error that kept a snapshot from being made may well be that of the store: another one may take it.
func mayBeTheStores(err error) bool {
	for _, elsewhere := range []error{ErrCommand, errFreeze, walk.ErrNoSource, ssh.ErrUnreachable, disk.ErrLost, location.ErrNotOffered} {
		if errors.Is(err, elsewhere) {
			return false
		}
	}
	return true
}
