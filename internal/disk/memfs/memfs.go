// Package memfs is a disk in memory that can lose its power.
//
// It holds everything a Unix file system holds and keeps apart what was written from what was made durable, so that a test can
// ask what a program finds after a crash. It is meant for tests, not for keeping data.
//
// # What is durable
//
// The model is the worst that a journaling file system may do:
//
//   - Writer.Sync makes the content and metadata of one inode durable, not the name it has.
//   - FS.Sync makes the names in one directory durable, with the inodes they stand for, and the directory's own metadata. A new
//     file whose name is durable and whose content is not comes back empty.
//   - FS.SyncAll makes everything durable.
//   - A rename is one change, even across directories: durable in both as soon as either is synced.
//   - Any other change may reach the disk before or after any other, but never before what it builds on: an earlier change of
//     the same name, what was moved out of a directory that is removed, and the moves of the directories that a directory is
//     moved below.
//
// A link followed by a removal is two changes, not a rename: where only the removal reaches the disk the object is lost.
package memfs

import (
	"sync"

	"varve"
	"varve/internal/disk"
)

// Options say what a Disk can do and who uses it. The zero value is a roomy disk like ext4, used by root.
type Options struct {
	// UID and GID are the user and the only group the caller acts as. The root directory belongs to them.
	UID uint32
	GID uint32
	// Dev is the device number in stamps; 0 stands for 1.
	Dev uint64
	// Capacity is the size of the disk in bytes; 0 stands for 1 PiB. Content takes whole blocks of 4096 bytes, a clone as much as
	// a copy, an inode 256 bytes, and a directory one block more.
	Capacity int64
	// MaxLinks is how many hard links an inode takes; 0 stands for 65,000.
	MaxLinks uint64
	// MaxEntries is how many names a directory takes before there is no space left in it; 0 stands for any number.
	MaxEntries int
	// NoLinks, NoXattrs and NoFlags take away hard links, extended attributes and inode flags; NoHoles the knowledge of holes.
	NoLinks  bool
	NoXattrs bool
	NoFlags  bool
	NoHoles  bool
	// Reflinks lets Writer.Clone share content.
	Reflinks bool
	// Clock tells the time of every change; nil stands for one that is a microsecond later whenever it is asked, so that no two
	// changes have the same ctime. It must not use the disk.
	Clock func() varve.Time
}

// Disk is a file system in memory. It may be used from several goroutines.
type Disk struct {
	opts Options
	mu   sync.Mutex
	// life counts crashes and kills; handles from an earlier life are dead.
	life  int
	ticks int64
	inos  uint64
	used  int64
	root  *inode
	locks map[*inode]bool
	// orphans are inodes without a name that handles keep alive.
	orphans map[*inode]bool
	// dirty are the inodes whose content or metadata is not durable.
	dirty map[*inode]bool
	// journal holds the changes of names in the order they happened, some of them durable already.
	journal []*change
	// undone counts the changes in journal that are not durable.
	undone int
}

// New returns an empty disk.
func New(opts Options) *Disk {
	if opts.Dev == 0 {
		opts.Dev = 1
	}
	if opts.Capacity == 0 {
		opts.Capacity = 1 << 50
	}
	if opts.MaxLinks == 0 {
		opts.MaxLinks = 65000
	}
	d := &Disk{opts: opts, locks: map[*inode]bool{}, orphans: map[*inode]bool{}, dirty: map[*inode]bool{}}
	d.root = d.newInode(varve.Dir, 0o755)
	d.root.links = 1
	d.used = d.root.cost()
	return d
}

// Root opens the root directory. After Crash and Kill it must be opened anew.
func (d *Disk) Root() disk.FS {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.newDir(d.root, "")
}

// Kill ends the process that uses the disk: every handle dies, with errors that match fs.ErrClosed, and every lock is free. What
// was written stays, durable or not.
func (d *Disk) Kill() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.kill()
}

func (d *Disk) kill() {
	d.life++
	clear(d.locks)
	for n := range d.orphans {
		d.used -= n.cost()
	}
	clear(d.orphans)
}

// now is the time of the next change.
func (d *Disk) now() varve.Time {
	if d.opts.Clock != nil {
		return d.opts.Clock()
	}
	d.ticks++
	return varve.Time{Sec: 1_700_000_000 + d.ticks/1e6, Nsec: int32(d.ticks % 1e6 * 1000)}
}

// charge takes n bytes of room, or gives them back where n is negative.
func (d *Disk) charge(n int64) error {
	if n > 0 && n > d.opts.Capacity-d.used {
		return disk.ErrNoSpace
	}
	d.used += n
	return nil
}
