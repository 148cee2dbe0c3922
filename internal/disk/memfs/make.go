package memfs

import (
	"io"
	"io/fs"
	"strings"
	"syscall"

	"varve"
	"varve/internal/disk"
)

const maxTarget = 4095

// vacant checks that name can be made in the directory.
func (f *dir) vacant(name string) error {
	switch _, err := f.child(name); err {
	case nil:
		return fs.ErrExist
	case fs.ErrNotExist:
	default:
		return err
	}
	if f.node.links == 0 {
		return fs.ErrNotExist
	}
	return f.editable()
}

// editable checks that the caller may change the names in the directory.
func (f *dir) editable() error {
	if err := f.node.immutable(); err != nil {
		return err
	}
	return f.disk.may(f.node, 3)
}

// room checks that the directory takes one more name.
func (f *dir) room() error {
	if limit := f.disk.opts.MaxEntries; limit > 0 && f.node.folder.names >= limit {
		return disk.ErrNoSpace
	}
	return nil
}

// add makes an object of a kind called name.
func (f *dir) add(name string, kind varve.Kind, mode uint32) (*inode, error) {
	if err := f.vacant(name); err != nil {
		return nil, err
	}
	if err := f.room(); err != nil {
		return nil, err
	}
	n := f.disk.newInode(kind, mode)
	if err := f.disk.charge(n.cost()); err != nil {
		return nil, err
	}
	if f.node.meta.mode&0o2000 != 0 {
		n.inherit(f.node)
	}
	n.links = 1
	c := f.disk.record(nil, edit{f.node, name, n})
	if n.folder != nil {
		n.folder.parent, n.folder.moved = f.node, c
	}
	return n, nil
}

// inherit gives n what it gets from a directory with the set-group-ID bit.
func (n *inode) inherit(parent *inode) {
	n.meta.gid = parent.meta.gid
	if n.kind == varve.Dir {
		n.meta.mode |= 0o2000
	}
	n.savedMeta = n.meta
}

func (f *dir) Create(name string, mode uint32) (w disk.Writer, err error) {
	err = f.do("create", name, func() error {
		n, err := f.add(name, varve.Regular, mode&0o777)
		if err == nil {
			w = &writer{f.disk.newHandle(n, varve.Join(f.path, name))}
		}
		return err
	})
	return w, err
}

func (f *dir) Mkdir(name string, mode uint32) error {
	return f.do("mkdir", name, func() error {
		_, err := f.add(name, varve.Dir, mode&0o777)
		return err
	})
}

func (f *dir) Symlink(name, target string) error {
	return f.do("symlink", name, func() error {
		if err := checkTarget(target); err != nil {
			return err
		}
		n, err := f.add(name, varve.Symlink, 0o777)
		if err == nil {
			n.target = target
		}
		return err
	})
}

func checkTarget(target string) error {
	switch {
	case target == "":
		return fs.ErrNotExist
	case len(target) > maxTarget:
		return syscall.ENAMETOOLONG
	case strings.IndexByte(target, 0) >= 0:
		return syscall.EINVAL
	}
	return nil
}

func (f *dir) Mknod(name string, kind varve.Kind, mode uint32, dev varve.Rdev) error {
	return f.do("mknod", name, func() error {
		switch kind {
		case varve.FIFO, varve.Socket:
			dev = varve.Rdev{}
		case varve.CharDevice, varve.BlockDevice:
			if f.disk.opts.UID != 0 {
				return fs.ErrPermission
			}
		default:
			return disk.ErrKind
		}
		n, err := f.add(name, kind, mode&0o777)
		if err == nil {
			n.rdev = dev
		}
		return err
	})
}

func (f *dir) Lock(name string) (c io.Closer, err error) {
	err = f.do("lock", name, func() error {
		n, err := f.child(name)
		if err == fs.ErrNotExist {
			n, err = f.add(name, varve.Regular, 0o600)
		}
		if err != nil {
			return err
		}
		if err := f.disk.lockable(n); err != nil {
			return err
		}
		f.disk.locks[n] = true
		c = &lease{f.disk.newHandle(n, varve.Join(f.path, name))}
		return nil
	})
	return c, err
}

func (d *Disk) lockable(n *inode) error {
	if n.kind != varve.Regular {
		return disk.ErrKind
	}
	if d.locks[n] {
		return varve.ErrBusy
	}
	return d.may(n, 2)
}

// lease is a lock that is held.
type lease struct{ *handle }

// Close ends the lease.
func (l *lease) Close() error {
	l.disk.mu.Lock()
	if l.alive() == nil {
		delete(l.disk.locks, l.node)
	}
	l.disk.mu.Unlock()
	return l.handle.Close()
}
