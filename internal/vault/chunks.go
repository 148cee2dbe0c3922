package vault

import (
	"context"
	"errors"
	"fmt"

	"varve"
	"varve/internal/backend"
	"varve/internal/digest"
	"varve/internal/index"
	"varve/internal/pack"
	"varve/internal/seal"
	"varve/internal/table"
)

// chunks reads the chunks of one domain.
type chunks struct {
	store  *Store
	domain seal.SignerID
	ids    *digest.IDKey // nil where the key at hand does not open that domain's
}

// chunksOf returns the chunks of a domain.
func (s *Store) chunksOf(domain seal.SignerID) *chunks {
	c := &chunks{store: s, domain: domain}
	if known := s.keys.clients[domain]; known != nil {
		c.ids = known.ids
	}
	return c
}

// get returns the chunk of a class with this digest. It must not be changed. varve.ErrDamaged where it is nowhere, or not what it was.
func (c *chunks) get(ctx context.Context, class byte, d varve.Digest) ([]byte, error) {
	if c.ids == nil {
		return nil, fmt.Errorf("content of client %s: %w", c.domain, ErrKey)
	}
	p, err := c.read(ctx, c.ids.ID(class, d))
	if err == nil && p.Digest != d {
		err = fmt.Errorf("chunk %s: %w", d, varve.ErrDamaged)
	}
	return p.Data, err
}

// has reports whether the indexes name a chunk of content with this digest.
func (c *chunks) has(ctx context.Context, d varve.Digest) bool {
	if c.ids == nil {
		return false
	}
	places, err := c.places(ctx, c.ids.ID(digest.ClassContent, d))
	return err == nil && len(places) > 0
}

// places returns where the indexes say that a chunk is.
func (c *chunks) places(ctx context.Context, id varve.ChunkID) (places []index.Place, err error) {
	err = c.store.ask(ctx, func() (err error) {
		places, err = c.store.index.LookupAll(table.Domain(c.domain), id)
		return err
	})
	return places, err
}

// page returns a page of a manifest by its ID.
func (c *chunks) page(ctx context.Context, id varve.ChunkID) ([]byte, error) {
	if c.ids == nil {
		return nil, fmt.Errorf("content of client %s: %w", c.domain, ErrKey)
	}
	p, err := c.read(ctx, id)
	if err == nil && p.Class != table.Page {
		err = fmt.Errorf("chunk %s is no page: %w", id, varve.ErrDamaged)
	}
	return p.Data, err
}

// read reads a chunk from whichever pack has it whole. Where a pack is gone, since a collector moved what it held, it looks once more.
func (c *chunks) read(ctx context.Context, id varve.ChunkID) (pack.Piece, error) {
	p, err := c.readKnown(ctx, id)
	if !isDamage(err) || ctx.Err() != nil {
		return p, err
	}
	if err := c.store.refresh(ctx); err != nil {
		return p, err
	}
	return c.readKnown(ctx, id)
}

func (c *chunks) readKnown(ctx context.Context, id varve.ChunkID) (pack.Piece, error) {
	places, err := c.places(ctx, id)
	if err != nil {
		return pack.Piece{}, err
	}
	why := error(varve.ErrDamaged)
	for i := range places {
		p, err := c.readAt(ctx, id, &places[i])
		if err == nil {
			return p, nil
		}
		if !isDamage(err) {
			return p, err
		}
		why = err
	}
	if len(places) == 0 {
		why = fmt.Errorf("is in no pack: %w", varve.ErrDamaged)
	}
	if !errors.Is(why, varve.ErrDamaged) { // the pack is gone
		why = fmt.Errorf("%w: %w", varve.ErrDamaged, why)
	}
	return pack.Piece{}, fmt.Errorf("chunk %s: %w", id, why)
}

// readAt reads a chunk from one place.
func (c *chunks) readAt(ctx context.Context, id varve.ChunkID, at *index.Place) (pack.Piece, error) {
	plain, err := c.store.blobs.get(ctx, blobKey{at.Pack, at.Off}, func() ([]byte, error) { return c.store.openBlob(ctx, at) })
	if err != nil {
		return pack.Piece{}, err
	}
	return pack.ChunkAt(plain, int(at.From), table.Chunk{ID: id, Class: at.Class, Len: at.Len}, c.ids)
}

// openBlob reads and opens the blob that a chunk is in.
func (s *Store) openBlob(ctx context.Context, at *index.Place) ([]byte, error) {
	plain, err := s.openBlobFrom(ctx, s.nearFor(at), at)
	if errors.Is(err, varve.ErrDamaged) && s.unkeep(at) { // it may be what is kept
		plain, err = s.openBlobFrom(ctx, s.backend, at)
	}
	return plain, err
}

func (s *Store) openBlobFrom(ctx context.Context, storage varve.Backend, at *index.Place) ([]byte, error) {
	name := backend.Data.Name(at.Pack)
	sealed, err := backend.Range(ctx, storage, name, int64(at.Off), int64(at.Sealed))
	if err != nil {
		return nil, err
	}
	b := table.Blob{ID: at.Blob, Group: at.Group, Codec: at.Codec, Off: at.Off, Sealed: at.Sealed, Plain: at.Plain}
	plain, err := s.packs.OpenBlob(nil, at.Session, &b, sealed)
	if err != nil {
		return nil, fmt.Errorf("%s, blob at %d: %w", name, at.Off, err)
	}
	return plain, nil
}

// packWhole reads a pack and reports whether it is there and what it was.
func (s *Store) packWhole(ctx context.Context, name table.Name) (bool, error) {
	_, err := backend.Load(ctx, s.backend, backend.Data.Name(name))
	if isDamage(err) {
		return false, nil
	}
	return err == nil, err
}

// find returns a pack that has a chunk; false where none is known.
func (s *Store) find(ctx context.Context, domain seal.SignerID, id varve.ChunkID) (name table.Name, ok bool, err error) {
	err = s.ask(ctx, func() error {
		name, ok, err = s.index.Holder(table.Domain(domain), id)
		return err
	})
	return name, ok, err
}

// ask asks the index something. Where a file of it turns out to be damaged, what was in it is learned anew.
func (s *Store) ask(ctx context.Context, question func() error) error {
	err := question()
	if !errors.Is(err, varve.ErrDamaged) {
		return err
	}
	s.opts.Warn(err)
	if err := s.refresh(ctx); err != nil {
		return err
	}
	return question()
}
