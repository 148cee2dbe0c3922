// Package location turns what a user writes for a store into an open varve.Store. It is the only place that knows the schemes a
// store can be written in, and the only one that chooses among kinds of stores.
//
// It is not for finding sources or targets of a restore: those are plain paths.
package location

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"varve"
	"varve/internal/disk"
	"varve/internal/disk/osfs"
	"varve/internal/tree"
)

// ErrScheme says that a store is written in a form that is understood but not supported.
var ErrScheme = errors.New("this version keeps stores in local directories only")

// Options say how a store is opened. The zero value is right for a local disk.
type Options struct {
	// OpenDir opens a directory by its path; nil stands for osfs.Open.
	OpenDir func(path string) (disk.FS, error)
	// DayNames names the directories of new snapshots by the day.
	DayNames bool
}

// Place is a store, opened.
type Place struct {
	Store varve.Store
	// Path is the store's directory, absolute.
	Path string
	// Skip are the directories that no snapshot may hold: the store's own.
	Skip []varve.Stamp
}

// Close closes the store.
func (p *Place) Close() error { return p.Store.Close() }

// Open opens the store that spec names. varve.ErrNoStore where there is no directory or it is not a store; ErrScheme where spec
// is of a form that is not supported.
func Open(ctx context.Context, spec string, opts Options) (*Place, error) {
	path, err := Path(spec)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	dir, err := opts.openDir(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, fmt.Errorf("open store %s: %w: %w", path, varve.ErrNoStore, cause(err))
	}
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, cause(err))
	}
	store, err := tree.Open(dir, opts.tree())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	root, err := store.Root()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open store %s: %w", path, err), store.Close())
	}
	return &Place{Store: store, Path: path, Skip: []varve.Stamp{root}}, nil
}

// Init makes the store that spec names, and the directories on the way to it. The directory of the store may exist already if it is
// empty. fs.ErrExist where it is a store; disk.ErrNotEmpty where it holds something else; ErrScheme as for Open.
func Init(ctx context.Context, spec string, opts Options) error {
	path, err := Path(spec)
	if err != nil {
		return err
	}
	place, err := Open(ctx, spec, opts)
	if err == nil {
		return errors.Join(fmt.Errorf("init store %s: is a store already: %w", path, fs.ErrExist), place.Close())
	}
	if !errors.Is(err, varve.ErrNoStore) {
		return err
	}
	dir, err := opts.makeDir(path, 0o700)
	if err != nil {
		return fmt.Errorf("init store %s: %w", path, err)
	}
	if err := errors.Join(tree.Init(dir), dir.Close()); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// makeDir opens the directory at path. Where it is missing it is made with this mode, durably, and so are those above it with the
// usual one.
func (o Options) makeDir(path string, mode uint32) (disk.FS, error) {
	dir, err := o.openDir(path)
	if !errors.Is(err, fs.ErrNotExist) || path == filepath.Dir(path) {
		return dir, err
	}
	up, err := o.makeDir(filepath.Dir(path), 0o755)
	if err != nil {
		return nil, err
	}
	defer up.Close()
	name := filepath.Base(path)
	if err := up.Mkdir(name, mode); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	if err := up.Sync(); err != nil {
		return nil, err
	}
	return up.OpenDir(name)
}

func (o Options) openDir(path string) (disk.FS, error) {
	if o.OpenDir != nil {
		return o.OpenDir(path)
	}
	return osfs.Open(path)
}

func (o Options) tree() tree.Options {
	uid := os.Geteuid()
	return tree.Options{UID: uint32(uid), GID: uint32(os.Getegid()), Privileged: uid == 0, DayNames: o.DayNames}
}

// cause returns err without the operation and the path, where those are known from what is said around it.
func cause(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}
