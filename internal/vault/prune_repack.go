package vault

import (
	"context"
	"errors"
	"fmt"

	"varve"
	"varve/internal/backend"
	"varve/internal/disk"
	"varve/internal/pack"
	"varve/internal/seal"
	"varve/internal/table"
)

// repackers is how many packs are copied at once: each is in memory whole.
const repackers = 2

// repacking copies live blobs, which stay sealed, into packs that the admin signs.
type repacking struct {
	*plan
	content   *pack.Builder
	structure *pack.Builder
	indexer   *indexer
	signer    table.Domain
	packs     int64 // that were copied, and how much of them in bytes
	bytes     int64
}

// Repack is gc.Plan's. What is damaged is told and passed over; on a full storage it ends early. What was not copied is not deleted.
func (p *plan) Repack(ctx context.Context, packs []string) error {
	s := p.store
	session, err := seal.NewSession(s.keys.vault, s.keys.newest())
	if err != nil {
		return err
	}
	s.keys.opener.AddSession(session)
	w := &pack.Writer{Vault: s.keys.vault, Session: session, Signer: s.keys.admin, Compressor: &s.compressor, Puts: s.opts.puts()}
	r := &repacking{plan: p, indexer: newIndexer(s, session, s.keys.admin), signer: table.Domain(s.keys.admin.ID())}
	r.content, r.structure = w.NewBuilder(r.upload), w.NewBuilder(r.upload)
	ctx, cancel := context.WithCancel(ctx)
	defer giveUp(cancel, r.content, r.structure)
	err = together(ctx, repackers, len(packs), func(i int) error { return r.copy(ctx, packName(packs[i])) })
	if err == nil {
		err = s.finishAll(ctx, r.content, r.structure)
	}
	if err == nil {
		err = r.indexer.flush(ctx)
	}
	if isFull(err) {
		p.full = true
		return nil
	}
	p.report.PacksRepacked += r.packs
	p.report.BytesRepacked += r.bytes
	return err
}

// isFull reports whether err says that the storage is full.
func isFull(err error) bool { return errors.Is(err, disk.ErrNoSpace) }

// upload stores a finished pack.
func (r *repacking) upload(ctx context.Context, p table.Pack, data []byte) error {
	if err := r.store.put(ctx, backend.Data, p.Name, data); err != nil {
		return err
	}
	p.Signer = r.signer
	for i := range p.Blobs {
		if b := &p.Blobs[i]; !r.trusted(p.Domains[b.Domain]) {
			r.note(blobKey{p.Name, b.Off}, data[b.Off:b.End()])
		}
	}
	r.mu.Lock()
	r.written += int64(len(data))
	r.mu.Unlock()
	if err := r.store.index.Add(&p); err != nil {
		return err
	}
	return r.indexer.add(ctx, p)
}

// copy copies what is live in a pack and in none that stays.
func (r *repacking) copy(ctx context.Context, name table.Name) error {
	data, known, err := r.read(ctx, name)
	if err == nil {
		bytes := int64(0)
		for i := 0; i < len(known.Blobs) && err == nil; i++ {
			var n int64
			n, err = r.blob(ctx, &known, i, data)
			bytes += n
		}
		if err == nil {
			r.done(bytes)
			return nil
		}
		return err
	}
	if !isDamage(err) && !errors.Is(err, seal.ErrSigner) {
		return err
	}
	r.mu.Lock()
	r.passed++
	r.mu.Unlock()
	if !isGone(err) { // else another collector was faster
		r.tell(varve.Event{Kind: varve.Damage, Err: fmt.Errorf("%s is left as it is: %w", backend.Data.Name(name), err)})
	}
	return nil
}

// done counts and tells that a pack was copied.
func (r *repacking) done(bytes int64) {
	r.mu.Lock()
	r.packs++
	r.bytes += bytes
	r.mu.Unlock()
	r.tell(varve.Event{Kind: varve.Done, Bytes: bytes})
}

// read reads a pack whole, a second time where it is not what it was, and what it says itself that it holds.
func (r *repacking) read(ctx context.Context, name table.Name) (data []byte, known table.Pack, err error) {
	data, err = backend.Load(ctx, r.store.backend, backend.Data.Name(name))
	if err == nil {
		known, err = r.store.packs.Table(ctx, name, int64(len(data)), pack.In(data))
	}
	return data, known, err
}

// blob copies one blob if it has to be, and returns how long it is then.
func (r *repacking) blob(ctx context.Context, from *table.Pack, i int, data []byte) (int64, error) {
	b := blobAt(from, i)
	sealed := data[b.Off:b.End()]
	live, err := r.live(&b)
	if !live || err != nil {
		return 0, err
	}
	if !r.trusted(b.domain) {
		r.note(blobKey{b.pack, b.Off}, sealed)
	}
	there, err := r.blobElsewhere(ctx, &b, func(name table.Name) bool { return r.stays[name] })
	if there || err != nil {
		return 0, err
	}
	out, err := pack.SealedIn(from, i, sealed)
	if err != nil {
		return 0, err
	}
	builder := r.content
	if b.Group == table.StructureGroup {
		builder = r.structure
	}
	return int64(len(sealed)), builder.Add(ctx, out)
}
