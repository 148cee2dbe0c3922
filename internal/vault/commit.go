package vault

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"varve"
	"varve/internal/backend"
	"varve/internal/gc"
	"varve/internal/manifest"
	"varve/internal/seal"
	"varve/internal/table"
)

// commit makes what run took in a snapshot.
func (v *save) commit(r *records) (varve.Snapshot, error) {
	root, err := v.entries.Close()
	if err == nil {
		err = v.intake.finish()
	}
	if err == nil {
		err = v.ctx.Err()
	}
	if err == nil {
		err = v.judge()
	}
	if err != nil {
		return varve.Snapshot{}, err
	}
	v.snap.End = v.opts.Finish()
	s := v.store
	body, err := encodeSnap(&v.snap, s.keys.own.Domain(), root, r.before(v.snap.Series), r.headsBut(v.snap.Series))
	if err != nil {
		return varve.Snapshot{}, err
	}
	if s.keys.admin == nil { // it will not see the record: no other one may have this number, should the process end before it says so
		if err := s.local.raise(v.snap.Series, head{Record: r.seen[v.snap.Series].Record, Seq: v.snap.Seq}); err != nil {
			return varve.Snapshot{}, err
		}
	}
	name, err := s.protocol().Commit(v.ctx, &claim{store: s, session: v.intake.writer.Session, signer: s.keys.own.Signer(), body: body,
		needs: v.intake.needs})
	if err != nil {
		return varve.Snapshot{}, err
	}
	if err := s.stillKnown(v.ctx); err != nil {
		return varve.Snapshot{}, err
	}
	v.tidy(name)
	return v.snap, nil
}

// stillKnown returns an error where the client was removed meanwhile: its snapshot does not count then.
func (s *Store) stillKnown(ctx context.Context) error {
	k := newKeyring(s.keys.vault, s.keys.publics[0])
	if _, err := k.load(ctx, s.near(), s.opts.requests(), func(string, error) {}); err != nil {
		return err
	}
	if k.removed[s.keys.own.Domain()] != nil {
		return fmt.Errorf("the key was removed from the vault while it was used, and the snapshot does not count: %w", ErrKey)
	}
	return nil
}

// tidy remembers the snapshot for the next run. It is saved whatever fails here, which costs that run time.
func (v *save) tidy(name string) {
	s := v.store
	for _, err := range []error{
		s.local.raise(v.snap.Series, head{Record: name, Seq: v.snap.Seq}),
		v.base.Keep(&v.snap),
		s.index.Flush(),
	} {
		if err != nil {
			s.opts.Warn(fmt.Errorf("remember what was saved: %w", err))
		}
	}
}

// encodeSnap returns the body of a snapshot record.
func encodeSnap(snap *varve.Snapshot, domain seal.SignerID, root manifest.Root, previous string, heads []string) ([]byte, error) {
	text, err := manifest.EncodeRecord(snap)
	if err != nil {
		return nil, err
	}
	return json.Marshal(&snapBody{Snapshot: text, Domain: domain, Root: root, Previous: previous, Heads: heads})
}

// claim is a snapshot on its way through the protocol.
type claim struct {
	store   *Store
	session *seal.Session
	signer  *seal.Signer
	body    []byte
	needs   *needs
}

var _ gc.Claim = (*claim)(nil)

func (c *claim) Snap(context.Context) ([]byte, error) {
	return seal.SealObject(c.store.keys.vault, c.session, c.signer, seal.KindSnapshot, c.body)
}

func (c *claim) Needs(context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for name := range c.needs.packs {
			if !yield(backend.Data.Name(name), nil) {
				return
			}
		}
	}
}

// Replace gives up: the save begins again, and reads from the source what is lost.
func (c *claim) Replace(_ context.Context, lost []string) error {
	for _, name := range lost {
		_, sum, err := backend.Parse(name)
		if err != nil {
			return err
		}
		c.store.shun(table.Name(sum))
	}
	return fmt.Errorf("%d packs: %w", len(lost), gc.ErrLost)
}

// shun keeps this program from relying on a pack that is there no longer, or will not be.
func (s *Store) shun(name table.Name) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shunned[name] = true
}

// protocol returns flag and seal on this vault.
func (s *Store) protocol() *gc.Protocol {
	return &gc.Protocol{Backend: s.near(), Codec: (*codec)(s), Workers: s.opts.requests(), Settle: s.opts.Settle,
		Ignored: func(name string, err error) { s.opts.Warn(fmt.Errorf("%s: %w", name, err)) }}
}

// cleaner returns flag and seal for who removes things: on a full storage it may give up reserves, except so many.
func (s *Store) cleaner(leave int) *gc.Protocol {
	p := s.protocol()
	p.MakeRoom = func(ctx context.Context) error { return s.makeRoom(ctx, leave) }
	p.Codec = strictCodec{p.Codec.(*codec)}
	return p
}

// strictCodec is the codec of who removes things: he leaves nothing out that a newer program may have written.
type strictCodec struct{ *codec }

func (c strictCodec) Read(name string, data []byte) (gc.Record, error) {
	h, err := seal.ParseHeader(data)
	if err == nil && int(h.Generation) > len(c.keys.publics) {
		err = fmt.Errorf("of generation %d: %w", h.Generation, seal.ErrVersion)
	}
	if errors.Is(err, seal.ErrVersion) {
		return gc.Record{}, err
	}
	return c.codec.Read(name, data)
}

// codec makes and reads the records of the protocol.
type codec Store

var _ gc.Codec = (*codec)(nil)

func (c *codec) store() *Store { return (*Store)(c) }

// Read says what an object under snapshots/ or locks/ is about.
func (c *codec) Read(name string, data []byte) (gc.Record, error) {
	p, err := c.store().parse(name, data)
	if err != nil {
		return gc.Record{}, err
	}
	by := ""
	if c.keys.adminKey(p.signer) == nil {
		by = p.signer.String()
	}
	switch {
	case p.record != nil:
		return gc.Record{Kind: gc.Snapshot, By: by}, nil
	case p.tomb != nil:
		return gc.Record{Kind: gc.Tomb, By: by, Snap: p.tomb.Snap}, nil
	case p.condemn != nil:
		return gc.Record{Kind: gc.Condemn, By: by, Names: p.condemn.Names}, nil
	}
	return gc.Record{Kind: gc.Seal, By: by, Snap: p.seals}, nil
}

// Seal signs as an admin where it can: the record may be an admin's, or that of another client who went silent.
func (c *codec) Seal(snap string) ([]byte, error) {
	by := c.keys.admin
	if by == nil && c.keys.own != nil {
		by = c.keys.own.Signer()
	}
	return c.signed(seal.KindSeal, by, &sealBody{Snap: snap})
}

func (c *codec) Tomb(snap string) ([]byte, error) {
	return c.signed(seal.KindTomb, c.keys.admin, &tombBody{Snap: snap, Time: c.opts.Now().UTC().Truncate(time.Second)})
}

func (c *codec) Condemn(names []string) ([]byte, error) {
	var nonce [16]byte
	rand.Read(nonce[:])
	return c.signed(seal.KindCondemn, c.keys.admin, &condemnBody{Names: names, Nonce: hex.EncodeToString(nonce[:])})
}

// signed makes a plain object.
func (c *codec) signed(kind seal.Kind, by *seal.Signer, body any) ([]byte, error) {
	if by == nil {
		return nil, &seal.KeyError{Needs: seal.MaintenanceKey, Generation: c.keys.newest().Generation}
	}
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	return seal.SignObject(c.keys.vault, c.keys.newest().Generation, by, kind, text)
}
