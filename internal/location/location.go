// Package location turns what a user writes for a place into an open store, the files of a source, or the target of a restore. It is the
// only package that knows the schemes a place can be written in, and the only one that chooses among kinds of stores: which kind one is, is
// read from the store itself.
//
//	STORE/.varve/format   a tree
//	STORE/config          a vault, if it says so
//
// It asks nobody for a passphrase; its caller does.
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
	"varve/internal/tree"
	"varve/internal/vault"
)

// Options say how a store is opened. The zero value is right for a tree on a local disk.
type Options struct {
	// OpenDir opens a directory of this machine by its path; nil stands for osfs.Open.
	OpenDir func(path string) (disk.FS, error)
	// Reach says how other machines are reached.
	Reach Reach
	// DayNames names the directories of new snapshots in a tree by the day.
	DayNames bool
	// Unlock returns what a vault is opened with, path being Place.Path. It is asked where there is a vault, and only then; nil
	// stands for no credentials and nothing remembered.
	Unlock func(ctx context.Context, path string) (vault.Credentials, vault.Options, error)
	// Owners returns the names of users and groups of this machine, for files that are offered to another one; see walk.Options.
	Owners func(uid, gid uint32) (user, group string)
}

// Place is a store, opened.
type Place struct {
	Store varve.Store
	// Vault is Store where that is a vault, and nil where it is a tree. Tree is Store where that is a tree which this program opened itself,
	// and not one that another machine serves.
	Vault *vault.Store
	Tree  *tree.Store
	// Spec is where the store is.
	Spec Spec
	// Series is the only one that the machine of the store lets this client write to; empty where it may choose.
	Series string
	// Path names the store: its absolute path on this machine, or Spec as text.
	Path string
	// Skip are the directories of this machine that no snapshot may hold: the store's own.
	Skip []varve.Stamp

	site  *site
	files *files.Files // of a vault
}

// Close closes the store.
func (p *Place) Close() error { return errors.Join(p.Store.Close(), p.site.Close()) }

// Far reports whether the store is on another machine.
func (p *Place) Far() bool { return p.Spec.Scheme != Local }

// Ahead is how many files of its snapshots are worth opening ahead of their turn; 0 on this machine.
func (p *Place) Ahead() int { return ahead(p.Spec.Scheme) }

// Lacks returns what the other machine does not keep or do for the store, in words; nothing where it is this one.
func (p *Place) Lacks() []string {
	if p.site.far != nil {
		return p.site.far.Abilities().Lacks()
	}
	return nil
}

// Open opens the store that spec names. varve.ErrNoStore where there is no directory or it is not a store; ErrScheme where spec
// is of a form that is not supported; vault.ErrKey where Unlock does not open it.
func Open(ctx context.Context, spec string, opts Options) (*Place, error) {
	s, err := Parse(spec)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p, err := opts.place(ctx, s)
	if err != nil {
		return nil, err
	}
	if err := p.open(ctx, opts); err != nil {
		return nil, errors.Join(err, p.site.Close())
	}
	return p, nil
}

// place returns the place that s names, with nothing opened yet.
func (o Options) place(ctx context.Context, s Spec) (*Place, error) {
	p := &Place{Spec: s, Path: s.String(), site: &site{spec: s}}
	if s.Scheme == SSH {
		return p, nil
	}
	var err error
	p.site, err = o.site(ctx, s, true)
	return p, err
}

// enter opens the directory of the store and looks at what kind it is of.
func (p *Place) enter() (disk.FS, Kind, error) {
	dir, err := p.site.open(p.Spec.Path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, disk.ErrKind) {
		return nil, "", fmt.Errorf("open store %s: %w: %w", p.Path, varve.ErrNoStore, cause(err))
	}
	if err != nil {
		return nil, "", fmt.Errorf("open store %s: %w", p.Path, cause(err))
	}
	kind, root, err := look(dir)
	if err != nil {
		return nil, "", errors.Join(fmt.Errorf("open store %s: %w", p.Path, err), dir.Close())
	}
	if !p.Far() {
		p.Skip = []varve.Stamp{root}
	}
	return dir, kind, nil
}

// open opens the store.
func (p *Place) open(ctx context.Context, opts Options) error {
	if p.Spec.Scheme == SSH {
		return p.call(ctx, opts)
	}
	dir, kind, err := p.enter()
	if err != nil {
		return err
	}
	if kind == Vault {
		storage := files.Open(dir, p.filesOptions())
		if err = p.unlock(ctx, storage, opts); err == nil {
			p.files = storage
		}
	} else {
		err = p.openTree(dir, opts)
	}
	return wrapPath("", p.Path, err)
}

// filesOptions says how objects are kept in files.
func (p *Place) filesOptions() files.Options {
	if p.Far() {
		return files.Options{Listers: requests}
	}
	return files.Options{}
}

// openTree opens the tree in dir, which it takes over.
func (p *Place) openTree(dir disk.FS, opts Options) error {
	o := opts.tree(p.Far())
	o.Untold = p.site.untold()
	store, err := tree.Open(dir, o)
	if err == nil {
		p.Store, p.Tree = store, store
	}
	return err
}

func (o Options) tree(far bool) tree.Options {
	uid := os.Geteuid()
	return tree.Options{UID: uint32(uid), GID: uint32(os.Getegid()), Privileged: uid == 0 && !far, Far: far, DayNames: o.DayNames, Warn: o.Reach.Warn}
}

// cause returns err without the operation and the path, where those are known from what is said around it.
func cause(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) && !errors.Is(err, disk.ErrLost) {
		return at.Err
	}
	return err
}
