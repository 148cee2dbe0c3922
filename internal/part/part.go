// Package part cuts one directory or one file out of a snapshot, so that it can be restored, compared or copied like a whole one.
//
// # Not for
//
// The package opens no snapshot and understands no expressions; the path comes cleaned, as varve.Entry has it.
package part

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"

	"varve"
)

// Of returns the part of v at path, and the entry at path as v has it. v must stay open while the part is in use.
//
// For a directory the part is what lies in it, its own entry being the root. For anything else it is a root, with the metadata of
// the parent directory and marked varve.Passage, and the object in it under its name. For "" it is v itself. Paths of the part are
// relative to its root.
//
// Only what lies in the part is read, as the sequence of entries gets there. A hard link to an object outside of the part becomes an object of its own, and further links to that
// object become hard links to it; remembering these takes memory. The first is marked varve.Linked, whether or not others follow.
//
// The error matches fs.ErrNotExist, and names path, where v has no such object.
func Of(ctx context.Context, v varve.View, path string) (varve.Source, varve.Entry, error) {
	if path == "" {
		e, err := root(ctx, v)
		return v, e, err
	}
	e, err := lookup(ctx, v, path)
	if err != nil {
		return nil, varve.Entry{}, err
	}
	if e.Kind == varve.Dir {
		return &part{view: v, base: path, root: e}, e, nil
	}
	parent, err := lookup(ctx, v, e.Parent())
	if err != nil {
		return nil, varve.Entry{}, err
	}
	parent.Marks |= varve.Passage
	only := e
	only.SameAs = "" // what it is linked to may lie in base, but not in the part
	return &part{view: v, base: e.Parent(), root: parent, only: &only}, e, nil
}

// root returns the first entry of v.
func root(ctx context.Context, v varve.View) (varve.Entry, error) {
	for e, err := range v.Entries(ctx) {
		if err == nil && e.Path != "" {
			err = fmt.Errorf("first entry is %q, not the root: %w", e.Path, varve.ErrDamaged)
		}
		if err != nil {
			return varve.Entry{}, fmt.Errorf("read root of snapshot: %w", err)
		}
		return e, nil
	}
	return varve.Entry{}, fmt.Errorf("read root of snapshot: no entries: %w", varve.ErrDamaged)
}

// lookup returns the entry of v at path.
func lookup(ctx context.Context, v varve.View, path string) (varve.Entry, error) {
	if path == "" {
		return root(ctx, v)
	}
	for e, err := range Children(ctx, v, varve.Parent(path)) {
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return varve.Entry{}, fmt.Errorf("find %q in snapshot: %w", path, err)
		}
		if err == nil && e.Path == path {
			return e, nil
		}
	}
	return varve.Entry{}, fmt.Errorf("find %q in snapshot: %w", path, fs.ErrNotExist)
}

// Children yields the entries of one directory of v, sorted by the bytes of their names. An error ends the sequence: fs.ErrNotExist where
// dir does not name a directory.
func Children(ctx context.Context, v varve.View, dir string) iter.Seq2[varve.Entry, error] {
	return func(yield func(varve.Entry, error) bool) {
		for e, err := range v.Below(ctx, dir) {
			if err == nil && e.Parent() != dir || !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// part is a varve.Source of what lies below base.
type part struct {
	view varve.View
	base string
	root varve.Entry
	// only, where set, is all that the part has of base.
	only *varve.Entry
}

// Entries lists base, and what lies below it.
func (p *part) Entries(ctx context.Context) iter.Seq2[varve.Entry, error] {
	return func(yield func(varve.Entry, error) bool) {
		r := renamer{base: p.base, links: map[string]string{}}
		if !yield(r.rename(p.root), nil) {
			return
		}
		if p.only != nil {
			yield(r.rename(*p.only), nil)
			return
		}
		at := position{dir: p.base}
		for e, err := range p.view.Below(ctx, p.base) {
			if err == nil {
				err = ctx.Err()
			}
			if err == nil && !at.admits(&e) {
				err = fmt.Errorf("entry %q does not belong there: %w", e.Path, varve.ErrDamaged)
			}
			if err != nil {
				yield(varve.Entry{}, fmt.Errorf("list %q in snapshot: %w", p.base, err))
				return
			}
			if !yield(r.rename(e), nil) {
				return
			}
		}
	}
}

// position is how far a listing has come.
type position struct {
	// dir is the directory that is listed, name the last one in it, and subdirs are the directories in it.
	dir, name string
	subdirs   []string
	// todo are other directories, the next one last.
	todo []string
}

// admits reports whether e can come next: in the directory that is listed, or in the one of those that follow that has something in it.
func (p *position) admits(e *varve.Entry) bool {
	for parent := e.Parent(); p.dir != parent; {
		slices.Reverse(p.subdirs)
		p.todo = append(p.todo, p.subdirs...)
		if len(p.todo) == 0 {
			return false
		}
		last := len(p.todo) - 1
		p.dir, p.name, p.subdirs, p.todo = p.todo[last], "", p.subdirs[:0], p.todo[:last]
	}
	name := e.Name()
	if e.Path != varve.Join(p.dir, name) || name <= p.name {
		return false
	}
	if p.name = name; e.Kind == varve.Dir {
		p.subdirs = append(p.subdirs, e.Path)
	}
	return true
}

// Open opens a file of the part.
func (p *part) Open(ctx context.Context, e varve.Entry) (varve.File, error) {
	inside := e
	inside.Path = varve.Join(p.base, e.Path)
	if e.SameAs != "" {
		inside.SameAs = varve.Join(p.base, e.SameAs)
	}
	f, err := p.view.Open(ctx, inside)
	if err != nil {
		return nil, err
	}
	return file{File: f, path: e.Path, sameAs: e.SameAs}, nil
}

// file is a varve.File under the path it has in the part.
type file struct {
	varve.File
	path, sameAs string
}

// Entry returns the metadata with the paths of the part.
func (f file) Entry() (varve.Entry, error) {
	e, err := f.File.Entry()
	e.Path, e.SameAs = f.path, f.sameAs
	return e, err
}

// Sum returns the digest of all bytes that were read where the file in the view knows it, so that nobody hashes them again.
func (f file) Sum() (varve.Digest, bool) {
	if s, ok := f.File.(interface{ Sum() (varve.Digest, bool) }); ok {
		return s.Sum()
	}
	return varve.Digest{}, false
}

// renamer turns the entries of a view, in listing order, into those of a part of it.
type renamer struct {
	base string
	// links are the objects outside of the part that something inside is a hard link to: by their path in the view, the first
	// path inside.
	links map[string]string
}

// rename returns e with the paths of the part. e must be base or lie within it.
func (r renamer) rename(e varve.Entry) varve.Entry {
	e.Path = r.relative(e.Path)
	if e.SameAs == "" {
		return e
	}
	if e.SameAs != r.base && varve.Within(e.SameAs, r.base) {
		e.SameAs = r.relative(e.SameAs)
		return e
	}
	outside := e.SameAs
	first, known := r.links[outside]
	if !known {
		r.links[outside] = e.Path
		e.Marks |= varve.Linked
	}
	e.SameAs = first
	return e
}

// relative returns a path within base as seen from there.
func (r renamer) relative(path string) string {
	switch {
	case path == r.base:
		return ""
	case r.base == "":
		return path
	}
	return path[len(r.base)+1:]
}
