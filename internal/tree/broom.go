package tree

import (
	"context"
	"errors"
	"slices"

	"varve"
	"varve/internal/disk"
)

// broom removes files from a tree, and directories that become empty by that.
type broom struct {
	ctx     context.Context
	held    *disk.Held
	workers int
	needed  func(path string) bool
	busy    map[string]bool // directories in which something stays
}

// room is one directory of the tree.
type room struct {
	path  string
	below []string // directories in it
	stays bool     // something else stays in it
}

// run goes down the tree one level after the other, and back up.
func (b *broom) run() error {
	levels := [][]string{{""}}
	for len(levels[len(levels)-1]) > 0 {
		below, err := b.level(levels[len(levels)-1])
		if err != nil {
			return err
		}
		levels = append(levels, below)
	}
	for i := len(levels) - 1; i > 0; i-- {
		if err := b.clear(levels[i]); err != nil {
			return err
		}
	}
	return nil
}

// level removes files from some directories and returns those below them.
func (b *broom) level(paths []string) (below []string, err error) {
	rooms := make([]*room, len(paths))
	for i, path := range paths {
		rooms[i] = &room{path: path}
	}
	err = each(b.workers, rooms, b.empty)
	for _, r := range rooms {
		for path := r.path; r.stays && path != "" && !b.busy[path]; path = varve.Parent(path) {
			b.busy[path] = true
		}
		below = append(below, r.below...)
	}
	return below, err
}

// empty removes the files in a directory that nobody needs.
func (b *broom) empty(r *room) error {
	if err := b.ctx.Err(); err != nil {
		return err
	}
	dir := b.held.At(r.path)
	at, err := dir.Use()
	if err != nil {
		return gone(err)
	}
	defer dir.Done()
	names, err := at.Names()
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := b.object(at, r, n); gone(err) != nil {
			return err
		}
	}
	return nil
}

// object removes an object in a directory unless it is needed.
func (b *broom) object(at disk.FS, r *room, n disk.Name) error {
	if n.Kind == 0 {
		info, err := at.Lookup(n.Name)
		if err != nil {
			return err
		}
		n.Kind = info.Kind
	}
	path := varve.Join(r.path, n.Name)
	switch {
	case n.Kind == varve.Dir:
		r.below = append(r.below, path)
	case b.needed(path):
		r.stays = true
	default:
		return at.Remove(n.Name)
	}
	return nil
}

// clear removes directories in which nothing stays.
func (b *broom) clear(paths []string) error {
	paths = slices.DeleteFunc(paths, func(path string) bool { return b.busy[path] })
	return each(b.workers, paths, func(path string) error {
		dir := b.held.At(varve.Parent(path))
		at, err := dir.Use()
		if err != nil {
			return gone(err)
		}
		defer dir.Done()
		if err := at.Rmdir(nameOf(path)); !errors.Is(err, disk.ErrNotEmpty) {
			return gone(err)
		}
		return nil
	})
}
