package restore

import (
	"errors"
	"io/fs"
	"slices"

	"varve"
	"varve/internal/disk"
)

var (
	// errStore says that a directory is one that must not be touched.
	errStore = errors.New("is the store itself")
	// errHolds says that a directory may not be removed.
	errHolds = errors.New("holds the store")
)

// isStore reports whether the directory with this stamp must not be touched. One without an inode number is none of them.
func (r *run) isStore(s varve.Stamp) bool {
	return s.Ino != 0 && slices.ContainsFunc(r.opts.Spare, func(spare varve.Stamp) bool { return spare.Dev == s.Dev && spare.Ino == s.Ino })
}

// checkRoot returns an error where the target is a directory that must not be touched.
func (r *run) checkRoot(dir disk.FS) error {
	if len(r.opts.Spare) == 0 {
		return nil
	}
	info, err := dir.Lookup(".")
	if err == nil && r.isStore(info.Stamp) {
		err = errStore
	}
	return err
}

// guard returns an error where what lies at path, called name in at, must not be removed: it is a directory to be spared, or holds
// one. It goes by inodes: a bind mount gives the same directory a second path.
func (r *run) guard(at disk.FS, name, path string) error {
	if len(r.opts.Spare) == 0 {
		return nil
	}
	info, err := at.Lookup(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Kind != varve.Dir:
		return nil
	case r.isStore(info.Stamp):
		return errStore
	case !r.near(info.Stamp.Dev):
		return nil // what is removed lies on one file system
	}
	for pending := []string{path}; len(pending) > 0; {
		next := pending[len(pending)-1]
		pending = pending[:len(pending)-1]
		below, err := r.below(next, info.Stamp.Dev)
		if err != nil {
			return err
		}
		pending = append(pending, below...)
	}
	return nil
}

// near reports whether something to be spared lies on a device.
func (r *run) near(dev uint64) bool {
	return slices.ContainsFunc(r.opts.Spare, func(spare varve.Stamp) bool { return spare.Dev == dev })
}

// below returns the paths of the directories in the one at path that are on the same device, and errHolds where one of them is to be
// spared. What vanishes meanwhile holds nothing.
func (r *run) below(path string, dev uint64) (dirs []string, err error) {
	if err := r.ctx.Err(); err != nil {
		return nil, err
	}
	held := r.held.At(path)
	dir, err := held.Use()
	if err != nil {
		return nil, ignoreMissing(err)
	}
	defer func() {
		held.Done()
		err = errors.Join(err, held.Drop())
	}()
	names, err := dir.Names()
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		if n.Kind != 0 && n.Kind != varve.Dir {
			continue
		}
		info, err := dir.Lookup(n.Name)
		switch {
		case err != nil:
			if err := ignoreMissing(err); err != nil {
				return nil, err
			}
		case info.Kind != varve.Dir:
		case r.isStore(info.Stamp):
			return nil, errHolds
		case info.Stamp.Dev == dev && !info.Mount:
			dirs = append(dirs, varve.Join(path, n.Name))
		}
	}
	return dirs, nil
}

// ignoreMissing turns the absence of something into success.
func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
