package vault

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"varve/internal/backend"
	"varve/internal/seal"
)

// Key is one key that a vault knows of.
type Key struct {
	Name string `json:"name"`
	// Kind is what it is good for. Restore and maintenance keys are listed where the vault keeps them, wrapped.
	Kind    seal.KeyKind `json:"kind"`
	Created time.Time    `json:"created"`
	// Signer names a put-only client; zero for others.
	Signer seal.SignerID `json:"signer,omitzero"`
	// Removed says that the client may make no more snapshots.
	Removed bool `json:"removed,omitempty"`
}

// Errors that callers branch on.
var (
	// ErrNoKey says that a vault knows no key of this name.
	ErrNoKey = errors.New("no such key")
	// ErrKeyName says that a name for a key is taken or empty.
	ErrKeyName = errors.New("cannot be the name of a new key")
	// ErrLastKey says that a key is the only one that a vault keeps.
	ErrLastKey = errors.New("the only key that the vault keeps")
)

// Keys lists the keys that the vault knows of, ordered by name: wrapped secrets and put-only clients. Keys in files and on paper leave no
// trace.
func (s *Store) Keys() []Key {
	keys := []Key{}
	for _, w := range s.keys.wraps {
		if w.Generation != s.keys.newest().Generation { // what an interrupted rotation left
			continue
		}
		keys = append(keys, Key{Name: w.Name, Kind: seal.KeyKind(w.Holds), Created: w.Created})
	}
	for id, c := range s.keys.clients {
		if c.Kind == kindPutOnly {
			keys = append(keys, Key{Name: c.Name, Kind: seal.PutOnlyKey, Created: c.Created, Signer: id, Removed: s.keys.removed[id] != nil})
		}
	}
	slices.SortFunc(keys, func(a, b Key) int { return cmp.Or(cmp.Compare(a.Name, b.Name), a.Created.Compare(b.Created)) })
	return keys
}

// KeyFile returns the restore or the maintenance key, whichever kind is asked for, for a file or a sheet of paper.
func (s *Store) KeyFile(kind seal.KeyKind, name string) (seal.KeyFile, error) {
	k := seal.KeyFile{Vault: s.keys.vault, Kind: kind, Name: name, Generation: s.keys.newest().Generation}
	if s.keys.root == nil {
		return k, fmt.Errorf("export key: %w", &seal.KeyError{Needs: seal.RestoreKey, Generation: k.Generation})
	}
	switch kind {
	case seal.RestoreKey:
		k.Secret = s.keys.root.Secret()
	case seal.MaintenanceKey:
		k.Secret = s.keys.root.Maintenance().Secret()
	default:
		return k, fmt.Errorf("export key: a %s key exists once, where it was made: add another", kind)
	}
	return k, nil
}

// AddClient makes a put-only client known and returns its key, which is kept nowhere else.
func (s *Store) AddClient(ctx context.Context, name string) (seal.KeyFile, error) {
	k := seal.KeyFile{Vault: s.keys.vault, Kind: seal.PutOnlyKey, Name: name, Generation: s.keys.newest().Generation, Publics: s.keys.newest()}
	if err := s.mayAdd(name); err != nil {
		return k, err
	}
	c := seal.RandomClient()
	k.Secret = c.Secret()
	if err := s.keys.addClient(ctx, s.backend, clientRecord{Name: name, Kind: kindPutOnly, Created: s.opts.Now()}, c); err != nil {
		return k, fmt.Errorf("add key %s: %w", name, err)
	}
	return k, s.reload(ctx)
}

// AddWrapped keeps the restore or maintenance key in the vault, for recipients to open.
func (s *Store) AddWrapped(ctx context.Context, name string, kind seal.KeyKind, recipients ...seal.Recipient) error {
	if err := s.mayAdd(name); err != nil {
		return err
	}
	k, err := s.KeyFile(kind, name)
	if err != nil {
		return err
	}
	if err := s.keys.addWrap(ctx, s.backend, name, kind, k.Secret, s.opts.Now(), recipients); err != nil {
		return fmt.Errorf("add key %s: %w", name, err)
	}
	return s.reload(ctx)
}

func (s *Store) mayAdd(name string) error {
	if s.keys.admin == nil {
		return fmt.Errorf("add key %s: %w", name, &seal.KeyError{Needs: seal.MaintenanceKey, Generation: s.keys.newest().Generation})
	}
	if _, err := seal.FormatKeyFile(seal.KeyFile{Kind: seal.MaintenanceKey, Name: name, Generation: 1}); err != nil {
		return fmt.Errorf("add key %q: %w: %w", name, ErrKeyName, err)
	}
	if name == "" || name == kindFull || slices.ContainsFunc(s.Keys(), func(k Key) bool { return k.Name == name }) {
		return fmt.Errorf("add key %q: %w", name, ErrKeyName)
	}
	return nil
}

// RemoveKey removes a key by its name. A wrapped secret is deleted: whoever has it already keeps it, and key rotate shuts him out of what
// comes. A put-only client may make no more snapshots; those it made stay.
func (s *Store) RemoveKey(ctx context.Context, name string) error {
	if err := s.removeKey(ctx, name); err != nil {
		return fmt.Errorf("remove key %s: %w", name, err)
	}
	return s.reload(ctx)
}

func (s *Store) removeKey(ctx context.Context, name string) error {
	if s.keys.admin == nil {
		return &seal.KeyError{Needs: seal.MaintenanceKey, Generation: s.keys.newest().Generation}
	}
	for id, c := range s.keys.clients {
		if c.Name == name && c.Kind == kindPutOnly && s.keys.removed[id] == nil {
			return s.removeClient(ctx, id)
		}
	}
	for _, w := range s.keys.wraps {
		if w.Name != name {
			continue
		}
		if s.onlyKey(w) {
			return ErrLastKey
		}
		return backend.Remove(ctx, s.backend, w.object)
	}
	return ErrNoKey
}

// onlyKey reports whether the vault keeps no other secret of the newest generation than w.
func (s *Store) onlyKey(w wrap) bool {
	return !slices.ContainsFunc(s.keys.wraps, func(o wrap) bool {
		return o.object != w.object && o.Generation == s.keys.newest().Generation
	})
}

func (s *Store) removeClient(ctx context.Context, id seal.SignerID) error {
	r, err := s.catalog.read(ctx)
	if err != nil {
		return err
	}
	snaps := []string{}
	for _, rec := range r.all {
		if rec.signer == id && rec.sealed {
			snaps = append(snaps, rec.name)
		}
	}
	return s.keys.sign(ctx, s.backend, backend.Keys, seal.KindRemoved, s.keys.admin, &removal{Client: id, Snaps: snaps})
}

// Rotate makes a new restore and a new maintenance key, to which everything that comes is sealed, and returns the restore key. Recipients
// must be given. The secrets
// that the vault keeps are replaced by the new one, wrapped for recipients. What is there already stays readable with the new key, and
// with the old one.
func (s *Store) Rotate(ctx context.Context, name string, recipients ...seal.Recipient) (seal.KeyFile, error) {
	k, err := s.rotate(ctx, name, recipients)
	if err != nil {
		return seal.KeyFile{}, fmt.Errorf("rotate keys: %w", err)
	}
	return k, nil
}

func (s *Store) rotate(ctx context.Context, name string, recipients []seal.Recipient) (key seal.KeyFile, err error) {
	k := s.keys
	before := k.newest().Generation
	switch {
	case k.root == nil:
		return key, &seal.KeyError{Needs: seal.RestoreKey, Generation: before}
	case s.Unencrypted():
		return key, errors.New("an unencrypted vault has no secret to rotate")
	case len(recipients) == 0:
		return key, errors.New("nobody to keep the new secret for in the vault")
	case before == 255:
		return key, errors.New("there were 255 generations of keys already")
	}
	root, generation := seal.NewRoot(), before+1
	p := root.Publics(generation)
	key = seal.KeyFile{Vault: k.vault, Kind: seal.RestoreKey, Name: name, Generation: generation, Secret: root.Secret()}
	old, mine := k.wraps, k.root
	body := &generationRecord{Generation: generation, Restore: p.Restore, Maintenance: p.Maintenance, Admin: p.Admin,
		Root:              root.Before(k.vault, generation, k.root),
		MaintenanceSecret: root.Maintenance().Before(k.vault, generation, k.root.Maintenance())}
	next := newKeyring(k.vault, k.publics[0])
	next.publics = append(slices.Clone(k.publics), p)
	next.admin = k.admin
	// The new secret is wrapped before the generation begins: nobody is ever without a key. Until then it means nothing.
	if err := next.addWrap(ctx, s.backend, name, seal.RestoreKey, root.Secret(), s.opts.Now(), recipients); err != nil {
		return key, err
	}
	if err := k.sign(ctx, s.backend, backend.Keys, seal.KindGeneration, k.admin, body); err != nil {
		return key, err
	}
	k.root = root
	if err := s.reload(ctx); err != nil {
		k.root = mine
		return key, fmt.Errorf("somebody else rotated them at the same time: %w", err)
	}
	for _, w := range old {
		if err := backend.Remove(ctx, s.backend, w.object); err != nil {
			return key, err
		}
	}
	return key, s.reload(ctx)
}

// reload reads the keyring again.
func (s *Store) reload(ctx context.Context) error {
	k, err := s.freshKeys(ctx)
	if err != nil {
		return err
	}
	s.useKeys(k)
	_, err = s.rememberKeys()
	return err
}

// freshKeys returns the keyring as it is now.
func (s *Store) freshKeys(ctx context.Context) (*keyring, error) {
	k := newKeyring(s.keys.vault, s.keys.publics[0])
	generations, err := k.load(ctx, s.backend, s.opts.requests(), func(name string, err error) { s.opts.Warn(fmt.Errorf("%s: %w", name, err)) })
	if err != nil {
		return nil, err
	}
	if s.keys.root != nil {
		err = k.take(seal.RestoreKey, s.keys.root.Secret(), generations)
	} else {
		err = k.takeMaintenance(s.keys.maintenance, generations)
	}
	if err == nil {
		err = k.openClients()
	}
	return k, err
}

// useKeys makes k the keyring. Nobody else uses the Store meanwhile.
func (s *Store) useKeys(k *keyring) {
	s.keys = k
	s.packs.Opener, s.packs.Signers = k.opener, k.packSigner
}

// alike reports whether two keyrings know the same keys, clients and removals.
func (k *keyring) alike(o *keyring) bool {
	return slices.EqualFunc(k.publics, o.publics, seal.Publics.Equal) &&
		maps.EqualFunc(k.clients, o.clients, func(a, b *client) bool { return a.object == b.object }) &&
		maps.EqualFunc(k.removed, o.removed, func(a, b *removal) bool { return slices.Equal(a.Snaps, b.Snaps) })
}
