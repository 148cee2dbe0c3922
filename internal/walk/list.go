package walk

import (
	"cmp"
	"errors"
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
	at    *disk.HeldDir
	way   *waypoint // nil away from the sources' paths
	whole bool      // everything below is wanted, not only the way's children
	dev   uint64    // the file system it lies on
	match *match.Matcher
	self  varve.Entry // set for the root alone

	listing *task
	left    atomic.Int32 // chunks not read yet

	// Set once listing is done.
	err    error
	chunks []*chunk
}

// chunk is some neighbours of one listing.
type chunk struct {
	names []disk.Name
	task  *task
	items []item
	below []*node
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
	var names []disk.Name
	if n.whole {
		names, n.err = s.names(n)
	} else {
		for _, name := range n.way.names() {
			names = append(names, disk.Name{Name: name})
		}
	}
	if n.err != nil {
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

// names returns the sorted names in n that are to be read, and takes n's own patterns in.
func (s *Source) names(n *node) ([]disk.Name, error) {
	at, err := n.at.Use()
	if err != nil {
		return nil, err
	}
	defer n.at.Done()
	names, err := at.Names()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if err := disk.CheckName(name.Name); err != nil {
			return nil, &fs.PathError{Op: "read directory", Path: n.path, Err: err}
		}
	}
	slices.SortFunc(names, func(a, b disk.Name) int { return strings.Compare(a.Name, b.Name) })
	if i, marker, err := s.marker(at, names); err != nil {
		return nil, err
	} else if marker != nil {
		return names[i : i+1], nil
	}
	if i, ok := find(names, s.opts.IgnoreFile); ok {
		n.match, err = s.ownRules(at, n, names[i])
	}
	return names, err
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
		found[i], below[i] = s.visit(n, part.names[i])
	}
	part.names = nil
	part.items = slices.DeleteFunc(found, func(it item) bool { return it.entry.Kind == 0 && it.entry.Err == nil })
	part.below = slices.DeleteFunc(below, func(b *node) bool { return b == nil })
	c.produced(len(part.items))
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

// visit reads one name of n. It returns the zero item for what is left out, and a node for a directory to be walked.
func (s *Source) visit(n *node, name disk.Name) (item, *node) {
	path := varve.Join(n.path, name.Name)
	way := n.way.next(name.Name)
	wanted := way != nil && (way.source || len(way.children) > 0)
	if way != nil && way.err != nil && !n.whole {
		return failed(path, name.Kind, way.err), nil
	}
	if !wanted && name.Kind != 0 && s.excluded(n, path, name.Kind) {
		return item{}, nil
	}
	real := s.place(n, way, name.Name)
	at, err := real.up.Use()
	if err != nil {
		return failed(path, name.Kind, err), nil
	}
	defer real.up.Done()
	it, err := s.read(at, real.name)
	if err != nil {
		return failed(path, name.Kind, err), nil
	}
	it.entry.Path = path
	kind := it.entry.Kind
	if !wanted && (name.Kind == 0 && s.excluded(n, path, kind) || s.tooLarge(&it.entry)) || s.skipped(&it.entry) {
		return item{}, nil
	}
	if kind != varve.Dir {
		return it, nil
	}
	return s.enter(n, way, it, real.dir(s))
}

// location is where an object lies on the disk.
type location struct {
	up   *disk.HeldDir
	name string
}

// dir returns the object itself, which is a directory.
func (l location) dir(s *Source) *disk.HeldDir {
	if l.name == "." {
		return l.up
	}
	return s.held.At(varve.Join(l.up.Path(), l.name))
}

// place returns where the child name of n lies; elsewhere for a waypoint that a symlink leads to.
func (s *Source) place(n *node, way *waypoint, name string) location {
	switch {
	case way == nil || way.real == way.path:
		return location{n.at, name}
	case way.real == "":
		return location{s.held.Root(), "."}
	}
	e := varve.Entry{Path: way.real}
	return location{s.held.At(e.Parent()), e.Name()}
}

// next returns the waypoint name below w, nil where there is none.
func (w *waypoint) next(name string) *waypoint {
	if w == nil {
		return nil
	}
	return w.children[name]
}

// failed is the item of an object that could not be read.
func failed(path string, kind varve.Kind, err error) item {
	return item{entry: varve.Entry{Path: path, Kind: kind, Err: err}}
}

// read returns the metadata of name.
func (s *Source) read(at disk.FS, name string) (item, error) {
	info, err := at.Lookup(name)
	if err != nil {
		return item{}, err
	}
	if info.Kind == 0 {
		return item{}, &fs.PathError{Op: "stat", Path: name, Err: disk.ErrKind}
	}
	if info.Xattrs, err = at.Xattrs(name); err != nil {
		return item{}, err
	}
	return item{entry: info.Entry, links: info.Links}, nil
}

// enter decides whether the directory it, which lies in n, is walked, and reads what only the opened directory tells.
func (s *Source) enter(n *node, way *waypoint, it item, at *disk.HeldDir) (item, *node) {
	e := &it.entry
	b := &node{path: e.Path, at: at, way: way, dev: e.Stamp.Dev, match: n.match}
	source := way != nil && way.source
	b.whole = n.whole || source
	if !b.whole {
		e.Marks |= varve.Passage
	}
	if e.Stamp.Dev != n.dev && n.whole && !source {
		if s.foreign(b) {
			e.Marks |= varve.MountPoint
			return it, nil
		}
	}
	dir, err := at.Use()
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return failed(e.Path, varve.Dir, err), nil
		}
		return it, b // the listing will fail and say so
	}
	defer at.Done()
	if e.Flags, err = dir.Flags("."); err != nil {
		return failed(e.Path, varve.Dir, err), nil
	}
	return it, b
}

// foreign reports whether the file system that begins at b is left out: every one on demand, the kernel's own ones always.
func (s *Source) foreign(b *node) bool {
	pseudo := false
	if dir, err := b.at.Use(); err == nil {
		space, err := dir.Space()
		pseudo = err == nil && space.Pseudo
		b.at.Done()
	}
	if pseudo || !s.opts.OneFileSystem {
		return pseudo
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leftOut = append(s.leftOut, b.path)
	return true
}
