package vault

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"varve"
	"varve/internal/compare"
)

// hadContent reports whether the last good snapshot had the content of e, as far as that is known. What the ledger does not know and yet
// needs not be stored anew was in some snapshot: a good one, unless a suspect one was made since.
func (l *ledger) hadContent(e *varve.Entry, fresh bool) bool {
	if l.old == nil {
		return false
	}
	if _, good, ok := l.find(l.sum(l.oldSalt, e)); ok {
		return good
	}
	return !fresh && !l.suspect
}

// difference says how a snapshot of so many files, all of them learnt, differs from the last good one. It is a coarse count, since nothing
// is known of names: files are lost only where there are fewer of them, in all or in one source, and changed where more have new content
// than there are new ones.
func (l *ledger) difference(files int64) varve.Difference {
	if l.files == 0 {
		return varve.Difference{Files: files}
	}
	d := varve.Difference{Files: files, Before: l.files, Lost: max(0, l.files-files), Changed: max(0, l.odd-max(0, files-l.files))}
	for i := range l.parts {
		p := &l.parts[i]
		p.Before = l.filesOf(p.Source)
		p.Lost = max(0, p.Before-p.Files)
	}
	compare.Worst(l.parts, &d)
	return d
}

// sourceKey returns the key under which a source stands.
func (l *ledger) sourceKey(source string) []byte {
	h := hmac.New(sha256.New, l.secret[:])
	h.Write([]byte("source\x00" + source)) // what is hashed of a file begins with a salt
	return h.Sum(nil)[:ledgerKey]
}

// filesOf returns how many files of a source the last good snapshot had; 0 where that is not known.
func (l *ledger) filesOf(source string) int64 {
	key := l.sourceKey(source)
	for row := range slices.Chunk(l.had, ledgerRow) {
		if bytes.Equal(row[:ledgerKey], key) {
			return max(0, int64(binary.LittleEndian.Uint64(row[ledgerKey:])))
		}
	}
	return 0
}

// closing brings what the tail says of the last good snapshot up to date, and the marks of the keys.
func (l *ledger) closing(snap *varve.Snapshot) {
	switch {
	case snap.State.Good():
		l.files, l.suspect, l.had = snap.Files, false, nil
		for _, p := range l.parts[:len(l.parts)-1] {
			l.had = binary.LittleEndian.AppendUint64(append(l.had, l.sourceKey(p.Source)...), uint64(p.Files))
		}
		for i := range l.keys {
			l.keys[i].off |= ledgerGood
		}
	case snap.State == varve.Suspect:
		l.suspect = true
	}
}
