package vault

import (
	"context"
	"fmt"
	"iter"

	"varve"
	"varve/internal/manifest"
	"varve/internal/seal"
)

// View opens a snapshot.
func (s *Store) View(ctx context.Context, id varve.SnapshotID) (varve.View, error) {
	v, err := s.view(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("open snapshot %s: %w", id, err)
	}
	return v, nil
}

func (s *Store) view(ctx context.Context, id varve.SnapshotID) (*view, error) {
	if s.keys.admin == nil {
		return nil, fmt.Errorf("a put-only key reads nothing: %w", s.needsKey(seal.RestoreKey))
	}
	records, err := s.catalog.read(ctx)
	if err != nil {
		return nil, err
	}
	r := records.find(id)
	if r == nil {
		return nil, varve.ErrNoSnapshot
	}
	if err := s.know(ctx); err != nil {
		return nil, err
	}
	return s.viewOf(ctx, r), nil
}

// viewOf returns the view of a record, for as long as the context it is given goes on.
func (s *Store) viewOf(ctx context.Context, r *record) *view {
	v := &view{store: s, record: r, chunks: s.chunksOf(r.domain)}
	v.reader = manifest.NewReader(&pageReader{ctx: ctx, chunks: v.chunks}, r.root)
	return v
}

// view is a snapshot, opened.
type view struct {
	store  *Store
	record *record
	chunks *chunks
	reader *manifest.Reader
}

var _ varve.View = (*view)(nil)

// Entries yields what the manifest says. Stamps are those of the source.
func (v *view) Entries(ctx context.Context) iter.Seq2[varve.Entry, error] {
	return manifest.Until(ctx, v.reader.Entries())
}

// Below yields what the manifest says, see varve.View. Stamps are those of the source.
func (v *view) Below(ctx context.Context, path string) iter.Seq2[varve.Entry, error] {
	return manifest.Until(ctx, v.reader.Below(path))
}

func (v *view) Close() error { return nil }

// pageReader reads pages of a manifest.
type pageReader struct {
	ctx    context.Context
	chunks *chunks
}

func (r *pageReader) Get(id manifest.PageID) ([]byte, error) {
	return r.chunks.page(r.ctx, varve.ChunkID(id))
}
