package walk

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"varve"
	"varve/internal/disk"
)

// plan is the tree of the sources: which directories are passed through and where everything below is wanted.
type plan struct {
	root    *waypoint
	aliases []alias // the longest paths first
}

// waypoint is one directory, or a source, on the way from the root to a source.
type waypoint struct {
	path     string
	real     string // where path leads to; the same unless a symlink is on the way
	source   bool   // everything at and below it is wanted
	err      error  // it does not exist
	children map[string]*waypoint
}

// alias is a path that leads somewhere else through a symlink.
type alias struct{ path, real string }

func newPlan(top disk.FS, sources []string) (*plan, error) {
	p := &plan{root: &waypoint{}}
	found := false
	var missing error
	for _, path := range sources {
		real, err := resolve(top, path)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, disk.ErrKind):
			missing = fmt.Errorf("source /%s: %w", path, errMissing)
			p.miss(top, path, missing)
			continue
		case err != nil:
			return nil, fmt.Errorf("source /%s: %w", path, err)
		}
		found = true
		if err := p.add(top, path, real); err != nil {
			return nil, err
		}
	}
	if !found && missing != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoSource, missing)
	}
	if !found {
		return nil, ErrNoSource
	}
	slices.SortFunc(p.aliases, func(a, b alias) int { return len(b.path) - len(a.path) })
	return p, nil
}

// resolve returns where path leads to. A symlink that leads nowhere is a source itself.
func resolve(top disk.FS, path string) (string, error) {
	real, err := disk.Resolve(top, path)
	if err == nil || path == "" {
		return real, err
	}
	dir, dirErr := disk.Resolve(top, varve.Parent(path))
	if dirErr != nil {
		return "", err
	}
	name := path[strings.LastIndexByte(path, '/')+1:]
	at, openErr := disk.OpenPath(top, dir)
	if openErr != nil {
		return "", err
	}
	if at != top {
		defer at.Close()
	}
	if _, lookErr := at.Lookup(name); lookErr != nil {
		return "", err
	}
	return varve.Join(dir, name), nil
}

// add plants the waypoints of one source.
func (p *plan) add(top disk.FS, path, real string) error {
	w := p.root
	for i, name := range elements(path) {
		sub := subpath(path, i)
		child, ok := w.children[name]
		if !ok {
			at, err := resolve(top, sub)
			if err != nil {
				return fmt.Errorf("source /%s: %w", path, err)
			}
			child = w.child(name, sub, at)
			if at != sub {
				p.aliases = append(p.aliases, alias{sub, at})
			}
		}
		w = child
	}
	w.source, w.real, w.err = true, real, nil
	return nil
}

// miss plants the first waypoint of path that does not exist, so that the walk reports it in its place.
func (p *plan) miss(top disk.FS, path string, missing error) {
	w := p.root
	for i, name := range elements(path) {
		sub := subpath(path, i)
		child, ok := w.children[name]
		if ok {
			w = child
			continue
		}
		at, err := resolve(top, sub)
		child = w.child(name, sub, at)
		if err != nil || i == strings.Count(path, "/") {
			child.err = errors.Join(child.err, missing)
			return
		}
		w = child
	}
}

func (w *waypoint) child(name, path, real string) *waypoint {
	if w.children == nil {
		w.children = map[string]*waypoint{}
	}
	c := &waypoint{path: path, real: real}
	w.children[name] = c
	return c
}

// names returns the names of w's children, sorted.
func (w *waypoint) names() []string { return slices.Sorted(maps.Keys(w.children)) }

// elements returns the elements of path; none for the root.
func elements(path string) []string {
	if path == "" {
		return nil
	}
	return strings.Split(path, "/")
}

// subpath returns the first i+1 elements of path.
func subpath(path string, i int) string {
	return strings.Join(strings.SplitN(path, "/", i+2)[:i+1], "/")
}

// where returns the directory and name under which the object at path lies on the disk.
func (p *plan) where(path string) (dir, name string) {
	for _, a := range p.aliases {
		if path == a.path {
			path = a.real
			break
		}
		if varve.Within(path, a.path) {
			path = varve.Join(a.real, path[len(a.path)+1:])
			break
		}
	}
	e := varve.Entry{Path: path}
	return e.Parent(), e.Name()
}
