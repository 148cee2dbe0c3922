package job

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"varve"
	"varve/internal/disk"
	"varve/internal/disk/osfs"
)

const (
	// scratchPrefix begins the names of the directories that drills restore into, and scratchLock is a file in each that its drill holds as
	// long as it lives.
	scratchPrefix = "varve-drill-"
	scratchLock   = "lock"
)

// ScratchIn returns a Scratch for Deps: a directory below base, a directory of this machine such as /var/tmp, that none but the user may
// look into. name must be one that nobody can guess. What drills of the same user have left that were killed is removed first.
func ScratchIn(base string, name func() string) func() (disk.FS, func() error, error) {
	return func() (disk.FS, func() error, error) {
		up, err := osfs.Open(base)
		if err != nil {
			return nil, nil, err
		}
		if err := sweepScratch(up); err != nil {
			return nil, nil, errors.Join(err, up.Close())
		}
		for range 3 { // somebody who sweeps may be faster than the lock
			dir, end, e := scratchAt(up, scratchPrefix+strings.ToLower(name()))
			if e == nil {
				return dir, func() error { return errors.Join(end(), up.Close()) }, nil
			}
			err = e
			if !errors.Is(e, varve.ErrBusy) && !errors.Is(e, fs.ErrNotExist) {
				break
			}
		}
		return nil, nil, errors.Join(err, up.Close())
	}
}

// scratchAt makes the directory own and holds its lock.
func scratchAt(up disk.FS, own string) (disk.FS, func() error, error) {
	if err := up.Mkdir(own, 0o700); err != nil {
		return nil, nil, err
	}
	dir, err := up.OpenDir(own)
	if err != nil {
		return nil, nil, err
	}
	lock, err := dir.Lock(scratchLock)
	if err != nil {
		return nil, nil, errors.Join(err, dir.Close())
	}
	if _, err := up.Lookup(own); err != nil {
		return nil, nil, errors.Join(err, lock.Close(), dir.Close())
	}
	return dir, func() error { return errors.Join(dir.Close(), disk.RemoveAll(up, own, 1), lock.Close()) }, nil
}

// sweepScratch removes what drills of this user have left that live no longer.
func sweepScratch(up disk.FS) error {
	names, err := up.Names()
	if err != nil {
		return err
	}
	for _, n := range names {
		if !strings.HasPrefix(n.Name, scratchPrefix) {
			continue
		}
		info, err := up.Lookup(n.Name)
		if err != nil || info.Kind != varve.Dir || info.UID != uint32(os.Geteuid()) || info.Mode&0o077 != 0 {
			continue // not ours
		}
		if err := sweepOne(up, n.Name); err != nil {
			return fmt.Errorf("remove what a drill left in %s: %w", n.Name, err)
		}
	}
	return nil
}

// sweepOne removes the directory of a drill unless that lives.
func sweepOne(up disk.FS, name string) error {
	dir, err := up.OpenDir(name)
	if err != nil {
		return vanished(err)
	}
	defer dir.Close()
	var lock io.Closer
	if lock, err = dir.Lock(scratchLock); err != nil {
		if errors.Is(err, varve.ErrBusy) {
			return nil
		}
		return vanished(err)
	}
	return errors.Join(disk.RemoveAll(up, name, 1), lock.Close())
}
