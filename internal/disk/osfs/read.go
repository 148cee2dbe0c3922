//go:build linux

package osfs

import (
	"encoding/binary"
	"io"
	"io/fs"
	"unsafe"

	"golang.org/x/sys/unix"

	"varve"
	"varve/internal/disk"
)

func (d *dir) Names() ([]disk.Name, error) {
	d.listing.Lock()
	defer d.listing.Unlock()
	// Also the first time: btrfs lists what was there when the directory was opened.
	if _, err := unix.Seek(d.fd, 0, io.SeekStart); err != nil {
		return nil, d.listError(err)
	}
	var names []disk.Name
	buf := make([]byte, 32<<10)
	for {
		n, err := retry(func() (int, error) { return unix.Getdents(d.fd, buf) })
		if err != nil {
			return nil, d.listError(err)
		}
		if n == 0 {
			return names, nil
		}
		names = appendNames(names, string(buf[:n]))
	}
}

// listError explains why a directory could not be read; one opened without the right to read it says so only now.
func (d *dir) listError(err error) error {
	if err == unix.EBADF && d.pathOnly {
		err = unix.EACCES
	}
	return d.wrap("read directory", ".", err)
}

// appendNames parses the records of getdents64(2): inode number, offset, record length, type, name; the names share the memory of
// block.
func appendNames(names []disk.Name, block string) []disk.Name {
	const header = 19
	raw := unsafe.Slice(unsafe.StringData(block), len(block))
	for len(block) >= header {
		size := int(binary.NativeEndian.Uint16(raw[16:]))
		name := block[header:size]
		for i := range len(name) {
			if name[i] == 0 {
				name = name[:i]
				break
			}
		}
		if name != "." && name != ".." {
			ino := binary.NativeEndian.Uint64(raw)
			names = append(names, disk.Name{Name: name, Kind: varve.KindOf(uint32(raw[18]) << 12), Ino: ino})
		}
		block, raw = block[size:], raw[size:]
	}
	return names
}

const statMask = unix.STATX_BASIC_STATS | unix.STATX_BTIME

// statFlags are the inode flags among the attributes of statx(2); both have the same bits.
const statFlags = unix.STATX_ATTR_COMPRESSED | unix.STATX_ATTR_IMMUTABLE | unix.STATX_ATTR_APPEND | unix.STATX_ATTR_NODUMP

func (d *dir) Lookup(name string) (disk.Info, error) {
	const op = "stat"
	if err := d.check(op, name, true); err != nil {
		return disk.Info{}, err
	}
	var st unix.Statx_t
	path, flags := name, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT
	if name == "." { // the descriptor itself: looking up a name in it takes rights
		path, flags = "", unix.AT_EMPTY_PATH
	}
	err := unix.Statx(d.fd, path, flags, statMask, &st)
	for err == unix.EINTR {
		err = unix.Statx(d.fd, path, flags, statMask, &st)
	}
	if err != nil {
		return disk.Info{}, d.wrap(op, name, err)
	}
	info := infoOf(name, &st)
	if info.Kind == varve.Symlink {
		target, err := d.readlink(name)
		if err != nil {
			return disk.Info{}, err
		}
		info.Target = target
	}
	return info, nil
}

// infoOf converts what statx(2) returned.
func infoOf(name string, st *unix.Statx_t) disk.Info {
	info := disk.Info{Links: uint64(st.Nlink), Allocated: int64(st.Blocks) * 512}
	info.Mount = st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0 && name != "."
	e := &info.Entry
	if name != "." {
		e.Path = name
	}
	e.Kind = varve.KindOf(uint32(st.Mode))
	e.Mode = uint32(st.Mode) & 0o7777
	e.UID, e.GID = st.Uid, st.Gid
	e.MTime = timeOf(st.Mtime)
	if st.Mask&unix.STATX_BTIME != 0 {
		e.BTime = timeOf(st.Btime)
	}
	e.Flags = uint32(st.Attributes & statFlags)
	e.Stamp = varve.Stamp{Dev: unix.Mkdev(st.Dev_major, st.Dev_minor), Ino: st.Ino, CTime: timeOf(st.Ctime)}
	switch e.Kind {
	case varve.Regular:
		e.Size = int64(st.Size)
	case varve.CharDevice, varve.BlockDevice:
		e.Rdev = varve.Rdev{Major: st.Rdev_major, Minor: st.Rdev_minor}
	}
	return info
}

func timeOf(t unix.StatxTimestamp) varve.Time { return varve.Time{Sec: t.Sec, Nsec: int32(t.Nsec)} }

func (d *dir) readlink(name string) (string, error) {
	buf := make([]byte, 256)
	for {
		n, err := retry(func() (int, error) { return unix.Readlinkat(d.fd, name, buf) })
		if err != nil {
			return "", d.wrap("readlink", name, err)
		}
		if n < len(buf) {
			return string(buf[:n]), nil
		}
		buf = make([]byte, 4*len(buf))
	}
}

func (d *dir) Open(name string) (disk.Reader, error) {
	const op = "open"
	if err := d.check(op, name, false); err != nil {
		return nil, err
	}
	const flags = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC
	fd, err := d.openat(name, flags|unix.O_NOATIME, 0)
	if err == unix.EPERM { // not the owner
		fd, err = d.openat(name, flags, 0)
	}
	if err != nil {
		return nil, d.kindError(op, name, err)
	}
	f := &reader{fd: fd, name: name, dir: d}
	first, err := f.stat()
	if err == nil && first.Kind != varve.Regular {
		err = &fs.PathError{Op: op, Path: d.at(name), Err: disk.ErrKind}
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	f.first = &first
	return f, nil
}

// reader is a regular file open for reading. It keeps no more of its directory than what messages need.
type reader struct {
	fd    int
	name  string
	dir   *dir
	first *disk.Info // what Open saw, for the first Info
}

func (f *reader) stat() (disk.Info, error) {
	var st unix.Statx_t
	err := unix.Statx(f.fd, "", unix.AT_EMPTY_PATH, statMask, &st)
	for err == unix.EINTR {
		err = unix.Statx(f.fd, "", unix.AT_EMPTY_PATH, statMask, &st)
	}
	if err != nil {
		return disk.Info{}, f.dir.wrap("stat", f.name, err)
	}
	return infoOf(f.name, &st), nil
}

func (f *reader) Info() (disk.Info, error) {
	info, err := disk.Info{}, error(nil)
	if f.first != nil {
		info, f.first = *f.first, nil
	} else if info, err = f.stat(); err != nil {
		return disk.Info{}, err
	}
	info.Flags, err = getFlags(f.fd)
	return info, f.dir.wrap("get flags", f.name, err)
}

func (f *reader) ReadAt(p []byte, off int64) (int, error) {
	done := 0
	for done < len(p) {
		n, err := unix.Pread(f.fd, p[done:], off+int64(done))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return done, f.dir.wrap("read", f.name, err)
		}
		if n == 0 {
			return done, io.EOF
		}
		done += n
	}
	return done, nil
}

func (f *reader) Holes(size int64, settle bool) ([]varve.Extent, error) {
	if settle {
		if err := retry0(func() error { return unix.Fdatasync(f.fd) }); err != nil && err != unix.EINVAL && err != unix.EROFS {
			return nil, f.dir.wrap("flush", f.name, err)
		}
	}
	var holes []varve.Extent
	for off := int64(0); off < size; {
		data, err := unix.Seek(f.fd, off, unix.SEEK_DATA)
		switch {
		case err == unix.ENXIO:
			data = size
		case err == unix.EINVAL || err == unix.EOPNOTSUPP:
			return nil, nil
		case err != nil:
			return nil, f.dir.wrap("find data", f.name, err)
		}
		data = min(data, size)
		if data > off {
			holes = append(holes, varve.Extent{Off: off, Len: data - off})
		}
		if data == size {
			break
		}
		if off, err = unix.Seek(f.fd, data, unix.SEEK_HOLE); err != nil && err != unix.ENXIO {
			return nil, f.dir.wrap("find hole", f.name, err)
		} else if err != nil {
			break
		}
	}
	return holes, nil
}

func (f *reader) Close() error {
	if f.fd < 0 {
		return f.dir.wrap("close", f.name, unix.EBADF)
	}
	err := unix.Close(f.fd)
	f.fd = -1
	return f.dir.wrap("close", f.name, err)
}

func (d *dir) Space() (disk.Space, error) {
	var st unix.Statfs_t
	if err := retry0(func() error { return unix.Fstatfs(d.fd, &st) }); err != nil {
		return disk.Space{}, d.wrap("statfs", ".", err)
	}
	unit := int64(st.Frsize)
	return disk.Space{Total: int64(st.Blocks) * unit, Free: int64(st.Bavail) * unit, Pseudo: pseudo(int64(st.Type))}, nil
}

// pseudo reports whether a file system of this type (statfs(2)) is made up by the kernel.
func pseudo(kind int64) bool {
	switch kind {
	case unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.DEVPTS_SUPER_MAGIC, unix.CGROUP_SUPER_MAGIC, unix.CGROUP2_SUPER_MAGIC,
		unix.DEBUGFS_MAGIC, unix.TRACEFS_MAGIC, unix.SECURITYFS_MAGIC, unix.BPF_FS_MAGIC, unix.PSTOREFS_MAGIC,
		unix.EFIVARFS_MAGIC, unix.HUGETLBFS_MAGIC, unix.BINFMTFS_MAGIC, unix.NSFS_MAGIC, unix.SELINUX_MAGIC, unix.SMACK_MAGIC,
		unix.AUTOFS_SUPER_MAGIC, 0x19800202 /* mqueue */, 0x62656570 /* configfs */, 0x65735543 /* fusectl */, 0x67596969, /* rpc_pipefs */
		unix.BINDERFS_SUPER_MAGIC, unix.RDTGROUP_SUPER_MAGIC:
		return true
	}
	return false
}
