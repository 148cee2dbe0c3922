//go:build linux

package osfs

import (
	"io"
	"io/fs"

	"golang.org/x/sys/unix"

	"varve"
	"varve/internal/disk"
)

func (d *dir) Create(name string, mode uint32) (disk.Writer, error) {
	const op = "create"
	if err := d.check(op, name, false); err != nil {
		return nil, err
	}
	mode &= 0o777
	const flags = unix.O_RDWR | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := d.openat(name, flags, mode)
	if err != nil {
		return nil, d.wrap(op, name, err)
	}
	if mode&d.shared.umask != 0 {
		err = retry0(func() error { return unix.Fchmod(fd, mode) })
	}
	if err != nil {
		unix.Close(fd)
		return nil, d.wrap(op, name, err)
	}
	return &writer{fd: fd, name: name, dir: d}, nil
}

func (d *dir) Mkdir(name string, mode uint32) error {
	const op = "mkdir"
	if err := d.check(op, name, false); err != nil {
		return err
	}
	mode &= 0o777
	err := retry0(func() error { return unix.Mkdirat(d.fd, name, mode) })
	if err == nil && mode&d.shared.umask != 0 {
		err = d.chmod(name, mode)
	}
	return d.wrap(op, name, err)
}

// maxName is how many bytes a name may have.
const maxName = 255

func (d *dir) Symlink(name, target string) error {
	const op = "symlink"
	if err := d.check(op, name, false); err != nil {
		return err
	}
	err := retry0(func() error { return unix.Symlinkat(target, d.fd, name) })
	if err == unix.ENAMETOOLONG && len(name) <= maxName { // XFS and btrfs take shorter targets than ext4
		err = sysError{err, disk.ErrUnsupported}
	}
	return d.wrap(op, name, err)
}

// nodeType returns the type bits of mknod(2) for kind, 0 where it makes no such object.
func nodeType(kind varve.Kind) uint32 {
	switch kind {
	case varve.FIFO:
		return unix.S_IFIFO
	case varve.Socket:
		return unix.S_IFSOCK
	case varve.CharDevice:
		return unix.S_IFCHR
	case varve.BlockDevice:
		return unix.S_IFBLK
	}
	return 0
}

func (d *dir) Mknod(name string, kind varve.Kind, mode uint32, dev varve.Rdev) error {
	const op = "mknod"
	if err := d.check(op, name, false); err != nil {
		return err
	}
	typ := nodeType(kind)
	if typ == 0 {
		return &fs.PathError{Op: op, Path: d.at(name), Err: disk.ErrKind}
	}
	mode &= 0o777
	number := unix.Mkdev(dev.Major, dev.Minor)
	if kind == varve.FIFO || kind == varve.Socket {
		number = 0
	}
	err := retry0(func() error { return unix.Mknodat(d.fd, name, typ|mode, int(number)) })
	if err == unix.EINVAL { // XFS holds smaller device numbers than others
		err = sysError{err, disk.ErrUnsupported}
	}
	if err == nil && mode&d.shared.umask != 0 {
		err = d.chmod(name, mode)
	}
	return d.wrap(op, name, err)
}

// pair checks two names and returns the other directory.
func (d *dir) pair(op, name string, to disk.FS, toName string) (*dir, error) {
	if err := d.check(op, name, false); err != nil {
		return nil, err
	}
	other, ok := to.(*dir)
	if !ok {
		return nil, &fs.PathError{Op: op, Path: d.at(name), Err: disk.ErrCrossDevice}
	}
	return other, other.check(op, toName, false)
}

func (d *dir) Link(name string, to disk.FS, toName string) error {
	const op = "link"
	other, err := d.pair(op, name, to, toName)
	if err != nil {
		return err
	}
	err = unix.Linkat(d.fd, name, other.fd, toName, 0)
	for err == unix.EINTR {
		err = unix.Linkat(d.fd, name, other.fd, toName, 0)
	}
	if err == unix.EPERM {
		err = sysError{err, disk.ErrUnsupported}
	}
	return d.wrap2(op, name, other, toName, err)
}

func (d *dir) Rename(name string, to disk.FS, toName string) error {
	const op = "rename"
	other, err := d.pair(op, name, to, toName)
	if err != nil {
		return err
	}
	err = retry0(func() error { return unix.Renameat2(d.fd, name, other.fd, toName, unix.RENAME_NOREPLACE) })
	if err == unix.EINVAL || err == unix.ENOSYS {
		err = d.renameChecked(name, other, toName)
	}
	return d.wrap2(op, name, other, toName, err)
}

// renameChecked is Rename where the file system has no RENAME_NOREPLACE: link and unlink where there are hard links, else a look
// before the rename.
func (d *dir) renameChecked(name string, to *dir, toName string) error {
	if err := unix.Linkat(d.fd, name, to.fd, toName, 0); err == nil {
		return unix.Unlinkat(d.fd, name, 0)
	} else if err == unix.EEXIST {
		return err
	}
	var st unix.Stat_t
	switch err := unix.Fstatat(to.fd, toName, &st, unix.AT_SYMLINK_NOFOLLOW); err {
	case nil:
		return unix.EEXIST
	case unix.ENOENT:
		return unix.Renameat(d.fd, name, to.fd, toName)
	default:
		return err
	}
}

func (d *dir) Replace(name string, to disk.FS, toName string) error {
	const op = "rename"
	other, err := d.pair(op, name, to, toName)
	if err != nil {
		return err
	}
	err = retry0(func() error { return unix.Renameat(d.fd, name, other.fd, toName) })
	return d.wrap2(op, name, other, toName, err)
}

func (d *dir) Remove(name string) error {
	const op = "remove"
	if err := d.check(op, name, false); err != nil {
		return err
	}
	return d.wrap(op, name, retry0(func() error { return unix.Unlinkat(d.fd, name, 0) }))
}

func (d *dir) Rmdir(name string) error {
	const op = "rmdir"
	if err := d.check(op, name, false); err != nil {
		return err
	}
	return d.wrap(op, name, retry0(func() error { return unix.Unlinkat(d.fd, name, unix.AT_REMOVEDIR) }))
}

func (d *dir) Sync() error {
	err := retry0(func() error { return unix.Fsync(d.fd) })
	return d.wrap("sync", ".", err)
}

func (d *dir) SyncAll() error {
	err := retry0(func() error { return unix.Syncfs(d.fd) })
	return d.wrap("sync file system of", ".", err)
}

// lease is a locked file; the lock goes with the descriptor.
type lease struct {
	fd   int
	path string
}

func (l *lease) Close() error { return wrap("unlock", l.path, unix.Close(l.fd)) }

func (d *dir) Lock(name string) (io.Closer, error) {
	const op = "lock"
	if err := d.check(op, name, false); err != nil {
		return nil, err
	}
	const flags = unix.O_RDWR | unix.O_CREAT | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := d.openat(name, flags, 0o600)
	if err != nil {
		return nil, d.wrap(op, name, err)
	}
	if err := retry0(func() error { return unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) }); err != nil {
		unix.Close(fd)
		if err == unix.EWOULDBLOCK {
			return nil, &fs.PathError{Op: op, Path: d.at(name), Err: varve.ErrBusy}
		}
		return nil, d.wrap(op, name, err)
	}
	return &lease{fd: fd, path: d.at(name)}, nil
}

// writer is a regular file that was just created.
type writer struct {
	fd   int
	name string
	dir  *dir
}

func (f *writer) path() string { return f.dir.at(f.name) }

func (f *writer) WriteAt(p []byte, off int64) (int, error) {
	done := 0
	for done < len(p) {
		n, err := unix.Pwrite(f.fd, p[done:], off+int64(done))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return done, f.dir.wrap("write", f.name, err)
		}
		done += n
	}
	return done, nil
}

func (f *writer) Truncate(size int64) error {
	return f.dir.wrap("truncate", f.name, retry0(func() error { return unix.Ftruncate(f.fd, size) }))
}

func (f *writer) Clone(from disk.Reader) error {
	const op = "clone"
	other, ok := from.(*reader)
	if !ok {
		return &fs.PathError{Op: op, Path: f.path(), Err: disk.ErrUnsupported}
	}
	err := retry0(func() error { return unix.IoctlFileClone(f.fd, other.fd) })
	if err == unix.EXDEV || err == unix.EINVAL || err == unix.ENOTTY {
		err = sysError{err, disk.ErrUnsupported}
	}
	return f.dir.wrap(op, f.name, err)
}

func (f *writer) Sync() error {
	return f.dir.wrap("sync", f.name, retry0(func() error { return unix.Fsync(f.fd) }))
}

func (f *writer) Close() error {
	if f.fd < 0 {
		return f.dir.wrap("close", f.name, unix.EBADF)
	}
	err := unix.Close(f.fd)
	f.fd = -1
	return f.dir.wrap("close", f.name, err)
}
