package seal

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

const (
	// frameLen is the length of what stands before the body in the plaintext of a sealed object: u32 length as stored, u8 codec, u32
	// plain length.
	frameLen = 4 + 1 + 4
	// minPadded is the least length of that plaintext.
	minPadded = 1024
)

// SealObject returns an object of a sealed kind: body is compressed, padded, sealed in session s, and signed.
func SealObject(vault VaultID, s *Session, signer *Signer, kind Kind, body []byte) ([]byte, error) {
	if err := fits(kind, true, body); err != nil {
		return nil, fmt.Errorf("seal object: %w", err)
	}
	plain := pad(body)
	buf := beginObject(vault, Header{kind, s.Envelope.Generation, signer.ID()}, EncapsulationLen+Overhead+len(plain))
	scope := Scope{Vault: vault, Kind: kind, Context: bytes.Clone(buf[len(buf)-headerLen:])}
	buf = append(buf, s.Envelope.M[:]...)
	return finishObject(Seal(buf, s.Structure, scope, plain), signer), nil
}

// pad returns the plaintext of a sealed object that holds body.
func pad(body []byte) []byte {
	var c Compressor
	codec, plain := c.Compress(make([]byte, frameLen), body)
	binary.LittleEndian.PutUint32(plain, uint32(len(plain)-frameLen))
	plain[4] = byte(codec)
	binary.LittleEndian.PutUint32(plain[5:], uint32(len(body)))
	return append(plain, make([]byte, paddedLen(len(plain))-len(plain))...)
}

// paddedLen is the length that a frame and its body, n bytes in all, are padded to.
func paddedLen(n int) int { return Padme(max(minPadded, n)) }

// OpenObject checks an object of any kind as VerifyObject does, and returns its body: decompressed where its kind is sealed, a part of
// data otherwise. Errors are those of VerifyObject, and a *KeyError where o has no key for it.
func OpenObject(o *Opener, data []byte, signers Signers) (Header, []byte, error) {
	h, body, err := VerifyObject(o.vault, data, signers)
	if err != nil || !h.Kind.Sealed() {
		return h, body, err
	}
	if body, err = o.openObject(h, data); err != nil {
		return h, nil, fmt.Errorf("object of kind %v: %w", h.Kind, err)
	}
	return h, body, nil
}

func (o *Opener) openObject(h Header, data []byte) ([]byte, error) {
	head, rest := data[:headerLen], data[headerLen:len(data)-SignatureLen]
	if len(rest) < EncapsulationLen {
		return nil, damaged("too short")
	}
	secret, err := o.StructureOf(h.Generation, rest[:EncapsulationLen])
	if err != nil {
		return nil, err
	}
	plain, err := Open(nil, secret, Scope{Vault: o.vault, Kind: h.Kind, Context: head}, rest[EncapsulationLen:])
	if err != nil {
		return nil, err
	}
	return o.unpad(plain, h.Kind.maxBody())
}

// unpad returns the body that pad made plain of, at most maxBody bytes.
func (o *Opener) unpad(plain []byte, maxBody int) ([]byte, error) {
	if len(plain) < minPadded {
		return nil, damaged("too short")
	}
	n, plainLen := binary.LittleEndian.Uint32(plain), binary.LittleEndian.Uint32(plain[5:])
	if uint64(n) > uint64(len(plain)-frameLen) || uint64(plainLen) > uint64(maxBody) {
		return nil, damaged("lengths")
	}
	end := frameLen + int(n)
	if len(plain) != paddedLen(end) || len(bytes.Trim(plain[end:], "\x00")) != 0 {
		return nil, damaged("padding")
	}
	return o.compressor.Decompress(nil, Codec(plain[4]), plain[frameLen:end], int(plainLen))
}
