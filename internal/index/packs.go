package index

import (
	"iter"
	"slices"

	"varve/internal/table"
)

// Signers returns who vouches for what is known of a pack; nobody where nothing is. Errors match varve.ErrDamaged.
func (s *Set) Signers(name table.Name) (list []table.Domain, err error) {
	err = s.guarded(func() {
		s.mu.RLock()
		defer s.mu.RUnlock()
		s.eachNamed(&name, func(l *layer, n uint32) {
			p := l.pack(n)
			list = append(list, p.signer)
		})
	})
	return list, err
}

// HasPack reports whether anything is known of a pack, no matter who vouches for it; see Signers. Errors match varve.ErrDamaged.
func (s *Set) HasPack(name table.Name) (bool, error) {
	list, err := s.Signers(name)
	return len(list) > 0, err
}

// Pack returns all that is known of a pack, once for each signer who vouches for it. Sessions are shared: not to be changed. Errors
// match varve.ErrDamaged.
func (s *Set) Pack(name table.Name) (list []table.Pack, err error) {
	err = s.guarded(func() {
		s.mu.RLock()
		defer s.mu.RUnlock()
		s.eachNamed(&name, func(l *layer, n uint32) { list = append(list, l.whole(n)) })
	})
	return list, err
}

// eachNamed calls visit with every pack that counts and has a name, the newest first. mu is held.
func (s *Set) eachNamed(name *table.Name, visit func(l *layer, n uint32)) {
	for _, l := range slices.Backward(s.layers) {
		n, next, found := l.findPack(name, 0)
		for ; found; n, next, found = l.findPack(name, next) {
			if !l.dead.has(n) {
				visit(l, n)
			}
		}
	}
}

// PackInfo is what Packs tells of a pack.
type PackInfo struct {
	Name   table.Name
	Signer table.Domain // who vouches for it
	Size   uint32       // bytes
	Blobs  uint32       // how many
	Chunks uint32       // how many
}

// Packs yields every pack that is known, in the order of their names, once for each signer who vouches for it; what is added or removed
// meanwhile may be left out. An error matches varve.ErrDamaged and ends the sequence.
func (s *Set) Packs() iter.Seq2[PackInfo, error] {
	return walk(s, func(layers []layer) iter.Seq[PackInfo] {
		return func(yield func(PackInfo) bool) {
			for at := range mergedNames(layers) {
				p := layers[at.layer].pack(at.n)
				if !yield(PackInfo{p.name, p.signer, p.size, p.blobs, p.chunks}) {
					return
				}
			}
		}
	})
}
