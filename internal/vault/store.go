// Package vault is the store that seals: encrypted, compressed, deduplicated objects on storage that can put, get, list and delete.
//
//	save      source → base: what is known → chunks that are new → bundles → packs; entries → pages → packs; record; seal
//	restore   record → pages → entries; chunks → blobs → packs
//	prune     records → pages → chunks that are live → packs that are not
//
// The format is docs/format/vault.md. How writers and collectors do without locks is the package gc's; keys and sealing are seal's.
//
// What a Store can do depends on the key it was opened with: a restore key does everything; a maintenance key lists, forgets, prunes and
// checks structure; a put-only key saves.
package vault

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"varve"
	"varve/internal/backend"
	"varve/internal/backend/cache"
	"varve/internal/chunk"
	"varve/internal/index"
	"varve/internal/pack"
	"varve/internal/seal"
	"varve/internal/table"
)

// ErrKey says that the key at hand does not suffice; a *seal.KeyError in the chain says which would.
var ErrKey = seal.ErrKey

// Options say how a vault is opened.
type Options struct {
	// Cache and State are directories on this machine for what is known of vaults, each of which gets one of its own below: Cache for what
	// can be had again, State for what cannot. With an empty Cache a temporary one is used; with an empty State rollbacks of the storage
	// go unnoticed.
	Cache string
	State string
	// Place is where the vault is, as the user says it. With a State, another vault in the same place is noticed. Empty where the place is
	// not to be remembered.
	Place string
	// Workers is how many goroutines work on content; 0 stands for 3.
	Workers int
	// Requests is how many requests are made at once of a storage where each takes long, as over a network; what is read of its
	// records, keys and manifests is kept in Cache then. 0 for a storage on this machine.
	Requests int
	// Undo is how long prune leaves alone what was forgotten.
	Undo time.Duration
	// Now tells the time, also to several goroutines; nil stands for time.Now.
	Now func() time.Time
	// Settle waits until listings of the storage show all that was put before; nil where they always do.
	Settle func(context.Context) error
	// Warn is told of what is wrong and does not keep the vault from working; nil drops it.
	Warn func(error)
}

func (o *Options) workers() int {
	if o.Workers > 0 {
		return o.Workers
	}
	return 3
}

// Store is a vault, opened.
type Store struct {
	backend    varve.Backend
	opts       Options
	keys       *keyring
	config     *config
	local      *local
	index      *index.Set
	catalog    catalog
	blobs      *blobCache
	packs      *pack.Reader
	compressor seal.Compressor
	cuts       chunk.Params  // how content is cut; tests have smaller chunks
	kept       *cache.Cache  // the backend with what is kept of it on this machine; nil where nothing is
	wary       atomic.Bool   // what is kept does not count
	ahead      chan struct{} // places for chunks that are read ahead; nil where none are
	keyFaults  []error       // what was under keys/ when this machine looked last, and is not now

	mu      sync.Mutex
	shunned map[table.Name]bool // packs that must not be relied on
	indexed bool                // the index was brought up to date since the Store was opened
	spoilt  bool                // an index object was found damaged
}

var _ varve.Store = (*Store)(nil)

// blobCacheSize is how much of opened blobs is kept, in bytes.
const blobCacheSize = 24 << 20

// Open opens the vault in b, which it closes with itself. varve.ErrNoStore where there is none; ErrKey where creds do not open it.
func Open(ctx context.Context, b varve.Backend, creds Credentials, opts Options) (*Store, error) {
	s, err := open(ctx, b, creds, opts)
	if err != nil {
		return nil, fmt.Errorf("open vault: %w", err)
	}
	return s, nil
}

func open(ctx context.Context, b varve.Backend, creds Credentials, opts Options) (_ *Store, err error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Warn == nil {
		opts.Warn = func(error) {}
	}
	c, err := readConfig(ctx, b)
	if err != nil {
		return nil, err
	}
	if err := checkPlace(opts.State, opts.Place, c); err != nil {
		return nil, err
	}
	s := &Store{backend: b, opts: opts, config: c, blobs: newBlobCache(blobCacheSize), shunned: map[table.Name]bool{}}
	s.catalog.store = s
	if opts.Requests > 1 {
		s.ahead = make(chan struct{}, min(opts.Requests, farAhead))
	}
	if err := s.unlock(ctx, creds); err != nil {
		return nil, err
	}
	s.packs = &pack.Reader{Opener: s.keys.opener, Signers: s.keys.packSigner, Compressor: &s.compressor}
	if s.local, err = openLocal(below(opts.Cache, c.ID), below(opts.State, c.ID)); err != nil {
		return nil, err
	}
	if s.keyFaults, err = s.rememberKeys(); err != nil {
		return nil, errors.Join(err, s.local.Close())
	}
	if s.index, err = index.Open(filepath.Join(s.local.memory(s.keys), "index")); err != nil {
		return nil, errors.Join(err, s.local.Close())
	}
	s.bringNear()
	return s, nil
}

// below returns the directory of one vault in dir; empty where dir is.
func below(dir string, id seal.VaultID) string {
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, id.String())
}

// Close lets go of everything, the backend included.
func (s *Store) Close() error {
	storage := s.backend
	if s.kept != nil {
		storage = s.kept
	}
	return errors.Join(s.index.Close(), s.local.Close(), storage.Close())
}

// ID names the vault.
func (s *Store) ID() seal.VaultID { return s.config.ID }

// Unencrypted reports whether the vault keeps no secret: whoever can read the storage can read everything.
func (s *Store) Unencrypted() bool { return s.config.open() != nil }

// packSigner says who may sign packs.
func (k *keyring) packSigner(id seal.SignerID) (pack.Signer, bool) {
	if p := k.adminKey(id); p != nil {
		return pack.Signer{Public: p, Admin: true}, true
	}
	c := k.clients[id]
	if c == nil {
		return pack.Signer{}, false
	}
	return pack.Signer{Public: c.Public}, true
}

// put stores an object under the name that it has.
func (s *Store) put(ctx context.Context, kind backend.Kind, name table.Name, data []byte) error {
	err := s.backend.Put(ctx, kind.Name(name), data)
	if errors.Is(err, fs.ErrExist) {
		_, err = backend.Save(ctx, s.backend, kind, data)
	}
	return err
}

// isDamage reports whether err says that stored data is not what was stored, or is not there.
func isDamage(err error) bool { return errors.Is(err, varve.ErrDamaged) || isGone(err) }

// isStrange reports whether err says that an object is by nobody who is known, or for keys or programs that are not: whoever can put objects
// can put such ones.
func isStrange(err error) bool {
	return errors.Is(err, seal.ErrSigner) || errors.Is(err, seal.ErrVersion) || errors.Is(err, ErrKey)
}

// isGone reports whether err says that an object is not there.
func isGone(err error) bool { return errors.Is(err, fs.ErrNotExist) }
