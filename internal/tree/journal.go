package tree

import (
	"errors"
	"io/fs"
	"slices"
	"sync"

	"varve"
	"varve/internal/disk"
	"varve/internal/manifest"
)

const (
	// journalFile lies in a partial: entries of files that were copied, though the manifest may not have got there yet.
	journalFile = "journal"
	// journalLeast is the size in bytes from which on a file is worth an entry, journalEvery how many bytes of content are
	// copied between two writes, and journalMost how long the journal gets.
	journalLeast = 4 << 10
	journalEvery = 256 << 10
	journalMost  = 64 << 20
)

// journal takes down which files were copied, so that a run that breaks off need not copy them again. The manifest alone would not do:
// it is in listing order, and pages of it are written when they are full. A journal that cannot be written only saves nothing.
type journal struct {
	dir  disk.FS
	turn chan struct{} // holds one while somebody writes

	mu   sync.Mutex
	buf  []byte // not yet written
	size int64  // bytes of content that it stands for
	off  int64  // how much was written

	file disk.Writer // made when there is something to write; used by whoever has the turn
	err  error
}

func newJournal(dir disk.FS) *journal { return &journal{dir: dir, turn: make(chan struct{}, 1)} }

// add takes down a file of which stored bytes were copied.
func (j *journal) add(e *varve.Entry, stored int64) {
	if e.Size < journalLeast {
		return
	}
	if j.note(e, stored) {
		select {
		case j.turn <- struct{}{}:
			j.write()
			<-j.turn
		default: // whoever writes leaves it to the next one
		}
	}
}

// note adds e to the buffer, and reports whether that is due to be written.
func (j *journal) note(e *varve.Entry, stored int64) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.off+int64(len(j.buf)) > journalMost {
		return false
	}
	buf, err := manifest.AppendLoose(j.buf, e)
	if err != nil {
		return false // the manifest will not have it either
	}
	j.buf, j.size = buf, j.size+stored
	return j.size >= journalEvery
}

// write writes what is in the buffer; for who has the turn.
func (j *journal) write() {
	j.mu.Lock()
	buf, off := j.buf, j.off
	j.buf, j.size, j.off = nil, 0, off+int64(len(buf))
	j.mu.Unlock()
	if j.err != nil || len(buf) == 0 {
		return
	}
	if j.file == nil {
		if j.file, j.err = j.dir.Create(journalFile, 0o600); j.err != nil {
			return
		}
	}
	_, j.err = j.file.WriteAt(buf, off)
}

// close writes what is left if the journal is of use, and lets go of it. Nobody else may be at work.
func (j *journal) close(use bool) error {
	if use {
		j.write()
	}
	if j.file == nil {
		return nil
	}
	err := j.file.Close()
	j.file = nil
	return err
}

// readJournal returns the entries of files that were copied into a partial, in listing order; none where it has no journal.
func readJournal(dir disk.FS) (list []varve.Entry, err error) {
	r, err := dir.Open(journalFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer r.Close()
	info, err := r.Info()
	if err != nil {
		return nil, err
	}
	for e, err := range manifest.RecoverLoose(r, min(info.Size, 2*journalMost)) {
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	slices.SortStableFunc(list, func(a, b varve.Entry) int { return varve.ComparePaths(a.Path, b.Path) })
	return list, nil
}

// mergeLoose returns what comes next of a manifest's entries and of loose ones, both in listing order. Where both have a path, that of
// the manifest counts.
func mergeLoose(next func() (*varve.Entry, error), loose []varve.Entry) func() (*varve.Entry, error) {
	head, end := next()
	last, met := "", false
	return func() (*varve.Entry, error) {
		for len(loose) > 0 && (met && varve.ComparePaths(loose[0].Path, last) <= 0 || end == nil && loose[0].Path == head.Path) {
			loose = loose[1:]
		}
		var e varve.Entry
		switch {
		case len(loose) > 0 && (end != nil || varve.ComparePaths(loose[0].Path, head.Path) < 0):
			e, loose = loose[0], loose[1:]
		case end != nil:
			return nil, end
		default:
			e = *head
			head, end = next()
		}
		last, met = e.Path, true
		return &e, nil
	}
}
