package remote

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"varve"
)

// Previous is the newest good snapshot of a series, as a Basis: what is at the same path there. It opens the snapshot when it is asked
// for the first time.
type Previous struct {
	store  varve.Store
	series string

	mu     sync.Mutex
	opened bool
	view   varve.View // nil where there is none
	files  *lookup
}

// NewBasis returns the newest good snapshot of a series of store.
func NewBasis(store varve.Store, series string) *Previous {
	return &Previous{store: store, series: series}
}

// Open opens the file at e's path; it is a Basis. An error means no more than that there is none.
func (b *Previous) Open(ctx context.Context, e varve.Entry) (io.ReadCloser, error) {
	files, view, err := b.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	old, err := files.find(ctx, e.Path)
	if err == nil && (old.Kind != varve.Regular || old.Size < cutFrom) {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, err
	}
	return view.Open(context.WithoutCancel(ctx), old)
}

// snapshot returns the snapshot.
func (b *Previous) snapshot(ctx context.Context) (*lookup, varve.View, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.opened {
		b.opened = true
		if newest := b.newest(ctx); newest != nil {
			b.view, _ = b.store.View(context.WithoutCancel(ctx), newest.ID) // without one, all crosses
			b.files = &lookup{view: b.view}
		}
	}
	if b.view == nil {
		return nil, nil, fmt.Errorf("series %s: %w", b.series, varve.ErrNoSnapshot)
	}
	return b.files, b.view, nil
}

func (b *Previous) newest(ctx context.Context) (newest *varve.Snapshot) {
	list, _ := b.store.Snapshots(ctx) // those that can be read
	for i := range list {
		s := &list[i]
		if s.Series == b.series && s.State.Good() && (newest == nil || s.Seq > newest.Seq) {
			newest = s
		}
	}
	return newest
}

// Close closes the snapshot. Nothing that was opened may be in use.
func (b *Previous) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.view == nil {
		return nil
	}
	err := b.view.Close()
	b.view = nil
	return err
}
