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
// of dir: where another one is mounted, nothing in it is touched and the error matches ErrCrossDevice. What vanishes meanwhile is no error; neither is a name that does not exist.
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
	if info.Stamp.Dev != self.Stamp.Dev {
		return &fs.PathError{Op: "remove", Path: name, Err: ErrCrossDevice}
	}
	r := &remover{dev: info.Stamp.Dev, tokens: make(chan struct{}, max(workers-1, 0))}
	return r.removeDir(dir, name, 0, info.Mode)
}

// remover removes one tree.
type remover struct {
	dev    uint64
	tokens chan struct{} // one for each goroutine beyond the caller's
	top    FS            // the tree's own directory
	mu     sync.Mutex
	moved  int
}

// gone turns the absence of what was to be removed into success.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (r *remover) removeDir(parent FS, name string, depth int, mode uint32) error {
	if mode&0o300 != 0o300 {
		// An owner without the right to write cannot empty his directory; where this fails, the removal below says so.
		_ = parent.Set(name, &varve.Entry{Kind: varve.Dir, Mode: mode | 0o700}, varve.Mode)
	}
	dir, err := parent.OpenDir(name)
	if err != nil {
		return gone(err)
	}
	if depth == 0 {
		r.top = dir
	}
	err = r.empty(dir, depth)
	if err == nil && depth == 0 {
		err = r.empty(dir, depth) // what was moved up meanwhile
	}
	if err = errors.Join(err, dir.Close()); err != nil {
		return err
	}
	return gone(parent.Rmdir(name))
}

// empty removes everything in dir.
func (r *remover) empty(dir FS, depth int) error {
	names, err := dir.Names()
	if err != nil {
		return gone(err)
	}
	var wg sync.WaitGroup
	var below faults
	for _, n := range names {
		if n.Kind != varve.Dir {
			err := dir.Remove(n.Name)
			if n.Kind == 0 && err != nil {
				err = r.removeUnknown(dir, n.Name, depth)
			}
			if below.add(gone(err)); below.any() {
				break
			}
			continue
		}
		select {
		case r.tokens <- struct{}{}:
			wg.Go(func() {
				below.add(r.descend(dir, n.Name, depth+1))
				<-r.tokens
			})
		default:
			below.add(r.descend(dir, n.Name, depth+1))
		}
	}
	wg.Wait()
	return below.err()
}

// removeUnknown removes an object of which the listing did not tell what it is.
func (r *remover) removeUnknown(dir FS, name string, depth int) error {
	info, err := dir.Lookup(name)
	if err != nil {
		return err
	}
	if info.Kind != varve.Dir {
		return dir.Remove(name)
	}
	return r.descend(dir, name, depth+1)
}

// descend removes a directory below the top.
func (r *remover) descend(dir FS, name string, depth int) error {
	info, err := dir.Lookup(name)
	if err != nil {
		return gone(err)
	}
	if info.Stamp.Dev != r.dev {
		return &fs.PathError{Op: "remove", Path: name, Err: ErrCrossDevice}
	}
	if depth < maxRemoveDepth {
		return r.removeDir(dir, name, depth, info.Mode)
	}
	r.mu.Lock()
	r.moved++
	up := fmt.Sprintf(".varve-deep-%d", r.moved)
	r.mu.Unlock()
	if err := dir.Rename(name, r.top, up); err != nil {
		return gone(err)
	}
	return nil
}

// faults collects the first error of several goroutines.
type faults struct {
	mu    sync.Mutex
	first error
}

func (f *faults) add(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.first == nil {
		f.first = err
	}
}

func (f *faults) any() bool { return f.err() != nil }

func (f *faults) err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.first
}
