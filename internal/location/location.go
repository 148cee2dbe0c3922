// Package location turns what a user writes for a store into an open varve.Store. It is the only place that knows the schemes a
// store can be written in, and the only one that chooses among kinds of stores: which kind one is, is read from the store itself.
//
//	STORE/.varve/format   a tree
//	STORE/config          a vault, if it says so
//
// It is not for finding sources or targets of a restore: those are plain paths. It asks nobody for a passphrase; its caller does.
package location

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"varve"
	"varve/internal/backend/files"
	"varve/internal/disk"
	"varve/internal/disk/osfs"
	"varve/internal/tree"
	"varve/internal/vault"
)

// ErrScheme says that a store is written in a form that is understood but not supported.
var ErrScheme = errors.New("this version keeps stores in local directories only")

// Options say how a store is opened. The zero value is right for a tree on a local disk.
type Options struct {
	// OpenDir opens a directory by its path; nil stands for osfs.Open.
	OpenDir func(path string) (disk.FS, error)
	// DayNames names the directories of new snapshots in a tree by the day.
	DayNames bool
	// Unlock returns what a vault is opened with, path being its directory. It is asked where there is a vault, and only then; nil
	// stands for no credentials and nothing remembered.
	Unlock func(ctx context.Context, path string) (vault.Credentials, vault.Options, error)
}

// Place is a store, opened.
type Place struct {
	Store varve.Store
	// Vault is Store where that is a vault, and nil where it is a tree.
	Vault *vault.Store
	// Path is the store's directory, absolute.
	Path string
	// Skip are the directories that no snapshot may hold: the store's own.
	Skip []varve.Stamp

	files *files.Files // of a vault
}

// Close closes the store.
func (p *Place) Close() error { return p.Store.Close() }

// Open opens the store that spec names. varve.ErrNoStore where there is no directory or it is not a store; ErrScheme where spec
// is of a form that is not supported; vault.ErrKey where Unlock does not open it.
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
	kind, root, err := look(dir)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open store %s: %w", path, err), dir.Close())
	}
	p := &Place{Path: path, Skip: []varve.Stamp{root}}
	if kind == Vault {
		err = p.openVault(ctx, dir, opts)
	} else {
		err = p.openTree(dir, opts)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

// openTree opens the tree in dir, which it takes over.
func (p *Place) openTree(dir disk.FS, opts Options) error {
	store, err := tree.Open(dir, opts.tree())
	if err == nil {
		p.Store = store
	}
	return err
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
