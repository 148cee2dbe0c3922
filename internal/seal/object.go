package seal

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"
)

// Limits of section 14, in bytes.
const (
	// MaxIndexBody is how long the body of an object of KindIndex may be.
	MaxIndexBody = 64 << 20
	// MaxObject is how long a plain object, or the body of a sealed one of another kind, may be.
	MaxObject = 16 << 20
)

const (
	magic         = "varve"
	objectVersion = 1
	// headerLen is the length of what stands before the encapsulation or the plain body.
	headerLen   = len(magic) + 3 + len(SignerID{})
	objectLabel = "object"
)

// Header is what an object says of itself in the open.
type Header struct {
	Kind       Kind
	Generation uint8 // at least 1
	Signer     SignerID
}

// Signers says with which public key an object with this header has to be signed; false where the signer is not known, or may not
// sign such an object.
type Signers func(Header) (ed25519.PublicKey, bool)

// Sealed reports whether objects of kind k are sealed; the others are plain.
func (k Kind) Sealed() bool { return k == KindIndex || k == KindSnapshot }

// String returns the letter of k in quotes.
func (k Kind) String() string { return fmt.Sprintf("%q", rune(k)) }

// isObject reports whether k is a kind of object that this program knows.
func (k Kind) isObject() bool { return strings.IndexByte("isetckrgw", byte(k)) >= 0 }

// maxBody is how long the body of an object of kind k may be.
func (k Kind) maxBody() int {
	switch k {
	case KindIndex:
		return MaxIndexBody
	case KindSnapshot:
		return MaxObject
	}
	return MaxObject - headerLen - SignatureLen
}

// maxObject is how long an object of kind k may be.
func (k Kind) maxObject() int {
	if !k.Sealed() {
		return MaxObject
	}
	return headerLen + EncapsulationLen + Overhead + Padme(frameLen+k.maxBody()) + SignatureLen
}

// ParseHeader reads the header of an object; nothing of it is checked against the signature yet. varve.ErrDamaged where data is no
// object, ErrVersion where it is one that this program does not know.
func ParseHeader(data []byte) (Header, error) {
	if len(data) < headerLen+SignatureLen || string(data[:len(magic)]) != magic {
		return Header{}, damaged("not an object")
	}
	h := Header{Kind: Kind(data[5]), Generation: data[7], Signer: SignerID(data[8:headerLen])}
	switch {
	case data[6] != objectVersion:
		return h, fmt.Errorf("object of kind %v, version %d: %w", h.Kind, data[6], ErrVersion)
	case !h.Kind.isObject():
		return h, fmt.Errorf("object of kind %v: %w", h.Kind, ErrVersion)
	case h.Generation == 0:
		return h, damaged("object of generation 0")
	case len(data) > h.Kind.maxObject():
		return h, damaged("object too long")
	}
	return h, nil
}

// beginObject returns a buffer with room for n bytes after the header. What stands in it before the object belongs to the message
// that is signed; finishObject cuts it off.
func beginObject(vault VaultID, h Header, n int) []byte {
	before := signed(objectLabel, vault, nil)
	buf := make([]byte, 0, len(before)+headerLen+n+SignatureLen)
	buf = append(buf, before...)
	buf = append(buf, magic...)
	buf = append(buf, byte(h.Kind), objectVersion, h.Generation)
	return append(buf, h.Signer[:]...)
}

func finishObject(buf []byte, signer *Signer) []byte {
	start := len(signed(objectLabel, VaultID{}, nil))
	return append(buf, ed25519.Sign(signer.key, buf)...)[start:]
}

// SignObject returns an object of a plain kind that holds body.
func SignObject(vault VaultID, generation uint8, signer *Signer, kind Kind, body []byte) ([]byte, error) {
	if err := fits(kind, false, body); err != nil {
		return nil, fmt.Errorf("sign object: %w", err)
	}
	if generation == 0 {
		return nil, errors.New("sign object: generation 0")
	}
	buf := beginObject(vault, Header{kind, generation, signer.ID()}, len(body))
	return finishObject(append(buf, body...), signer), nil
}

func fits(kind Kind, sealed bool, body []byte) error {
	if !kind.isObject() || kind.Sealed() != sealed {
		return fmt.Errorf("kind %v does not go into such a container", kind)
	}
	if len(body) > kind.maxBody() {
		return fmt.Errorf("kind %v: body of %d bytes, %d at most", kind, len(body), kind.maxBody())
	}
	return nil
}

// VerifyObject checks the container and the signature of an object of any kind, and returns its body, a part of data. The body of a
// sealed kind is nil: OpenObject opens it. ErrSigner where signers knows no key, varve.ErrDamaged where the signature is not by the
// key it knows, and the errors of ParseHeader.
func VerifyObject(vault VaultID, data []byte, signers Signers) (Header, []byte, error) {
	h, err := ParseHeader(data)
	if err != nil {
		return h, nil, err
	}
	public, ok := signers(h)
	if !ok {
		return h, nil, fmt.Errorf("object of kind %v, signer %v: %w", h.Kind, h.Signer, ErrSigner)
	}
	body, sig := data[:len(data)-SignatureLen], data[len(data)-SignatureLen:]
	if SignerIDOf(public) != h.Signer || !Verify(public, objectLabel, vault, sig, body) {
		return h, nil, damaged("signature of an object of kind " + h.Kind.String())
	}
	if h.Kind.Sealed() {
		return h, nil, nil
	}
	return h, body[headerLen:], nil
}
