package vault

import "varve"

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
// is known of names: files are lost only where there are fewer of them, and changed where more have new content than there are new ones.
func (l *ledger) difference(files int64) varve.Difference {
	if l.files == 0 {
		return varve.Difference{Files: files}
	}
	return varve.Difference{Files: files, Before: l.files, Lost: max(0, l.files-files), Changed: max(0, l.odd-max(0, files-l.files))}
}

// closing brings what the tail says of the last good snapshot up to date, and the marks of the keys.
func (l *ledger) closing(snap *varve.Snapshot) {
	switch {
	case snap.State.Good():
		l.files, l.suspect = snap.Files, false
		for i := range l.keys {
			l.keys[i].off |= ledgerGood
		}
	case snap.State == varve.Suspect:
		l.suspect = true
	}
}
