package seal

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"

	"varve"
)

const (
	// WorkFactor is how hard a passphrase is made to guess unless told otherwise: scrypt takes 2^17 steps and 128 MiB.
	WorkFactor = 17
	// MaxWorkFactor bounds what a stored secret may ask for: 2^18 steps and 256 MiB.
	MaxWorkFactor = 18
	// MaxWrapped is how long a wrapped secret may be, in bytes.
	MaxWrapped = 64 << 10
)

// Wrap returns an age file that holds secret, for any one of recipients. A passphrase goes alone.
func Wrap(secret Secret, recipients ...Recipient) ([]byte, error) {
	var to []age.Recipient
	for _, r := range recipients {
		if r.passphrase && len(recipients) > 1 {
			return nil, errors.New("wrap secret: a passphrase cannot be one of several recipients; wrap once more for it")
		}
		to = append(to, r.age)
	}
	var b bytes.Buffer
	w, err := age.Encrypt(&b, to...)
	if err != nil {
		return nil, fmt.Errorf("wrap secret: %w", err)
	}
	if _, err := w.Write(secret[:]); err != nil {
		return nil, fmt.Errorf("wrap secret: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("wrap secret: %w", err)
	}
	if b.Len() > MaxWrapped {
		return nil, errors.New("wrap secret: too many recipients")
	}
	return b.Bytes(), nil
}

// Unwrap returns the secret that Wrap put into wrapped. ErrKey where none of identities opens it; varve.ErrDamaged where one does and
// the content is not a secret.
func Unwrap(wrapped []byte, identities ...Identity) (Secret, error) {
	if len(wrapped) > MaxWrapped {
		return Secret{}, damaged("unwrap secret: too long")
	}
	if len(identities) == 0 {
		return Secret{}, fmt.Errorf("unwrap secret: %w", ErrKey)
	}
	if _, err := age.ExtractHeader(bytes.NewReader(wrapped)); err != nil {
		return Secret{}, damaged("unwrap secret: not an age file")
	}
	var with []age.Identity
	for _, i := range identities {
		with = append(with, i.age)
	}
	r, err := age.Decrypt(bytes.NewReader(wrapped), with...)
	var none *age.NoIdentityMatchError
	if errors.As(err, &none) {
		return Secret{}, fmt.Errorf("unwrap secret: %w", ErrKey)
	}
	if err != nil {
		return Secret{}, fmt.Errorf("unwrap secret: %w", err)
	}
	return readSecret(r)
}

// readSecret reads a secret and nothing after it.
func readSecret(r io.Reader) (s Secret, err error) {
	plain, err := io.ReadAll(io.LimitReader(r, int64(len(s))+1))
	if err != nil {
		return s, fmt.Errorf("unwrap secret: %w: %w", err, varve.ErrDamaged)
	}
	if len(plain) != len(s) {
		return s, damaged("unwrap secret: length")
	}
	return Secret(plain), nil
}
