package seal

import (
	"crypto/hpke"
	"fmt"

	"varve"
)

// EncapsulationLen is the length of an encapsulation to R or M in bytes.
const EncapsulationLen = 1120

// EnvelopeLen is the length of an Envelope in bytes.
const EnvelopeLen = 1 + 2*EncapsulationLen

// Envelope is what is stored of a session: whoever holds R or M gets its secrets from it.
type Envelope struct {
	// Generation is that of the keys that it is made to, at least 1.
	Generation uint8
	R, M       [EncapsulationLen]byte
}

// AppendTo appends the EnvelopeLen bytes of e: generation, R, M.
func (e *Envelope) AppendTo(dst []byte) []byte {
	dst = append(dst, e.Generation)
	dst = append(dst, e.R[:]...)
	return append(dst, e.M[:]...)
}

// ParseEnvelope reads what AppendTo wrote. varve.ErrDamaged where it is not that; whether it can be opened is not looked at.
func ParseEnvelope(data []byte) (*Envelope, error) {
	if len(data) != EnvelopeLen || data[0] == 0 {
		return nil, damaged("envelope")
	}
	return &Envelope{
		Generation: data[0], R: [EncapsulationLen]byte(data[1 : 1+EncapsulationLen]),
		M: [EncapsulationLen]byte(data[1+EncapsulationLen:]),
	}, nil
}

// Session holds the secrets that one run of one program seals with.
type Session struct {
	Envelope Envelope
	// Content seals blobs of content, Structure everything else.
	Content   Secret
	Structure Secret
}

// NewSession returns a new Session for everybody who holds the private halves of publics. varve.ErrDamaged where these are no
// public keys.
func NewSession(vault VaultID, publics Publics) (*Session, error) {
	if err := publics.Check(); err != nil {
		return nil, fmt.Errorf("new session: %w", err)
	}
	s := &Session{Envelope: Envelope{Generation: publics.Generation}}
	var err error
	if s.Content, err = encapsulate(&s.Envelope.R, publics.Restore, vault, publics.Generation, contentLabel); err != nil {
		return nil, fmt.Errorf("new session: restore key: %w", err)
	}
	if s.Structure, err = encapsulate(&s.Envelope.M, publics.Maintenance, vault, publics.Generation, structureLabel); err != nil {
		return nil, fmt.Errorf("new session: maintenance key: %w", err)
	}
	return s, nil
}

// What the two secrets of a session are called when they are exported.
const (
	contentLabel   = "content"
	structureLabel = "structure"
)

func sessionInfo(vault VaultID, generation uint8) []byte {
	return append(append([]byte(prefix+"session"), vault[:]...), generation)
}

func encapsulate(enc *[EncapsulationLen]byte, public []byte, vault VaultID, generation uint8, label string) (Secret, error) {
	key, err := hpke.MLKEM768X25519().NewPublicKey(public)
	if err != nil {
		return Secret{}, fmt.Errorf("%w: %w", err, varve.ErrDamaged)
	}
	made, sender, err := hpke.NewSender(key, hpke.HKDFSHA256(), hpke.ExportOnly(), sessionInfo(vault, generation))
	if err != nil {
		return Secret{}, fmt.Errorf("%w: %w", err, varve.ErrDamaged)
	}
	copy(enc[:], made)
	return Secret(must(sender.Export(label, len(Secret{})))), nil
}

func decapsulate(enc []byte, key hpke.PrivateKey, vault VaultID, generation uint8, label string) (Secret, error) {
	recipient, err := hpke.NewRecipient(enc, key, hpke.HKDFSHA256(), hpke.ExportOnly(), sessionInfo(vault, generation))
	if err != nil {
		return Secret{}, damaged("encapsulation of the " + label + " secret")
	}
	return Secret(must(recipient.Export(label, len(Secret{})))), nil
}
