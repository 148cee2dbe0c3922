package index

import (
	"fmt"
	"slices"
	"sync"

	"varve/internal/table"
)

const (
	// recentBytes is how much memory packs take before they are written to a file: that of half a million chunks.
	recentBytes = 24 << 20
	// maxFiles is how many files there may be before some of them are joined.
	maxFiles = 8
)

// Set is what is known of the packs of a vault. Its methods may be called from several goroutines, except Close.
type Set struct {
	dir      string
	budget   int // recentBytes
	maxFiles int

	// writing is held while files are written and packs removed. It is taken before mu.
	writing sync.Mutex

	mu     sync.RWMutex
	recent *recent
	layers []*layer     // files, oldest first, then recents that are frozen, then recent
	gone   []table.Name // packs removed since the last file was written
	opened []*file      // those that may still be mapped
}

// Add takes in a pack: one that was written and is in the vault, or one that an index object or the table of a pack tells of. p is not
// kept. Signer is who vouches for it, and the caller has made sure that this signer may write for the domains of p. Where
// something is known of the same pack from the same signer already, nothing happens.
//
// Where p is against the format the error matches varve.ErrDamaged, and so does it where a file is; p is not known then. Any other
// error says that a file could not be written; p is known nevertheless, but takes memory.
func (s *Set) Add(p *table.Pack) error {
	if err := p.Check(p.Size); err != nil {
		return fmt.Errorf("index: %w", err)
	}
	full := false
	err := s.guarded(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.knows(&p.Name, p.Signer) {
			s.recent.add(p)
		}
		full = s.recent.bytes >= s.budget
	})
	if err != nil || !full {
		return err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.RLock()
	full = s.recent.bytes >= s.budget // nobody else has written it meanwhile
	s.mu.RUnlock()
	if !full {
		return nil
	}
	return s.flush()
}

// knows is asked with mu held.
func (s *Set) knows(name *table.Name, signer table.Domain) bool {
	for _, l := range s.layers {
		if l.known(name, signer) {
			return true
		}
	}
	return false
}

// Remove forgets everything about packs, which are gone from the vault or were described wrongly. What is added about them
// afterwards is known again. Files go on having it until they are joined, but after the next Flush nobody who opens the directory finds it.
func (s *Set) Remove(names ...table.Name) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.guarded(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		filed := map[table.Name]bool{}
		for _, l := range s.layers {
			found := l.bury(names)
			for _, name := range found {
				filed[name] = filed[name] || l.file != nil
			}
		}
		for _, name := range names {
			if filed[name] {
				s.gone = append(s.gone, name)
				filed[name] = false
			}
		}
	})
}

// bury makes packs dead, and returns the names of those that were not.
func (l *layer) bury(names []table.Name) (found []table.Name) {
	dead := slices.Clone(l.dead)
	for i := range names {
		n, next, ok := l.findPack(&names[i], 0)
		for ; ok; n, next, ok = l.findPack(&names[i], next) {
			if !dead.has(n) {
				dead.set(n)
				found = append(found, names[i])
			}
		}
	}
	if len(found) > 0 {
		l.dead = dead
	}
	return found
}

// freeze makes sure that nothing is added any more to what is in layers now, and puts a new recent there. It is called with mu held.
func (s *Set) freeze() {
	if s.recent != nil && s.recent.count(packs) == 0 {
		return
	}
	s.recent = newRecent()
	s.layers = append(s.layers, &layer{source: s.recent})
}

// snapshot returns all layers as they are now, the oldest first. They do not change, and stay until they are given to release.
func (s *Set) snapshot() []layer {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.freeze()
	list := make([]layer, 0, len(s.layers)-1)
	for _, l := range s.layers[:len(s.layers)-1] {
		l.retain()
		list = append(list, *l)
	}
	return list
}

func release(layers []layer) {
	for i := range layers {
		layers[i].release()
	}
}

func (l *layer) retain() {
	if l.file != nil {
		l.file.refs.Add(1)
	}
}

func (l *layer) release() {
	if l.file != nil {
		l.file.release()
	}
}
