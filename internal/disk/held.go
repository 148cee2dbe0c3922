package disk

import (
	"container/list"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"syscall"

	"varve"
)

// Held keeps the directories of one tree open: those in use and as many recently used ones as a budget of descriptors allows. A
// directory that had to be closed is opened again from its nearest open ancestor, one element after the other, and must still be
// the same object. So a tree of any depth and width can be worked on without ever resolving a path.
type Held struct {
	shedding sync.Mutex

	mu     sync.Mutex
	budget int
	root   *HeldDir
	recent *list.List // of *HeldDir that are open and not in use, the most recently used in front
	open   int
	paths  map[string]*HeldDir // those that At returned, and some on the way to them
	bytes  int                 // the length of the keys of paths together
}

// HeldDir is one directory of a Held tree; it may be open or not, or not even exist yet.
type HeldDir struct {
	held   *Held
	parent *HeldDir
	name   string // "" for the root

	// Guarded by held.mu.
	fs      FS
	opening *opening // nil while nobody opens it
	users   int
	place   *list.Element
	id      varve.Stamp // device and inode at the first opening, or those to be found
}

// opening is one goroutine's attempt to open a directory, for which others wait.
type opening struct {
	done chan struct{} // closed when the directory is open, or cannot be opened
	err  error         // why it cannot; set before done is closed
}

// NewHeld holds the tree below root, which it closes on Close, with at most budget descriptors beside those in use.
func NewHeld(root FS, budget int) *Held {
	h := &Held{budget: budget, recent: list.New(), paths: map[string]*HeldDir{}}
	h.root = &HeldDir{held: h, fs: root, users: 1}
	return h
}

// Root is the directory that NewHeld was given.
func (h *Held) Root() *HeldDir { return h.root }

// maxPaths and maxPathBytes bound the memory that At needs to find directories again.
const (
	maxPaths     = 1 << 12
	maxPathBytes = 1 << 22
	// nearby is how many directories on the way to one are found again, too: those that a deep tree needs on the way back.
	nearby = 1 << 9
)

// At returns the directory at path, in the form of varve.Entry, without opening it.
func (h *Held) At(path string) *HeldDir {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.at(path)
}

func (h *Held) at(path string) *HeldDir {
	if path == "" {
		return h.root
	}
	if d, ok := h.paths[path]; ok {
		return d
	}
	// From the nearest known ancestor downwards; a path may have ten thousand elements.
	known, rest := h.root, path
	for dir := varve.Parent(path); dir != ""; dir = varve.Parent(dir) {
		if d, ok := h.paths[dir]; ok {
			known, rest = d, path[len(dir)+1:]
			break
		}
	}
	if len(h.paths) >= maxPaths || h.bytes >= maxPathBytes {
		clear(h.paths)
		h.bytes = 0
	}
	h.bytes += len(path)
	for left := strings.Count(rest, "/"); left >= 0; left-- {
		name, tail, _ := strings.Cut(rest, "/")
		known, rest = known.Child(name), tail
		if left < nearby {
			h.paths[path[:len(path)-len(tail)-min(left, 1)]] = known
		}
	}
	return known
}

// Child is the directory name in d, not opened.
func (d *HeldDir) Child(name string) *HeldDir {
	return &HeldDir{held: d.held, parent: d, name: strings.Clone(name)} // name may be part of a long path
}

// Again returns the directory at path, which is to be the object with this device and inode: where another one is in its place, Use
// will say so. It serves to find a directory again of which nothing but these was kept. Zero, zero stands for any object.
func (h *Held) Again(path string, dev, ino uint64) *HeldDir {
	h.mu.Lock()
	defer h.mu.Unlock()
	d := h.at(path)
	id := varve.Stamp{Dev: dev, Ino: ino}
	if id == (varve.Stamp{}) || d.parent == nil || d.is(id) {
		return d
	}
	if d.id != (varve.Stamp{}) {
		d = d.parent.Child(d.name)
	}
	d.id = id
	return d
}

// ID returns the device and inode of d; zero while it was never opened.
func (d *HeldDir) ID() (dev, ino uint64) {
	d.held.mu.Lock()
	defer d.held.mu.Unlock()
	return d.id.Dev, d.id.Ino
}

// is reports whether id is what d was at its first opening.
func (d *HeldDir) is(id varve.Stamp) bool { return d.id.Dev == id.Dev && d.id.Ino == id.Ino }

// Path is the path of d below the root. It is put together anew each time: the paths of all directories of a deep tree would take
// far more memory than their names.
func (d *HeldDir) Path() string {
	var names []string
	for ; d.parent != nil; d = d.parent {
		names = append(names, d.name)
	}
	slices.Reverse(names)
	return strings.Join(names, "/")
}

// Use returns d opened. Every Use without error is followed by a Done, and the FS is not used after it.
//
// The directories on the way to d are opened as well and stay open while there is room: in a deep tree, those are the ones that will
// be needed next.
func (d *HeldDir) Use() (f FS, err error) {
	for waited := false; ; waited = true {
		f, other := d.pin()
		if f != nil {
			return f, nil
		}
		if other == nil {
			defer func() { d.opened(err) }()
			return d.open()
		}
		<-other.done
		// What was under way at first may have failed for want of what was made since. What began after it tells how things are; without
		// taking its word, one that tries again and again could keep the others waiting for ever.
		if waited && other.err != nil {
			return nil, other.err
		}
	}
}

// opened says that nobody opens d any more, and why it could not be opened.
func (d *HeldDir) opened(err error) {
	d.held.mu.Lock()
	defer d.held.mu.Unlock()
	d.opening.err = err
	close(d.opening.done)
	d.opening = nil
}

// open opens d for one user.
func (d *HeldDir) open() (FS, error) {
	f, err := d.openBelow()
	for errors.Is(err, syscall.EMFILE) && d.held.Shed() {
		f, err = d.openBelow()
	}
	if err != nil {
		return nil, err
	}
	self, err := f.Lookup(".")
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return d.keep(f, self.Stamp)
}

// pin returns the open directory and counts a user. Where it is closed it returns nil, and the attempt to wait for; without that the caller is
// the one who opens it.
func (d *HeldDir) pin() (f FS, other *opening) {
	h := d.held
	h.mu.Lock()
	defer h.mu.Unlock()
	if d.fs == nil {
		if d.opening != nil {
			return nil, d.opening
		}
		d.opening = &opening{done: make(chan struct{})}
		return nil, nil
	}
	d.users++
	if d.place != nil {
		h.recent.Remove(d.place)
		d.place = nil
	}
	return d.fs, nil
}

// openBelow opens d in its parent.
func (d *HeldDir) openBelow() (FS, error) {
	if d.parent == nil {
		return nil, &fs.PathError{Op: "open directory", Path: "", Err: fs.ErrClosed}
	}
	up, err := d.parent.Use()
	if err != nil {
		return nil, err
	}
	defer d.parent.Done()
	return up.OpenDir(d.name)
}

// keep makes f the open directory of d with one user, provided that it is the object that d was before.
func (d *HeldDir) keep(f FS, id varve.Stamp) (FS, error) {
	h := d.held
	h.mu.Lock()
	known := d.id != varve.Stamp{}
	if known && !d.is(id) {
		h.mu.Unlock()
		err := &fs.PathError{Op: "open directory", Path: d.Path(), Err: errReplaced}
		return nil, errors.Join(err, f.Close())
	}
	d.id, d.fs, d.users = id, f, 1
	h.open++
	victims := h.evict()
	h.mu.Unlock()
	_ = closeAll(victims) // opened for look-ups alone: nothing can be lost
	return f, nil
}

// Shed closes idle directories and keeps fewer open from now on, for when descriptors have run out. It reports whether trying
// again is worth while.
func (h *Held) Shed() bool {
	h.shedding.Lock() // until they are closed, for the others that have run out
	defer h.shedding.Unlock()
	h.mu.Lock()
	again := h.budget > 0
	h.budget = min(h.budget, h.open) / 2
	victims := h.evict()
	h.mu.Unlock()
	_ = closeAll(victims)
	return again
}

var errReplaced = errors.New("replaced by another directory meanwhile")

// evict takes directories that nobody uses out of the tree until the budget holds.
func (h *Held) evict() (victims []FS) {
	for h.open > h.budget && h.recent.Len() > 0 {
		last := h.recent.Back()
		v := h.recent.Remove(last).(*HeldDir)
		victims = append(victims, v.fs)
		v.fs, v.place = nil, nil
		h.open--
	}
	return victims
}

// Done ends one Use.
func (d *HeldDir) Done() {
	h := d.held
	h.mu.Lock()
	defer h.mu.Unlock()
	d.users--
	if d.users == 0 {
		d.place = h.recent.PushFront(d)
	}
}

// Drop closes d if nobody uses it; for directories that will not be needed again.
func (d *HeldDir) Drop() error {
	h := d.held
	h.mu.Lock()
	if d.fs == nil || d.users > 0 || d.parent == nil {
		h.mu.Unlock()
		return nil
	}
	h.recent.Remove(d.place)
	f := d.fs
	d.fs, d.place = nil, nil
	h.open--
	h.mu.Unlock()
	return f.Close()
}

// Close closes every directory, the root included. Nothing may be in use.
func (h *Held) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	victims := []FS{}
	for e := h.recent.Front(); e != nil; e = e.Next() {
		d := e.Value.(*HeldDir)
		victims = append(victims, d.fs)
		d.fs, d.place = nil, nil
	}
	h.recent.Init()
	if h.root.fs != nil {
		victims = append(victims, h.root.fs)
		h.root.fs = nil
	}
	h.open = 0
	return closeAll(victims)
}

func closeAll(victims []FS) error {
	var errs []error
	for _, v := range victims {
		errs = append(errs, v.Close())
	}
	return errors.Join(errs...)
}
