package rsync

import "varve"

// Faked returns what rsync has written with --fake-super, as the sender had it: owners, special modes, devices and ACLs come out of the
// attributes in which it keeps them there.
func Faked(src varve.Source) varve.Source { return &received{Source: src, fakes: true} }

// IsFaked reports whether e, as it lies on the disk, has such attributes.
func IsFaked(e *varve.Entry) bool {
	for _, name := range [...]string{fakeStat, fakeAccessACL, fakeDefaultACL} {
		if _, ok := find(e.Xattrs, name); ok {
			return true
		}
	}
	return false
}
