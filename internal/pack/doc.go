// Package pack seals chunks into blobs, fills packs with blobs, and reads both back: docs/format/vault.md, sections 6 and 7.
//
//	pack    [ blob | blob | … | random bytes | table, sealed | footer ]
//	footer  [ locator, sealed | hash of the table | encapsulation | signer | format | length | zeros | signature ]
//
// A [Bundle] collects chunks until they are worth a blob, and seals them. A [Builder] puts sealed blobs, its own or those of other
// packs, into packs whose sizes tell next to nothing. A [Reader] reads the table of a pack from its tail, and opens blobs; [Chunks]
// parts a blob into chunks. What is read is used only after it was checked: whatever the bytes, the outcome is what was written, or an
// error, which matches varve.ErrDamaged where the bytes are at fault.
//
// The package is not for storing packs, for finding chunks in them, or for deciding which keys there are and what they may.
package pack

import (
	"varve/internal/seal"
	"varve/internal/table"
)

// Writer is what writes packs in one run. All fields but Puts are required; they are not changed once the first Bundle or Builder is made.
type Writer struct {
	Vault   seal.VaultID
	Session *seal.Session
	// Signer signs the packs.
	Signer *seal.Signer
	// Domain is that of the chunks of bundles: the client's.
	Domain     table.Domain
	Compressor *seal.Compressor
	// Puts is how many packs a Builder puts at once, beside those who fill others. With 0 whoever has filled a pack puts it.
	Puts int

	scratch buffers // for what is sealed
}

// scope returns the scope of a message in the vault.
func (w *Writer) scope(kind seal.Kind, context []byte) seal.Scope {
	return seal.Scope{Vault: w.Vault, Kind: kind, Context: context}
}

// session returns the session as tables have it.
func (w *Writer) session() []byte { return w.Session.Envelope.AppendTo(nil) }

// kindOf returns the kind that blobs of a class group are sealed with.
func kindOf(group table.Group) seal.Kind {
	if group == table.ContentGroup {
		return seal.KindContent
	}
	return seal.KindStructure
}
