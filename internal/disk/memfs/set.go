package memfs

import (
	"cmp"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"syscall"

	"varve"
	"varve/internal/disk"
)

// Inode flags of ioctl_iflags(2), FS_*_FL.
const (
	flagSync      = 0x08
	flagImmutable = 0x10
	flagAppend    = 0x20
	flagNoDump    = 0x40
	flagNoAtime   = 0x80
	flagDirSync   = 0x10000
	flagTopDir    = 0x20000

	settableFlags = flagSync | flagImmutable | flagAppend | flagNoDump | flagNoAtime | flagDirSync | flagTopDir
	// statFlags are those that statx(2) tells.
	statFlags = flagImmutable | flagAppend | flagNoDump
)

// maxXattr is the most bytes that one value takes.
const maxXattr = 65536

func (f *dir) Set(name string, e *varve.Entry, aspect varve.Aspect) error {
	return f.do("set "+aspect.String(), name, func() error {
		n, err := f.object(name)
		if err != nil {
			return err
		}
		return f.disk.set(n, e, aspect)
	})
}

func (d *Disk) set(n *inode, e *varve.Entry, aspect varve.Aspect) error {
	if aspect != varve.Flags {
		if err := n.frozen(); err != nil {
			return err
		}
	}
	var err error
	switch aspect {
	case varve.Owner:
		err = d.setOwner(n, e.UID, e.GID)
	case varve.Mode:
		err = d.setMode(n, e.Mode&0o7777)
	case varve.Xattrs:
		err = d.setXattrs(n, e.Xattrs)
	case varve.MTime:
		err = d.setMTime(n, e.MTime)
	case varve.Flags:
		err = d.setFlags(n, e.Flags&settableFlags)
	default:
		return disk.ErrUnsupported
	}
	if err == nil || aspect == varve.Xattrs {
		d.touch(n, aspect)
	}
	return err
}

func (d *Disk) setOwner(n *inode, uid, gid uint32) error {
	if err := d.owns(n); err != nil {
		return err
	}
	if d.opts.UID != 0 && (uid != n.meta.uid || gid != n.meta.gid && gid != d.opts.GID) {
		return fs.ErrPermission
	}
	n.meta.uid, n.meta.gid = uid, gid
	d.stripPrivileges(n, true)
	return nil
}

func (d *Disk) setMode(n *inode, mode uint32) error {
	if n.kind == varve.Symlink {
		return disk.ErrUnsupported
	}
	if err := d.owns(n); err != nil {
		return err
	}
	if d.opts.UID != 0 && n.meta.gid != d.opts.GID {
		mode &^= 0o2000
	}
	n.meta.mode = mode
	return nil
}

func (d *Disk) setMTime(n *inode, t varve.Time) error {
	if t.Nsec < 0 || t.Nsec > 999_999_999 {
		return syscall.EINVAL
	}
	if err := d.owns(n); err != nil {
		return err
	}
	n.meta.mtime = t
	return nil
}

func (d *Disk) setFlags(n *inode, flags uint32) error {
	if d.opts.NoFlags || n.kind != varve.Dir && n.kind != varve.Regular {
		return disk.ErrUnsupported
	}
	if err := d.owns(n); err != nil {
		return err
	}
	if d.opts.UID != 0 && (flags^n.meta.flags)&(flagImmutable|flagAppend) != 0 {
		return fs.ErrPermission
	}
	n.meta.flags = flags
	return nil
}

// visibleXattrs returns what the caller may see.
func (d *Disk) visibleXattrs(n *inode) ([]varve.Xattr, error) {
	visible := slices.Clone(n.meta.xattrs)
	if d.opts.UID == 0 {
		return visible, nil
	}
	visible = slices.DeleteFunc(visible, isTrusted)
	if slices.ContainsFunc(visible, func(x varve.Xattr) bool { return namespace(x) == "user" }) {
		if err := d.may(n, 4); err != nil {
			return nil, err
		}
	}
	return visible, nil
}

// setXattrs makes the attributes that the caller may see exactly want. Where some are refused it changes the others and returns the
// first refusal.
func (d *Disk) setXattrs(n *inode, want []varve.Xattr) error {
	next := map[string]string{}
	var gone []varve.Xattr
	for _, x := range n.meta.xattrs {
		next[x.Name] = x.Value
		wanted := slices.ContainsFunc(want, func(w varve.Xattr) bool { return w.Name == x.Name })
		if !wanted && (d.opts.UID == 0 || !isTrusted(x)) {
			gone = append(gone, x)
		}
	}
	var refusal error
	for _, x := range gone {
		if err := d.checkXattr(n, x); err != nil {
			refusal = cmp.Or(refusal, err)
			continue
		}
		delete(next, x.Name)
	}
	for _, x := range want {
		old, ok := next[x.Name]
		if ok && old == x.Value {
			continue
		}
		if err := d.checkXattr(n, x); err != nil {
			refusal = cmp.Or(refusal, err)
			continue
		}
		next[x.Name] = x.Value
	}
	n.meta.xattrs = sortedXattrs(next)
	return refusal
}

func sortedXattrs(values map[string]string) []varve.Xattr {
	var list []varve.Xattr
	for _, name := range slices.Sorted(maps.Keys(values)) {
		list = append(list, varve.Xattr{Name: name, Value: values[name]})
	}
	return list
}

// checkXattr checks that the caller may set or remove x.
func (d *Disk) checkXattr(n *inode, x varve.Xattr) error {
	if d.opts.NoXattrs {
		return disk.ErrUnsupported
	}
	if len(x.Name) > maxName {
		return syscall.ERANGE
	}
	if len(x.Value) > maxXattr {
		return syscall.E2BIG
	}
	switch namespace(x) {
	case "user":
		if n.kind != varve.Regular && n.kind != varve.Dir {
			return fs.ErrPermission
		}
		return d.may(n, 2)
	case "trusted", "security":
		if d.opts.UID != 0 {
			return fs.ErrPermission
		}
		return nil
	case "system":
		return d.owns(n)
	}
	return disk.ErrUnsupported
}

func isTrusted(x varve.Xattr) bool { return namespace(x) == "trusted" }

// namespace is the part of the name before the first dot; empty where nothing follows it.
func namespace(x varve.Xattr) string {
	space, rest, _ := strings.Cut(x.Name, ".")
	if rest == "" {
		return ""
	}
	return space
}
