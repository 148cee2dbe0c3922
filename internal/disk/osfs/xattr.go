//go:build linux

package osfs

import (
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"varve"
)

// xattrAccess is how the extended attributes of one object are reached: by descriptor, relative to one, or by a path below
// /proc/self/fd.
type xattrAccess struct {
	list   func(buf []byte) (int, error)
	get    func(name string, buf []byte) (int, error)
	set    func(name string, value []byte) error
	remove func(name string) error
}

// descriptorXattrs reaches the attributes of an open file.
func descriptorXattrs(fd int) xattrAccess {
	return xattrAccess{
		list:   func(buf []byte) (int, error) { return unix.Flistxattr(fd, buf) },
		get:    func(name string, buf []byte) (int, error) { return unix.Fgetxattr(fd, name, buf) },
		set:    func(name string, value []byte) error { return unix.Fsetxattr(fd, name, value, 0) },
		remove: func(name string) error { return unix.Fremovexattr(fd, name) },
	}
}

// xattrAccess reaches the attributes of name, not followed. listxattrat(2) and its kin came with Linux 6.13; before, the path
// through /proc/self/fd leads to the same directory entry, since the l-calls do not follow its last element.
func (d *dir) xattrAccess(name string) xattrAccess {
	if name == "." {
		if d.pathOnly {
			return followedXattrs(d.self())
		}
		return descriptorXattrs(d.fd)
	}
	if !d.shared.noXattrAt.Load() {
		a := d.relativeXattrs(name)
		list := a.list
		a.list = func(buf []byte) (int, error) {
			n, err := list(buf)
			if err != unix.ENOSYS {
				return n, err
			}
			d.shared.noXattrAt.Store(true)
			a = d.pathXattrs(name)
			return a.list(buf)
		}
		return a
	}
	return d.pathXattrs(name)
}

// followedXattrs reaches the attributes of what path leads to.
func followedXattrs(path string) xattrAccess {
	return xattrAccess{
		list:   func(buf []byte) (int, error) { return unix.Listxattr(path, buf) },
		get:    func(name string, buf []byte) (int, error) { return unix.Getxattr(path, name, buf) },
		set:    func(name string, value []byte) error { return unix.Setxattr(path, name, value, 0) },
		remove: func(name string) error { return unix.Removexattr(path, name) },
	}
}

// noXattrs reports whether name has no attributes, in one call; a quick way for most files. It says no where that call is missing.
func (d *dir) noXattrs(name string) (bool, error) {
	if name == "." && !d.pathOnly {
		n, err := unix.Flistxattr(d.fd, nil)
		return err == nil && n == 0 || err == unix.EOPNOTSUPP, nil
	}
	if name == "." || d.shared.noXattrAt.Load() {
		return false, nil
	}
	path, err := unix.BytePtrFromString(name)
	if err != nil {
		return false, err
	}
	n, _, errno := unix.Syscall6(sysListxattrat, uintptr(d.fd), uintptr(unsafe.Pointer(path)), unix.AT_SYMLINK_NOFOLLOW, 0, 0, 0)
	return errno == 0 && n == 0 || errno == unix.EOPNOTSUPP, nil
}

func (d *dir) pathXattrs(name string) xattrAccess {
	path := "/proc/self/fd/" + strconv.Itoa(d.fd) + "/" + name
	return xattrAccess{
		list:   func(buf []byte) (int, error) { return unix.Llistxattr(path, buf) },
		get:    func(name string, buf []byte) (int, error) { return unix.Lgetxattr(path, name, buf) },
		set:    func(name string, value []byte) error { return unix.Lsetxattr(path, name, value, 0) },
		remove: func(name string) error { return unix.Lremovexattr(path, name) },
	}
}

// The numbers of the system calls relative to a directory; the same on every architecture.
const (
	sysSetxattrat    = 463
	sysGetxattrat    = 464
	sysListxattrat   = 465
	sysRemovexattrat = 466
)

// xattrArgs is struct xattr_args of setxattrat(2).
type xattrArgs struct {
	value uint64
	size  uint32
	flags uint32
}

func (d *dir) relativeXattrs(name string) xattrAccess {
	path, err := unix.BytePtrFromString(name)
	if err != nil {
		return xattrAccess{list: func([]byte) (int, error) { return 0, err }}
	}
	fd, flags := uintptr(d.fd), uintptr(unix.AT_SYMLINK_NOFOLLOW)
	withArgs := func(call uintptr, name string, value []byte) (int, error) {
		key, err := unix.BytePtrFromString(name)
		if err != nil {
			return 0, err
		}
		args := xattrArgs{size: uint32(len(value))}
		if len(value) > 0 {
			args.value = uint64(uintptr(unsafe.Pointer(&value[0])))
		}
		n, _, errno := unix.Syscall6(call, fd, uintptr(unsafe.Pointer(path)), flags,
			uintptr(unsafe.Pointer(key)), uintptr(unsafe.Pointer(&args)), unsafe.Sizeof(args))
		runtime.KeepAlive(value)
		return int(n), errnoError(errno)
	}
	return xattrAccess{
		list: func(buf []byte) (int, error) {
			n, _, errno := unix.Syscall6(sysListxattrat, fd, uintptr(unsafe.Pointer(path)), flags,
				uintptr(unsafe.Pointer(unsafe.SliceData(buf))), uintptr(len(buf)), 0)
			return int(n), errnoError(errno)
		},
		get: func(name string, buf []byte) (int, error) { return withArgs(sysGetxattrat, name, buf) },
		set: func(name string, value []byte) error {
			_, err := withArgs(sysSetxattrat, name, value)
			return err
		},
		remove: func(name string) error {
			key, err := unix.BytePtrFromString(name)
			if err != nil {
				return err
			}
			_, _, errno := unix.Syscall6(sysRemovexattrat, fd, uintptr(unsafe.Pointer(path)), flags, uintptr(unsafe.Pointer(key)), 0, 0)
			return errnoError(errno)
		},
	}
}

func errnoError(errno unix.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}

// grown calls f with buf, and with a larger one until what f returns fits.
func grown(buf []byte, f func([]byte) (int, error)) ([]byte, error) {
	for {
		n, err := retry(func() (int, error) { return f(buf) })
		if err == nil && n <= len(buf) {
			return buf[:n], nil
		}
		if err != nil && err != unix.ERANGE {
			return nil, err
		}
		buf = make([]byte, max(4*len(buf), 1024))
		if len(buf) > 1<<22 {
			return nil, unix.E2BIG
		}
	}
}

// getXattrs returns all attributes sorted by name; none where the file system has none. An attribute that vanishes meanwhile is
// left out.
func getXattrs(a xattrAccess) ([]varve.Xattr, error) {
	list, err := grown(make([]byte, 256), a.list)
	if err == unix.EOPNOTSUPP {
		return nil, nil
	}
	if err != nil || len(list) == 0 {
		return nil, err
	}
	names := strings.Split(strings.TrimSuffix(string(list), "\x00"), "\x00")
	slices.Sort(names)
	out := make([]varve.Xattr, 0, len(names))
	for _, name := range names {
		value, err := grown(make([]byte, 256), func(buf []byte) (int, error) { return a.get(name, buf) })
		switch err {
		case nil:
			out = append(out, varve.Xattr{Name: name, Value: string(value)})
		case unix.ENODATA, unix.EOPNOTSUPP:
		default:
			return nil, err
		}
	}
	return out, nil
}

// setXattrs makes the attributes exactly want. Every one is tried; the first error is returned.
func setXattrs(a xattrAccess, want []varve.Xattr) error {
	have, first := getXattrs(a)
	if first != nil {
		return first
	}
	for _, x := range have {
		if !slices.ContainsFunc(want, func(w varve.Xattr) bool { return w.Name == x.Name }) {
			if err := a.remove(x.Name); err != nil && err != unix.ENODATA && first == nil {
				first = err
			}
		}
	}
	for _, x := range want {
		if slices.Contains(have, x) {
			continue
		}
		if err := a.set(x.Name, []byte(x.Value)); err != nil && first == nil {
			first = err
		}
	}
	return first
}
