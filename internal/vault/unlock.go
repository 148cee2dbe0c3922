package vault

import (
	"context"
	"errors"
	"fmt"

	"varve"
	"varve/internal/seal"
)

// Credentials are what the user has to open a vault with. What comes first here is tried first.
type Credentials struct {
	// Key is the content of a key file; nil where there is none.
	Key *seal.KeyFile
	// Identities open wrapped secrets.
	Identities []seal.Identity
	// Passphrase asks for the passphrase; nil where nobody can be asked. It is asked only where a vault has a secret that one opens.
	Passphrase func(ctx context.Context) (string, error)
	// Given says that Passphrase returns what somebody has set down for this vault, and asks nobody.
	Given bool
}

// ErrLocked says that a vault is encrypted and no credentials were given.
var ErrLocked = fmt.Errorf("the vault is encrypted, and there is neither a key nor a passphrase: %w", ErrKey)

// unlock reads the keyring and opens it with creds.
func (s *Store) unlock(ctx context.Context, creds Credentials) error {
	k := newKeyring(s.config.ID, s.config.publics())
	s.keys = k
	if creds.Key != nil && creds.Key.Vault != s.config.ID {
		return fmt.Errorf("the key is for vault %s and this is %s: %w", creds.Key.Vault, s.config.ID, ErrKey)
	}
	if err := k.trust(creds.Key); err != nil {
		return err
	}
	generations, err := k.load(ctx, s.backend, s.opts.requests(), func(name string, err error) { s.opts.Warn(fmt.Errorf("%s: %w", name, err)) })
	if err != nil {
		return err
	}
	if err := s.chooseKey(ctx, creds, generations); err != nil {
		return err
	}
	return k.openClients()
}

// trust holds the config, which the storage could have replaced, against the public keys in a put-only key.
func (k *keyring) trust(key *seal.KeyFile) error {
	if key == nil || key.Kind != seal.PutOnlyKey {
		return nil
	}
	if key.Publics.Generation == 1 && !key.Publics.Equal(k.publics[0]) {
		return fmt.Errorf("config has other public keys than the key file: %w", varve.ErrDamaged)
	}
	return nil
}

// chooseKey takes the first credential that there is.
func (s *Store) chooseKey(ctx context.Context, creds Credentials, generations []generationRecord) error {
	k := s.keys
	if creds.Key != nil {
		return k.takeFile(creds.Key, generations)
	}
	if root := s.config.open(); root != nil {
		if creds.Given || len(creds.Identities) > 0 {
			return ErrExposed
		}
		return k.take(seal.RestoreKey, root.Secret(), generations)
	}
	if len(creds.Identities) == 0 && creds.Passphrase == nil {
		return ErrLocked
	}
	identities := creds.Identities
	if len(identities) == 0 {
		passphrase, err := creds.Passphrase(ctx)
		if err != nil {
			return err
		}
		identity, err := seal.PassphraseIdentity(passphrase)
		if err != nil {
			return err
		}
		identities = append(identities, identity)
	}
	return k.takeWrapped(identities, generations)
}

// takeWrapped opens the strongest wrapped secret that identities open.
func (k *keyring) takeWrapped(identities []seal.Identity, generations []generationRecord) error {
	why := fmt.Errorf("no secret is kept in the vault: use a key file or the recovery sheet: %w", ErrKey)
	for _, holds := range []seal.KeyKind{seal.RestoreKey, seal.MaintenanceKey} {
		for _, w := range k.wraps {
			if w.Holds != string(holds) || w.Generation != k.newest().Generation {
				continue
			}
			secret, err := seal.Unwrap(w.Age, identities...)
			if errors.Is(err, ErrKey) {
				why = err
				continue
			}
			if err != nil {
				return fmt.Errorf("%s: %w", w.object, err)
			}
			if why = k.take(holds, secret, generations); !errors.Is(why, ErrKey) {
				return why
			}
		}
	}
	return why
}

// takeFile opens the vault with a key file.
func (k *keyring) takeFile(key *seal.KeyFile, generations []generationRecord) error {
	if key.Kind != seal.PutOnlyKey {
		return k.take(key.Kind, key.Secret, generations)
	}
	k.own = seal.NewClient(key.Secret)
	known := key.Publics.Generation
	if int(known) > len(k.publics) || !k.publics[known-1].Equal(key.Publics) {
		return fmt.Errorf("the vault has other public keys than the key file: %w", varve.ErrDamaged)
	}
	if k.removed[k.own.Domain()] != nil {
		return fmt.Errorf("the key was removed from the vault: %w", ErrKey)
	}
	return nil
}

// take opens everything that a root or maintenance secret opens: its own generation and those before.
func (k *keyring) take(kind seal.KeyKind, secret seal.Secret, generations []generationRecord) error {
	if kind == seal.MaintenanceKey {
		return k.takeMaintenance(seal.OpenMaintenance(secret), generations)
	}
	root := seal.OpenRoot(secret)
	for i := len(k.publics) - 1; i >= 0; i-- {
		g := uint8(i + 1)
		if k.root == nil && !root.Publics(g).Equal(k.publics[i]) {
			continue
		}
		if k.root == nil {
			k.root, k.admin = root, root.Maintenance().Signer()
		}
		k.opener.AddRoot(g, root)
		if i == 0 {
			break
		}
		var err error
		if root, err = root.OpenBefore(k.vault, g, generations[i-1].Root); err != nil {
			return err
		}
	}
	if k.root == nil {
		return fmt.Errorf("not the restore key of this vault: %w", ErrKey)
	}
	if !k.root.Publics(k.newest().Generation).Equal(k.newest()) {
		return fmt.Errorf("the key is older than the last key rotate: use the newest one: %w", ErrKey)
	}
	k.own = root.Client()
	return nil
}

func (k *keyring) takeMaintenance(m *seal.Maintenance, generations []generationRecord) error {
	if !m.Fits(k.newest()) {
		return fmt.Errorf("not the newest maintenance key of this vault: %w", ErrKey)
	}
	k.admin, k.maintenance = m.Signer(), m
	for i := len(k.publics) - 1; ; i-- {
		k.opener.AddMaintenance(uint8(i+1), m)
		if i == 0 {
			return nil
		}
		var err error
		if m, err = m.OpenBefore(k.vault, uint8(i+1), generations[i-1].MaintenanceSecret); err != nil {
			return err
		}
	}
}
