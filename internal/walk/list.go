package walk

import (
	"cmp"
	"io/fs"
	"slices"
	"strings"
	"sync/atomic"

	"varve"
	"varve/internal/disk"
	"varve/internal/match"
)

// node is one directory of the walk.
type node struct {
	path  string
	real  string // where it lies on the disk; the same unless a symlink is on the way
	at    *disk.HeldDir
	way   *waypoint // nil away from the sources' paths
	whole bool      // everything below is wanted, not only the way's children
	dev   uint64    // the file system it lies on
	match *match.Matcher
	self  varve.Entry // set for the root alone

	marker *Marker // set by names: all but the marker is left out

	listing *task
	left    atomic.Int32 // chunks not read yet

	// Set once listing is done; err also before, where the directory could not be opened.
	err    error
	chunks []*chunk
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
func (s *Source) root() (*node, error) {
	n := &node{at: s.held.Root(), way: s.plan.root, whole: s.plan.root.source, match: s.opts.Match}
	at, err := n.at.Use()
	if err != nil {
		return nil, err
	}
	defer n.at.Done()
	it, err := s.read(at, ".")
	if err != nil {
		return nil, err
	}
	n.self, n.dev = it.entry, it.entry.Stamp.Dev
	if own := s.opts.Owners; own != nil {
		n.self.User, n.self.Group = own(n.self.UID, n.self.GID)
	}
	n.self.Stamp = s.trusted(n.self.Stamp)
	if !n.whole {
		n.self.Marks |= varve.Passage
	}
	return n, nil
}

// task returns the task of listing n; the same at each call.
func (n *node) task(s *Source, c *crew) *task {
	if n.listing == nil {
		n.listing = newTask(func() { s.list(n, c) })
	}
	return n.listing
}

// takeChildren returns the directories below n and lets go of what n held.
func (n *node) takeChildren() (below []*node) {
	for _, c := range n.chunks {
		below = append(below, c.below...)
	}
	n.chunks = nil
	return below
}

// list reads the names in n and sets up the chunks; a small directory is read at once.
func (s *Source) list(n *node, c *crew) {
	if n.err != nil {
		return
	}
	var names []disk.Name
	if names, n.err = s.names(n); n.err != nil {
		return
	}
	for part := range slices.Chunk(names, chunkSize) {
		n.chunks = append(n.chunks, &chunk{names: part})
	}
	n.left.Store(int32(len(n.chunks)))
	tasks := make([]*task, len(n.chunks))
	for i, part := range n.chunks {
		part.task = newTask(func() { s.readChunk(n, part, c) })
		tasks[i] = part.task
	}
	if len(tasks) == 1 {
		tasks[0].do()
		return
	}
	c.push(tasks)
}

// names returns the sorted names in n that are to be read, and takes n's own patterns in. The names of sources are among them
// whether they exist or not, so that none is lost silently.
func (s *Source) names(n *node) ([]disk.Name, error) {
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
func (s *Source) readChunk(n *node, part *chunk, c *crew) {
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
	if n.left.Add(-1) == 0 {
		n.queue(s, c)
	}
}

// queue offers the listings of the directories below n to the crew.
func (n *node) queue(s *Source, c *crew) {
	var tasks []*task
	for _, part := range n.chunks {
		for _, b := range part.below {
			tasks = append(tasks, b.task(s, c))
		}
	}
	c.push(tasks)
}
