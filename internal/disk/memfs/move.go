package memfs

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"slices"
	"syscall"

	"varve"
	"varve/internal/disk"
)

// pair runs body on two directories of one disk, and gives its error the operation and both paths.
func (f *dir) pair(op, name string, to disk.FS, toName string, body func(to *dir) error) error {
	other, ok := to.(*dir)
	if !ok || other.disk != f.disk {
		return &os.LinkError{Op: op, Old: varve.Join(f.path, name), New: toName, Err: disk.ErrCrossDevice}
	}
	err := f.do(op, name, func() error {
		if err := other.alive(); err != nil {
			return err
		}
		if err := cmp.Or(checkName(name), checkName(toName)); err != nil {
			return err
		}
		return body(other)
	})
	var wrapped *fs.PathError
	if errors.As(err, &wrapped) {
		return &os.LinkError{Op: op, Old: wrapped.Path, New: varve.Join(other.path, toName), Err: wrapped.Err}
	}
	return err
}

func (f *dir) Link(name string, to disk.FS, toName string) error {
	return f.pair("link", name, to, toName, func(to *dir) error {
		n, err := f.child(name)
		if err != nil {
			return err
		}
		if err := to.vacant(toName); err != nil {
			return err
		}
		if err := cmp.Or(f.disk.linkable(n), to.room()); err != nil {
			return err
		}
		n.links++
		f.disk.record(nil, edit{to.node, toName, n})
		f.disk.touch(n, 0)
		return nil
	})
}

func (d *Disk) linkable(n *inode) error {
	switch {
	case n.kind == varve.Dir:
		return fs.ErrPermission
	case d.opts.NoLinks:
		return disk.ErrUnsupported
	case n.links >= d.opts.MaxLinks:
		return disk.ErrTooManyLinks
	}
	return n.frozen()
}

func (f *dir) Rename(name string, to disk.FS, toName string) error {
	return f.pair("rename", name, to, toName, func(to *dir) error { return f.move(name, to, toName, false) })
}

// Replace does nothing where both names are links to one object, as rename(2) has it.
func (f *dir) Replace(name string, to disk.FS, toName string) error {
	return f.pair("replace", name, to, toName, func(to *dir) error { return f.move(name, to, toName, true) })
}

func (f *dir) move(name string, to *dir, toName string, replace bool) error {
	n, err := f.removable(name)
	if err != nil {
		return err
	}
	old, err := to.displaced(n, toName, replace)
	if err != nil || old == n {
		return err
	}
	if old == nil && to.node != f.node {
		err = to.room()
	}
	if err != nil {
		return err
	}
	after, err := f.transit(n, to.node)
	if err != nil {
		return err
	}
	if old != nil && old.folder != nil {
		after = append(after, old.folder.pending...)
	}
	c := f.disk.record(after, edit{f.node, name, nil}, edit{to.node, toName, n})
	if n.folder != nil {
		n.folder.parent, n.folder.moved = to.node, c
	}
	f.disk.touch(n, 0)
	if old != nil {
		f.disk.drop(old)
	}
	return nil
}

// displaced returns the object that n replaces when it is called name, or nil.
func (f *dir) displaced(n *inode, name string, replace bool) (*inode, error) {
	old := f.node.folder.slots[name].node
	if old == nil {
		return nil, f.vacant(name)
	}
	if !replace {
		return nil, fs.ErrExist
	}
	old, err := f.removable(name)
	switch {
	case err != nil || old == n:
		return old, err
	case (n.kind == varve.Dir) != (old.kind == varve.Dir):
		return nil, disk.ErrKind
	case old.folder != nil && old.folder.names > 0:
		return nil, disk.ErrNotEmpty
	}
	return old, nil
}

// transit checks that n may move into the directory to, and returns the changes that the move builds on.
func (f *dir) transit(n, to *inode) (after []*change, err error) {
	if n.kind != varve.Dir {
		return nil, nil
	}
	for p := to; p != nil; p = p.folder.parent {
		if p == n {
			return nil, syscall.EINVAL
		}
		after = append(after, p.folder.moved)
	}
	if to == f.node {
		return nil, nil
	}
	return after, f.disk.may(n, 2)
}

// removable returns the object name, which the caller may take away.
func (f *dir) removable(name string) (*inode, error) {
	n, err := f.child(name)
	if err != nil {
		return nil, err
	}
	if err := cmp.Or(f.editable(), f.node.frozen(), n.frozen()); err != nil {
		return nil, err
	}
	if f.node.meta.mode&0o1000 != 0 && f.disk.owns(f.node) != nil {
		return n, f.disk.owns(n)
	}
	return n, nil
}

func (f *dir) Remove(name string) error {
	return f.do("remove", name, func() error {
		n, err := f.removable(name)
		if err != nil {
			return err
		}
		if n.kind == varve.Dir {
			return disk.ErrKind
		}
		f.disk.record(nil, edit{f.node, name, nil})
		f.disk.drop(n)
		return nil
	})
}

func (f *dir) Rmdir(name string) error {
	return f.do("rmdir", name, func() error {
		n, err := f.removable(name)
		if err != nil {
			return err
		}
		if n.kind != varve.Dir {
			return disk.ErrKind
		}
		if n.folder.names > 0 {
			return disk.ErrNotEmpty
		}
		f.disk.record(slices.Clone(n.folder.pending), edit{f.node, name, nil})
		f.disk.drop(n)
		return nil
	})
}

// drop takes one name from n.
func (d *Disk) drop(n *inode) {
	n.links--
	d.touch(n, 0)
	if n.folder != nil {
		n.folder.parent = nil
	}
	d.reap(n)
}
