package pack

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"slices"

	"varve"
	"varve/internal/seal"
	"varve/internal/table"
)

// tailSize is how much of the end of a pack is read at first, in bytes: mostly its whole table.
const tailSize = 64 << 10

// Signer is who may sign packs.
type Signer struct {
	Public ed25519.PublicKey
	// Admin says that its packs may hold chunks of any domain; those of a client, of its own domain alone.
	Admin bool
}

// Reader reads packs. All fields are required. Several goroutines may use it.
type Reader struct {
	Opener *seal.Opener
	// Signers returns the signer with an ID; false where there is none. It may be called from several goroutines.
	Signers    func(seal.SignerID) (Signer, bool)
	Compressor *seal.Compressor
	scratch    buffers
}

// Get returns n bytes of a pack from off on, fewer where it ends before.
type Get func(ctx context.Context, off, n int64) ([]byte, error)

// In returns a Get for a pack that is in memory.
func In(data []byte) Get {
	return func(_ context.Context, off, n int64) ([]byte, error) {
		off = min(off, int64(len(data)))
		return data[off:min(off+n, int64(len(data)))], nil
	}
}

// Table reads the table of the pack of that name, size bytes long, and checks everything but the name: that data hashes to it shows
// only where a pack is read whole. Errors of get are passed on; others match varve.ErrDamaged, seal.ErrSigner, seal.ErrKey, or
// seal.ErrVersion where it is no damage that the pack was made by a newer program.
func (r *Reader) Table(ctx context.Context, name table.Name, size int64, get Get) (table.Pack, error) {
	p, err := r.table(ctx, size, get)
	if err != nil {
		return table.Pack{}, fmt.Errorf("read table of pack %s: %w", name, err)
	}
	p.Name, p.Size = name, uint32(size)
	return p, nil
}

func (r *Reader) table(ctx context.Context, size int64, get Get) (p table.Pack, err error) {
	if size < footerSize+seal.Overhead+tableHead || size > table.MaxPack {
		return p, fmt.Errorf("%d bytes long: %w", size, varve.ErrDamaged)
	}
	tail, err := exactly(ctx, get, max(0, size-tailSize), size)
	if err != nil {
		return p, err
	}
	end := len(tail) - footerSize
	f := footer(tail[end:])
	signer, err := r.signerOf(f)
	if err != nil {
		return p, err
	}
	secret, err := r.Opener.StructureOf(f.generation(), f.encapsulation())
	if err != nil {
		return p, err
	}
	at, err := r.locate(f, secret, size)
	if err != nil {
		return p, err
	}
	sealed, err := sealedTable(ctx, get, tail[:end], at, size-footerSize)
	if err != nil {
		return p, err
	}
	return r.openTable(f, signer, secret, sealed, at)
}

// sealedTable returns what stands in a pack from one offset to another. tail stands before the latter; what is missing there is got.
func sealedTable(ctx context.Context, get Get, tail []byte, from, to int64) ([]byte, error) {
	missing := to - from - int64(len(tail))
	if missing <= 0 {
		return tail[-missing:], nil
	}
	head, err := exactly(ctx, get, from, from+missing)
	if err != nil {
		return nil, err
	}
	return slices.Concat(head, tail), nil
}

// exactly gets what stands from one offset to another.
func exactly(ctx context.Context, get Get, from, to int64) ([]byte, error) {
	data, err := get(ctx, from, to-from)
	if err == nil && int64(len(data)) != to-from {
		err = fmt.Errorf("cut short: %w", varve.ErrDamaged)
	}
	return data, err
}

// signerOf checks f and its signature, and returns who signed it.
func (r *Reader) signerOf(f footer) (Signer, error) {
	if err := f.check(); err != nil {
		return Signer{}, err
	}
	signer, ok := r.Signers(f.signer())
	if !ok || seal.SignerIDOf(signer.Public) != f.signer() {
		return Signer{}, fmt.Errorf("signer %s: %w", f.signer(), seal.ErrSigner)
	}
	if !seal.Verify(signer.Public, signLabel, r.Opener.Vault(), f.signature(), f[:signatureAt]) {
		return Signer{}, fmt.Errorf("footer: signature: %w", varve.ErrDamaged)
	}
	return signer, nil
}

// locate returns where the sealed table of a pack of size bytes begins.
func (r *Reader) locate(f footer, secret seal.Secret, size int64) (int64, error) {
	plain, err := seal.Open(nil, secret, r.scope(seal.KindLocator, nil), f.locator())
	if err != nil {
		return 0, fmt.Errorf("locator: %w", err)
	}
	return readLocator(plain, size)
}

// openTable reads the sealed table that f vouches for. It begins at an offset, which no blob may reach beyond.
func (r *Reader) openTable(f footer, signer Signer, secret seal.Secret, sealed []byte, at int64) (p table.Pack, err error) {
	if hash := sha256.Sum256(sealed); subtle.ConstantTimeCompare(hash[:], f.hash()) != 1 {
		return p, fmt.Errorf("table: hash differs: %w", varve.ErrDamaged)
	}
	plain, err := seal.Open(nil, secret, r.scope(seal.KindTable, nil), sealed)
	if err != nil {
		return p, fmt.Errorf("table: %w", err)
	}
	n := binary.LittleEndian.Uint32(plain[1:])
	if n > table.MaxTable {
		return p, fmt.Errorf("table: too long: %w", varve.ErrDamaged)
	}
	body, err := r.Compressor.Decompress(nil, seal.Codec(plain[0]), plain[tableHead:], int(n))
	if err != nil {
		return p, fmt.Errorf("table: %w", err)
	}
	if p, err = table.DecodeTable(body, uint32(at)); err != nil {
		return p, err
	}
	p.Signer = table.Domain(f.signer())
	return p, mayBe(&p, f, signer)
}

// mayBe checks that p is a table that the signer of f may have signed, and whose own session is that of f.
func mayBe(p *table.Pack, f footer, signer Signer) error {
	own, err := seal.ParseEnvelope(p.Sessions[0])
	if err != nil {
		return err
	}
	if own.Generation != f.generation() || string(own.M[:]) != string(f.encapsulation()) {
		return fmt.Errorf("table: its own session differs: %w", varve.ErrDamaged)
	}
	for _, d := range p.Domains {
		if !signer.Admin && d != p.Signer {
			return fmt.Errorf("table: client %s writes for %s: %w", p.Signer, d, seal.ErrSigner)
		}
	}
	return nil
}

func (r *Reader) scope(kind seal.Kind, context []byte) seal.Scope {
	return seal.Scope{Vault: r.Opener.Vault(), Kind: kind, Context: context}
}
