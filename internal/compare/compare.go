// Package compare finds what differs between two file trees: between two entries, and along two sequences of entries in listing
// order, in one pass.
//
// # What counts as a difference
//
// Aspects compares everything that a restore could set: kind, content with its holes, hard links, numeric owner, mode, extended
// attributes, modification time and inode flags. It leaves out what it cannot set or what serves other ends: names of owners, times
// of birth, stamps, marks, the length of directories, and the mode of symlinks, which no system call changes.
//
// Content that has not been read has no digest: a walk of a disk knows none. Then stamps decide, as for Unchanged; where they do
// not prove that the content is the same, it counts as different.
//
// # Not for
//
// The package reads no content and opens nothing.
package compare

import (
	"slices"

	"varve"
)

// Aspects returns the sides in which two entries of one path differ; 0 where they are the same. Content compares size, holes and
// digest of regular files; Type kind, symlink target and device; HardLink the entries' SameAs. Where one of the entries carries
// Err nothing is known of its object: the result is Content alone.
func Aspects(before, after *varve.Entry) varve.Aspect {
	if before.Err != nil || after.Err != nil {
		return varve.Content
	}
	var differ varve.Aspect
	for _, side := range [...]struct {
		aspect varve.Aspect
		same   bool
	}{
		{varve.Content, sameContent(before, after)},
		{varve.Type, before.Kind == after.Kind && before.Target == after.Target && before.Rdev == after.Rdev},
		{varve.HardLink, before.SameAs == after.SameAs},
		{varve.Owner, before.UID == after.UID && before.GID == after.GID},
		{varve.Mode, before.Mode == after.Mode || before.Kind == varve.Symlink && after.Kind == varve.Symlink},
		{varve.Xattrs, slices.Equal(before.Xattrs, after.Xattrs)},
		{varve.MTime, before.MTime == after.MTime},
		{varve.Flags, before.Flags == after.Flags},
	} {
		if !side.same {
			differ |= side.aspect
		}
	}
	return differ
}

// Unchanged reports whether e is for certain the regular file that base was read from, with the same content, so that it need not
// be read again: size, modification time, inode number and change time are equal, and the stamp is there. The device number does
// not count, since it may change when the machine starts.
//
// Where both have the FarStamp of their modification time, size and that time have to do: such a file is unchanged as far as its
// machine tells. What is not told there, such as another file of the same length and time moved into its place, is not noticed.
func Unchanged(base, e *varve.Entry) bool {
	if base.Kind != varve.Regular || e.Kind != varve.Regular || base.Err != nil || e.Err != nil ||
		base.Size != e.Size || base.MTime != e.MTime {
		return false
	}
	if e.Stamp == FarStamp(e.MTime) {
		return base.Stamp == e.Stamp
	}
	return e.Stamp.Ino != 0 && e.Stamp.CTime != varve.Time{} &&
		base.Stamp.Ino == e.Stamp.Ino && base.Stamp.CTime == e.Stamp.CTime
}

// farDevice is a device number that no file system has: none needs all 64 bits.
const farDevice = 1<<64 - 1

// FarStamp returns the stamp of a regular file of which nothing but its modification time is known, because it lies on a machine that
// tells neither inode numbers nor change times, and which every write that is still to come gives another time. It names no inode.
func FarStamp(mtime varve.Time) varve.Stamp { return varve.Stamp{Dev: farDevice, CTime: mtime} }

// sameContent reports whether the content is known to be the same. Only regular files have content.
func sameContent(before, after *varve.Entry) bool {
	switch {
	case before.Kind != varve.Regular || after.Kind != varve.Regular:
		return true
	case before.Size != after.Size:
		return false
	case known(before) && known(after):
		return before.Digest == after.Digest && slices.Equal(before.Holes, after.Holes)
	default:
		return Unchanged(before, after)
	}
}

// known reports whether the Digest of a regular file tells its content: it is set, or there is nothing to digest.
func known(e *varve.Entry) bool {
	data := e.Size
	for _, hole := range e.Holes {
		data -= hole.Len
	}
	return e.Digest != varve.Digest{} || data == 0
}
