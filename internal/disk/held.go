package disk

import (
	"container/list"
	"errors"
	"io/fs"
	"strings"
	"sync"

	"varve"
)

// Held keeps the directories of one tree open: those in use and as many recently used ones as a budget of descriptors allows. A
// directory that had to be closed is opened again from its nearest open ancestor, one element after the other, and must still be
// the same object. So a tree of any depth and width can be worked on without ever resolving a path.
type Held struct {
	budget int

	mu     sync.Mutex
	root   *HeldDir
	recent *list.List // of *HeldDir that are open and not in use, the most recently used in front
	open   int
	paths  map[string]*HeldDir
}

// HeldDir is one directory of a Held tree; it may be open or not, or not even exist yet.
type HeldDir struct {
	held   *Held
	parent *HeldDir
	name   string
	path   string

	opening sync.Mutex // one goroutine opens it

	// Guarded by held.mu.
	fs    FS
	users int
	place *list.Element
	id    varve.Stamp // device and inode at the first opening
}

// NewHeld holds the tree below root, which it closes on Close, with at most budget descriptors beside those in use.
func NewHeld(root FS, budget int) *Held {
	h := &Held{budget: budget, recent: list.New(), paths: map[string]*HeldDir{}}
	h.root = &HeldDir{held: h, fs: root, users: 1}
	return h
}

// Root is the directory that NewHeld was given.
func (h *Held) Root() *HeldDir { return h.root }

// maxPaths bounds the memory that At needs to find directories again.
const maxPaths = 1 << 12

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
	if len(h.paths) >= maxPaths {
		clear(h.paths)
	}
	for rest != "" {
		name, tail, _ := strings.Cut(rest, "/")
		whole := path[:len(path)-len(rest)+len(name)]
		known, rest = &HeldDir{held: h, parent: known, name: name, path: whole}, tail
	}
	h.paths[path] = known
	return known
}

// Child is the directory name in d, not opened.
func (d *HeldDir) Child(name string) *HeldDir {
	return &HeldDir{held: d.held, parent: d, name: name, path: varve.Join(d.path, name)}
}

// Path is the path of d below the root.
func (d *HeldDir) Path() string { return d.path }

// Use returns d opened. Every Use without error is followed by a Done, and the FS is not used after it.
func (d *HeldDir) Use() (FS, error) {
	if f := d.pin(); f != nil {
		return f, nil
	}
	d.opening.Lock()
	defer d.opening.Unlock()
	if f := d.pin(); f != nil {
		return f, nil
	}
	f, err := d.openBelow()
	if err != nil {
		return nil, err
	}
	self, err := f.Lookup(".")
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return d.keep(f, self.Stamp)
}

// pin returns the open directory and counts a user; nil where it is closed.
func (d *HeldDir) pin() FS {
	h := d.held
	h.mu.Lock()
	defer h.mu.Unlock()
	if d.fs == nil {
		return nil
	}
	d.users++
	if d.place != nil {
		h.recent.Remove(d.place)
		d.place = nil
	}
	return d.fs
}

// openBelow opens d in the nearest ancestor that is open, opening those between for the moment.
func (d *HeldDir) openBelow() (FS, error) {
	chain := []*HeldDir{d}
	up := d.parent
	var at FS
	for ; ; up = up.parent {
		if at = up.pin(); at != nil {
			break
		}
		if up.parent == nil {
			return nil, &fs.PathError{Op: "open directory", Path: d.path, Err: fs.ErrClosed}
		}
		chain = append(chain, up)
	}
	defer up.Done()
	for i := len(chain) - 1; i >= 0; i-- {
		next, err := at.OpenDir(chain[i].name)
		if i < len(chain)-1 {
			err = errors.Join(err, at.Close())
		}
		if err != nil {
			return nil, err
		}
		at = next
	}
	return at, nil
}

// keep makes f the open directory of d with one user, provided that it is the object that d was before.
func (d *HeldDir) keep(f FS, id varve.Stamp) (FS, error) {
	h := d.held
	h.mu.Lock()
	known := d.id != varve.Stamp{}
	same := d.id.Dev == id.Dev && d.id.Ino == id.Ino
	if known && !same {
		h.mu.Unlock()
		err := &fs.PathError{Op: "open directory", Path: d.path, Err: errReplaced}
		return nil, errors.Join(err, f.Close())
	}
	d.id, d.fs, d.users = id, f, 1
	h.open++
	victims := h.evict()
	h.mu.Unlock()
	for _, v := range victims {
		v.Close() // opened for look-ups alone: nothing can be lost
	}
	return f, nil
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
