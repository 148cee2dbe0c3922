package memfs

import (
	"io"
	"math"
	"slices"
	"syscall"

	"varve"
	"varve/internal/disk"
)

// reader is a file opened for reading.
type reader struct {
	*handle
	name string
}

// writer is a file opened for writing.
type writer struct{ *handle }

func (r *reader) ReadAt(p []byte, off int64) (n int, err error) {
	eof := false
	err = r.do("read", ".", func() error {
		if off < 0 {
			return syscall.EINVAL
		}
		c := &r.node.content
		if off < c.size {
			n = c.readAt(p, off)
		}
		eof = n < len(p)
		return nil
	})
	if err == nil && eof {
		err = io.EOF
	}
	return n, err
}

func (r *reader) Info() (info disk.Info, err error) {
	err = r.do("stat", ".", func() error {
		info = r.disk.info(r.node, r.name)
		info.Flags = r.node.meta.flags
		return nil
	})
	return info, err
}

func (r *reader) Xattrs() (xattrs []varve.Xattr, err error) {
	err = r.do("listxattr", ".", func() error {
		xattrs, err = r.disk.visibleXattrs(r.node)
		return err
	})
	return xattrs, err
}

func (r *reader) Holes(size int64, settle bool) (holes []varve.Extent, err error) {
	err = r.do("seek", ".", func() error {
		if size < 0 {
			return syscall.EINVAL
		}
		if !r.disk.opts.NoHoles {
			holes = r.node.content.holes(size)
		}
		return nil
	})
	return holes, err
}

// WriteAt writes what there is room for.
func (w *writer) WriteAt(p []byte, off int64) (n int, err error) {
	err = w.do("write", ".", func() error {
		if off < 0 {
			return syscall.EINVAL
		}
		if off > math.MaxInt64-blockSize-int64(len(p)) {
			return syscall.EFBIG
		}
		if err := w.node.immutable(); err != nil {
			return err
		}
		n, err = w.disk.write(w.node, p, off)
		return err
	})
	return n, err
}

func (d *Disk) write(n *inode, p []byte, off int64) (int, error) {
	room, err := d.fit(n, int64(len(p)), off)
	if room > 0 {
		d.stripPrivileges(n, d.opts.UID != 0)
		d.change(n, write{piece: piece{off, slices.Clone(p[:room])}})
	}
	return int(room), err
}

// fit charges for size bytes at off and returns how many of them there is room for.
func (d *Disk) fit(n *inode, size, off int64) (int64, error) {
	c := &n.content
	if d.charge(d.growth(c, off, off+size)*blockSize) == nil {
		return size, nil
	}
	done := int64(0)
	for done < size {
		step := min(roundDown(off+done)+blockSize-off-done, size-done)
		if err := d.charge(d.growth(c, off+done, off+done+step) * blockSize); err != nil {
			return done, err
		}
		done += step
	}
	return done, nil
}

// growth is how many more blocks n takes when the region from off to end is written.
func (d *Disk) growth(c *content, off, end int64) int64 {
	if off == end {
		return 0
	}
	return c.growth(off, end)
}

// change carries out one change of content, for which there is room.
func (d *Disk) change(n *inode, w write) {
	n.content.apply(w)
	n.pending = append(n.pending, w)
	d.modify(n)
}

func (w *writer) Truncate(size int64) error {
	return w.do("truncate", ".", func() error {
		if size < 0 {
			return syscall.EINVAL
		}
		if size > math.MaxInt64-blockSize {
			return syscall.EFBIG
		}
		if err := w.node.immutable(); err != nil {
			return err
		}
		w.disk.stripPrivileges(w.node, w.disk.opts.UID != 0)
		before := w.node.content.allocated()
		w.disk.change(w.node, write{piece: piece{off: size}, cut: true})
		return w.disk.charge(w.node.content.allocated() - before)
	})
}

func (w *writer) Clone(from disk.Reader) error {
	return w.do("clone", ".", func() error {
		r, ok := from.(*reader)
		if !ok || r.disk != w.disk || !w.disk.opts.Reflinks {
			return disk.ErrUnsupported
		}
		if err := r.alive(); err != nil {
			return err
		}
		return w.disk.reflink(w.node, r.node)
	})
}

// reflink gives n the content of from.
func (d *Disk) reflink(n, from *inode) error {
	if n == from {
		return nil
	}
	if err := n.immutable(); err != nil {
		return err
	}
	if err := d.charge(from.content.allocated() - n.content.allocated()); err != nil {
		return err
	}
	d.change(n, write{cut: true})
	for _, p := range from.content.pieces {
		d.change(n, write{piece: p})
	}
	d.change(n, write{piece: piece{off: from.content.size}, cut: true})
	return nil
}

func (w *writer) Set(e *varve.Entry, aspect varve.Aspect) error {
	return w.do("set "+aspect.String(), ".", func() error { return w.disk.set(w.node, e, aspect) })
}

func (w *writer) Sync() error {
	return w.do("sync", ".", func() error {
		w.disk.syncInode(w.node)
		return nil
	})
}

// LoseUnsynced does what a disk does whose write error was reported by a failing Sync: what was written so far can still be read
// but counts as durable, so that no later Sync writes it. Only a crash shows it.
func (w *writer) LoseUnsynced() {
	w.disk.mu.Lock()
	defer w.disk.mu.Unlock()
	w.node.pending = nil
}
