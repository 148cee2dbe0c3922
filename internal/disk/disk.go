// Package disk says what varve asks of a file system.
//
// Everything is asked of a directory held open ([FS]) and one name in it, never of a path: no operation follows a symlink, and
// none can be led out of the directory by somebody who renames things meanwhile. Names are single elements: not empty, not "."
// or "..", without "/" and NUL; every implementation refuses others with [ErrName]. Where a method says so, "." stands for the
// held directory itself.
//
// Errors match fs.ErrNotExist, fs.ErrExist, fs.ErrPermission and the sentinels of this package with errors.Is; they are
// *fs.PathError or *os.LinkError values that name the operation and the path as far as it is known.
//
// Implementations: osfs (the operating system), memfs (memory, forgets what was not synced when told to crash); around another one:
// faultfs (lets the n-th call fail), farfs (makes it look far away). The contract is the test suite disktest.
package disk

import (
	"errors"
	"fmt"
	"io"

	"varve"
)

// Sentinels that callers branch on.
var (
	// ErrName says that a name is not a single element.
	ErrName = errors.New("not a valid file name")
	// ErrKind says that an object is not of the kind that was asked for, such as a symlink where a directory was expected.
	ErrKind = errors.New("not of the expected kind")
	// ErrUnsupported says that the file system cannot do or hold this.
	ErrUnsupported = errors.New("not supported by this file system")
	// ErrCoarse says that the file system keeps times in coarser units, of up to two seconds, and has kept the time as these allow. It
	// matches ErrUnsupported.
	ErrCoarse = fmt.Errorf("so fine a time: %w", ErrUnsupported)
	// ErrTooManyLinks says that an inode cannot take another hard link.
	ErrTooManyLinks = errors.New("too many links")
	// ErrCrossDevice says that two directories are not on one file system.
	ErrCrossDevice = errors.New("not on the same file system")
	// ErrNotEmpty says that a directory to be removed has entries.
	ErrNotEmpty = errors.New("directory not empty")
	// ErrNoSpace says that the file system or a quota is full.
	ErrNoSpace = errors.New("no space left")
	// ErrLost says that a disk on another machine cannot be reached any more: nothing is known of the object, and what is asked next
	// will fail likewise.
	ErrLost = errors.New("connection lost")
)

// FS is a directory held open, and what can be done with the objects directly in it. Methods may be called from several
// goroutines, except Close.
type FS interface {
	// Names returns every name in the directory, in no particular order.
	Names() ([]Name, error)
	// Lookup returns the metadata of name, "." for the directory itself, without Xattrs, Holes, and, except through a File,
	// with those Flags only that cost no further call. Entry.Path is the name, empty for ".".
	Lookup(name string) (Info, error)
	// Xattrs returns the extended attributes of name or ".", sorted by name; none where the file system has none.
	Xattrs(name string) ([]varve.Xattr, error)
	// Flags returns the inode flags of a directory or regular file, name or "."; zero where the file system has none.
	Flags(name string) (uint32, error)

	// OpenDir opens the directory name. ErrKind where it is something else, a symlink to a directory included.
	OpenDir(name string) (FS, error)
	// Open opens the regular file name for reading without changing its access time where that is allowed. ErrKind where it is
	// something else; it never blocks on a FIFO.
	Open(name string) (Reader, error)

	// Create makes the regular file name, which must not exist, and opens it for writing. Its permission bits are mode&0777
	// exactly, whatever the umask.
	Create(name string, mode uint32) (Writer, error)
	// Mkdir makes the directory name, which must not exist, with permission bits mode&0777 exactly.
	Mkdir(name string, mode uint32) error
	// Symlink makes the symlink name.
	Symlink(name, target string) error
	// Mknod makes a FIFO, Socket, CharDevice or BlockDevice with permission bits mode&0777.
	Mknod(name string, kind varve.Kind, mode uint32, dev varve.Rdev) error
	// Link makes toName in the directory to, which must not exist, another name of the object name. ErrTooManyLinks,
	// ErrCrossDevice, ErrUnsupported say why it cannot. It does not follow a symlink but links it.
	Link(name string, to FS, toName string) error

	// Rename moves name to toName in the directory to. It never replaces: fs.ErrExist where toName exists.
	Rename(name string, to FS, toName string) error
	// Replace moves name to toName in the directory to, replacing atomically what may be there.
	Replace(name string, to FS, toName string) error
	// Remove removes name, which is not a directory.
	Remove(name string) error
	// Rmdir removes the empty directory name.
	Rmdir(name string) error

	// Set gives name or "." one aspect of e: Owner (UID and GID), Mode (all of 07777), Xattrs (exactly these: others are
	// removed), MTime (ErrUnsupported where the file system kept another one, ErrCoarse where only the end of it was lost), or Flags
	// (exactly these of the flags that can be set).
	Set(name string, e *varve.Entry, aspect varve.Aspect) error

	// Sync makes the directory's own entries durable.
	Sync() error
	// SyncAll makes everything on the file system that holds the directory durable, content and metadata.
	SyncAll() error
	// Lock takes an exclusive lease named name, creating a file of that name where there is none. It ends with Close or with the
	// process. varve.ErrBusy where somebody holds it.
	Lock(name string) (io.Closer, error)
	// Space returns the room on the file system.
	Space() (Space, error)
	Close() error
}

// Reader is a regular file opened for reading.
type Reader interface {
	io.ReaderAt
	// Info returns the metadata as the handle sees it now, like Lookup but with all Flags.
	Info() (Info, error)
	// Xattrs is FS.Xattrs of the open file.
	Xattrs() ([]varve.Xattr, error)
	// Holes returns the regions without data, ascending, merged, the last one up to size; nil where there are none or the file
	// system cannot tell. Where settle is set, pending writes are flushed first, since some file systems tell holes wrongly
	// before that.
	Holes(size int64, settle bool) ([]varve.Extent, error)
	Close() error
}

// Writer is a regular file that was just created.
type Writer interface {
	io.WriterAt
	// Truncate sets the length in bytes; what lies beyond the written data becomes a hole where the file system can.
	Truncate(size int64) error
	// Clone makes the file share all content of from by reference. ErrUnsupported where the file system cannot, or from lies on
	// another one; the file is unchanged then.
	Clone(from Reader) error
	// Set is FS.Set on the open file.
	Set(e *varve.Entry, aspect varve.Aspect) error
	// Sync makes content and metadata durable. After an error the file must be given up: a second Sync may succeed without
	// having written anything.
	Sync() error
	Close() error
}

// Name is one name in a directory.
type Name struct {
	Name string
	// Kind is 0 where the listing did not tell.
	Kind varve.Kind
	// Ino is the inode number, for reading metadata in the order it lies on disk; 0 where unknown.
	Ino uint64
}

// Info is what a file system says of one object.
type Info struct {
	varve.Entry
	// Links counts the hard links to the object.
	Links uint64
	// Allocated is the space the content takes in bytes; less than Size where a file has holes, or is compressed.
	Allocated int64
	// Mount says that something is mounted on the directory: another file system, or another part of the same one.
	Mount bool
}

// Space is the room on a file system in bytes.
type Space struct {
	Total int64
	// Free is what the calling user may still use.
	Free int64
	// Pseudo says that the file system is the kernel's own, such as proc or sysfs, and holds nothing to back up.
	Pseudo bool
	// Absent says that the directory only stands for a file system that cannot be read from here, as where a snapshot of the one
	// around it is read.
	Absent bool
}

// CheckName returns ErrName where name is not a single element.
func CheckName(name string) error {
	if name == "" || name == "." || name == ".." {
		return ErrName
	}
	for i := range len(name) {
		if name[i] == '/' || name[i] == 0 {
			return ErrName
		}
	}
	return nil
}
