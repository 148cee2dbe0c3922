package memfs

import (
	"cmp"
	"hash/crc32"
	"io/fs"
	"slices"
	"strings"
	"syscall"

	"varve"
	"varve/internal/disk"
)

// dir is a directory held open.
type dir struct {
	*handle
	// listing is why its names cannot be read, decided when it was opened; nil where they can.
	listing error
}

func (d *Disk) newDir(n *inode, path string) *dir {
	return &dir{handle: d.newHandle(n, path), listing: d.may(n, 4)}
}

var _ disk.FS = (*dir)(nil)

const maxName = 255

// checkName checks that name can name an entry.
func checkName(name string) error {
	if err := disk.CheckName(name); err != nil {
		return err
	}
	if len(name) > maxName {
		return syscall.ENAMETOOLONG
	}
	return nil
}

// child returns the object name.
func (f *dir) child(name string) (*inode, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	if err := f.disk.may(f.node, 1); err != nil {
		return nil, err
	}
	if n := f.node.folder.slots[name].node; n != nil {
		return n, nil
	}
	return nil, fs.ErrNotExist
}

// object returns the object name, or the directory itself for ".".
func (f *dir) object(name string) (*inode, error) {
	if name == "." {
		return f.node, nil
	}
	return f.child(name)
}

// Names returns the names in an order that is neither that of the bytes nor that of the inodes, but always the same.
func (f *dir) Names() (names []disk.Name, err error) {
	err = f.do("readdir", ".", func() error {
		if f.listing != nil {
			return f.listing
		}
		names = make([]disk.Name, 0, f.node.folder.names)
		for name, s := range f.node.folder.slots {
			if s.node != nil {
				names = append(names, disk.Name{Name: name, Kind: s.node.kind, Ino: s.node.ino})
			}
		}
		return nil
	})
	scramble(names)
	return names, err
}

func scramble(names []disk.Name) {
	type place struct {
		sum  uint32
		name disk.Name
	}
	places := make([]place, len(names))
	for i, n := range names {
		places[i] = place{crc32.ChecksumIEEE([]byte(n.Name)), n}
	}
	slices.SortFunc(places, func(a, b place) int {
		return cmp.Or(cmp.Compare(a.sum, b.sum), strings.Compare(a.name.Name, b.name.Name))
	})
	for i, p := range places {
		names[i] = p.name
	}
}

func (f *dir) Lookup(name string) (info disk.Info, err error) {
	err = f.do("stat", name, func() error {
		n, err := f.object(name)
		if err != nil {
			return err
		}
		if name == "." {
			name = ""
		}
		info = f.disk.info(n, name)
		return nil
	})
	return info, err
}

func (f *dir) Xattrs(name string) (xattrs []varve.Xattr, err error) {
	err = f.do("listxattr", name, func() error {
		n, err := f.object(name)
		if err != nil {
			return err
		}
		xattrs, err = f.disk.visibleXattrs(n)
		return err
	})
	return xattrs, err
}

func (f *dir) Flags(name string) (flags uint32, err error) {
	err = f.do("getflags", name, func() error {
		n, err := f.object(name)
		if err != nil {
			return err
		}
		if n.kind != varve.Dir && n.kind != varve.Regular {
			return disk.ErrKind
		}
		flags = n.meta.flags
		return nil
	})
	return flags, err
}

func (f *dir) OpenDir(name string) (sub disk.FS, err error) {
	err = f.do("opendir", name, func() error {
		n, err := f.child(name)
		if err != nil {
			return err
		}
		if n.kind != varve.Dir {
			return disk.ErrKind
		}
		sub = f.disk.newDir(n, varve.Join(f.path, name))
		return nil
	})
	return sub, err
}

func (f *dir) Open(name string) (r disk.Reader, err error) {
	err = f.do("open", name, func() error {
		n, err := f.child(name)
		if err != nil {
			return err
		}
		if n.kind != varve.Regular {
			return disk.ErrKind
		}
		if err := f.disk.may(n, 4); err != nil {
			return err
		}
		r = &reader{f.disk.newHandle(n, varve.Join(f.path, name)), name}
		return nil
	})
	return r, err
}

func (f *dir) Sync() error {
	return f.do("sync", ".", func() error {
		f.disk.syncDir(f.node)
		return nil
	})
}

func (f *dir) SyncAll() error {
	return f.do("syncfs", ".", func() error {
		f.disk.syncAll()
		return nil
	})
}

// LoseUnsynced does to all files on the disk what it does to a single one in a file opened for writing.
func (f *dir) LoseUnsynced() {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	for n := range f.disk.dirty {
		n.pending = nil
	}
}

func (f *dir) Space() (space disk.Space, err error) {
	err = f.do("statfs", ".", func() error {
		total := f.disk.opts.Capacity
		space = disk.Space{Total: total, Free: max(total-f.disk.used, 0)}
		return nil
	})
	return space, err
}
