package vault

import (
	"fmt"
	"os"
	"path/filepath"

	"varve"
	"varve/internal/backend"
	"varve/internal/backend/cache"
	"varve/internal/disk/osfs"
	"varve/internal/index"
	"varve/internal/table"
)

const (
	// farPuts is how many packs of one kind are on their way to a far storage at once: each is in memory whole.
	farPuts = 3
	// farAhead is how many chunks of large files are read ahead from a far storage.
	farAhead = 8
)

// requests is how many requests for something small are made at once.
func (o *Options) requests() int {
	if o.Requests > 0 {
		return o.Requests
	}
	return o.workers()
}

// changes is how many requests that change something, and need not follow one another, are made at once: of a storage on this machine one,
// which is soon done.
func (o *Options) changes() int { return max(o.Requests, 1) }

// puts is how many packs of one kind are put beside those who fill others.
func (o *Options) puts() int { return min(o.Requests, farPuts) }

// objectsName is the directory for objects of a far storage.
const objectsName = "objects"

// bringNear lets what is read again and again of a far storage be kept on this machine. That this cannot be costs time only.
func (s *Store) bringNear() {
	if s.opts.Requests <= 0 || s.local.own {
		return
	}
	path := filepath.Join(s.local.cache, objectsName)
	err := os.MkdirAll(path, 0o700)
	if err == nil {
		dir, openErr := osfs.Open(path)
		if openErr == nil {
			s.kept = cache.New(s.backend, dir, cache.Options{Now: s.opts.Now})
			return
		}
		err = openErr
	}
	s.opts.Warn(fmt.Errorf("keep what is read of the storage: %w", err))
}

// near is where records, keys and structure are read from: what is kept on this machine, and the storage for the rest. Content and index
// objects are read from the storage: the one would not be read again, the other are in the local index then.
func (s *Store) near() varve.Backend {
	if s.kept == nil || s.wary.Load() {
		return s.backend
	}
	return s.kept
}

// beWary makes everything come from the storage from now on, also what was read before: for who wants to know what it holds.
func (s *Store) beWary() {
	s.wary.Store(true)
	s.catalog.clear()
	s.blobs.clear()
}

// nearFor is where the blob at a place is read from.
func (s *Store) nearFor(at *index.Place) varve.Backend {
	if at.Group == table.StructureGroup {
		return s.near()
	}
	return s.backend
}

// unkeep removes what is kept of the blob at a place, which is damaged, and reports whether it may have come from there.
func (s *Store) unkeep(at *index.Place) bool {
	if s.kept == nil || s.nearFor(at) == s.backend {
		return false
	}
	s.kept.Drop(backend.Data.Name(at.Pack), int64(at.Off), int64(at.Sealed))
	return true
}

// farGroup is how many neighbours are one batch where files are opened ahead: with large batches those who work on the later ones would
// want files whose turn is long to come.
const farGroup = 16

// group is how many neighbours are one batch; 0 for as many as usual.
func (v *save) group() int {
	if v.opts.Ahead > 0 {
		return farGroup
	}
	return 0
}

// want has the content of j's file opened ahead of its turn, unless it is known.
func (v *save) want(j *job) {
	if j.known || v.opts.Ahead <= 0 {
		return
	}
	e := *j.entry
	e.Chunks, e.Depth = j.chunks, j.depth
	v.files.Want(e)
}
