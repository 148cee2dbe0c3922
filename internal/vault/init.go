package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"varve"
	"varve/internal/backend"
	"varve/internal/seal"
)

// InitOptions say what a new vault is like.
type InitOptions struct {
	// Unencrypted makes a vault whose root secret lies open in its config.
	Unencrypted bool
	// Recipients are who the root secret is wrapped for, and Name is what that is called.
	Recipients []seal.Recipient
	Name       string
	Now        func() time.Time
	// State and Place are those of Options: what this machine remembered of the place is of no use any more.
	State, Place string
}

// Init makes a vault in b, which stays open, and returns its restore key, for a recovery sheet. fs.ErrExist where there is a vault already.
func Init(ctx context.Context, b varve.Backend, opts InitOptions) (seal.KeyFile, error) {
	key, err := initVault(ctx, b, opts)
	if err != nil {
		return seal.KeyFile{}, fmt.Errorf("init vault: %w", err)
	}
	return key, nil
}

func initVault(ctx context.Context, b varve.Backend, opts InitOptions) (key seal.KeyFile, err error) {
	if _, err := readConfig(ctx, b); !errors.Is(err, varve.ErrNoStore) {
		if err == nil {
			err = fmt.Errorf("is a vault already: %w", fs.ErrExist)
		}
		return key, err
	}
	now := time.Now
	if opts.Now != nil {
		now = opts.Now
	}
	id, root := seal.NewVaultID(), seal.NewRoot()
	text, err := newConfig(id, root, now(), opts.Unencrypted)
	if err != nil {
		return key, err
	}
	k := newKeyring(id, root.Publics(1))
	k.root, k.admin = root, root.Maintenance().Signer()
	if err := k.addClient(ctx, b, clientRecord{Name: kindFull, Kind: kindFull, Created: now()}, root.Client()); err != nil {
		return key, err
	}
	if len(opts.Recipients) > 0 {
		if err := k.addWrap(ctx, b, opts.Name, seal.RestoreKey, root.Secret(), now(), opts.Recipients); err != nil {
			return key, err
		}
	}
	if err := k.putReserve(ctx, b); err != nil {
		return key, err
	}
	if opts.State != "" && opts.Place != "" {
		if err := changePins(opts.State, func(pins map[string]pin) error { delete(pins, opts.Place); return nil }); err != nil {
			return key, err
		}
	}
	// The config comes last: with it the vault exists.
	if err := b.Put(ctx, configName, text); err != nil {
		return key, err
	}
	return seal.KeyFile{Vault: id, Kind: seal.RestoreKey, Name: opts.Name, Generation: 1, Secret: root.Secret()}, nil
}

// addClient makes a client known.
func (k *keyring) addClient(ctx context.Context, b varve.Backend, r clientRecord, c *seal.Client) error {
	session, err := seal.NewSession(k.vault, k.newest())
	if err != nil {
		return err
	}
	id, secret := c.Domain(), c.ChunkIDKey()
	r.Public = c.Signer().Public()
	r.Secret = sealedSecret{Generation: session.Envelope.Generation, Enc: session.Envelope.M[:],
		Sealed: seal.Seal(nil, session.Structure, seal.Scope{Vault: k.vault, Kind: seal.KindClient, Context: id[:]}, secret[:])}
	r.Created = r.Created.UTC().Truncate(time.Second)
	return k.sign(ctx, b, backend.Keys, seal.KindClient, k.admin, &r)
}

// addWrap keeps a secret in the vault for those who can open it.
func (k *keyring) addWrap(ctx context.Context, b varve.Backend, name string, holds seal.KeyKind, secret seal.Secret, now time.Time,
	recipients []seal.Recipient) error {
	age, err := seal.Wrap(secret, recipients...)
	if err != nil {
		return err
	}
	return k.sign(ctx, b, backend.Keys, seal.KindWrapped, k.admin, &wrapRecord{Name: name, Holds: string(holds),
		Generation: k.newest().Generation, Created: now.UTC().Truncate(time.Second), Age: age})
}

// sign stores a plain object.
func (k *keyring) sign(ctx context.Context, b varve.Backend, where backend.Kind, kind seal.Kind, by *seal.Signer, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	data, err := seal.SignObject(k.vault, k.newest().Generation, by, kind, text)
	if err != nil {
		return err
	}
	_, err = backend.Save(ctx, b, where, data)
	return err
}
