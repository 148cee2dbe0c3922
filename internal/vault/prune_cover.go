package vault

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"

	"varve"
	"varve/internal/backend"
	"varve/internal/gc"
	"varve/internal/index"
	"varve/internal/table"
)

// Covered is gc.Contents's. It is false for packs of which not all is known.
func (p *plan) Covered(ctx context.Context, pack string, usable func(string) bool) (bool, error) {
	return p.covered(ctx, packName(pack), func(name table.Name) bool { return usable(backend.Data.Name(name)) })
}

func (p *plan) covered(ctx context.Context, name table.Name, usable func(table.Name) bool) (bool, error) {
	u, known := p.usage[name]
	if !known {
		return false, nil
	}
	k, err := p.kin(name)
	if err != nil || !k.known {
		return false, err
	}
	if u.chunks == 0 {
		return true, nil
	}
	list, err := p.store.index.Pack(name)
	if err != nil {
		return false, err
	}
	for i := range list {
		for j := range list[i].Blobs {
			b := blobAt(&list[i], j)
			if elsewhere, err := p.blobElsewhere(ctx, &b, usable); !elsewhere || err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

// sealedBlob is a blob where it lies.
type sealedBlob struct {
	table.Blob
	pack    table.Name
	session []byte
	domain  table.Domain
}

func blobAt(p *table.Pack, i int) sealedBlob {
	b := p.Blobs[i]
	return sealedBlob{Blob: b, pack: p.Name, session: p.Sessions[b.Session], domain: p.Domains[b.Domain]}
}

// live reports whether a blob has a chunk that is needed.
func (p *plan) live(b *sealedBlob) (bool, error) {
	for i := range b.Chunks {
		if marked, err := p.marks.Has(b.domain, b.Chunks[i].ID); marked || err != nil {
			return marked, err
		}
	}
	return false, nil
}

// blobElsewhere reports whether everything live in a blob is also in usable packs.
func (p *plan) blobElsewhere(ctx context.Context, b *sealedBlob, usable func(table.Name) bool) (bool, error) {
	for i := range b.Chunks {
		marked, err := p.marks.Has(b.domain, b.Chunks[i].ID)
		if err != nil {
			return false, err
		}
		if !marked {
			continue
		}
		if found, err := p.chunkElsewhere(ctx, b, b.Chunks[i].ID, usable); !found || err != nil {
			return false, err
		}
	}
	return true, nil
}

// chunkElsewhere reports whether a chunk of b is in a usable pack, too.
func (p *plan) chunkElsewhere(ctx context.Context, b *sealedBlob, id varve.ChunkID, usable func(table.Name) bool) (bool, error) {
	places, err := p.store.index.LookupAll(b.domain, id)
	if err != nil {
		return false, err
	}
	for i := range places {
		at := &places[i]
		if at.Pack == b.pack || !usable(at.Pack) {
			continue
		}
		if p.trusted(b.domain) {
			return true, nil
		}
		if same, err := p.same(ctx, b, at); same || err != nil {
			return same, err
		}
	}
	return false, nil
}

// same reports whether the blob at a place is b, byte for byte.
func (p *plan) same(ctx context.Context, b *sealedBlob, at *index.Place) (bool, error) {
	if at.Blob != b.ID || at.Sealed != b.Sealed || !bytes.Equal(at.Session, b.session) {
		return false, nil
	}
	one, err := p.sum(ctx, b.pack, b.Off, b.Sealed)
	var other [32]byte
	if err == nil {
		other, err = p.sum(ctx, at.Pack, at.Off, at.Sealed)
	}
	if isDamage(err) { // it is gone, or cut short
		return false, nil
	}
	return err == nil && one == other, err
}

// sum returns the hash of a sealed blob.
func (p *plan) sum(ctx context.Context, pack table.Name, off, length uint32) ([32]byte, error) {
	key := blobKey{pack, off}
	p.mu.Lock()
	sum, known := p.sums[key]
	p.mu.Unlock()
	if known {
		return sum, nil
	}
	data, err := backend.Range(ctx, p.store.backend, backend.Data.Name(pack), int64(off), int64(length))
	if err != nil {
		return sum, err
	}
	return p.note(key, data), nil
}

// note remembers the hash of a sealed blob.
func (p *plan) note(key blobKey, data []byte) [32]byte {
	sum := sha256.Sum256(data)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sums[key] = sum
	return sum
}

var errLacks = errors.New("lacks something")

// Lacks is gc.Contents's. What is there and damaged counts as lacking: nobody was told that snap is a snapshot.
func (p *plan) Lacks(ctx context.Context, snap gc.Snap, usable func(string) bool) (bool, error) {
	rec, err := p.record(&snap)
	if err != nil {
		return false, err
	}
	t := &tour{plan: p, domain: rec.domain}
	met := map[varve.ChunkID]bool{}
	t.visit = func(class table.Class, id varve.ChunkID) (bool, error) {
		if class != table.Content && met[id] {
			return false, nil
		}
		if class != table.Content {
			met[id] = true
		}
		places, err := p.store.index.LookupAll(table.Domain(rec.domain), id)
		if err != nil {
			return false, err
		}
		for i := range places {
			if usable(backend.Data.Name(places[i].Pack)) {
				return true, nil
			}
		}
		return false, errLacks
	}
	err = t.run(ctx, rec)
	if errors.Is(err, errLacks) || isDamage(err) && !isGone(err) {
		return true, nil
	}
	return false, err
}
