package pack

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"varve/internal/seal"
	"varve/internal/table"
)

// mostPadding is how many bytes of padding a pack that is full may have more than need be, so that all full packs are of one size.
const mostPadding = 1 << 20

// finish makes f a whole pack, and returns its table and its bytes, which stand in the buffer of f.
func (w *Writer) finish(f *filling, last bool) (table.Pack, []byte, error) {
	sealed, err := w.sealTable(&f.pack)
	if err != nil {
		return table.Pack{}, nil, fmt.Errorf("finish pack: %w", err)
	}
	data := w.close(f, sealed, packSize(len(f.data)+len(sealed)+footerSize, last))
	p := f.pack
	p.Name, p.Size, p.Signer = sha256.Sum256(data), uint32(len(data)), table.Domain(w.Signer.ID())
	return p, data, nil
}

// close returns the bytes of f, whose table is sealed, as a pack of size bytes; they stand in the buffer of f.
func (w *Writer) close(f *filling, sealed []byte, size int) []byte {
	end, at := len(f.data), size-footerSize-len(sealed)
	data := f.data[:size]
	rand.Read(data[end:at])
	copy(data[at:], sealed)
	w.putFooter(data[size-footerSize:], sealed, uint64(at))
	return data
}

// packSize returns how long a pack becomes that holds n bytes, padding aside.
func packSize(n int, last bool) int {
	if !last && n >= table.MaxPack-mostPadding {
		return table.MaxPack
	}
	return min(seal.Padme(n), table.MaxPack)
}

// sealTable returns the table of p, sealed.
func (w *Writer) sealTable(p *table.Pack) ([]byte, error) {
	body, err := table.AppendTable(nil, p)
	if err != nil {
		return nil, err
	}
	head := make([]byte, tableHead, tableHead+len(body))
	codec, plain := w.Compressor.Compress(head, body)
	plain[0] = byte(codec)
	binary.LittleEndian.PutUint32(plain[1:], uint32(len(body)))
	return seal.Seal(nil, w.Session.Structure, w.scope(seal.KindTable, nil), plain), nil
}
