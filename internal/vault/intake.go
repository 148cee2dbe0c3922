package vault

import (
	"context"
	"errors"
	"runtime"
	"sync"

	"varve"
	"varve/internal/backend"
	"varve/internal/chunk"
	"varve/internal/digest"
	"varve/internal/manifest"
	"varve/internal/pack"
	"varve/internal/seal"
	"varve/internal/table"
)

// intake takes chunks in, each once: those that the vault lacks go into bundles, and from there into packs.
type intake struct {
	store   *Store
	ctx     context.Context
	writer  *pack.Writer
	ids     *digest.IDKey
	chunker *chunk.Chunker
	recheck bool

	content   *pack.Builder
	structure *pack.Builder
	claims    *claims
	needs     *needs
	crew      *crew
	indexer   *indexer

	mu   sync.Mutex
	idle []*hand // that nobody holds
	all  []*hand

	checked map[table.Name]bool // packs that were read: whether they are whole
}

// newIntake begins a session.
func (s *Store) newIntake(ctx context.Context, recheck bool) (*intake, error) {
	if err := s.know(ctx); err != nil {
		return nil, err
	}
	session, err := seal.NewSession(s.keys.vault, s.keys.newest())
	if err != nil {
		return nil, err
	}
	s.keys.opener.AddSession(session)
	own := s.keys.own
	chunker, err := chunk.New(own.ChunkerKey(), s.cuts)
	if err != nil {
		return nil, err
	}
	in := &intake{store: s, ctx: ctx, ids: s.keys.clients[own.Domain()].ids, chunker: chunker, recheck: recheck,
		claims: newClaims(), needs: newNeeds(),
		writer: &pack.Writer{Vault: s.keys.vault, Session: session, Signer: own.Signer(), Domain: table.Domain(own.Domain()),
			Compressor: &s.compressor, Puts: s.opts.puts()}}
	in.indexer = newIndexer(s, session, own.Signer())
	in.content, in.structure = in.writer.NewBuilder(in.upload), in.writer.NewBuilder(in.upload)
	in.crew = newCrew(in, runtime.GOMAXPROCS(0))
	return in, nil
}

// upload stores a finished pack, and lets everybody know what is in it.
func (in *intake) upload(ctx context.Context, p table.Pack, data []byte) error {
	if err := in.store.put(ctx, backend.Data, p.Name, data); err != nil {
		return err
	}
	p.Signer = in.writer.Domain
	if err := in.store.index.Add(&p); err != nil {
		return err
	}
	in.needs.add(p.Name)
	for i := range p.Blobs {
		in.claims.settle(p.Blobs[i].Chunks)
	}
	if in.store.keys.admin == nil { // what it forgets it has to store again: it reads neither packs nor index objects
		if err := in.store.index.Flush(); err != nil {
			return err
		}
	}
	return in.indexer.add(ctx, p)
}

// here reports whether the vault has a chunk, and if so, that it is relied on.
func (in *intake) here(id varve.ChunkID) (bool, error) {
	name, ok, err := in.store.find(in.ctx, in.store.keys.own.Domain(), id)
	if !ok || err != nil {
		return false, err
	}
	if in.recheck {
		if whole, err := in.whole(id, name); !whole || err != nil {
			return false, err
		}
	}
	in.needs.add(name)
	return true, nil
}

// whole reports whether a chunk can be read, or, where the key at hand reads none, whether the pack that it is relied on in is what it was.
func (in *intake) whole(id varve.ChunkID, name table.Name) (bool, error) {
	_, err := in.store.chunksOf(in.store.keys.own.Domain()).readKnown(in.ctx, id)
	if !errors.Is(err, ErrKey) {
		if isDamage(err) {
			return false, nil
		}
		return err == nil, err
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if known, asked := in.checked[name]; asked {
		return known, nil
	}
	whole, err := in.store.packWhole(in.ctx, name)
	if err != nil {
		return false, err
	}
	if in.checked == nil {
		in.checked = map[table.Name]bool{}
	}
	in.checked[name] = whole
	return whole, nil
}

// relyOn reports whether the vault has all content of e, which is completed already.
func (in *intake) relyOn(e *varve.Entry) (bool, error) {
	for ref, err := range chunksOf(in.ctx, e, in.list) {
		if isDamage(err) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		id := in.ids.ID(ref.class, ref.digest)
		if in.claims.has(id) {
			continue
		}
		if ok, err := in.here(id); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

// list reads a list of chunks.
func (in *intake) list(ctx context.Context, d varve.Digest) ([]byte, error) {
	return in.store.chunksOf(in.store.keys.own.Domain()).get(ctx, digest.ClassList, d)
}

// hand is what one goroutine takes chunks in with.
type hand struct {
	intake    *intake
	content   *pack.Bundle
	structure *pack.Bundle
}

// hand returns a new hand, whose bundles finish empties in the end. in.mu is held.
func (in *intake) hand() *hand {
	h := &hand{intake: in, content: in.writer.NewBundle(table.ContentGroup), structure: in.writer.NewBundle(table.StructureGroup)}
	in.all = append(in.all, h)
	return h
}

// newHand returns a hand for one goroutine alone.
func (in *intake) newHand() *hand {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.hand()
}

// borrow returns a hand that nobody else uses until it is given back.
func (in *intake) borrow() *hand {
	in.mu.Lock()
	defer in.mu.Unlock()
	if n := len(in.idle); n > 0 {
		h := in.idle[n-1]
		in.idle = in.idle[:n-1]
		return h
	}
	return in.hand()
}

func (in *intake) giveBack(h *hand) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.idle = append(in.idle, h)
}

// put takes a chunk in, whose digest is known, and reports whether it had to be stored.
func (h *hand) put(class byte, d varve.Digest, data []byte) (bool, error) {
	return h.putID(h.intake.ids.ID(class, d), table.Class(class), data)
}

func (h *hand) putID(id varve.ChunkID, class table.Class, data []byte) (bool, error) {
	if ok, err := h.intake.here(id); ok || err != nil {
		return false, err
	}
	if !h.intake.claims.claim(id) {
		return false, nil
	}
	// What was claimed before may have been settled between the two looks.
	if ok, err := h.intake.here(id); ok || err != nil {
		h.intake.claims.settle([]table.Chunk{{ID: id}})
		return false, err
	}
	bundle, builder := h.content, h.intake.content
	if class != table.Content {
		bundle, builder = h.structure, h.intake.structure
	}
	if !bundle.Fits(len(data)) {
		if err := h.flush(bundle, builder); err != nil {
			return false, err
		}
	}
	return true, bundle.Add(id, class, data)
}

// flush seals what is in a bundle and gives it to its builder.
func (h *hand) flush(bundle *pack.Bundle, builder *pack.Builder) error {
	if bundle.Len() == 0 {
		return nil
	}
	err := builder.Add(h.intake.ctx, bundle.Seal())
	bundle.Reset()
	return err
}

// finish stores all that is still in bundles and packs that are not full. No other goroutine is at work then.
func (in *intake) finish() error {
	for _, h := range in.all {
		if err := errors.Join(h.flush(h.content, in.content), h.flush(h.structure, in.structure)); err != nil {
			return err
		}
	}
	if err := in.store.finishAll(in.ctx, in.content, in.structure); err != nil {
		return err
	}
	return in.indexer.flush(in.ctx)
}

// finishAll stores the packs of builders that are not full.
func (s *Store) finishAll(ctx context.Context, builders ...*pack.Builder) error {
	return together(ctx, min(s.opts.changes(), len(builders)), len(builders), func(i int) error { return builders[i].Finish(ctx) })
}

// giveUp ends what builders have under way.
func giveUp(cancel context.CancelFunc, builders ...*pack.Builder) {
	cancel()
	for _, b := range builders {
		b.Wait()
	}
}

// pageWriter keeps the pages of a manifest.
type pageWriter struct{ intake *intake }

// Put keeps page; its name is its chunk ID.
func (w *pageWriter) Put(page []byte) (manifest.PageID, error) {
	h := w.intake.borrow()
	defer w.intake.giveBack(h)
	id := w.intake.ids.ID(digest.ClassPage, digest.Sum(page))
	_, err := h.putID(id, table.Page, page)
	return manifest.PageID(id), err
}

// claims are the chunks that are on their way into packs.
type claims struct {
	parts [64]struct {
		mu  sync.Mutex
		set map[varve.ChunkID]struct{}
	}
}

func newClaims() *claims {
	c := &claims{}
	for i := range c.parts {
		c.parts[i].set = map[varve.ChunkID]struct{}{}
	}
	return c
}

// claim reports whether id was not claimed yet; now it is.
func (c *claims) claim(id varve.ChunkID) bool {
	p := &c.parts[id[0]%64]
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, taken := p.set[id]; taken {
		return false
	}
	p.set[id] = struct{}{}
	return true
}

func (c *claims) has(id varve.ChunkID) bool {
	p := &c.parts[id[0]%64]
	p.mu.Lock()
	defer p.mu.Unlock()
	_, taken := p.set[id]
	return taken
}

// settle forgets the claims on chunks that the index knows now.
func (c *claims) settle(chunks []table.Chunk) {
	for i := range chunks {
		id := &chunks[i].ID
		p := &c.parts[id[0]%64]
		p.mu.Lock()
		delete(p.set, *id)
		p.mu.Unlock()
	}
}

// needs are the packs that a snapshot relies on.
type needs struct {
	mu    sync.RWMutex
	packs map[table.Name]struct{}
}

func newNeeds() *needs { return &needs{packs: map[table.Name]struct{}{}} }

func (n *needs) add(name table.Name) {
	n.mu.RLock()
	_, known := n.packs[name]
	n.mu.RUnlock()
	if known {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.packs[name] = struct{}{}
}
