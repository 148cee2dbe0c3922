//go:build linux

package freeze

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
)

// shelf is a directory with the locks of pictures. Whoever makes a lock holds it before anybody else can tell that it is there for a
// picture, and only that process removes it, or one that holds it because the other one is dead.
type shelf struct{ root *os.Root }

// openShelf opens the directory name in parent, which it makes if make says so. fs.ErrNotExist where there is none. One that others may
// write to, or may have made, is refused: a name in it would mean nothing.
func openShelf(parent *os.Root, name string, create bool) (*shelf, error) {
	if create {
		if err := parent.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	info, err := parent.Lstat(name)
	if err != nil {
		return nil, err
	}
	if why := planted(info); why != "" {
		return nil, &fs.PathError{Op: "open", Path: joined(parent.Name(), name),
			Err: fmt.Errorf("%s, so varve has not made it and does not use it: find out who has, and remove it", why)}
	}
	root, err := parent.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	self, err := root.Stat(".")
	if err == nil && !os.SameFile(info, self) {
		err = &fs.PathError{Op: "open", Path: root.Name(), Err: errReplaced}
	}
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return &shelf{root}, nil
}

// planted says by what one sees that somebody else has made an object; empty where it is a directory of the process's own.
func planted(info fs.FileInfo) string {
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok || !info.IsDir():
		return "is no directory"
	case st.Uid != uint32(os.Geteuid()):
		return fmt.Sprintf("belongs to user %d", st.Uid)
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Sprintf("is open to others, mode %04o", info.Mode().Perm())
	}
	return ""
}

// claim is a picture's name and its lock.
type claim struct {
	shelf *shelf
	id    string
	lock  *os.File // nil where there was none: the picture is dead
}

const lockSuffix = ".lock"

// claim returns a name that nobody has, and its lock. Somebody who looks for dead pictures may take the lock in the moment before it is
// held; then another name is taken.
func (s *shelf) claim(random func() string) (*claim, error) {
	for range 10 {
		id := strings.ToLower(random())
		if !isID(id) {
			return nil, fmt.Errorf("%q does not name a snapshot", id)
		}
		lock, err := s.root.OpenFile(id+lockSuffix, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return nil, err
		}
		held, err := hold(lock)
		if held {
			return &claim{s, id, lock}, nil
		}
		if err = errors.Join(err, lock.Close()); err != nil {
			return nil, err
		}
	}
	return nil, errors.New("somebody else takes every lock as soon as it is there")
}

// hold takes the lock; false where somebody else has it, or had it and has removed the file.
func hold(lock *os.File) (bool, error) {
	err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	for err == syscall.EINTR {
		err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	}
	if err == syscall.EWOULDBLOCK {
		return false, nil
	}
	if err != nil {
		return false, &fs.PathError{Op: "lock", Path: lock.Name(), Err: err}
	}
	info, err := lock.Stat()
	if err != nil {
		return false, err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && st.Nlink > 0, nil
}

// ofDead returns the claim on a picture whose process is dead; nil where the process is alive, or has just done with it.
func (s *shelf) ofDead(id string) (*claim, error) {
	lock, err := s.root.OpenFile(id+lockSuffix, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return &claim{s, id, nil}, nil
	}
	if err != nil {
		return nil, err
	}
	held, err := hold(lock)
	if !held {
		return nil, errors.Join(err, lock.Close())
	}
	return &claim{s, id, lock}, nil
}

// release removes the lock, when the picture is gone.
func (c *claim) release() error {
	if c.lock == nil {
		return nil
	}
	err := c.shelf.root.Remove(c.id + lockSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, c.lock.Close())
}

// abandon lets go of the lock and leaves the file, while the picture is still there: whoever comes next is to remove both.
func (c *claim) abandon() error {
	if c.lock == nil {
		return nil
	}
	return c.lock.Close()
}

// removed ends the claim: it is released where the picture could be removed, and abandoned where err says why not.
func (c *claim) removed(err error) error {
	if err != nil {
		return errors.Join(err, c.abandon())
	}
	return c.release()
}

// ids returns the names of the pictures that are in the directory, or have locks there, sorted.
func (s *shelf) ids() ([]string, error) {
	dir, err := s.root.Open(".")
	if err != nil {
		return nil, err
	}
	names, err := dir.Readdirnames(-1)
	if err = errors.Join(err, dir.Close()); err != nil {
		return nil, err
	}
	var ids []string
	for _, name := range names {
		if id := strings.TrimSuffix(name, lockSuffix); isID(id) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

func (s *shelf) close() error { return s.root.Close() }

// isID reports whether a name is of the form that varve gives to pictures.
func isID(name string) bool {
	const digits = "abcdefghijklmnopqrstuvwxyz234567"
	return len(name) == 26 && strings.Trim(name, digits) == ""
}
