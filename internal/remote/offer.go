package remote

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"sync"
	"time"

	"varve"
	"varve/internal/manifest"
	"varve/internal/part"
)

// offer is a tree that the other side may read, for as long as the stream is open that it was asked for on. The number of that
// stream names it.
type offer struct {
	src  varve.Source
	view varve.View // the same, where directories can be listed

	// plain keeps to itself what only a store knows: digests, chunks, and what it could not keep. They are remembered in listed.
	plain bool
	// listed, where set, holds the files that were yielded, and no others can be opened.
	listed *pathSet
	// own finds the entry of a file that is to be opened, where the other side's word is not taken for it.
	own *lookup
	// now, where set, is the clock that goes with a push.
	now func() time.Time
	// voice, where set, asks who pushes what becomes of the snapshot.
	voice *voice
	// left tells at the end of the entries what is not among them.
	left func() end

	mu    sync.Mutex
	files map[uint32]*offered
	err   error // the first that broke the entries off, or was no file's own
}

// offered is a file that is being read.
type offered struct {
	mu   sync.Mutex
	file varve.File
}

// Read reads from the file, which others may ask what it is now.
func (f *offered) Read(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.file.Read(p)
}

func (f *offered) entry() (varve.Entry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.file.Entry()
}

// offer makes o known under a number until the returned function is called.
func (p *peer) offer(id uint32, o *offer) (withdraw func()) {
	o.files = map[uint32]*offered{}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.offers[id] = o
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.offers, id)
	}
}

// offered returns the offer with a number.
func (p *peer) offered(id uint32) (*offer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if o := p.offers[id]; o != nil {
		return o, nil
	}
	return nil, fmt.Errorf("%d is not open: %w", id, fs.ErrInvalid)
}

// broke remembers why the tree cannot be read on.
func (o *offer) broke(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		o.err = err
	}
}

// fault returns what broke remembers.
func (o *offer) fault() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

// entries sends all entries of an offer.
func (p *peer) entries(ctx context.Context, c *call, r *request) error {
	o, err := p.offered(r.ID)
	if err != nil {
		return err
	}
	b := batch{c: c, kind: msgEntries}
	check := newGate()
	var sum end
	for e, err := range o.src.Entries(ctx) {
		if err != nil {
			o.broke(err)
			return err
		}
		keepable(check, &e)
		sum.Entries++
		if e.Err != nil {
			sum.Lost++
		} else if e.Kind == varve.Regular && o.listed != nil {
			o.listed.add(&e, o.plain)
		}
		o.strip(&e)
		if err := b.add(&e); err != nil {
			return err
		}
	}
	if err := b.flush(); err != nil {
		return err
	}
	if o.left != nil {
		left := o.left()
		sum.LeftOut, sum.Complaints = left.LeftOut, left.Complaints
	}
	return c.sendJSON(msgEnd, &sum)
}

// strip takes from e what is not told.
func (o *offer) strip(e *varve.Entry) {
	if o.plain {
		e.Digest, e.Chunks, e.Depth, e.Unkept = varve.Digest{}, nil, 0, 0
	}
}

// keepable gives an entry that no store could keep an Err that says so. What is wrong with the sequence as a whole is left to the other side.
func keepable(g *gate, e *varve.Entry) {
	if e.Err != nil {
		return
	}
	if err := g.w.Add(e); errors.Is(err, manifest.ErrEntry) {
		*e = varve.Entry{Path: e.Path, Kind: e.Kind, Err: err}
	}
}

// dir sends the listing of a directory.
func (p *peer) dir(ctx context.Context, c *call, r *request) error {
	o, err := p.offered(r.ID)
	if err != nil {
		return err
	}
	if o.view == nil {
		return protocolError("directories of %d cannot be listed", r.ID)
	}
	if err := p.listings.take(ctx, 1); err != nil {
		return err
	}
	defer p.listings.give(1)
	b := batch{c: c, kind: msgEntries}
	var n int64
	for e, err := range part.Children(ctx, o.view, string(r.Name)) {
		if err != nil {
			return err
		}
		if err := b.add(&e); err != nil {
			return err
		}
		n++
	}
	if err := b.flush(); err != nil {
		return err
	}
	return c.sendJSON(msgEnd, &end{Entries: n})
}

// stat tells what a file that is being read is now.
func (p *peer) stat(_ context.Context, c *call, r *request) error {
	o, err := p.offered(r.ID)
	if err != nil {
		return err
	}
	o.mu.Lock()
	f := o.files[r.File]
	o.mu.Unlock()
	if f == nil {
		return fmt.Errorf("file %d is not open: %w", r.File, fs.ErrInvalid)
	}
	e, err := f.entry()
	if err != nil {
		return oneFile(err)
	}
	o.strip(&e)
	var w encoder
	w.add(&e)
	return c.send(msgTrailer, w.b)
}

// batch gathers entries into messages.
type batch struct {
	c    *call
	kind byte
	w    encoder
}

func (b *batch) add(e *varve.Entry) error {
	b.w.add(e)
	if len(b.w.b) > maxMessage {
		return fmt.Errorf("/%s: its metadata is too large for one message", e.Path)
	}
	if len(b.w.b) < batchSize {
		return nil
	}
	return b.flush()
}

func (b *batch) flush() error {
	if len(b.w.b) == 0 {
		return nil
	}
	err := b.c.send(b.kind, b.w.b)
	b.w.reset()
	return err
}

// pathSet is a set of files that remembers a keyed hash of each path: nobody who does not know the key can find a path that is taken
// for one of them.
type pathSet struct {
	seed   maphash.Seed
	mu     sync.Mutex
	set    map[uint64]struct{}
	claims map[uint64]claim // of those that have one
}

// claim is what a store knows of a file's content.
type claim struct {
	digest varve.Digest
	chunks []varve.Digest
	depth  uint8
}

func newPathSet() *pathSet {
	return &pathSet{seed: maphash.MakeSeed(), set: map[uint64]struct{}{}, claims: map[uint64]claim{}}
}

// add adds e, and where asked to what it claims of its content.
func (s *pathSet) add(e *varve.Entry, claims bool) {
	key := maphash.String(s.seed, e.Path)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set[key] = struct{}{}
	if claims && e.Digest != (varve.Digest{}) {
		s.claims[key] = claim{e.Digest, e.Chunks, e.Depth}
	}
}

// find reports whether e is in the set, and gives it back what it claimed.
func (s *pathSet) find(e *varve.Entry) bool {
	key := maphash.String(s.seed, e.Path)
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.set[key]
	if c, claimed := s.claims[key]; claimed {
		e.Digest, e.Chunks, e.Depth = c.digest, c.chunks, c.depth
	}
	return ok
}

// lookup finds entries of a view, one directory at a time.
type lookup struct {
	view varve.View
	mu   sync.Mutex
	dir  string
	list map[string]varve.Entry // nil before the first
}

// find returns the entry at path; fs.ErrNotExist where there is none.
func (l *lookup) find(ctx context.Context, path string) (varve.Entry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if dir := varve.Parent(path); l.list == nil || l.dir != dir {
		list := map[string]varve.Entry{}
		for e, err := range part.Children(ctx, l.view, dir) {
			if err != nil {
				return varve.Entry{}, err
			}
			list[e.Path] = e
		}
		l.dir, l.list = dir, list
	}
	e, ok := l.list[path]
	if !ok {
		return e, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	return e, nil
}
