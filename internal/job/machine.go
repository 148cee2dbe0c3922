package job

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"varve"
	"varve/internal/disk"
	"varve/internal/disk/osfs"
)

// Local is the machine that the program runs on.
type Local struct{}

// Host is Machine's.
func (Local) Host() (string, error) { return os.Hostname() }

// Exists is Machine's.
func (Local) Exists(path string) (bool, error) {
	_, err := os.Stat(path)
	return err == nil, absent(err)
}

// ReadFile is Machine's.
func (Local) ReadFile(path string) ([]byte, error) { return os.ReadFile(path) }

// Mounted is Machine's. It opens the directory first, which mounts what an automounter has there.
func (Local) Mounted(path string) (bool, error) {
	self, err := osfs.Open(path)
	if err != nil {
		return false, absent(err)
	}
	defer self.Close()
	real, err := filepath.EvalSymlinks(path)
	if err != nil || real == "/" {
		return err == nil, absent(err)
	}
	above, err := osfs.Open(filepath.Dir(real))
	if err != nil {
		return false, absent(err)
	}
	defer above.Close()
	info, err := above.Lookup(filepath.Base(real))
	return err == nil && info.Kind == varve.Dir && info.Mount, absent(err)
}

// absent returns err unless it says that there is nothing of that name.
func absent(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, disk.ErrKind) {
		return nil
	}
	return err
}

// vanished returns err unless the object went away meanwhile.
func vanished(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
