package pack

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"varve"
	"varve/internal/seal"
	"varve/internal/table"
)

// The parts of a footer: where they begin, and where the last one ends.
const (
	locatorAt   = 0
	hashAt      = locatorAt + locatorSize + seal.Overhead
	encapAt     = hashAt + sha256.Size
	signerAt    = encapAt + seal.EncapsulationLen
	formatAt    = signerAt + 16
	lengthAt    = formatAt + 8
	spareAt     = lengthAt + 4
	signatureAt = spareAt + 12
	footerSize  = signatureAt + seal.SignatureLen // table.FooterSize
)

// locatorSize is the length of a locator before it is sealed: offset and length of the sealed table.
const locatorSize = 8 + 4

// What a footer says of the format, before the generation: magic and version.
const (
	magic   = "varved"
	version = 1
)

// signLabel is what packs are signed for.
const signLabel = "pack"

// footer is the last part of a pack, footerSize bytes.
type footer []byte

func (f footer) locator() []byte       { return f[locatorAt:hashAt] }
func (f footer) hash() []byte          { return f[hashAt:encapAt] }
func (f footer) encapsulation() []byte { return f[encapAt:signerAt] }
func (f footer) signer() seal.SignerID { return seal.SignerID(f[signerAt:formatAt]) }
func (f footer) version() uint8        { return f[lengthAt-2] }
func (f footer) generation() uint8     { return f[lengthAt-1] }
func (f footer) length() uint32        { return binary.LittleEndian.Uint32(f[lengthAt:spareAt]) }
func (f footer) signature() []byte     { return f[signatureAt:footerSize] }

// putFooter writes the footer of a pack whose sealed table begins at an offset into dst, footerSize bytes.
func (w *Writer) putFooter(dst, sealedTable []byte, at uint64) {
	locator := binary.LittleEndian.AppendUint64(nil, at)
	locator = binary.LittleEndian.AppendUint32(locator, uint32(len(sealedTable)))
	hash, signer := sha256.Sum256(sealedTable), w.Signer.ID()
	out := seal.Seal(dst[:0], w.Session.Structure, w.scope(seal.KindLocator, nil), locator)
	out = append(out, hash[:]...)
	out = append(out, w.Session.Envelope.M[:]...)
	out = append(out, signer[:]...)
	out = append(out, magic...)
	out = append(out, version, w.Session.Envelope.Generation)
	out = binary.LittleEndian.AppendUint32(out, footerSize)
	out = append(out, make([]byte, signatureAt-spareAt)...)
	signature := w.Signer.Sign(signLabel, w.Vault, out)
	copy(dst[signatureAt:], signature[:])
}

// check looks at what a footer says without any key. An error matches seal.ErrVersion where its version is unknown, else
// varve.ErrDamaged.
func (f footer) check() error {
	switch {
	case string(f[formatAt:formatAt+len(magic)]) != magic:
		return fmt.Errorf("footer: not that of a pack: %w", varve.ErrDamaged)
	case f.version() != version:
		return fmt.Errorf("footer: version %d: %w", f.version(), seal.ErrVersion)
	case f.length() != footerSize || !bytes.Equal(f[spareAt:signatureAt], make([]byte, signatureAt-spareAt)) || f.generation() == 0:
		return fmt.Errorf("footer: not of the format: %w", varve.ErrDamaged)
	}
	return nil
}

// readLocator reads what was sealed as the locator of a pack of size bytes, and returns where its sealed table begins. Its end is where
// the footer begins.
func readLocator(plain []byte, size int64) (int64, error) {
	at := binary.LittleEndian.Uint64(plain)
	n := uint64(binary.LittleEndian.Uint32(plain[8:]))
	body := uint64(size) - footerSize
	if at > body || n != body-at || n < seal.Overhead+tableHead || n > table.MaxTable+seal.Overhead+tableHead {
		return 0, fmt.Errorf("locator: out of bounds: %w", varve.ErrDamaged)
	}
	return int64(at), nil
}
