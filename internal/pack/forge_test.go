package pack

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"testing"

	"varve/internal/seal"
	"varve/internal/table"
)

// forgery is a pack as a client makes it who has keys and keeps to no rule. The zero value is a pack without blobs that keeps to all.
type forgery struct {
	blobs  []byte
	table  []byte // with codec and length; nil stands for the table of pack
	pack   table.Pack
	at     uint64 // where the table is said to begin; 0 stands for where it does
	length uint32 // how long it is said to be, sealed; 0 stands for its length
	magic  string // "" stands for the right one, version aside
	format []byte // version and generation; nil stands for 1 and 1
	spare  byte
	footer uint32 // how long the footer is said to be; 0 stands for its length
	other  bool   // the hash of the table is that of something else
	signer *seal.Signer
	vault  seal.VaultID // signed for this one; zero stands for the right one
}

// forge returns the bytes of a pack. It is written from the format document, not from the code beside it.
func (w *world) forge(t testing.TB, f forgery) []byte {
	t.Helper()
	w.complete(t, &f)
	structure := func(kind seal.Kind, plain []byte) []byte {
		return seal.Seal(nil, w.writer.Session.Structure, seal.Scope{Vault: w.vault, Kind: kind}, plain)
	}
	sealed := structure('t', f.table)
	if f.at == 0 {
		f.at = uint64(len(f.blobs))
	}
	if f.length == 0 {
		f.length = uint32(len(sealed))
	}
	locator := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint64(nil, f.at), f.length)
	hash := sha256.Sum256(sealed)
	if f.other {
		hash[0]++
	}
	signer := f.signer.ID()
	foot := slices.Concat(structure('l', locator), hash[:], w.writer.Session.Envelope.M[:], signer[:], []byte(f.magic), f.format)
	foot = binary.LittleEndian.AppendUint32(foot, f.footer)
	foot = append(foot, f.spare)
	foot = append(foot, make([]byte, 11)...)
	signature := f.signer.Sign("pack", f.vault, foot)
	return slices.Concat(f.blobs, sealed, foot, signature[:])
}

// complete fills in what f leaves open.
func (w *world) complete(t testing.TB, f *forgery) {
	t.Helper()
	if f.magic == "" {
		f.magic = "varved"
	}
	if f.format == nil {
		f.format = []byte{1, 1}
	}
	if f.footer == 0 {
		f.footer = 1332
	}
	if f.signer == nil {
		f.signer = w.client.Signer()
	}
	if f.vault == (seal.VaultID{}) {
		f.vault = w.vault
	}
	if f.pack.Sessions == nil {
		f.pack.Sessions = [][]byte{w.writer.session()}
	}
	if f.table != nil {
		return
	}
	body, err := table.AppendTable(nil, &f.pack)
	if err != nil {
		t.Fatal(err)
	}
	f.table = plainTable(0, uint32(len(body)), body)
}

// plainTable returns a table as it stands before it is sealed.
func plainTable(codec byte, length uint32, body []byte) []byte {
	return append(binary.LittleEndian.AppendUint32([]byte{codec}, length), body...)
}
