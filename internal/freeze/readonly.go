//go:build linux

package freeze

import (
	"fmt"
	"io"
	"io/fs"

	"varve"
	"varve/internal/disk"
)

// readOnly is the half of a disk.FS that changes something, and here does not.
type readOnly struct{}

// unchanged is the error of every attempt.
func unchanged(op, name string) error {
	return &fs.PathError{Op: op, Path: name, Err: fmt.Errorf("a snapshot of a file system cannot be changed: %w", disk.ErrUnsupported)}
}

func (readOnly) Create(name string, _ uint32) (disk.Writer, error) {
	return nil, unchanged("create", name)
}
func (readOnly) Mkdir(name string, _ uint32) error { return unchanged("mkdir", name) }
func (readOnly) Symlink(name, _ string) error      { return unchanged("symlink", name) }
func (readOnly) Mknod(name string, _ varve.Kind, _ uint32, _ varve.Rdev) error {
	return unchanged("mknod", name)
}
func (readOnly) Link(name string, _ disk.FS, _ string) error    { return unchanged("link", name) }
func (readOnly) Rename(name string, _ disk.FS, _ string) error  { return unchanged("rename", name) }
func (readOnly) Replace(name string, _ disk.FS, _ string) error { return unchanged("rename", name) }
func (readOnly) Remove(name string) error                       { return unchanged("remove", name) }
func (readOnly) Rmdir(name string) error                        { return unchanged("rmdir", name) }
func (readOnly) Set(name string, _ *varve.Entry, aspect varve.Aspect) error {
	return unchanged("set "+aspect.String()+" of", name)
}
func (readOnly) Sync() error                         { return unchanged("sync", ".") }
func (readOnly) Lock(name string) (io.Closer, error) { return nil, unchanged("lock", name) }
