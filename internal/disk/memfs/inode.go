package memfs

import (
	"io/fs"
	"slices"

	"varve"
	"varve/internal/disk"
)

// meta is the metadata of an inode that can change. The slice is never written to, only replaced.
type meta struct {
	mode   uint32
	uid    uint32
	gid    uint32
	flags  uint32
	mtime  varve.Time
	ctime  varve.Time
	xattrs []varve.Xattr
}

// inode is one object. What is in the fields named saved survives a crash.
type inode struct {
	ino    uint64
	kind   varve.Kind
	target string
	rdev   varve.Rdev
	btime  varve.Time
	// links counts the names of the object.
	links uint64
	// held counts the handles on the object in the life heldIn of the disk.
	held   int
	heldIn int

	meta      meta
	savedMeta meta
	// stale are the aspects in which savedMeta lags behind.
	stale varve.Aspect

	content content
	saved   content
	// pending are the writes that saved lacks, in the order they happened.
	pending []write

	// folder is nil for everything but directories.
	folder *folder
}

// folder is what makes an inode a directory.
type folder struct {
	slots map[string]slot
	// names and subdirs count the slots that hold something now, and the directories among them.
	names   int
	subdirs int
	// parent is nil for the root and for a directory that was removed.
	parent *inode
	// moved is the last change that gave the directory its place.
	moved *change
	// pending are the changes of names in this directory, some of them durable already.
	pending []*change
}

// newInode returns an object that belongs to the caller and has no name yet. Its creation is durable with its first name.
func (d *Disk) newInode(kind varve.Kind, mode uint32) *inode {
	now := d.now()
	d.inos++
	n := &inode{ino: d.inos + 1, kind: kind, btime: now}
	n.meta = meta{mode: mode, uid: d.opts.UID, gid: d.opts.GID, mtime: now, ctime: now}
	n.savedMeta = n.meta
	if kind == varve.Dir {
		n.folder = &folder{slots: map[string]slot{}}
	}
	return n
}

// touch notes that aspects of n changed.
func (d *Disk) touch(n *inode, aspects varve.Aspect) {
	n.meta.ctime = d.now()
	n.stale |= aspects
	d.dirty[n] = true
}

// modify notes that the content of n, or the names in it, changed.
func (d *Disk) modify(n *inode) {
	d.touch(n, varve.MTime)
	n.meta.mtime = n.meta.ctime
}

// cost is the room n takes in bytes.
func (n *inode) cost() int64 {
	size := int64(inodeSize)
	if n.kind == varve.Dir {
		size += blockSize
	}
	return size + n.content.allocated()
}

const inodeSize = 256

// info returns what Lookup says of n under a name.
func (d *Disk) info(n *inode, name string) disk.Info {
	m := &n.meta
	i := disk.Info{
		Entry: varve.Entry{
			Path: name, Kind: n.kind, Mode: m.mode, UID: m.uid, GID: m.gid, MTime: m.mtime, BTime: n.btime,
			Size: n.content.size, Target: n.target, Rdev: n.rdev,
			Flags: m.flags & statFlags,
			Stamp: varve.Stamp{Dev: d.opts.Dev, Ino: n.ino, CTime: m.ctime},
		},
		Links:     n.links,
		Allocated: n.content.allocated(),
	}
	if n.folder != nil {
		i.Links = 2 + uint64(n.folder.subdirs)
	}
	return i
}

// may checks the permission bits of n: want is any of 4 (read), 2 (write) and 1 (search).
func (d *Disk) may(n *inode, want uint32) error {
	bits := n.meta.mode
	switch {
	case d.opts.UID == 0:
		return nil
	case n.meta.uid == d.opts.UID:
		bits >>= 6
	case n.meta.gid == d.opts.GID:
		bits >>= 3
	}
	if bits&want != want {
		return fs.ErrPermission
	}
	return nil
}

// owns checks that the caller may change the metadata of n.
func (d *Disk) owns(n *inode) error {
	if d.opts.UID != 0 && n.meta.uid != d.opts.UID {
		return fs.ErrPermission
	}
	return nil
}

// frozen checks that n is neither immutable nor append-only.
func (n *inode) frozen() error {
	if n.meta.flags&(flagImmutable|flagAppend) != 0 {
		return fs.ErrPermission
	}
	return nil
}

// immutable checks that n takes new content or new names.
func (n *inode) immutable() error {
	if n.meta.flags&flagImmutable != 0 {
		return fs.ErrPermission
	}
	return nil
}

// stripPrivileges takes away what a change of content or owner takes away: set-ID bits, unless root writes, and capabilities.
func (d *Disk) stripPrivileges(n *inode, setID bool) {
	if n.kind == varve.Dir {
		return
	}
	if setID && n.meta.mode&0o6000 != 0 {
		n.meta.mode &^= 0o4000
		if n.meta.mode&0o010 != 0 {
			n.meta.mode &^= 0o2000
		}
		n.stale |= varve.Mode
	}
	capability := func(x varve.Xattr) bool { return x.Name == "security.capability" }
	if slices.ContainsFunc(n.meta.xattrs, capability) {
		n.meta.xattrs = slices.DeleteFunc(slices.Clone(n.meta.xattrs), capability)
		n.stale |= varve.Xattrs
	}
}
