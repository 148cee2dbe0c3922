//go:build linux

package freeze

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"varve/internal/disk/osfs"
)

// planned is one volume of which a picture is to be taken, and where it is seen.
type planned struct {
	volume
	key   string
	live  uint64 // its device number
	shown []graft
	// picture is set once it is taken.
	picture *picture
}

// graft says that the directory at a path of the live disk is seen as it is in a picture.
type graft struct {
	at  string // absolute, without symlinks
	rel string // where it is in the picture; "" for its top
}

// site is what a kind knows of a directory on one of its volumes.
type site struct {
	volume
	key string // equal for all that are in one picture
	at  string // the topmost directory of the live disk above it that the picture has
	top string // the path in the file system of the picture's top
}

// scheme is what all volumes of a plan have in common.
type scheme struct {
	volumes []*planned
	table   mounts
	apart   []string // the absolute paths of what is mounted in places that pictures show, and is in none
}

// plan finds out of what pictures are to be taken.
func plan(kind Kind, paths []string, o Options) (*scheme, error) {
	table, err := readMounts(o.mountInfo)
	if err != nil {
		return nil, err
	}
	s := &scheme{table: table}
	for _, path := range paths {
		real, err := resolve(path)
		if err == nil && real != "" {
			err = s.add(kind, real, o)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return s, nil
}

// resolve returns path without symlinks; empty where nothing is there. A symlink that leads nowhere is what is there.
func resolve(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
		return real, err
	}
	if _, err := os.Lstat(path); err != nil {
		return "", nil
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	return filepath.Join(dir, filepath.Base(path)), err
}

// add sees to it that the object at path is in a picture.
func (s *scheme) add(kind Kind, path string, o Options) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	dir := path
	if !info.IsDir() {
		dir = filepath.Dir(path)
	}
	m := s.table.at(dir)
	if m == nil {
		return fmt.Errorf("%w: it is not known what it lies on", ErrKind)
	}
	if s.table.at(path) != m {
		return fmt.Errorf("%w: it is a file that is mounted by itself", ErrKind)
	}
	at, err := kind.locate(dir, m, s.table, o)
	if err != nil {
		return err
	}
	return s.show(at, m)
}

// locate finds the volume of this kind that dir lies on, which m shows.
func (k Kind) locate(dir string, m *mount, table mounts, o Options) (*site, error) {
	switch k {
	case Btrfs:
		return locateBtrfs(dir, m, table, o)
	case LVM:
		return locateLVM(m, o)
	case ZFS:
		return locateZFS(m, table, o)
	}
	return nil, fmt.Errorf("%w: there is no kind %q", ErrKind, k)
}

// show adds what is seen at a site, where m is mounted, and below it.
func (s *scheme) show(at *site, m *mount) error {
	v, err := s.planned(at)
	if err != nil || v.shows(at.at) {
		return err
	}
	v.shown = append(v.shown, graft{at.at, rel(m.inside(at.at), at.top)})
	for _, other := range s.table.below(at.at) {
		if v.isOf(other, m, at) {
			v.shown = append(v.shown, graft{other.point, rel(other.root, at.top)})
		} else {
			s.apart = append(s.apart, other.point)
		}
	}
	return nil
}

// planned returns the volume of a site.
func (s *scheme) planned(at *site) (*planned, error) {
	for _, v := range s.volumes {
		if v.key == at.key {
			return v, nil
		}
	}
	info, err := lookUp(at.at)
	if err != nil {
		return nil, err
	}
	v := &planned{volume: at.volume, key: at.key, live: info.Stamp.Dev}
	s.volumes = append(s.volumes, v)
	return v, nil
}

func (v *planned) shows(at string) bool {
	for _, g := range v.shown {
		if g.at == at {
			return true
		}
	}
	return false
}

// isOf reports whether other, which is mounted below the site at, shows a directory of the same volume, as m does.
func (v *planned) isOf(other, m *mount, at *site) bool {
	if other.device != m.device || !within(other.root, at.top) {
		return false
	}
	self, err := lookUp(other.point)
	return err == nil && self.Stamp.Dev == v.live // a subvolume is another device
}

// flush writes out what is to be in the pictures. Whatever is written through a mapping after that changes the time of its file.
func (s *scheme) flush() error {
	for _, v := range s.volumes {
		dir, err := osfs.Open(v.shown[0].at)
		if err == nil {
			err = errors.Join(dir.SyncAll(), dir.Close())
		}
		if err != nil {
			return fmt.Errorf("write out %s: %w", v.shown[0].at, err)
		}
	}
	return nil
}

// view returns the disk with the pictures that were taken.
func (s *scheme) view() (*view, error) {
	w := &view{top: &place{}}
	for _, v := range s.volumes {
		p := v.picture
		if p.raw == 0 {
			info, err := lookUp(p.dir)
			if err != nil {
				return nil, err
			}
			p.raw = info.Stamp.Dev
		}
		for _, g := range v.shown {
			w.top.at(g.at).spot = &spot{picture: p, live: v.live, rel: g.rel, dir: joined(p.dir, g.rel)}
		}
	}
	for _, path := range s.apart {
		w.top.at(path).apart = true
	}
	return w, nil
}

// place is a path at which, or below which, the disk of a view is put together.
type place struct {
	below map[string]*place
	spot  *spot
	apart bool // something else is mounted there
}

// spot is a directory in a picture.
type spot struct {
	*picture
	live uint64 // the device number of what it is a picture of
	rel  string
	dir  string // absolute
}

// at returns the place at an absolute path, which it makes.
func (p *place) at(path string) *place {
	for _, name := range elements(path) {
		next := p.below[name]
		if next == nil {
			next = &place{}
			if p.below == nil {
				p.below = map[string]*place{}
			}
			p.below[name] = next
		}
		p = next
	}
	return p
}

// next returns the place name in p; nil where there is none.
func (p *place) next(name string) *place {
	if p == nil {
		return nil
	}
	return p.below[name]
}

// graft returns the spot in which path, relative to the root, is seen, and the rest of the path below that; nil where there is none.
func (w *view) graft(path string) (g *spot, below string) {
	p, done := w.top, 0
	for i, name := range append([]string{""}, elements(path)...) {
		if i > 0 {
			p = p.next(name)
			done = min(done+len(name)+1, len(path))
		}
		switch {
		case p == nil:
			return g, below
		case p.spot != nil:
			g, below = p.spot, path[done:]
		case p.apart:
			g, below = nil, ""
		}
	}
	return g, below
}

// elements returns the elements of a path, absolute or not; none for the root.
func elements(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}
