package memfs

import (
	"io/fs"

	"varve"
)

// handle is an object held open.
type handle struct {
	disk   *Disk
	node   *inode
	path   string
	life   int
	closed bool
}

func (d *Disk) newHandle(n *inode, path string) *handle {
	if n.heldIn != d.life {
		n.held, n.heldIn = 0, d.life
	}
	n.held++
	return &handle{disk: d, node: n, path: path, life: d.life}
}

// do runs body while nobody else uses the disk, and gives its error the operation and the path of name.
func (h *handle) do(op, name string, body func() error) error {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	err := h.alive()
	if err == nil {
		err = body()
	}
	return h.explain(op, name, err)
}

// explain gives err the operation and the path of name.
func (h *handle) explain(op, name string, err error) error {
	if err == nil {
		return nil
	}
	path := h.path
	if name != "." {
		path = varve.Join(path, name)
	}
	if path == "" && name == "." {
		path = "."
	}
	return &fs.PathError{Op: op, Path: path, Err: err}
}

func (h *handle) alive() error {
	if h.closed || h.life != h.disk.life {
		return fs.ErrClosed
	}
	return nil
}

// Close gives the object up; what has no name any more is gone then.
func (h *handle) Close() error {
	return h.do("close", ".", func() error {
		h.closed = true
		h.node.held--
		h.disk.reap(h.node)
		return nil
	})
}

// reap frees n where it has neither a name nor a handle, and remembers it where it only has a handle.
func (d *Disk) reap(n *inode) {
	switch held := n.heldIn == d.life && n.held > 0; {
	case n.links > 0:
	case held:
		d.orphans[n] = true
	default:
		delete(d.orphans, n)
		delete(d.dirty, n)
		d.used -= n.cost()
	}
}
