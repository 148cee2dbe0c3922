package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"slices"
)

// Kind says what a message or an object is. Its byte stands in containers and in what a message's key is derived from.
type Kind byte

// The kinds of objects: sections 5 and 10 of the format. KindIndex and KindSnapshot are sealed, the others plain.
const (
	KindIndex      Kind = 'i'
	KindSnapshot   Kind = 's'
	KindSeal       Kind = 'e'
	KindTomb       Kind = 't'
	KindCondemn    Kind = 'c'
	KindClient     Kind = 'k'
	KindRemoved    Kind = 'r'
	KindGeneration Kind = 'g'
	KindWrapped    Kind = 'w'
)

// The kinds of messages that are parts of packs: sections 6 and 7. They are sealed alone and never objects.
const (
	KindContent   Kind = 'b'
	KindStructure Kind = 'p'
	KindTable     Kind = 't'
	KindLocator   Kind = 'l'
)

// Overhead is by how many bytes a message becomes longer when it is sealed.
const Overhead = saltLen + commitmentLen + tagLen

const (
	saltLen       = 16
	commitmentLen = 32
	tagLen        = 16
)

// Scope is what a sealed message is: it opens with the same secret and the same Scope alone.
type Scope struct {
	Vault VaultID
	Kind  Kind
	// Context fixes the rest of its meaning; what it has to be, the format says for each Kind.
	Context []byte
}

// info is what the message's key is derived from, and its additional data.
func (s Scope) info() string {
	b := make([]byte, 0, len(prefix)+len("seal")+1+len(s.Vault)+len(s.Context))
	b = append(b, prefix+"seal"...)
	b = append(b, byte(s.Kind))
	b = append(b, s.Vault[:]...)
	return string(append(b, s.Context...))
}

// Seal appends plaintext, sealed, to dst: Overhead bytes more. The plaintext must not overlap the free capacity of dst.
func Seal(dst []byte, secret Secret, scope Scope, plaintext []byte) []byte {
	var salt [saltLen]byte
	rand.Read(salt[:])
	return sealWith(dst, salt, secret, scope, plaintext)
}

func sealWith(dst []byte, salt [saltLen]byte, secret Secret, scope Scope, plaintext []byte) []byte {
	info := scope.info()
	aead, commitment := messageKey(secret, salt[:], info)
	dst = slices.Grow(dst, Overhead+len(plaintext))
	dst = append(dst, salt[:]...)
	dst = append(dst, commitment...)
	return aead.Seal(dst, make([]byte, aead.NonceSize()), plaintext, []byte(info))
}

// Open appends the plaintext of what Seal made to dst. varve.ErrDamaged where secret or scope are not those it was sealed with, or
// a byte was changed; then the free capacity of dst may have been overwritten.
func Open(dst []byte, secret Secret, scope Scope, sealed []byte) ([]byte, error) {
	if len(sealed) < Overhead {
		return nil, damaged("open: too short")
	}
	info := scope.info()
	aead, commitment := messageKey(secret, sealed[:saltLen], info)
	if subtle.ConstantTimeCompare(commitment, sealed[saltLen:saltLen+commitmentLen]) != 1 {
		return nil, damaged("open: key commitment differs")
	}
	plain, err := aead.Open(dst, make([]byte, aead.NonceSize()), sealed[saltLen+commitmentLen:], []byte(info))
	if err != nil {
		return nil, damaged("open: not authentic")
	}
	return plain, nil
}

// messageKey returns the cipher of one message and the commitment to its key.
func messageKey(secret Secret, salt []byte, info string) (cipher.AEAD, []byte) {
	key := must(hkdf.Key(sha256.New, secret[:], salt, info, 32+commitmentLen))
	block := must(aes.NewCipher(key[:32]))
	return must(cipher.NewGCM(block)), key[32:]
}
