//go:build linux

// Package osfs is the operating system's file system as a disk.FS: every call is relative to a directory descriptor, and none
// follows a symlink. It is the only package that makes system calls on files, but for the snapshots of btrfs in freeze.
//
// Linux 5.8 or newer is expected: from then on syncfs reports what could not be written. Calls that came later (fchmodat2,
// listxattrat and its kin) are used where the kernel has them.
package osfs

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"varve/internal/disk"
)

// dir is a held directory descriptor.
type dir struct {
	fd     int
	parent *dir // nil for one that Open opened; for messages alone
	name   string
	shared *shared
	// pathOnly says that the descriptor was opened without the right to read the directory (O_PATH): calls on the descriptor
	// itself go through its name below /proc/self/fd.
	pathOnly bool

	listing sync.Mutex  // the descriptor's offset
	fine    atomic.Bool // the file system has kept a time to the nanosecond here
}

// shared is what all directories below one Open have in common.
type shared struct {
	umask      uint32
	noXattrAt  atomic.Bool // the kernel has no listxattrat and its kin
	noFchmodat atomic.Bool // the kernel has no fchmodat2
}

var _ disk.FS = (*dir)(nil)

// Open opens the directory at path, which is resolved as the operating system does, symlinks included.
func Open(path string) (disk.FS, error) {
	fd, err := retry(func() (int, error) { return unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0) })
	pathOnly := err == unix.EACCES
	if pathOnly {
		fd, err = unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		return nil, wrap("open directory", path, err)
	}
	return &dir{fd: fd, name: path, shared: &shared{umask: umask()}, pathOnly: pathOnly}, nil
}

// umask returns the process's umask without changing it; 0777 where it cannot be read, so that every mode is set explicitly.
func umask() uint32 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0o777
	}
	_, rest, ok := strings.Cut(string(status), "\nUmask:")
	if !ok {
		return 0o777
	}
	line, _, _ := strings.Cut(rest, "\n")
	mask, err := strconv.ParseUint(strings.TrimSpace(line), 8, 32)
	if err != nil {
		return 0o777
	}
	return uint32(mask)
}

// at returns the path of name for messages.
func (d *dir) at(name string) string {
	names := []string{name}
	for ; d != nil; d = d.parent {
		names = append(names, d.name)
	}
	slices.Reverse(names)
	return filepath.Join(names...)
}

// check refuses names that are not single elements; "." only where self says so.
func (d *dir) check(op, name string, self bool) error {
	if self && name == "." {
		return nil
	}
	if err := disk.CheckName(name); err != nil {
		return &fs.PathError{Op: op, Path: d.at(name), Err: err}
	}
	return nil
}

func (d *dir) OpenDir(name string) (disk.FS, error) {
	const op = "open directory"
	if err := d.check(op, name, false); err != nil {
		return nil, err
	}
	const flags = unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := d.openat(name, unix.O_RDONLY|flags, 0)
	pathOnly := err == unix.EACCES
	if pathOnly {
		fd, err = d.openat(name, unix.O_PATH|flags, 0)
	}
	if err != nil {
		return nil, d.kindError(op, name, err)
	}
	return &dir{fd: fd, parent: d, name: name, shared: d.shared, pathOnly: pathOnly}, nil
}

// openat is openat(2), repeated when interrupted.
func (d *dir) openat(name string, flags int, mode uint32) (int, error) {
	fd, err := unix.Openat(d.fd, name, flags, mode)
	for err == unix.EINTR {
		fd, err = unix.Openat(d.fd, name, flags, mode)
	}
	return fd, err
}

// kindError tells an object of another kind (ELOOP, ENOTDIR, ENXIO) from every other error of an open.
func (d *dir) kindError(op, name string, err error) error {
	if err == unix.ELOOP || err == unix.ENOTDIR || err == unix.ENXIO {
		return &fs.PathError{Op: op, Path: d.at(name), Err: sysError{err, disk.ErrKind}}
	}
	return d.wrap(op, name, err)
}

func (d *dir) Close() error {
	if d.fd < 0 {
		return d.wrap("close", ".", unix.EBADF)
	}
	err := unix.Close(d.fd)
	d.fd = -1
	return d.wrap("close", ".", err)
}

// retry calls f until it is not interrupted by a signal.
func retry[T any](f func() (T, error)) (T, error) {
	for {
		v, err := f()
		if err != unix.EINTR {
			return v, err
		}
	}
}

// retry0 is retry for calls that return an error alone.
func retry0(f func() error) error {
	_, err := retry(func() (struct{}, error) { return struct{}{}, f() })
	return err
}

// sysError is a system call's error that also matches a sentinel of package disk.
type sysError struct {
	error
	sentinel error
}

func (e sysError) Unwrap() []error { return []error{e.error, e.sentinel} }

// sentinel returns the sentinel that err stands for, or nil.
func sentinel(err error) error {
	switch err {
	case unix.ENOSPC, unix.EDQUOT:
		return disk.ErrNoSpace
	case unix.ENOTEMPTY:
		return disk.ErrNotEmpty
	case unix.EMLINK:
		return disk.ErrTooManyLinks
	case unix.EXDEV:
		return disk.ErrCrossDevice
	case unix.EOPNOTSUPP, unix.ENOSYS, unix.ENOTTY:
		return disk.ErrUnsupported
	case unix.EBADF:
		return fs.ErrClosed
	}
	return nil
}

// mark makes err match the sentinel it stands for.
func mark(err error) error {
	if s := sentinel(err); s != nil {
		return sysError{err, s}
	}
	return err
}

// wrap names the operation and path of a system call's error; nil stays nil.
func wrap(op, path string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: path, Err: mark(err)}
}

// wrap is wrap for name in d, or d itself for ".".
func (d *dir) wrap(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return wrap(op, d.at(name), err)
}

// wrap2 is wrap for operations on two names.
func (d *dir) wrap2(op, name string, to *dir, toName string, err error) error {
	if err == nil {
		return nil
	}
	return &os.LinkError{Op: op, Old: d.at(name), New: to.at(toName), Err: mark(err)}
}
