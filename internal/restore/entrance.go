package restore

import (
	"errors"
	"io/fs"
	"sync"

	"varve"
	"varve/internal/disk"
)

// entrance is what it took to change what a directory holds that was there before. One that belongs to the user, and that he has kept
// from being changed, is opened for him while it is restored.
type entrance struct {
	once   sync.Once
	opened bool
	mode   uint32 // what the directory had before it was opened
}

// entering calls f, which changes what t, at, holds; once more where it lacked nothing but the permission to, and that could be had.
func (r *run) entering(t *target, at disk.FS, f func() error) error {
	err := f()
	if errors.Is(err, fs.ErrPermission) && !r.opts.DryRun && !t.Fresh && t.entrance.open(at) {
		err = f()
	}
	return err
}

// open lets the user into his own directory, and reports whether it had been shut.
func (e *entrance) open(at disk.FS) bool {
	const needed = 0o300
	e.once.Do(func() {
		info, err := at.Lookup(".")
		if err != nil || info.Mode&needed == needed {
			return
		}
		e.mode = info.Mode
		e.opened = at.Set(".", &varve.Entry{Kind: varve.Dir, Mode: info.Mode | needed}, varve.Mode) == nil
	})
	return e.opened
}

// shut gives the directory the mode again that it had, where it was opened.
func (e *entrance) shut(at disk.FS) error {
	if !e.opened {
		return nil
	}
	return at.Set(".", &varve.Entry{Kind: varve.Dir, Mode: e.mode}, varve.Mode)
}
