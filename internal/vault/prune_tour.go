package vault

import (
	"context"
	"fmt"
	"io/fs"

	"varve"
	"varve/internal/digest"
	"varve/internal/manifest"
	"varve/internal/pack"
	"varve/internal/seal"
	"varve/internal/table"
)

// tour goes to all chunks that a snapshot needs. It reads structure from packs that are known, and looks for no others meanwhile.
type tour struct {
	plan   *plan
	domain seal.SignerID
	// visit is told of each chunk, and reports whether to go on to those that it names.
	visit func(class table.Class, id varve.ChunkID) (bool, error)
	// forgiving passes over structure that cannot be read.
	forgiving bool

	ctx    context.Context
	chunks *chunks
}

// run goes to everything that rec needs. An error matches fs.ErrNotExist where packs that are known are gone, and else
// varve.ErrDamaged where structure is damaged in all places.
func (t *tour) run(ctx context.Context, rec *record) error {
	t.ctx, t.chunks = ctx, t.plan.store.chunksOf(t.domain)
	if t.chunks.ids == nil {
		return fmt.Errorf("content of client %s: %w", t.domain, ErrKey)
	}
	gone := &stillPages{tour: t}
	err := manifest.NewReader(gone, rec.root).Walk(manifest.Visitor{
		Enter: func(id manifest.PageID) (bool, error) {
			if err := ctx.Err(); err != nil {
				return false, err
			}
			return t.visit(table.Page, varve.ChunkID(id))
		},
		Leaf: func(entries []varve.Entry) error {
			for i := range entries {
				if err := t.entry(&entries[i]); err != nil {
					return err
				}
			}
			return nil
		},
		Lost: func(_ manifest.PageID, err error) error {
			if gone.err != nil { // the manifest says only that it is damaged
				err, gone.err = gone.err, nil
			}
			return t.forgive(err)
		},
	})
	return err
}

// forgive returns what is to be done about structure that cannot be read.
func (t *tour) forgive(err error) error {
	if t.forgiving && isDamage(err) {
		return nil
	}
	return err
}

// entry goes to the chunks of one entry.
func (t *tour) entry(e *varve.Entry) error {
	switch {
	case e.Kind != varve.Regular || e.SameAs != "" || e.Digest == varve.Digest{}:
		return nil
	case len(e.Chunks) == 0:
		_, err := t.visit(table.Content, t.chunks.ids.ID(digest.ClassContent, e.Digest))
		return err
	}
	return t.unfold(e.Chunks, e.Depth)
}

// unfold goes to the chunks below digests that are depth lists above them.
func (t *tour) unfold(digests []varve.Digest, depth uint8) error {
	class := table.Content
	if depth > 0 {
		class = table.List
	}
	for _, d := range digests {
		id := t.chunks.ids.ID(byte(class), d)
		on, err := t.visit(class, id)
		if err != nil {
			return err
		}
		if !on || depth == 0 {
			continue
		}
		piece, err := t.read(id)
		var below []varve.Digest
		if err == nil {
			below, err = splitDigests(piece.Data)
		}
		if err == nil {
			err = t.unfold(below, depth-1)
		} else {
			err = t.forgive(err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// read reads a chunk of structure.
func (t *tour) read(id varve.ChunkID) (pack.Piece, error) {
	p, err := t.chunks.readKnown(t.ctx, id)
	if !isDamage(err) || isGone(err) {
		return p, err
	}
	if known, lookErr := t.plan.store.index.Has(table.Domain(t.domain), id); lookErr != nil || !known {
		err = fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	}
	return p, err
}

// stillPages reads pages, and remembers why the last one could not be read.
type stillPages struct {
	tour *tour
	err  error
}

func (r *stillPages) Get(id manifest.PageID) ([]byte, error) {
	p, err := r.tour.read(varve.ChunkID(id))
	if err == nil && p.Class != table.Page {
		err = fmt.Errorf("chunk %s is no page: %w", id, varve.ErrDamaged)
	}
	r.err = err
	return p.Data, err
}
