package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"varve"
)

// maxRemoveDepth is how deep RemoveAll descends before it moves what lies deeper up to the top, so that neither descriptors nor
// paths run out.
const maxRemoveDepth = 200

// RemoveAll removes name in dir with everything below it, on several goroutines, following nothing and staying on the file system
// of dir: where another one is mounted, or another part of the same one, nothing in it is touched and the error matches
// ErrCrossDevice. What vanishes meanwhile is no error; neither is a name that does not exist.
func RemoveAll(dir FS, name string, workers int) error {
	info, err := dir.Lookup(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Kind != varve.Dir:
		return gone(dir.Remove(name))
	}
	self, err := dir.Lookup(".")
	if err != nil {
		return err
	}
	if info.Stamp.Dev != self.Stamp.Dev || info.Mount {
		return &fs.PathError{Op: "remove", Path: name, Err: ErrCrossDevice}
	}
	r := &remover{dev: info.Stamp.Dev, workers: max(workers, 1), open: map[FS]bool{}}
	r.changed.L = &r.mu
	err = r.run(&doomed{up: dir, name: name, mode: info.Mode})
	if err == nil && r.moved > 0 {
		err = RemoveAll(dir, name, workers) // what was moved up while it was emptied
	}
	return err
}

// gone turns the absence of what was to be removed into success.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// doomed is a directory to be removed, with what is known of it.
type doomed struct {
	parent *doomed // nil for the topmost
	up     FS      // where it lies
	name   string
	mode   uint32
	depth  int

	dir  FS  // once it is emptied
	left int // directories in it that are not removed; guarded by remover.mu
}

// remover removes one tree: every worker takes a directory, removes what is not a directory, and leaves the others on the stack; who
// removes the last of a directory removes that too.
type remover struct {
	dev     uint64
	workers int

	mu      sync.Mutex
	changed sync.Cond
	stack   []*doomed
	open    map[FS]bool
	top     FS // the tree's own directory
	moved   int
	over    bool
	err     error // the first one
}

func (r *remover) run(top *doomed) error {
	r.stack = []*doomed{top}
	var wg sync.WaitGroup
	for range r.workers {
		wg.Go(func() {
			for d := r.next(); d != nil; d = r.next() {
				r.work(d)
			}
		})
	}
	wg.Wait()
	for dir := range r.open {
		dir.Close() // after an error, which is what counts
	}
	return r.err
}

// next returns the directory that was put on the stack last; nil at the end.
func (r *remover) next() *doomed {
	r.mu.Lock()
	defer r.mu.Unlock()
	for !r.over && len(r.stack) == 0 {
		r.changed.Wait()
	}
	if r.over {
		return nil
	}
	d := r.stack[len(r.stack)-1]
	r.stack = r.stack[:len(r.stack)-1]
	return d
}

// end makes the workers stop; err says why, nil that all is done.
func (r *remover) end(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = err
	}
	r.over = true
	r.changed.Broadcast()
}

// work empties d of all that is not a directory, and removes it if nothing else is in it.
func (r *remover) work(d *doomed) {
	allow(d.up, d.name, d.mode)
	dir, err := d.up.OpenDir(d.name)
	if errors.Is(err, fs.ErrNotExist) {
		r.removed(d)
		return
	}
	if err != nil {
		r.end(err)
		return
	}
	d.dir = dir
	r.mu.Lock()
	r.open[dir] = true
	if d.parent == nil {
		r.top = dir
	}
	r.mu.Unlock()
	below, err := r.empty(d)
	if err != nil {
		r.end(err)
		return
	}
	r.push(d, below)
}

// push puts the directories in d on the stack, or, where there are none, removes d.
func (r *remover) push(d *doomed, below []*doomed) {
	if len(below) == 0 {
		r.remove(d)
		return
	}
	r.mu.Lock()
	d.left = len(below)
	r.stack = append(r.stack, below...)
	r.changed.Broadcast()
	r.mu.Unlock()
}

// remove removes the empty directory d, and those around it that are empty then.
func (r *remover) remove(d *doomed) {
	r.mu.Lock()
	delete(r.open, d.dir)
	r.mu.Unlock()
	if err := d.dir.Close(); err != nil {
		r.end(err)
		return
	}
	err := gone(d.up.Rmdir(d.name))
	if errors.Is(err, ErrNotEmpty) && r.movedUp() && d.parent == nil {
		err = nil // RemoveAll comes back for it
	}
	if err != nil {
		r.end(err)
		return
	}
	r.removed(d)
}

func (r *remover) movedUp() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.moved > 0
}

// removed counts d as gone.
func (r *remover) removed(d *doomed) {
	if d.parent == nil {
		r.end(nil)
		return
	}
	r.mu.Lock()
	d.parent.left--
	last := d.parent.left == 0
	r.mu.Unlock()
	if last {
		r.remove(d.parent)
	}
}

// allow gives the owner of the directory name, which was seen with this mode, the rights to empty and to move it. It opens the
// directory first, so that nothing gets another mode that somebody puts in its place, and no set-ID bit is given. Where that fails,
// what needs the rights says so.
func allow(up FS, name string, mode uint32) {
	if mode&0o700 == 0o700 {
		return
	}
	dir, err := up.OpenDir(name)
	if err != nil {
		return
	}
	defer dir.Close()
	if info, err := dir.Lookup("."); err == nil {
		_ = dir.Set(".", &varve.Entry{Kind: varve.Dir, Mode: (info.Mode | 0o700) & 0o777}, varve.Mode)
	}
}

// empty removes what is not a directory from d and returns the directories.
func (r *remover) empty(d *doomed) (below []*doomed, err error) {
	names, err := d.dir.Names()
	if err != nil {
		return nil, gone(err)
	}
	for _, n := range names {
		kind, mode := n.Kind, uint32(0o700)
		if kind == 0 || kind == varve.Dir {
			info, err := d.dir.Lookup(n.Name)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, err
			}
			if kind, mode = info.Kind, info.Mode; kind == varve.Dir && (info.Stamp.Dev != r.dev || info.Mount) {
				return nil, &fs.PathError{Op: "remove", Path: n.Name, Err: ErrCrossDevice}
			}
		}
		switch {
		case kind != varve.Dir:
			err = gone(d.dir.Remove(n.Name))
		case d.depth >= maxRemoveDepth:
			allow(d.dir, n.Name, mode)
			err = r.moveUp(d.dir, n.Name)
		default:
			below = append(below, &doomed{parent: d, up: d.dir, name: n.Name, mode: mode, depth: d.depth + 1})
		}
		if err != nil {
			return nil, err
		}
	}
	return below, nil
}

// moveUp moves a directory that lies deep to the top, from where it is removed later.
func (r *remover) moveUp(dir FS, name string) error {
	r.mu.Lock()
	top := r.top
	r.mu.Unlock()
	for {
		r.mu.Lock()
		r.moved++
		up := fmt.Sprintf(".varve-deep-%d", r.moved)
		r.mu.Unlock()
		err := dir.Rename(name, top, up)
		if !errors.Is(err, fs.ErrExist) {
			return gone(err)
		}
	}
}
