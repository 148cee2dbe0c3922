package location

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"varve"
	"varve/internal/backend"
	"varve/internal/backend/files"
	"varve/internal/disk"
	"varve/internal/seal"
	"varve/internal/tree"
	"varve/internal/vault"
)

// Init makes the tree that spec names, and the directories on the way to it. The directory of the store may exist already if it is
// empty. fs.ErrExist where it is a store; disk.ErrNotEmpty where it holds something else; ErrScheme as for Open.
func Init(ctx context.Context, spec string, opts Options) error {
	path, dir, err := prepare(ctx, spec, opts)
	if err != nil {
		return err
	}
	if err := errors.Join(tree.Init(dir), dir.Close()); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// InitVault makes the vault that spec names, as Init makes a tree, and returns its restore key.
func InitVault(ctx context.Context, spec string, opts Options, how vault.InitOptions) (key seal.KeyFile, err error) {
	path, dir, err := prepare(ctx, spec, opts)
	if err != nil {
		return key, err
	}
	storage := files.Open(dir, files.Options{})
	defer func() { err = errors.Join(err, storage.Close()) }()
	lease, err := dir.Lock(initLock)
	if err != nil {
		return key, wrapPath("init vault", path, err)
	}
	defer func() { err = errors.Join(err, dir.Remove(initLock), lease.Close()) }()
	if err := makeRoom(ctx, dir, storage); err != nil {
		return key, wrapPath("init vault", path, err)
	}
	how.Place = path
	key, err = vault.Init(ctx, storage, how)
	return key, wrapPath("make", path, err)
}

// initLock is the lease of who makes a vault: a name of a temporary file, so that one left behind goes as they do.
const initLock = "tmp-00000000000000000000000000000000"

// makeRoom makes sure that dir is empty. What an interrupted run left, which had not come to be a vault, goes.
func makeRoom(ctx context.Context, dir disk.FS, storage varve.Backend) error {
	names, err := dir.Names()
	if err != nil {
		return err
	}
	allowed := []string{"lost+found", string(backend.Keys), string(backend.Data)}
	for _, n := range names {
		if n.Name == string(backend.Config) {
			return fmt.Errorf("is a store already: %w", fs.ErrExist)
		}
		if !slices.Contains(allowed, n.Name) && !leftover(n) {
			return fmt.Errorf("directory holds %q: %w", n.Name, disk.ErrNotEmpty)
		}
	}
	rest, err := backend.Objects(ctx, storage, backend.Keys)
	if err != nil {
		return err
	}
	packs, err := backend.Objects(ctx, storage, backend.Data)
	if err != nil {
		return err
	}
	if len(packs) > 1 { // there was one at most; this is a vault that lost its config
		return fmt.Errorf("directory holds %d packs: %w", len(packs), disk.ErrNotEmpty)
	}
	for _, o := range append(rest, packs...) {
		if err := backend.Remove(ctx, storage, o.Name); err != nil {
			return err
		}
	}
	return nil
}

// leftover reports whether a name is that of a temporary file of the storage.
func leftover(n disk.Name) bool {
	return len(n.Name) > 4 && n.Name[:4] == "tmp-" && backend.IsHex(n.Name[4:])
}

// prepare opens the directory that becomes a store.
func prepare(ctx context.Context, spec string, opts Options) (path string, dir disk.FS, err error) {
	if path, err = Path(spec); err != nil {
		return "", nil, err
	}
	if err := ctx.Err(); err != nil {
		return "", nil, err
	}
	if err := opts.checkNoStore(path); err != nil {
		return "", nil, err
	}
	if dir, err = opts.makeDir(path, 0o700); err != nil {
		return "", nil, fmt.Errorf("init store %s: %w", path, err)
	}
	return path, dir, nil
}

// checkNoStore returns an error that matches fs.ErrExist where a store lies at path.
func (o Options) checkNoStore(path string) error {
	dir, err := o.openDir(path)
	if err != nil {
		return nil // makeDir will say why, or make it
	}
	_, err = o.probe(dir)
	if errors.Is(err, varve.ErrNoStore) {
		return nil
	}
	if err == nil {
		err = fmt.Errorf("is a store already: %w", fs.ErrExist)
	}
	return wrapPath("init store", path, err)
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
