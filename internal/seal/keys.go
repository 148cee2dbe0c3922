package seal

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hpke"
	"crypto/sha256"
	"fmt"

	"varve"
)

const prefix = "varve vault 1 "

// derive returns the secret that label names below s.
func (s Secret) derive(label string) Secret {
	key, err := hkdf.Key(sha256.New, s[:], nil, prefix+label, len(s))
	return Secret(must(key, err))
}

// must returns v. It is for functions of the standard library that fail only where a length is wrong that is constant here.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func (s Secret) kem(label string) hpke.PrivateKey {
	seed := s.derive(label)
	return must(hpke.MLKEM768X25519().NewPrivateKey(seed[:]))
}

// Publics are the public keys of one generation: all that is needed to seal, and to know the admin's signature.
type Publics struct {
	// Generation counts from 1.
	Generation uint8
	// Restore and Maintenance are public keys of the KEM, 1216 bytes each.
	Restore     []byte
	Maintenance []byte
	Admin       ed25519.PublicKey
}

// Equal reports whether p and q are the same keys of the same generation.
func (p Publics) Equal(q Publics) bool {
	return p.Generation == q.Generation && bytes.Equal(p.Restore, q.Restore) && bytes.Equal(p.Maintenance, q.Maintenance) &&
		bytes.Equal(p.Admin, q.Admin)
}

// Check returns an error that matches varve.ErrDamaged where p are not public keys.
func (p Publics) Check() error {
	if p.Generation == 0 {
		return fmt.Errorf("public keys: generation 0: %w", varve.ErrDamaged)
	}
	if len(p.Admin) != ed25519.PublicKeySize {
		return fmt.Errorf("public keys: admin: %w", varve.ErrDamaged)
	}
	for _, k := range []struct {
		name string
		key  []byte
	}{{"restore", p.Restore}, {"maintenance", p.Maintenance}} {
		if _, err := hpke.MLKEM768X25519().NewPublicKey(k.key); err != nil {
			return fmt.Errorf("public keys: %s: %w", k.name, varve.ErrDamaged)
		}
	}
	return nil
}

// Root is a root secret and what is derived from it. Who holds it can do everything.
type Root struct {
	redacted
	secret      Secret
	kem         hpke.PrivateKey
	maintenance *Maintenance
}

// NewRoot returns a random Root.
func NewRoot() *Root { return OpenRoot(NewSecret()) }

// OpenRoot returns the Root with this secret.
func OpenRoot(secret Secret) *Root {
	return &Root{secret: secret, kem: secret.kem("restore kem"), maintenance: OpenMaintenance(secret.derive("maintenance"))}
}

// Secret returns the root secret.
func (r *Root) Secret() Secret { return r.secret }

// Maintenance returns the keys for maintenance below r.
func (r *Root) Maintenance() *Maintenance { return r.maintenance }

// Client returns the client below r. Full clients use that of the root of generation 1, whatever the newest generation is.
func (r *Root) Client() *Client { return NewClient(r.secret.derive("client")) }

// Publics returns the public keys, which r as root of this generation has.
func (r *Root) Publics(generation uint8) Publics {
	return Publics{
		Generation: generation, Restore: r.kem.PublicKey().Bytes(),
		Maintenance: r.maintenance.kem.PublicKey().Bytes(), Admin: r.maintenance.Signer().Public(),
	}
}

// Before seals what is kept in the record of a generation, whose root is r: the root of the generation before.
func (r *Root) Before(vault VaultID, generation uint8, before *Root) []byte {
	return sealBefore(r.secret, vault, generation, before.secret)
}

// OpenBefore opens what Before sealed. varve.ErrDamaged where it is not that.
func (r *Root) OpenBefore(vault VaultID, generation uint8, sealed []byte) (*Root, error) {
	secret, err := openBefore(r.secret, vault, generation, sealed)
	if err != nil {
		return nil, fmt.Errorf("root secret before generation %d: %w", generation, err)
	}
	return OpenRoot(secret), nil
}

// Maintenance is a maintenance secret and what is derived from it. Who holds it can see structure, forget and prune.
type Maintenance struct {
	redacted
	secret Secret
	kem    hpke.PrivateKey
	signer *Signer
}

// OpenMaintenance returns the Maintenance with this secret.
func OpenMaintenance(secret Secret) *Maintenance {
	return &Maintenance{secret: secret, kem: secret.kem("kem"), signer: newSigner(secret.derive("signature"))}
}

// Secret returns the maintenance secret.
func (m *Maintenance) Secret() Secret { return m.secret }

// Signer returns the admin.
func (m *Maintenance) Signer() *Signer { return m.signer }

// Fits reports whether m belongs to p.
func (m *Maintenance) Fits(p Publics) bool {
	return bytes.Equal(m.kem.PublicKey().Bytes(), p.Maintenance) && bytes.Equal(m.signer.Public(), p.Admin)
}

// Before seals the maintenance secret of the generation before, as Root.Before does with the root secret.
func (m *Maintenance) Before(vault VaultID, generation uint8, before *Maintenance) []byte {
	return sealBefore(m.secret, vault, generation, before.secret)
}

// OpenBefore opens what Before sealed. varve.ErrDamaged where it is not that.
func (m *Maintenance) OpenBefore(vault VaultID, generation uint8, sealed []byte) (*Maintenance, error) {
	secret, err := openBefore(m.secret, vault, generation, sealed)
	if err != nil {
		return nil, fmt.Errorf("maintenance secret before generation %d: %w", generation, err)
	}
	return OpenMaintenance(secret), nil
}

func sealBefore(after Secret, vault VaultID, generation uint8, before Secret) []byte {
	return Seal(nil, after.derive("before"), Scope{Vault: vault, Kind: KindGeneration, Context: []byte{generation}}, before[:])
}

func openBefore(after Secret, vault VaultID, generation uint8, sealed []byte) (s Secret, err error) {
	plain, err := Open(nil, after.derive("before"), Scope{Vault: vault, Kind: KindGeneration, Context: []byte{generation}}, sealed)
	if err != nil {
		return s, err
	}
	if len(plain) != len(s) {
		return s, fmt.Errorf("%d bytes: %w", len(plain), varve.ErrDamaged)
	}
	return Secret(plain), nil
}
