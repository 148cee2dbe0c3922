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
	skipped func(*varve.Entry) bool
}

// waypoint is one directory, or a source, on the way from the root to a source.
type waypoint struct {
	path     string
	real     string // where path leads to; the same unless a symlink is on the way
	kind     varve.Kind
	source   bool  // everything at and below it is wanted
	followed bool  // it is a symlink itself, which leads to real
	err      error // it cannot be reached
	children map[string]*waypoint
}

// alias is a path that leads somewhere else through a symlink.
type alias struct{ path, real string }

// errSkipped says that a source is, or lies in, a directory that is never walked, by whatever path it was reached.
var errSkipped = errors.New("never saved: it is the store, or lies in it")

// newPlan finds out where the sources lead to. Those that cannot be reached, or lie where skipped says that nothing is walked, are
// reported by the walk, in their places; only where none is left, there is an error.
func newPlan(top disk.FS, sources []string, skipped func(*varve.Entry) bool) (*plan, error) {
	p := &plan{root: &waypoint{kind: varve.Dir}, skipped: skipped}
	var missing []error
	for _, path := range sources {
		if err := p.add(top, path); err != nil {
			missing = append(missing, err)
		}
	}
	switch {
	case len(sources) == 0:
		return nil, ErrNoSource
	case len(missing) == len(sources):
		return nil, fmt.Errorf("%w: %w", ErrNoSource, errors.Join(missing...))
	}
	slices.SortFunc(p.aliases, func(a, b alias) int { return len(b.path) - len(a.path) })
	return p, nil
}

// add plants the waypoints of one source. Where it cannot be reached, the first one that cannot says why.
func (p *plan) add(top disk.FS, path string) error {
	w := p.root
	for i, name := range elements(path) {
		child, ok := w.children[name]
		if !ok || child.err != nil {
			child = p.plant(top, w, name, subpath(path, i))
		}
		if child.err == nil && child.kind != varve.Dir && len(child.path) < len(path) {
			child.err = errMissing
			if child.source {
				child.err = nil
				return fmt.Errorf("source /%s: %w", path, errMissing)
			}
		}
		if child.err != nil {
			child.err = fmt.Errorf("source /%s: %w", path, child.err)
			return child.err
		}
		w = child
	}
	w.source = true
	return nil
}

// plant makes the waypoint name below w.
func (p *plan) plant(top disk.FS, w *waypoint, name, path string) *waypoint {
	c := &waypoint{path: path}
	var e varve.Entry
	c.real, e, c.err = reach(top, path)
	c.kind = e.Kind
	switch {
	case errors.Is(c.err, fs.ErrNotExist), errors.Is(c.err, disk.ErrKind):
		c.err = errMissing
	case c.err == nil && p.skipped(&e):
		c.err = errSkipped
	}
	c.followed = c.real != varve.Join(w.real, name)
	if c.err == nil && c.real != path {
		p.aliases = append(p.aliases, alias{path, c.real})
	}
	if w.children == nil {
		w.children = map[string]*waypoint{}
	}
	w.children[name] = c
	return c
}

// reach returns where path leads to and what is there. A symlink that leads nowhere is itself what is there.
func reach(top disk.FS, path string) (real string, there varve.Entry, err error) {
	real, err = disk.Resolve(top, path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, disk.ErrKind) {
		dir, dirErr := disk.Resolve(top, varve.Parent(path))
		if dirErr != nil {
			return "", there, err
		}
		e := varve.Entry{Path: path}
		real = varve.Join(dir, e.Name())
	} else if err != nil || real == "" {
		return real, varve.Entry{Kind: varve.Dir}, err
	}
	e := varve.Entry{Path: real}
	at, err := disk.OpenPath(top, e.Parent())
	if err != nil {
		return "", there, err
	}
	info, err := at.Lookup(e.Name())
	if at != top {
		err = errors.Join(err, at.Close())
	}
	return real, info.Entry, err
}

// names returns the names of w's children, sorted.
func (w *waypoint) names() []string { return slices.Sorted(maps.Keys(w.children)) }

// addTo adds the names of w's children to sorted names.
func (w *waypoint) addTo(names []disk.Name) []disk.Name {
	if w == nil {
		return names
	}
	for _, name := range w.names() {
		if i, ok := find(names, name); !ok {
			names = slices.Insert(names, i, disk.Name{Name: name})
		}
	}
	return names
}

// cause returns why the object at w cannot be read, err unless that was known before. What is on the way to a source was there when
// the walk was planned; that it vanished is not a matter of course.
func (w *waypoint) cause(err error) error {
	switch {
	case w == nil:
		return err
	case w.err != nil:
		return w.err
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("/%s, %s: %w", w.path, w.reason(), errMissing)
	}
	return err
}

// cutOff reports whether an object of this kind at w, which was a directory, hides the sources below.
func (w *waypoint) cutOff(kind varve.Kind) bool {
	return w != nil && len(w.children) > 0 && kind != varve.Dir
}

// sources yields the sources that can be reached.
func (p *plan) sources(yield func(*waypoint) bool) { p.root.sources(yield) }

func (w *waypoint) sources(yield func(*waypoint) bool) bool {
	if w.source && w.err == nil && !yield(w) {
		return false
	}
	for _, name := range w.names() {
		if !w.children[name].sources(yield) {
			return false
		}
	}
	return true
}

// holds reports whether path is a source or lies below one.
func (p *plan) holds(path string) bool {
	w := p.root
	for _, name := range elements(path) {
		if w.source {
			return true
		}
		if w = w.children[name]; w == nil {
			return false
		}
	}
	return w.source
}

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
