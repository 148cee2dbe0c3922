package walk

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync/atomic"

	"varve"
	"varve/internal/disk"
	"varve/internal/match"
)

// node is one directory of the walk. There may be as many as the largest directory has entries, so what is needed only while it is
// read stands in a listing.
type node struct {
	path  string
	real  string    // where it lies on the disk; the same unless a symlink is on the way
	id    inode     // what was found there; zero where it could not be opened
	way   *waypoint // nil away from the sources' paths
	dev   uint64    // the file system it lies on
	match *match.Matcher
	err   error // it could not be opened

	whole bool // everything below is wanted, not only the way's children

	// Guarded by crew.mu.
	left    bool     // the consumer has done with it
	listing *listing // nil before its turn and after
}

// listing is a directory while it is read.
type listing struct {
	*node
	at     *disk.HeldDir  // set by find
	match  *match.Matcher // the node's, and what the directory's own pattern file adds
	marker *Marker        // set by names: all but the marker is left out

	task   *task
	unread atomic.Int32 // chunks not read yet

	chunks []*chunk // set once the task is done, as is the node's err
}

// begin returns what it takes to read n.
func (n *node) begin() *listing { return &listing{node: n, match: n.match} }

// find sets where n lies.
func (s *Source) find(n *listing) *listing {
	n.at = s.held.Again(n.real, n.id.dev, n.id.ino)
	return n
}

// chunk is some neighbours of one listing.
type chunk struct {
	names []disk.Name
	task  *task
	items []item
	below []*node
	load  int // what the items count for while they wait, see crew
}

// item is one entry read, not yet delivered.
type item struct {
	entry varve.Entry
	links uint64
}

// root returns the node of the root and its entry.
func (s *Source) root() (*node, varve.Entry, error) {
	held := s.held.Root()
	at, err := held.Use()
	if err != nil {
		return nil, varve.Entry{}, err
	}
	defer held.Done()
	it, err := s.read(at, ".")
	if err != nil {
		return nil, varve.Entry{}, err
	}
	n := &node{way: s.plan.root, whole: s.plan.root.source, match: s.opts.Match, dev: it.entry.Stamp.Dev}
	if !n.whole {
		it.entry.Marks |= varve.Passage
	}
	return n, it.entry, nil
}

// below returns the directories in l, once it is read.
func (l *listing) below() (list []*node) {
	for _, c := range l.chunks {
		list = append(list, c.below...)
	}
	return list
}

// list reads the names in n and sets up the chunks; a small directory is read at once.
func (s *Source) list(n *listing, c *crew) {
	c.produced(1)
	if n.err != nil {
		return
	}
	var names []disk.Name
	if names, n.err = s.names(s.find(n)); n.err != nil {
		n.err = n.lost(n.err)
		return
	}
	size := chunkSize
	if s.opts.Far {
		size = farChunkSize
	}
	for part := range slices.Chunk(names, size) {
		n.chunks = append(n.chunks, &chunk{names: part})
	}
	n.unread.Store(int32(len(n.chunks)))
	for _, part := range n.chunks {
		part.task = newTask(func() { s.readChunk(n, part, c) })
	}
	if len(n.chunks) == 1 {
		n.chunks[0].task.do()
		return
	}
	c.push(batch{
		size: len(n.chunks),
		path: func(int) string { return n.path },
		at:   func(i int) *task { return n.chunks[i].task },
	})
}

// lost returns why n cannot be read, given the error. One that was there and is not any more may have been renamed, so that nothing
// is known of what it holds.
func (n *node) lost(err error) error {
	if n.way == nil && errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read directory /%s: %w", n.path, errMoved)
	}
	return n.way.cause(err)
}

// names returns the sorted names in n that are to be read, and takes n's own patterns in. The names of sources are among them
// whether they exist or not, so that none is lost silently.
func (s *Source) names(n *listing) ([]disk.Name, error) {
	if !n.whole {
		return n.way.addTo(nil), nil
	}
	at, err := n.at.Use()
	if err != nil {
		return nil, err
	}
	defer n.at.Done()
	names, err := sortedNames(at, n.path)
	if err != nil {
		return nil, err
	}
	if i, marker := s.marker(at, n, names); marker != nil {
		n.marker, names = marker, names[i:i+1:i+1]
	} else if _, ok := find(names, s.opts.IgnoreFile); ok {
		s.ownRules(at, n, s.opts.IgnoreFile)
	}
	return n.way.addTo(names), nil
}

// sortedNames returns the names in a directory, sorted. One that a listing tells twice, because it was moved meanwhile, is
// there once.
func sortedNames(at disk.FS, path string) ([]disk.Name, error) {
	names, err := at.Names()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if err := disk.CheckName(name.Name); err != nil {
			return nil, &fs.PathError{Op: "read directory", Path: path, Err: err}
		}
	}
	slices.SortFunc(names, func(a, b disk.Name) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(names, func(a, b disk.Name) bool { return a.Name == b.Name }), nil
}

// find returns the place of name among sorted names.
func find(names []disk.Name, name string) (int, bool) {
	return slices.BinarySearchFunc(names, name, func(n disk.Name, want string) int { return strings.Compare(n.Name, want) })
}

// readChunk reads the metadata of one chunk, in the order of inodes, which is that of the disk. When the last chunk of the
// directory is read, the directories below are queued.
func (s *Source) readChunk(n *listing, part *chunk, c *crew) {
	order := make([]int, len(part.names))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(part.names[a].Ino, part.names[b].Ino) })
	found := make([]item, len(part.names))
	below := make([]*node, len(part.names))
	for _, i := range order {
		found[i], below[i], _ = s.visit(n, part.names[i])
	}
	part.names = nil
	part.items = slices.DeleteFunc(found, func(it item) bool { return it.entry.Kind == 0 && it.entry.Err == nil })
	part.below = slices.DeleteFunc(below, func(b *node) bool { return b == nil })
	for i := range part.items {
		part.load += 1 + len(part.items[i].entry.Path)/pathLoad
	}
	c.produced(part.load)
	if n.unread.Add(-1) == 0 { // the crew may begin with the directories below
		below := n.below()
		c.push(batch{
			size: len(below),
			path: func(i int) string { return below[i].path },
			at:   func(i int) *task { return c.begun(below[i], s) },
		})
	}
}
