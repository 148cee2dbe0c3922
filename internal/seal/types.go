package seal

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"varve"
)

// VaultID names a vault: 16 random bytes.
type VaultID [16]byte

// NewVaultID returns a random VaultID.
func NewVaultID() (id VaultID) {
	rand.Read(id[:])
	return id
}

// String returns id as 32 hexadecimal digits.
func (id VaultID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText returns id as String does.
func (id VaultID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads 32 hexadecimal digits.
func (id *VaultID) UnmarshalText(text []byte) error { return readID(id[:], text, "vault ID") }

// SignerID names a signing key: the first 16 bytes of the SHA-256 of its public half. That of a client is also its domain.
type SignerID [16]byte

// SignerIDOf returns the ID of the key whose public half is public.
func SignerIDOf(public ed25519.PublicKey) SignerID {
	sum := sha256.Sum256(public)
	return SignerID(sum[:16])
}

// String returns id as 32 hexadecimal digits.
func (id SignerID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText returns id as String does.
func (id SignerID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads 32 hexadecimal digits.
func (id *SignerID) UnmarshalText(text []byte) error { return readID(id[:], text, "signer ID") }

func readID(id, text []byte, what string) error {
	if len(text) != hex.EncodedLen(len(id)) {
		return fmt.Errorf("%s: want %d hexadecimal digits", what, hex.EncodedLen(len(id)))
	}
	if _, err := hex.Decode(id, text); err != nil {
		return fmt.Errorf("%s: not hexadecimal", what)
	}
	return nil
}

// Secret is 32 bytes that nobody else may know. It is never printed: whatever the verb, fmt writes a placeholder, and it has no
// form as text or JSON.
type Secret [32]byte

// NewSecret returns a random Secret.
func NewSecret() (s Secret) {
	rand.Read(s[:])
	return s
}

// String returns a placeholder.
func (Secret) String() string { return placeholder }

// Format writes a placeholder.
func (Secret) Format(f fmt.State, verb rune) { redacted{}.Format(f, verb) }

// MarshalText refuses.
func (Secret) MarshalText() ([]byte, error) { return nil, errors.New("a secret has no text form") }

const placeholder = "[secret]"

// redacted, embedded, keeps fmt from printing what is beside it.
type redacted struct{}

// Format writes a placeholder.
func (redacted) Format(f fmt.State, _ rune) { io.WriteString(f, placeholder) }

// KeyKind says what a key is good for. Its text is what key files and errors call it.
type KeyKind string

const (
	// RestoreKey opens everything: a root secret.
	RestoreKey KeyKind = "restore"
	// MaintenanceKey opens structure, and may forget and prune: a maintenance secret.
	MaintenanceKey KeyKind = "maintenance"
	// PutOnlyKey adds snapshots and opens nothing: a client secret and the public keys.
	PutOnlyKey KeyKind = "put-only"
)

// Sentinels that callers branch on. What is not what was written matches varve.ErrDamaged.
var (
	// ErrKey says that no key at hand opens something; a *KeyError says which would.
	ErrKey = errors.New("this key does not open it")
	// ErrSigner says that the signer of an object is not known, or may not sign it.
	ErrSigner = errors.New("signed by nobody who may")
	// ErrVersion says that an object is of a kind or version that this program does not know. It is no damage.
	ErrVersion = errors.New("made by a newer program")
)

// KeyError says which key is needed. It matches ErrKey.
type KeyError struct {
	Needs      KeyKind
	Generation uint8
}

// Error names the key.
func (e *KeyError) Error() string {
	return fmt.Sprintf("%v: the %s key of generation %d is needed", ErrKey, e.Needs, e.Generation)
}

// Is reports whether target is ErrKey.
func (e *KeyError) Is(target error) bool { return target == ErrKey }

// damaged is the error for stored bytes that are not what was written.
func damaged(what string) error { return fmt.Errorf("%s: %w", what, varve.ErrDamaged) }
