package tree

import (
	"varve"
	"varve/internal/place"
)

// kept returns e as the store's copy of it looks, and the aspects it does not hold for reasons known beforehand. Inode flags
// are never set on copies: an immutable copy could not be linked to. An unprivileged user cannot give files away, must be able to
// read his own copies, and must not turn somebody's set-ID program into one of his.
func (s *Store) kept(e *varve.Entry) (varve.Entry, varve.Aspect) {
	k, unkept := *e, varve.Aspect(0)
	if e.Flags != 0 {
		k.Flags, unkept = 0, varve.Flags
	}
	if s.opts.Privileged {
		return k, unkept
	}
	if e.UID != s.opts.UID {
		unkept |= varve.Owner
		k.UID, k.GID = s.opts.UID, s.opts.GID
		k.Mode &^= 0o6000
	}
	k.Mode |= 0o400
	if e.Kind == varve.Dir {
		k.Mode |= 0o700
	}
	if k.Mode != e.Mode && e.Kind != varve.Symlink {
		unkept |= varve.Mode
	}
	return k, unkept
}

// metadata gives a copy the aspects of kept that it can hold.
func (s *Store) metadata(target place.Setter, k *varve.Entry, unkept, todo varve.Aspect) (varve.Aspect, error) {
	if unkept&varve.Owner != 0 {
		todo &^= varve.Owner
	}
	more, err := place.Metadata(target, k, todo&^varve.Flags)
	return unkept | more, err
}
