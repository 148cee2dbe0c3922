package walk

import (
	"errors"
	"io/fs"
	"slices"

	"varve"
	"varve/internal/disk"
)

// visit reads one name of n. It returns the zero item for what is left out, a node for a directory to be walked, and what was
// decided: about the object, or, where there is an item, about what it holds.
func (s *Source) visit(n *listing, name disk.Name) (item, *node, ruling) {
	path := varve.Join(n.path, name.Name)
	way := n.way.next(name.Name)
	if way != nil && way.err != nil && !(n.whole && errors.Is(way.err, errMissing)) {
		return failed(path, name.Kind, way.err), nil, ruling{}
	}
	var r ruling
	if way == nil && name.Kind != 0 {
		if r = s.byPatterns(n, path, name.Kind); r.cause != byNothing {
			return item{}, nil, r
		}
	}
	real := s.place(n, way, name.Name, path)
	at, err := real.up.Use()
	if err != nil {
		return failed(path, name.Kind, n.lost(way.cause(err))), nil, r
	}
	defer real.up.Done()
	it, err := s.read(at, real.name)
	if err != nil {
		return failed(path, name.Kind, way.cause(err)), nil, r
	}
	it.entry.Path = path
	if way.cutOff(it.entry.Kind) {
		return failed(path, it.entry.Kind, way.cause(fs.ErrNotExist)), nil, r
	}
	if way == nil && name.Kind == 0 {
		r = s.byPatterns(n, path, it.entry.Kind)
	}
	switch {
	case r.cause != byNothing:
	case s.skipped(&it.entry), way == nil && s.hidden(&it.entry):
		r.cause = bySkip
	case way == nil && s.tooLarge(&it.entry):
		r.cause = bySize
	}
	if r.cause != byNothing {
		return item{}, nil, r
	}
	if way != nil && way.source && way.followed {
		it.entry.Marks |= varve.Followed
	}
	if it.entry.Kind != varve.Dir {
		return it, nil, r
	}
	it, b, cause := s.enter(n, way, it, real.path)
	r.cause = cause
	return it, b, r
}

// location is where an object lies on the disk.
type location struct {
	up   *disk.HeldDir
	name string
	path string
}

// place returns where the child name of n lies; elsewhere for a waypoint that a symlink leads to.
func (s *Source) place(n *listing, way *waypoint, name, path string) location {
	if way == nil || way.err != nil || way.real == way.path {
		if n.real != n.path {
			path = varve.Join(n.real, name)
		}
		return location{n.at, name, path}
	}
	if way.real == "" {
		return location{s.held.Root(), ".", ""}
	}
	e := varve.Entry{Path: way.real}
	return location{s.held.At(e.Parent()), e.Name(), way.real}
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

// enter decides whether the directory it, which lies in n, and on the disk at real, is walked, and reads what only the opened
// directory tells. The cause says why what it holds is left out.
func (s *Source) enter(n *listing, way *waypoint, it item, real string) (item, *node, cause) {
	e := &it.entry
	at := s.held.At(real)
	b := &node{path: e.Path, real: real, way: way, dev: e.Stamp.Dev, match: n.match}
	source := way != nil && way.source
	b.whole = n.whole || source
	out := byNothing
	if e.Stamp.Dev != n.dev && n.whole && !source {
		var err error
		if out, err = s.foreign(at, e.Path); err != nil {
			return failed(e.Path, varve.Dir, way.cause(err)), nil, byNothing
		}
	}
	if out != byNothing {
		e.Marks |= varve.MountPoint
		b.whole = false
		if way == nil || len(way.children) == 0 {
			return it, nil, out
		}
	}
	if !b.whole {
		e.Marks |= varve.Passage
	}
	if s.opts.Far {
		return it, b, out // it has neither inode nor flags, and reading it will tell what else there is to tell
	}
	dir, err := at.Use()
	if errors.Is(err, fs.ErrNotExist) {
		return failed(e.Path, varve.Dir, way.cause(err)), nil, out
	}
	if err != nil {
		b.err = err
		return it, b, out
	}
	defer at.Done()
	b.id.dev, b.id.ino = at.ID()
	if e.Flags, err = dir.Flags("."); err != nil {
		return failed(e.Path, varve.Dir, err), nil, out
	}
	return it, b, out
}

// foreign decides whether the file system that begins at at is left out: every one on demand, always the kernel's own ones and those that
// are not there.
func (s *Source) foreign(at *disk.HeldDir, path string) (cause, error) {
	var space disk.Space
	dir, err := at.Use()
	if err == nil {
		space, err = dir.Space()
		at.Done()
	}
	switch {
	case err == nil && space.Pseudo:
		return byKernel, nil
	case !s.opts.OneFileSystem && !space.Absent:
		return byNothing, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.leftOut, path) {
		s.leftOut = append(s.leftOut, path)
	}
	return byDisk, nil
}
