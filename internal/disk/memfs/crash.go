package memfs

import (
	"cmp"
	"maps"
	"slices"

	"varve"
)

// Crash cuts the power and starts the disk again: every handle dies, with errors that match fs.ErrClosed, every lock is free, and
// what was not durable is lost. Where keep is not nil it is asked for each single change that was not durable whether it
// reached the disk nevertheless: a name made, removed or moved; a block of written content, a change of length; one aspect of an
// inode. A change that was kept keeps those it builds on. The order of the questions is that of the changes of names, then that
// of the inode numbers, the same for the same operations. Keep must not use the disk.
func (d *Disk) Crash(keep func() bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.kill()
	if keep != nil {
		d.settle(keep)
	}
	d.reload()
}

func (d *Disk) settle(keep func() bool) {
	kept := slices.DeleteFunc(slices.Clone(d.journal), func(c *change) bool { return c.done || !keep() })
	for _, c := range kept {
		d.commit(c)
	}
	byIno := func(a, b *inode) int { return cmp.Compare(a.ino, b.ino) }
	for _, n := range slices.SortedFunc(maps.Keys(d.dirty), byIno) {
		n.settle(keep)
	}
}

// settle saves the changes of content and metadata that keep wants.
func (n *inode) settle(keep func() bool) {
	for _, w := range n.pending {
		for _, part := range w.blocks() {
			if keep() {
				n.saved.apply(part)
			}
		}
	}
	for a := varve.Owner; a <= varve.Flags; a <<= 1 {
		if n.stale&a != 0 && keep() {
			n.savedMeta.ctime = n.meta.ctime
			n.savedMeta.take(&n.meta, a)
		}
	}
}

// blocks splits w where the blocks of the file begin.
func (w write) blocks() []write {
	var parts []write
	for !w.cut && roundDown(w.off)+blockSize < w.end() {
		n := roundDown(w.off) + blockSize - w.off
		parts = append(parts, write{piece: piece{w.off, w.data[:n]}})
		w.piece = piece{w.off + n, w.data[n:]}
	}
	return append(parts, w)
}

// take copies one aspect of from.
func (m *meta) take(from *meta, aspect varve.Aspect) {
	switch aspect {
	case varve.Owner:
		m.uid, m.gid = from.uid, from.gid
	case varve.Mode:
		m.mode = from.mode
	case varve.Xattrs:
		m.xattrs = from.xattrs
	case varve.MTime:
		m.mtime = from.mtime
	case varve.Flags:
		m.flags = from.flags
	}
}

// reload makes what was saved the present state.
func (d *Disk) reload() {
	clear(d.dirty)
	d.journal, d.undone, d.used = nil, 0, 0
	seen := map[*inode]bool{}
	d.revive(d.root, seen)
	for dirs := []*inode{d.root}; len(dirs) > 0; {
		n := dirs[len(dirs)-1]
		dirs = dirs[:len(dirs)-1]
		for _, child := range n.folder.reload() {
			d.revive(child, seen)
			if child.kind == varve.Dir {
				child.folder.parent = n
				dirs = append(dirs, child)
			}
		}
	}
}

// revive gives n one more name and, the first time, its saved state.
func (d *Disk) revive(n *inode, seen map[*inode]bool) {
	if seen[n] {
		n.links++
		return
	}
	seen[n] = true
	n.links, n.stale, n.pending = 1, 0, nil
	n.meta, n.content = n.savedMeta, n.saved.clone()
	d.used += n.cost()
}

// reload returns the objects in f that survived.
func (f *folder) reload() []*inode {
	var nodes []*inode
	f.names, f.subdirs, f.moved, f.pending = 0, 0, nil, nil
	for name, s := range f.slots {
		if s.saved == nil {
			delete(f.slots, name)
			continue
		}
		f.slots[name] = slot{node: s.saved, saved: s.saved}
		f.count(s.saved, +1)
		nodes = append(nodes, s.saved)
	}
	return nodes
}
