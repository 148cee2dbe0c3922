package memfs

import (
	"slices"

	"varve"
)

// slot is one name in a directory: the object it stands for now, the one it stands for after a crash, nil where there is none, and
// the last change of it that is not durable, nil where all are.
type slot struct {
	node  *inode
	saved *inode
	last  *change
}

// edit gives a name in a directory to an object; nil removes the name.
type edit struct {
	dir  *inode
	name string
	node *inode
}

// change is one or two edits that become durable together.
type change struct {
	edits []edit
	// after are the changes that become durable at the latest with this one.
	after []*change
	done  bool
}

// record carries out edits as one change that builds on those in after.
func (d *Disk) record(after []*change, edits ...edit) *change {
	c := &change{edits: edits}
	for _, a := range after {
		c.follow(a)
	}
	for _, e := range edits {
		f := e.dir.folder
		s := f.slots[e.name]
		c.follow(s.last)
		f.count(s.node, -1)
		f.count(e.node, +1)
		f.slots[e.name] = slot{node: e.node, saved: s.saved, last: c}
		f.pending = append(f.pending, c)
		d.modify(e.dir)
	}
	d.journal = append(d.journal, c)
	d.undone++
	return c
}

func (c *change) follow(earlier *change) {
	if earlier != nil && !earlier.done && earlier != c {
		c.after = append(c.after, earlier)
	}
}

// count adds by to the numbers of names and subdirectories for n, which may be nil.
func (f *folder) count(n *inode, by int) {
	if n == nil {
		return
	}
	f.names += by
	if n.kind == varve.Dir {
		f.subdirs += by
	}
}

// commit makes c durable, and first what it builds on.
func (d *Disk) commit(c *change) {
	if c.done {
		return
	}
	c.done = true
	d.undone--
	for _, a := range c.after {
		d.commit(a)
	}
	c.after = nil
	for _, e := range c.edits {
		e.dir.folder.save(e, c)
	}
}

func (f *folder) save(e edit, c *change) {
	s := f.slots[e.name]
	s.saved = e.node
	if s.last == c {
		s.last = nil
	}
	if s == (slot{}) {
		delete(f.slots, e.name)
		return
	}
	f.slots[e.name] = s
}

// syncDir makes the names in n durable.
func (d *Disk) syncDir(n *inode) {
	for _, c := range n.folder.pending {
		d.commit(c)
	}
	n.folder.pending = nil
	d.syncInode(n)
	if len(d.journal) > 1000+2*d.undone {
		d.journal = slices.DeleteFunc(d.journal, func(c *change) bool { return c.done })
	}
}

// syncInode makes the content and metadata of n durable.
func (d *Disk) syncInode(n *inode) {
	for _, w := range n.pending {
		n.saved.apply(w)
	}
	n.pending, n.stale, n.savedMeta = nil, 0, n.meta
	delete(d.dirty, n)
}

// syncAll makes everything durable.
func (d *Disk) syncAll() {
	for _, c := range d.journal {
		d.commit(c)
		for _, e := range c.edits {
			e.dir.folder.pending = nil
		}
	}
	d.journal = nil
	for n := range d.dirty {
		d.syncInode(n)
	}
}
