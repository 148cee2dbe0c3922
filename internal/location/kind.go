package location

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"

	"varve"
	"varve/internal/disk"
	"varve/internal/tree"
)

// Kind is a kind of store.
type Kind string

// The kinds of stores.
const (
	Tree  Kind = "tree"
	Vault Kind = "vault"
)

// look returns the kind of the store in dir, and the stamp of dir. What is no vault is called a tree; whether it is one is for the
// package tree to say.
func look(dir disk.FS) (Kind, varve.Stamp, error) {
	self, err := dir.Lookup(".")
	if err != nil {
		return "", varve.Stamp{}, err
	}
	_, err = dir.Lookup(".varve")
	if err == nil {
		return Tree, self.Stamp, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", varve.Stamp{}, err
	}
	sealed, err := hasVaultConfig(dir)
	if sealed {
		return Vault, self.Stamp, err
	}
	return Tree, self.Stamp, err
}

// maxLook is how much of a file config is looked at, in bytes.
const maxLook = 64 << 10

// hasVaultConfig reports whether dir has a config that a vault could have, damaged ones included: it is for the vault to say what is
// wrong with one.
func hasVaultConfig(dir disk.FS) (bool, error) {
	r, err := dir.Open("config")
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, disk.ErrKind) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer r.Close()
	text, err := io.ReadAll(io.NewSectionReader(r, 0, maxLook))
	if err != nil {
		return false, err
	}
	return bytes.Contains(text, []byte("varve vault")) || bytes.Contains(text, []byte(`"maintenance"`)), nil
}

// Skip returns what Place.Skip would hold, without opening the store: it needs no key. varve.ErrNoStore and ErrScheme as for Open.
func Skip(ctx context.Context, spec string, opts Options) ([]varve.Stamp, error) {
	s, err := Parse(spec)
	if err != nil || s.Scheme != Local {
		return nil, err
	}
	p, err := opts.place(ctx, s)
	if err != nil {
		return nil, err
	}
	dir, err := p.site.open(s.Path)
	if err != nil {
		return nil, wrapPath("look at", p.Path, err)
	}
	root, err := p.probe(dir, opts)
	if err != nil {
		return nil, wrapPath("look at", p.Path, err)
	}
	return []varve.Stamp{root}, nil
}

// probe returns the stamp of dir, which it closes, if that is a store of any kind. varve.ErrNoStore where not.
func (p *Place) probe(dir disk.FS, opts Options) (varve.Stamp, error) {
	kind, root, err := look(dir)
	if err != nil || kind == Vault {
		return root, errors.Join(err, dir.Close())
	}
	store, err := tree.Open(dir, opts.tree(p.Far()))
	if err != nil {
		return root, err
	}
	return root, store.Close()
}
