package pack

import (
	"context"
	"errors"
	"testing"

	"varve"
	"varve/internal/seal"
	"varve/internal/table"
)

// FuzzPack takes any bytes for a pack.
func FuzzPack(f *testing.F) {
	w := theWorld(f)
	p, _ := w.tinyPack(f)
	f.Add([]byte{})
	f.Add(p.data)
	f.Add(p.data[len(p.data)-footerSize:])
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, contents, err := w.readAll(data, p.Name); err != nil && !known(err) {
			t.Errorf("%q, %v", contents, err)
		}
	})
}

// FuzzTable takes any bytes for what a client seals as the table of a pack.
func FuzzTable(f *testing.F) {
	w := theWorld(f)
	p, _ := w.tinyPack(f)
	body, err := table.AppendTable(nil, &p.Pack)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint16(1000), plainTable(0, uint32(len(body)), body))
	codec, packed := w.reader.Compressor.Compress(nil, append(body, make([]byte, 100)...))
	f.Add(uint16(1000), plainTable(byte(codec), uint32(len(body)+100), packed))
	f.Add(uint16(0), []byte{})
	f.Add(uint16(0), []byte{1, 255, 255, 255, 255, 0})
	f.Fuzz(func(t *testing.T, blobs uint16, plain []byte) {
		data := w.forge(t, forgery{blobs: make([]byte, blobs), table: append([]byte{}, plain...)})
		read, err := w.reader.Table(t.Context(), table.Name{}, int64(len(data)), In(data))
		if err != nil {
			if !known(err) {
				t.Errorf("%v", err)
			}
			return
		}
		for _, b := range read.Blobs {
			if b.End() > uint32(blobs) || b.ID != b.ComputeID() {
				t.Errorf("blob %s ends at %d of %d", b.ID, b.End(), blobs)
			}
		}
		if _, err := table.AppendTable(nil, &read); err != nil {
			t.Errorf("a table that nobody would write: %v", err)
		}
	})
}

// FuzzFooter takes any bytes for what a client signs as the footer of a pack, and for its locator.
func FuzzFooter(f *testing.F) {
	w := theWorld(f)
	p, _ := w.tinyPack(f)
	end := len(p.data) - footerSize
	f.Add(p.data[end:end+signatureAt], []byte("12 bytes....."))
	f.Add(make([]byte, signatureAt), make([]byte, locatorSize))
	f.Fuzz(func(t *testing.T, signed, plain []byte) {
		foot := make([]byte, footerSize)
		copy(foot[:signatureAt], signed)
		signature := w.client.Signer().Sign(signLabel, w.vault, foot[:signatureAt])
		copy(foot[signatureAt:], signature[:])
		data := append(append([]byte{}, p.data[:end]...), foot...)
		if read, err := w.reader.Table(context.Background(), p.Name, int64(len(data)), In(data)); err != nil && !known(err) {
			t.Errorf("%v, %v", read, err)
		}
		if len(plain) < locatorSize {
			return
		}
		if at, err := readLocator(plain, int64(len(data))); err == nil && (at < 0 || at > int64(end)) {
			t.Errorf("a table at %d of %d", at, end)
		}
	})
}

// FuzzBlob takes any bytes for what a client seals as a blob.
func FuzzBlob(f *testing.F) {
	w := theWorld(f)
	_, packed := w.reader.Compressor.Compress(nil, make([]byte, 1000))
	f.Add(packed, uint8(table.Zstd), uint32(1000))
	f.Add(packed, uint8(table.Zstd), uint32(999))
	f.Add([]byte("raw"), uint8(table.Raw), uint32(3))
	f.Add([]byte{}, uint8(9), uint32(1<<31))
	f.Fuzz(func(t *testing.T, packed []byte, codec uint8, plainLen uint32) {
		b := table.Blob{
			Codec: table.Codec(codec), Plain: plainLen, Sealed: uint32(len(packed) + seal.Overhead), Chunks: []table.Chunk{{Len: plainLen}},
		}
		b.ID = b.ComputeID()
		sealed := seal.Seal(nil, w.writer.Session.Content, w.writer.scope(seal.KindContent, b.ID[:]), packed)
		plain, err := w.reader.OpenBlob(nil, w.writer.session(), &b, sealed)
		if err == nil && len(plain) != int(plainLen) || err != nil && !errors.Is(err, varve.ErrDamaged) {
			t.Fatalf("%d bytes instead of %d, %v", len(plain), plainLen, err)
		}
		for piece, err := range Chunks(plain, &b, w.key) {
			if !errors.Is(err, varve.ErrDamaged) || piece.Data != nil {
				t.Errorf("%q, %v", piece.Data, err)
			}
		}
	})
}
