//go:build linux

package osfs

import (
	"cmp"
	"io/fs"
	"math"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"varve"
	"varve/internal/disk"
)

func (d *dir) Set(name string, e *varve.Entry, aspect varve.Aspect) error {
	if err := d.check("set "+aspect.String()+" of", name, true); err != nil {
		return err
	}
	path, flags := name, unix.AT_SYMLINK_NOFOLLOW
	if name == "." { // the descriptor itself: looking up a name in it takes rights
		path, flags = "", unix.AT_EMPTY_PATH
	}
	var err error
	switch aspect {
	case varve.Owner:
		err = retry0(func() error { return unix.Fchownat(d.fd, path, int(e.UID), int(e.GID), flags) })
	case varve.Mode:
		err = d.chmod(name, e.Mode&0o7777)
	case varve.Xattrs:
		err = unholdable(setXattrs(d.xattrAccess(name), e.Xattrs))
	case varve.MTime:
		if err = d.setTime(name, e.MTime); err == nil {
			err = d.checkTime(d.fd, path, flags, e.MTime)
		}
	case varve.Flags:
		err = d.setFlags(name, e.Flags)
	default:
		err = disk.ErrUnsupported
	}
	if err != nil {
		return d.wrap("set "+aspect.String()+" of", name, err)
	}
	return nil
}

// unholdable marks the errors that say of an attribute that this file system cannot hold it: its name, its size, or all the
// attributes of a file together.
func unholdable(err error) error {
	switch err {
	case unix.EINVAL, unix.E2BIG, unix.ERANGE, unix.ENOSPC:
		return sysError{err, disk.ErrUnsupported}
	}
	return err
}

// setTime sets the modification time of name, which is not followed.
func (d *dir) setTime(name string, t varve.Time) error {
	if name != "." {
		return retry0(func() error { return unix.UtimesNanoAt(d.fd, name, times(t), unix.AT_SYMLINK_NOFOLLOW) })
	}
	if d.pathOnly {
		return retry0(func() error { return unix.UtimesNanoAt(unix.AT_FDCWD, d.self(), times(t), 0) })
	}
	return retry0(func() error { return futimens(d.fd, times(t)) })
}

// coarsest is the unit of the file systems that keep times the worst: FAT.
const coarsest = 2 * time.Second

// checkTime looks whether a modification time that not every file system can hold was kept: one that is out of range or too fine is
// changed without an error. Fine times are looked at until the directory has kept one to the nanosecond; then all are kept.
func (d *dir) checkTime(fd int, path string, flags int, t varve.Time) error {
	coarse := t.Nsec == 0 && t.Sec%2 == 0
	if t.Sec == int64(int32(t.Sec)) && (coarse || d.fine.Load()) {
		return nil
	}
	var st unix.Statx_t
	if err := retry0(func() error { return unix.Statx(fd, path, flags, unix.STATX_MTIME, &st) }); err != nil {
		return err
	}
	switch kept := timeOf(st.Mtime); {
	case kept == t:
	case kept.Time().Sub(t.Time()).Abs() < coarsest:
		return disk.ErrCoarse
	default:
		return unix.EOPNOTSUPP
	}
	if t.Nsec%100 != 0 { // some file systems count in units of 100 ns
		d.fine.Store(true)
	}
	return nil
}

// self is a path that leads to the held directory.
func (d *dir) self() string { return "/proc/self/fd/" + strconv.Itoa(d.fd) }

func (f *writer) Set(e *varve.Entry, aspect varve.Aspect) error {
	var err error
	switch aspect {
	case varve.Owner:
		err = retry0(func() error { return unix.Fchown(f.fd, int(e.UID), int(e.GID)) })
	case varve.Mode:
		err = retry0(func() error { return unix.Fchmod(f.fd, e.Mode&0o7777) })
	case varve.Xattrs:
		err = unholdable(setXattrs(descriptorXattrs(f.fd), e.Xattrs))
	case varve.MTime:
		if err = retry0(func() error { return futimens(f.fd, times(e.MTime)) }); err == nil {
			err = f.dir.checkTime(f.fd, "", unix.AT_EMPTY_PATH, e.MTime)
		}
	case varve.Flags:
		err = setFlags(f.fd, e.Flags)
	default:
		err = disk.ErrUnsupported
	}
	if err != nil {
		return f.dir.wrap("set "+aspect.String()+" of", f.name, err)
	}
	return nil
}

// times returns the pair that utimensat(2) wants: access time left alone, modification time t. On machines of 32 bits a time that the call
// cannot be told is left alone, too; see checkTime.
func times(t varve.Time) []unix.Timespec {
	omitted := unix.Timespec{Nsec: unix.UTIME_OMIT}
	modified, err := unix.TimeToTimespec(time.Unix(t.Sec, int64(t.Nsec)))
	if err != nil {
		modified = omitted
	}
	return []unix.Timespec{omitted, modified}
}

// futimens is utimensat(2) on an open file.
func futimens(fd int, ts []unix.Timespec) error {
	_, _, errno := unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(fd), 0, uintptr(unsafe.Pointer(&ts[0])), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// chmod changes the mode of name without following it, through fchmodat2(2) or, before Linux 6.6, an O_PATH descriptor.
func (d *dir) chmod(name string, mode uint32) error {
	if name == "." {
		if d.pathOnly {
			return retry0(func() error { return unix.Chmod(d.self(), mode) })
		}
		return retry0(func() error { return unix.Fchmod(d.fd, mode) })
	}
	if !d.shared.noFchmodat.Load() {
		err := retry0(func() error { return unix.Fchmodat(d.fd, name, mode, unix.AT_SYMLINK_NOFOLLOW) })
		if err != unix.ENOSYS && err != unix.EOPNOTSUPP {
			return err
		}
	}
	fd, err := retry(func() (int, error) { return unix.Openat(d.fd, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0) })
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFLNK {
		return unix.EOPNOTSUPP
	}
	d.shared.noFchmodat.Store(true)
	return retry0(func() error { return unix.Chmod("/proc/self/fd/"+strconv.Itoa(fd), mode) })
}

// settable are the inode flags of ioctl_iflags(2) that are kept and set: secure deletion, undeletable, compressed, sync, immutable,
// append-only, no dump, no access time, not compressed, data journalling, no tail merging, synchronous and top directory, no copy
// on write, direct access, project inheritance.
const settable = 0xff | 0x400 | 0x4000 | 0x8000 | 0x10000 | 0x20000 | 0x800000 | 0x2000000 | 0x20000000

func (d *dir) Flags(name string) (uint32, error) {
	const op = "get flags"
	if err := d.check(op, name, true); err != nil {
		return 0, err
	}
	if name == "." {
		flags, err := getFlags(d.fd)
		return flags, d.wrap(op, ".", err)
	}
	fd, err := d.openAny(name)
	if err != nil {
		return 0, d.kindError(op, name, err)
	}
	defer unix.Close(fd)
	flags, err := getFlags(fd)
	return flags, d.wrap(op, name, err)
}

// openAny opens a regular file or directory for an ioctl; other kinds are refused before an open could have an effect on them.
func (d *dir) openAny(name string) (int, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(d.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return -1, err
	}
	if typ := st.Mode & unix.S_IFMT; typ != unix.S_IFREG && typ != unix.S_IFDIR {
		return -1, unix.ENXIO
	}
	const flags = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC
	return retry(func() (int, error) { return unix.Openat(d.fd, name, flags, 0) })
}

// getFlags returns the settable inode flags of an open file; zero where the file system has none.
func getFlags(fd int) (uint32, error) {
	flags, err := retry(func() (uint32, error) { return unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS) })
	switch err {
	case nil:
		return flags & settable, nil
	case unix.ENOTTY, unix.EOPNOTSUPP, unix.EINVAL, unix.ENOSYS, unix.EBADF:
		return 0, nil
	}
	return 0, err
}

func (d *dir) setFlags(name string, flags uint32) error {
	if name == "." {
		return setFlags(d.fd, flags)
	}
	fd, err := d.openAny(name)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return setFlags(fd, flags)
}

// setFlags makes the settable flags of an open file exactly those given and leaves the others alone. Some file systems pass over
// what they cannot do without an error, such as btrfs a late wish for no copy on write; that is one here.
func setFlags(fd int, flags uint32) error {
	old, err := retry(func() (uint32, error) { return unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS) })
	if err != nil {
		return err
	}
	want := old&^settable | flags&settable
	if want == old {
		return nil
	}
	if want > math.MaxInt32 {
		return unix.EINVAL
	}
	if err := retry0(func() error { return unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, int(want)) }); err != nil {
		return err
	}
	if got, err := getFlags(fd); err != nil || got != flags&settable {
		return cmp.Or(err, error(unix.EOPNOTSUPP))
	}
	return nil
}

func (d *dir) Xattrs(name string) ([]varve.Xattr, error) {
	const op = "get xattrs"
	if err := d.check(op, name, true); err != nil {
		return nil, err
	}
	if none, err := d.noXattrs(name); none && err == nil {
		return nil, nil
	}
	list, err := getXattrs(d.xattrAccess(name))
	if err != nil {
		return nil, &fs.PathError{Op: op, Path: d.at(name), Err: mark(err)}
	}
	return list, nil
}

func (f *reader) Xattrs() ([]varve.Xattr, error) {
	list, err := getXattrs(descriptorXattrs(f.fd))
	return list, f.dir.wrap("get xattrs", f.name, err)
}
