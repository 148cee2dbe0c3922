package vault

import (
	"context"
	"errors"
	"iter"

	"varve"
	"varve/internal/digest"
	"varve/internal/manifest"
)

// part is something that a snapshot is made of: an entry, or a chunk that it needs.
type part struct {
	entry bool   // an entry that is no directory; it has no chunk
	path  string // of the entry, or the one that a chunk belongs to; empty for a page
	class byte   // of the chunk
	id    varve.ChunkID
}

// errStop ends a walk whose caller wants no more.
var errStop = errors.New("stop")

// partsOf yields the parts of a snapshot, the structure that tells of others before these. What lies below pages in met was yielded before;
// those yielded are added. What lies below a list of chunks is yielded once: lists may hold one another many times over. What cannot be read is yielded as an error, after the part itself, and the sequence goes on
// if that matches varve.ErrDamaged.
func (s *Store) partsOf(ctx context.Context, r *record, met map[manifest.PageID]bool) iter.Seq2[part, error] {
	return func(yield func(part, error) bool) {
		v := s.viewOf(ctx, r)
		if v.chunks.ids == nil {
			yield(part{}, ErrKey)
			return
		}
		lists := map[listAt]bool{}
		err := v.reader.Walk(manifest.Visitor{
			Enter: func(id manifest.PageID) (bool, error) {
				if err := ctx.Err(); met[id] || err != nil {
					return false, err
				}
				met[id] = true
				return true, goOn(yield(part{class: digest.ClassPage, id: varve.ChunkID(id)}, nil))
			},
			Leaf: func(entries []varve.Entry) error {
				for i := range entries {
					if err := v.entryParts(ctx, &entries[i], lists, yield); err != nil {
						return err
					}
				}
				return nil
			},
			Lost: func(_ manifest.PageID, err error) error {
				if !isDamage(err) {
					return err
				}
				return goOn(yield(part{}, err))
			},
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(part{}, err)
		}
	}
}

// entryParts yields the parts of an entry, without what lies below lists in met, to which it adds.
func (v *view) entryParts(ctx context.Context, e *varve.Entry, met map[listAt]bool, yield func(part, error) bool) error {
	if e.Kind != varve.Dir && !yield(part{entry: true, path: e.Path}, nil) {
		return errStop
	}
	if e.SameAs != "" {
		return nil
	}
	for ref, err := range chunksBut(ctx, e, v.list, met) {
		p := part{path: e.Path, class: ref.class}
		if err == nil {
			p.id = v.chunks.ids.ID(ref.class, ref.digest)
		} else if !isDamage(err) {
			return err
		}
		if !yield(p, err) {
			return errStop
		}
	}
	return nil
}

// list reads a list of chunks.
func (v *view) list(ctx context.Context, d varve.Digest) ([]byte, error) {
	return v.chunks.get(ctx, digest.ClassList, d)
}

func goOn(on bool) error {
	if on {
		return nil
	}
	return errStop
}
