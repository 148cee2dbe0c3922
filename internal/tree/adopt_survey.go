package tree

import (
	"fmt"
	"sync"

	"varve"
	"varve/internal/disk"
)

// Links counts the names that inodes have in the directories of several adoptions, which follow one another. The zero value counts
// nothing yet.
type Links struct {
	left map[uint64]uint64 // names not met yet, by inode
	full bool
}

// Outside returns of how many inodes names were not met: they lie outside of what was adopted. There may be more where that is not all.
func (l *Links) Outside() (n int64, all bool) { return int64(len(l.left)), !l.full }

// meet counts one name; nothing where l is nil.
func (l *Links) meet(info *disk.Info) {
	if l == nil {
		return
	}
	left, met := l.left[info.Stamp.Ino]
	switch {
	case met && left == 1:
		delete(l.left, info.Stamp.Ino)
	case met:
		l.left[info.Stamp.Ino] = left - 1
	case l.full || len(l.left) >= maxShared:
		l.full = true // for good: names of an inode that is taken in later may have been met already
	default:
		if l.left == nil {
			l.left = map[uint64]uint64{}
		}
		l.left[info.Stamp.Ino] = info.Links - 1
	}
}

// survey is the first look at a directory to be adopted.
type survey struct {
	run    *adoption
	store  varve.Stamp // the store, which must not lie in it
	mu     sync.Mutex
	inodes []uint64 // of all names of objects that have several, here or elsewhere
	below  []string // directories of the next level
}

// survey finds the inodes that have several names in the directory, and makes sure that all of it can be moved.
func (a *adoption) survey() (err error) {
	if err := a.save.partial.dir.SyncAll(); err != nil { // some file systems tell holes only then
		return err
	}
	s := &survey{run: a}
	if s.store, err = a.save.store.Root(); err != nil {
		return err
	}
	for level := []string{a.from.Path}; len(level) > 0; level, s.below = s.below, nil {
		if err := each(a.save.store.opts.Workers, level, s.dir); err != nil {
			return err
		}
	}
	a.save.staged.twins = twins(s.inodes)
	return nil
}

// dir looks at one directory.
func (s *survey) dir(path string) error {
	v := s.run.save
	if err := v.ctx.Err(); err != nil {
		return err
	}
	dir := v.partial.held.At(path)
	at, err := dir.Use()
	if err != nil {
		return err
	}
	defer dir.Done()
	self, err := at.Lookup(".")
	if err != nil {
		return err
	}
	if self.Stamp.Dev == s.store.Dev && self.Stamp.Ino == s.store.Ino {
		return fmt.Errorf("/%s is the store itself", path)
	}
	names, err := at.Names()
	if err != nil {
		return err
	}
	var list []disk.Info
	for _, n := range names {
		info, err := at.Lookup(n.Name)
		if err != nil {
			return err
		}
		info.Path = varve.Join(path, n.Name)
		if info.Kind == varve.Dir && (info.Mount || info.Stamp.Dev != s.run.top.Stamp.Dev) {
			return fmt.Errorf("/%s: another file system is mounted there: %w", info.Path, disk.ErrCrossDevice)
		}
		list = append(list, info)
	}
	s.take(list)
	return nil
}

// take takes in what lies in one directory.
func (s *survey) take(list []disk.Info) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range list {
		switch info := &list[i]; {
		case info.Kind == varve.Dir:
			s.below = append(s.below, info.Path)
		case info.Links > 1:
			s.inodes = append(s.inodes, info.Stamp.Ino)
			s.run.from.Links.meet(info)
		}
	}
}
