package location

import (
	"context"
	"errors"
	"fmt"
	"io"
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
	if s, err := Parse(spec); err == nil && s.Scheme == SSH {
		client, err := opts.initFar(ctx, s, Tree)
		if err != nil {
			return err
		}
		return client.Close()
	}
	p, dir, err := prepare(ctx, spec, opts)
	if err != nil {
		return err
	}
	return wrapPath("", p.Path, errors.Join(tree.Init(dir), dir.Close(), p.site.Close()))
}

// InitVault makes the vault that spec names, as Init makes a tree, and returns its restore key.
func InitVault(ctx context.Context, spec string, opts Options, how vault.InitOptions) (key seal.KeyFile, err error) {
	if s, err := Parse(spec); err == nil && s.Scheme == SSH {
		client, err := opts.initFar(ctx, s, Vault)
		if err != nil {
			return key, err
		}
		how.Place = s.String()
		key, err = vault.Init(ctx, client.Backend(), how)
		return key, errors.Join(wrapPath("make", how.Place, err), client.Close())
	}
	p, dir, err := prepare(ctx, spec, opts)
	if err != nil {
		return key, err
	}
	storage := files.Open(dir, files.Options{})
	defer func() { err = errors.Join(err, storage.Close(), p.site.Close()) }()
	lease, err := clear(ctx, dir, storage)
	if err != nil {
		return key, wrapPath("init vault", p.Path, err)
	}
	defer func() { err = errors.Join(err, lease.Close()) }()
	how.Place = p.Path
	key, err = vault.Init(ctx, storage, how)
	return key, wrapPath("make", p.Path, err)
}

// clear makes dir a place for a vault, which nobody else makes there until what it returns is closed.
func clear(ctx context.Context, dir disk.FS, storage varve.Backend) (io.Closer, error) {
	lease, err := dir.Lock(initLock)
	if err != nil {
		return nil, err
	}
	l := initLease{dir: dir, lease: lease}
	if err := makeRoom(ctx, dir, storage); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// initLease is the right to make a vault in a directory.
type initLease struct {
	dir   disk.FS
	lease io.Closer
}

// Close gives it up, and leaves nothing of it.
func (l initLease) Close() error {
	err := l.dir.Remove(initLock)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, l.lease.Close())
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

// prepare opens the directory that becomes a store, and the place that it will be.
func prepare(ctx context.Context, spec string, opts Options) (*Place, disk.FS, error) {
	s, err := Parse(spec)
	if err != nil {
		return nil, nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	p, err := opts.place(ctx, s)
	if err != nil {
		return nil, nil, err
	}
	dir, err := p.prepare(opts)
	if err != nil {
		return nil, nil, errors.Join(err, p.site.Close())
	}
	return p, dir, nil
}

func (p *Place) prepare(opts Options) (disk.FS, error) {
	if err := p.checkNoStore(opts); err != nil {
		return nil, err
	}
	dir, err := p.site.makeDir(p.Spec.Path, 0o700)
	return dir, wrapPath("init store", p.Path, err)
}

// checkNoStore returns an error that matches fs.ErrExist where a store lies at p.
func (p *Place) checkNoStore(opts Options) error {
	dir, err := p.site.open(p.Spec.Path)
	if errors.Is(err, disk.ErrLost) {
		return wrapPath("init store", p.Path, cause(err))
	}
	if err != nil {
		return nil // makeDir will say why, or make it
	}
	_, err = p.probe(dir, opts)
	if errors.Is(err, varve.ErrNoStore) {
		return nil
	}
	if err == nil {
		err = fmt.Errorf("is a store already: %w", fs.ErrExist)
	}
	return wrapPath("init store", p.Path, err)
}

// makeDir opens the directory at path. Where it is missing it is made with this mode, durably, and so are those above it with the
// usual one.
func (s *site) makeDir(path string, mode uint32) (disk.FS, error) {
	dir, err := s.open(path)
	up := filepath.Dir(path)
	if !errors.Is(err, fs.ErrNotExist) || path == up {
		return dir, err
	}
	above, err := s.makeDir(up, 0o755)
	if err != nil {
		return nil, err
	}
	defer above.Close()
	name := filepath.Base(path)
	if err := above.Mkdir(name, mode); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	if err := above.Sync(); err != nil {
		return nil, err
	}
	return above.OpenDir(name)
}
