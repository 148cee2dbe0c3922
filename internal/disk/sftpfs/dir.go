package sftpfs

import (
	"fmt"
	"io/fs"
	"strings"
	"sync/atomic"

	"varve"
	"varve/internal/disk"
	"varve/internal/sftp"
)

// dir is a directory by its path.
type dir struct {
	disk   *Disk
	path   string // absolute; "" for the server's root
	closed atomic.Bool
}

var _ disk.FS = (*dir)(nil)

const (
	// maxPath and maxDepth bound where a tree that has no end is followed to, in bytes and elements. Servers that hand paths to a kernel
	// take 4096 bytes.
	maxPath  = 4 * 4096
	maxDepth = 2_000
)

// at returns the path of name, "." for the directory itself where self says so, after the checks that every method makes.
func (d *dir) at(op, name string, self bool) (string, error) {
	if d.closed.Load() {
		return "", wrap(op, varve.Join(d.path, name), fs.ErrClosed)
	}
	if self && name == "." {
		return onWire(d.path), nil
	}
	path := d.path + "/" + name
	if err := disk.CheckName(name); err != nil {
		return "", wrap(op, path, err)
	}
	return path, nil
}

// pair returns the paths of a name here and one in the directory to.
func (d *dir) pair(op, name string, to disk.FS, toName string) (from, there string, err error) {
	if from, err = d.at(op, name, false); err != nil {
		return "", "", err
	}
	other, ok := to.(*dir)
	if !ok || other.disk != d.disk {
		return "", "", wrap2(op, from, toName, disk.ErrCrossDevice)
	}
	there, err = other.at(op, toName, false)
	return from, there, err
}

func (d *dir) Close() error {
	if d.closed.Swap(true) {
		return wrap("close", onWire(d.path), fs.ErrClosed)
	}
	return nil
}

func (d *dir) OpenDir(name string) (disk.FS, error) {
	const op = "open directory"
	path, err := d.at(op, name, false)
	if err != nil {
		return nil, err
	}
	if len(path) > maxPath || strings.Count(path, "/") > maxDepth {
		return nil, wrap(op, path[:min(len(path), 64)]+"...", fmt.Errorf("a path of %d bytes and %d names is not followed", len(path), strings.Count(path, "/")))
	}
	o, known := d.disk.memory.recall(path, toOpen)
	if !known {
		if o, err = d.disk.wayTo(path); err != nil {
			return nil, wrap(op, path, err)
		}
		d.disk.memory.note(path, o)
	}
	if err := wantKind(o.Attrs, varve.Dir); err != nil {
		return nil, wrap(op, path, err)
	}
	return &dir{disk: d.disk, path: path}, nil
}

func (d *dir) Lookup(name string) (disk.Info, error) {
	const op = "stat"
	path, err := d.at(op, name, true)
	if err != nil {
		return disk.Info{}, err
	}
	u := byName
	if name == "." {
		u, name = asSelf, ""
	}
	d.disk.writers.flush(path)
	o, known := d.disk.memory.recall(path, u)
	if !known {
		if o, err = d.disk.examine(path); err != nil {
			return disk.Info{}, wrap(op, path, err)
		}
		d.disk.passed(path, o)
	}
	return o.info(name), nil
}

// wayTo looks at a directory that is gone through.
func (d *Disk) wayTo(path string) (object, error) {
	if o, known := d.memory.passable(path); known {
		return o, nil
	}
	o, err := d.examine(path)
	if err == nil {
		d.passed(path, o)
	}
	return o, err
}

// passed remembers that somebody looked at path, where that may be relied on.
func (d *Disk) passed(path string, o object) {
	if d.opts.Still {
		d.memory.passed(path, o)
	}
}

// examine asks what lies at path.
func (d *Disk) examine(path string) (object, error) {
	return ask(d, func(t turn) (o object, err error) {
		var space *sftp.Call[sftp.Space]
		if d.mounts() { // wanted of directories alone, but to ask afterwards would take as long again
			space = send(t, sftp.Statvfs(path))
		}
		o.Attrs, err = send(t, sftp.Lstat(path)).Wait(t.ctx)
		if space != nil {
			s, asked := space.Wait(t.ctx)
			switch {
			case lost(asked):
				return o, asked
			case o.Kind() == varve.Dir:
				o.dev = s.ID
			}
		}
		if err == nil && o.Kind() == varve.Symlink {
			o.target, err = send(t, sftp.Readlink(path)).Wait(t.ctx)
		}
		return o, err
	})
}

// mounts reports whether directories get the number of their file system.
func (d *Disk) mounts() bool { return d.opts.Mounts && d.offers[sftp.ExtStatvfs] }

// info returns o as the object name.
func (o *object) info(name string) disk.Info {
	info := disk.Info{Links: 1}
	e := &info.Entry
	e.Path, e.Kind, e.Target, e.Stamp.Dev = name, o.Kind(), o.target, o.dev
	e.Mode = o.Mode & 0o7777
	e.UID, e.GID = o.UID, o.GID
	e.MTime = varve.Time{Sec: int64(o.MTime)}
	if e.Kind == varve.Regular {
		e.Size, info.Allocated = o.Size, o.Size
	}
	return info
}

func (d *dir) Xattrs(name string) ([]varve.Xattr, error) {
	_, err := d.at("list xattrs", name, true)
	return nil, err
}

func (d *dir) Flags(name string) (uint32, error) {
	_, err := d.at("get flags", name, true)
	return 0, err
}

func (d *dir) Space() (disk.Space, error) {
	const op = "ask for the room at"
	path, err := d.at(op, ".", true)
	if err != nil {
		return disk.Space{}, err
	}
	s, err := one(d.disk, sftp.Statvfs(path))
	if err != nil {
		return disk.Space{}, wrap(op, path, err)
	}
	return disk.Space{Total: size(s.Blocks, s), Free: min(size(s.Available, s), size(s.Blocks, s)), Pseudo: s.Blocks == 0}, nil
}

// size returns a number of blocks in bytes, no more than fits.
func size(blocks uint64, s sftp.Space) int64 {
	unit := s.FragmentSize
	if unit == 0 {
		unit = max(s.BlockSize, 1)
	}
	const most = 1<<63 - 1
	if blocks > most/unit {
		return most
	}
	return int64(blocks * unit)
}

// Sync does nothing: the protocol cannot make the entries of a directory durable.
func (d *dir) Sync() error {
	_, err := d.at("sync", ".", true)
	return err
}
