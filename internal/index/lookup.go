package index

import (
	"slices"

	"varve"
	"varve/internal/table"
)

// Place is where a chunk is.
type Place struct {
	Pack     table.Name
	PackSize uint32       // bytes
	Signer   table.Domain // who vouches for it
	Domain   table.Domain
	Session  []byte // table.SessionSize bytes, shared: not to be changed
	Blob     table.BlobID
	Group    table.Group
	Codec    table.Codec
	Off      uint32 // where the blob begins in the pack, in bytes
	Sealed   uint32 // its length there, in bytes
	Plain    uint32 // its length before compression, in bytes
	Class    table.Class
	From     uint32 // where the chunk begins in the blob before compression, in bytes
	Len      uint32 // its length, in bytes
}

// Lookup returns a place of a chunk of domain; false where none is known. It is in the pack that was learnt last, of those that have the
// chunk. Errors match varve.ErrDamaged.
func (s *Set) Lookup(domain table.Domain, id varve.ChunkID) (place Place, found bool, err error) {
	err = s.guarded(func() {
		s.mu.RLock()
		defer s.mu.RUnlock()
		var l *layer
		var at live
		if l, at, found = s.first(domain, &id); found {
			place = l.place(&at.pack, &at.blob, at.chunk)
		}
	})
	return place, found && err == nil, err
}

// Holder returns a pack that has a chunk of domain, which costs less than all of its place; false where none is known. Errors match
// varve.ErrDamaged.
func (s *Set) Holder(domain table.Domain, id varve.ChunkID) (pack table.Name, found bool, err error) {
	err = s.guarded(func() {
		s.mu.RLock()
		defer s.mu.RUnlock()
		var at live
		if _, at, found = s.first(domain, &id); found {
			pack = at.pack.name
		}
	})
	return pack, found && err == nil, err
}

// Has reports whether a chunk of domain has a place. Errors match varve.ErrDamaged.
func (s *Set) Has(domain table.Domain, id varve.ChunkID) (found bool, err error) {
	err = s.guarded(func() {
		s.mu.RLock()
		defer s.mu.RUnlock()
		_, _, found = s.first(domain, &id)
	})
	return found && err == nil, err
}

// LookupAll returns all places of a chunk of domain: one for each pack that has it. Errors match varve.ErrDamaged.
func (s *Set) LookupAll(domain table.Domain, id varve.ChunkID) (list []Place, err error) {
	err = s.guarded(func() {
		s.mu.RLock()
		defer s.mu.RUnlock()
		for _, l := range slices.Backward(s.layers) {
			at, next, found := l.next(domain, &id, 0)
			for ; found; at, next, found = l.next(domain, &id, next) {
				list = append(list, l.place(&at.pack, &at.blob, at.chunk))
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// first is asked with mu held.
func (s *Set) first(domain table.Domain, id *varve.ChunkID) (*layer, live, bool) {
	for _, l := range slices.Backward(s.layers) {
		if at, _, found := l.next(domain, id, 0); found {
			return l, at, true
		}
	}
	return nil, live{}, false
}

// live is a chunk that counts, and what it belongs to.
type live struct {
	chunk uint32
	blob  blobRecord
	pack  packRecord
}

// next returns the next chunk of domain that counts and has an ID, and where to go on; the first search is from 0.
func (l *layer) next(domain table.Domain, id *varve.ChunkID, from uint32) (live, uint32, bool) {
	n, next, found := l.find(id, from)
	for ; found; n, next, found = l.find(id, next) {
		at := live{chunk: n, blob: l.blob(le.Uint32(l.at(chunks, n)[36:]))}
		if l.dead.has(at.blob.pack) {
			continue
		}
		at.pack = l.pack(at.blob.pack)
		if l.domainOf(&at.pack, &at.blob) == domain {
			return at, next, true
		}
	}
	return live{}, 0, false
}
