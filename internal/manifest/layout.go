package manifest

import "varve"

// The bits of the first byte of an entry, above the kind.
const (
	headKind   = 1<<3 - 1
	headDir    = 1 << 3 // another directory than the entry before
	headMode   = 1 << 4 // another mode than the last entry of this kind
	headOwner  = 1 << 5 // another owner than the entry before
	headDigest = 1 << 6
	headExtra  = 1 << 7 // a third byte follows
)

// The second byte of an entry: two bits for each of three times, and one for the device.
const (
	timeBits   = 1<<2 - 1
	mtimeShift = 2
	btimeShift = 4
	timesDev   = 1 << 6
	timesKnown = 1<<7 - 1
)

// The codes of Stamp.CTime and MTime.
const (
	ctimeNone    = 0 // and no stamp at all
	ctimeBefore  = 1 // as in the last stamp
	mtimeBefore  = 0 // as in the entry before
	mtimeIsCTime = 1
	timeSeconds  = 2 // the difference in seconds; no nanoseconds
	timeFull     = 3 // the difference in seconds, then nanoseconds
)

// The codes of BTime.
const (
	btimeNone    = 0
	btimeIsCTime = 1
	btimeIsMTime = 2
	btimeNear    = 3 // differences to CTime where there is one, else to MTime
)

// The bits of the third byte of an entry.
const (
	extraXattrs = 1 << iota
	extraFlags
	extraSameAs
	extraHoles
	extraMarks
	extraUnkept
	extraChunks
	extraKnown = 1<<iota - 1
)

// tableSize is how many owners and how many sets of extended attributes a page remembers.
const tableSize = 32

// owner is who an object belongs to.
type owner struct {
	uid, gid    uint32
	user, group string
}

// state is what an entry is predicted from: the entries before it in the same page. A page begins with the zero state.
type state struct {
	modes  [headKind + 1]uint32 // by kind
	owner  owner
	owners []owner
	xattrs [][]varve.Xattr
	mtime  varve.Time
	stamp  varve.Stamp
}
