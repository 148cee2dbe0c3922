package varve

import (
	"encoding/hex"
	"strings"
	"time"
)

// Kind is the type of an object in a file tree.
type Kind uint8

// The kinds of objects a Unix file system holds.
const (
	Regular Kind = iota + 1
	Dir
	Symlink
	FIFO
	Socket
	CharDevice
	BlockDevice
)

// KindOf returns the kind that the type bits of a Unix mode stand for; 0 for none.
func KindOf(mode uint32) Kind {
	return [16]Kind{1: FIFO, 2: CharDevice, 4: Dir, 6: BlockDevice, 8: Regular, 10: Symlink, 12: Socket}[mode>>12&15]
}

// String returns the word for k that reports use.
func (k Kind) String() string {
	names := [...]string{"unknown", "file", "dir", "symlink", "fifo", "socket", "chardev", "blockdev"}
	if int(k) >= len(names) {
		return names[0]
	}
	return names[k]
}

// Entry is the metadata of one object in a file tree. What a platform cannot tell is left zero.
type Entry struct {
	// Path is relative to the root of its Source: elements of raw bytes joined by "/", the root itself "".
	Path string
	Kind Kind
	// Mode holds the permission, set-ID and sticky bits (07777).
	Mode uint32
	UID  uint32
	GID  uint32
	// User and Group are the names of UID and GID where the entry was read; empty where unknown.
	User  string
	Group string
	MTime Time
	// BTime is the time of birth; zero where the file system has none.
	BTime Time
	// Size is the length of a regular file in bytes, holes included; 0 for every other kind.
	Size int64
	// Target is what a symlink points to, raw.
	Target string
	// Rdev is the device a CharDevice or BlockDevice stands for.
	Rdev Rdev
	// Xattrs are all extended attributes, sorted by name; POSIX ACLs and capabilities are among them, as the kernel encodes them.
	Xattrs []Xattr
	// Flags are the inode flags of ioctl_iflags(2), FS_*_FL, that a user may set.
	Flags uint32
	// SameAs is the Path of an earlier entry, in listing order, that is a hard link to the same object; empty otherwise.
	// All other fields are filled nevertheless.
	SameAs string
	// Holes are the regions of a regular file that no data was ever written to, ascending and apart from one another.
	Holes []Extent
	// Digest is the digest of the content stream (see File); zero for empty content and while the content has not been read.
	Digest Digest
	// Chunks are the digests of the chunks that a vault keeps the content stream in, in order. None where it is one chunk, and in
	// other stores. With Depth above 0 they are those of lists of such digests, nested so deep.
	Chunks []Digest
	Depth  uint8
	Stamp  Stamp
	Marks  Marks
	// Unkept are the aspects that a tree store's copy of this object does not hold; the manifest alone has them.
	Unkept Aspect
	// Err says that the object could not be read, in whole or in part. Entries with Err are reported and not stored.
	// fs.ErrNotExist means that the object vanished after its directory was read.
	Err error
}

// Name is the last element of the path; empty for the root.
func (e *Entry) Name() string { return e.Path[strings.LastIndexByte(e.Path, '/')+1:] }

// Parent is the path of the directory that holds e; empty for the root and for what lies directly in it.
func (e *Entry) Parent() string { return Parent(e.Path) }

// Parent returns path without its last element.
func Parent(path string) string {
	return path[:max(strings.LastIndexByte(path, '/'), 0)]
}

// Join returns the path of name in the directory dir.
func Join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// Within reports whether path is dir or lies below it. Everything lies within "".
func Within(path, dir string) bool {
	return dir == "" || path == dir || (len(path) > len(dir) && path[len(dir)] == '/' && path[:len(dir)] == dir)
}

// ComparePaths orders paths in listing order: by parent directory, element by element, then by name; the root "" comes first.
func ComparePaths(a, b string) int {
	if a == "" || b == "" {
		return len(a) - len(b)
	}
	pa, pb := Parent(a), Parent(b)
	if pa == pb {
		return strings.Compare(a[len(pa):], b[len(pb):])
	}
	return CompareDirs(pa, pb)
}

// CompareDirs orders directories as listings come to what they hold: element by element, each before those below it.
func CompareDirs(a, b string) int {
	for i := range min(len(a), len(b)) {
		switch ca, cb := a[i], b[i]; {
		case ca == cb:
		case ca == '/':
			return -1
		case cb == '/':
			return 1
		default:
			return int(ca) - int(cb)
		}
	}
	return len(a) - len(b)
}

// Time is a point in time as inodes hold it: seconds since 1970, negative before, and nanoseconds from 0 to 999,999,999.
// Unlike time.Time it compares with ==.
type Time struct {
	Sec  int64
	Nsec int32
}

// TimeOf returns t as a Time.
func TimeOf(t time.Time) Time { return Time{Sec: t.Unix(), Nsec: int32(t.Nanosecond())} }

// Time returns t in UTC.
func (t Time) Time() time.Time { return time.Unix(t.Sec, int64(t.Nsec)).UTC() }

// Rdev is a device number.
type Rdev struct{ Major, Minor uint32 }

// Xattr is one extended attribute with its full name, such as "user.comment".
type Xattr struct {
	Name  string
	Value string
}

// Extent is a region of a file in bytes.
type Extent struct{ Off, Len int64 }

// Digest is the BLAKE3 hash, 32 bytes, of a content stream.
type Digest [32]byte

// String returns d in hexadecimal, as b3sum prints it.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// Stamp serves change detection only: two entries with equal, non-zero stamps, sizes and modification times are the same
// unchanged object. A walk leaves it zero where a later write could go unseen.
type Stamp struct {
	Dev   uint64
	Ino   uint64
	CTime Time
}

// Marks say what an entry stands for beyond itself.
type Marks uint8

const (
	// Passage marks a directory that was passed through on the way to a source: only some of its children were asked for.
	Passage Marks = 1 << iota
	// MountPoint marks a directory on which another file system is mounted that was left out on demand.
	MountPoint
	// Linked marks the first entry of an object that has more than one hard link; later ones have SameAs.
	Linked
	// Followed marks a source that was reached through a symlink.
	Followed
)

// Aspect is a set of the sides of an object that can differ or be lost one by one.
type Aspect uint16

// The aspects, in the order in which a restore sets them; owner before mode because chown clears set-ID bits.
const (
	Content Aspect = 1 << iota
	Type
	HardLink
	Owner
	Mode
	Xattrs
	MTime
	Flags
)

// String lists the aspects in s, such as "owner, mode".
func (s Aspect) String() string {
	var words []string
	for i, w := range [...]string{"content", "type", "hard link", "owner", "mode", "xattrs", "mtime", "flags"} {
		if s&(1<<i) != 0 {
			words = append(words, w)
		}
	}
	return strings.Join(words, ", ")
}
