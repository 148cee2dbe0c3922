//go:build linux

package freeze

import (
	"errors"
	"io/fs"
	"slices"
	"strings"

	"varve"
	"varve/internal/disk"
	"varve/internal/disk/osfs"
)

// view is the live disk with pictures in the places of what they are pictures of.
type view struct{ top *place }

// apartDevice is the device number of what stands for a file system that is in no picture. No file system needs all 64 bits.
const apartDevice = 1<<64 - 2

var (
	// errLive says that something is in no picture, and so is not read.
	errLive = errors.New("is not in the snapshot of the file system")
	// errReplaced says that a path leads somewhere else than to the picture that was taken.
	errReplaced = errors.New("is not the snapshot that was taken: somebody has moved it")
)

// dir is a directory of a view: in a picture, or on the way to one.
type dir struct {
	readOnly
	inner disk.FS
	view  *view
	place *place // nil where no other picture is below
	spot  *spot  // nil on the live disk
	apart bool   // it stands for a file system that is in no picture

	parent *dir // nil for the root
	name   string
}

var _ disk.FS = (*dir)(nil)

// open opens the root.
func (w *view) open() (disk.FS, error) {
	if w.top.spot != nil {
		return w.enter(w.top, nil, "")
	}
	live, err := osfs.Open("/")
	if err != nil {
		return nil, err
	}
	return &dir{inner: live, view: w, place: w.top}, nil
}

// enter opens the directory of a picture that is seen at p, name in parent.
func (w *view) enter(p *place, parent *dir, name string) (*dir, error) {
	inner, err := p.spot.open()
	if err != nil {
		return nil, err
	}
	return &dir{inner: inner, view: w, place: p, spot: p.spot, parent: parent, name: name}, nil
}

// open opens the directory of the picture, and no other one.
func (s *spot) open() (disk.FS, error) {
	top, err := osfs.Open(s.picture.dir)
	if err != nil {
		return nil, err
	}
	info, err := top.Lookup(".")
	if err == nil && info.Stamp.Dev != s.raw {
		err = &fs.PathError{Op: "open directory", Path: s.picture.dir, Err: errReplaced}
	}
	if err != nil {
		return nil, errors.Join(err, top.Close())
	}
	if s.rel == "" {
		return top, nil
	}
	inner, err := disk.OpenPath(top, s.rel)
	return inner, errors.Join(err, top.Close())
}

// path returns the path of d on the live disk, relative to the root.
func (d *dir) path() string {
	var names []string
	for ; d.parent != nil; d = d.parent {
		names = append(names, d.name)
	}
	slices.Reverse(names)
	return strings.Join(names, "/")
}

// other returns the place of the picture that begins at name; nil where none does.
func (d *dir) other(name string) *place {
	if p := d.place.next(name); p != nil && p.spot != nil {
		return p
	}
	return nil
}

// isApart reports whether a directory in d, with this metadata, stands for a file system that is in no picture.
func (d *dir) isApart(name string, info *disk.Info) bool {
	if d.spot == nil || info.Kind != varve.Dir {
		return false
	}
	p := d.place.next(name)
	return p != nil && p.apart || d.spot.hollow != 0 && info.Stamp.Ino == d.spot.hollow
}

// told returns metadata from a picture as the live disk would tell them.
func (s *spot) told(info disk.Info) disk.Info {
	if s != nil && info.Stamp.Dev == s.raw {
		info.Stamp.Dev = s.live
	}
	return info
}

// stand returns the metadata of a directory that stands for something else: it is nobody's, and on no device that anything else is on.
func stand(info disk.Info) disk.Info {
	info.Stamp = varve.Stamp{Dev: apartDevice}
	return info
}

func (d *dir) Names() ([]disk.Name, error) {
	if d.spot == nil {
		return nil, d.refuse("read directory", "")
	}
	return d.inner.Names()
}

func (d *dir) Lookup(name string) (disk.Info, error) {
	if p := d.other(name); p != nil {
		info, err := ask(d, p, name, func(c *dir) (disk.Info, error) { return c.Lookup(".") })
		info.Path = name
		return info, err
	}
	info, err := d.inner.Lookup(name)
	switch {
	case err != nil:
		return info, err
	case name == "." && d.apart, name != "." && d.isApart(name, &info):
		return stand(info), nil
	}
	return d.spot.told(info), nil
}

func (d *dir) Xattrs(name string) ([]varve.Xattr, error) {
	if p := d.other(name); p != nil {
		return ask(d, p, name, func(c *dir) ([]varve.Xattr, error) { return c.Xattrs(".") })
	}
	return d.inner.Xattrs(name)
}

func (d *dir) Flags(name string) (uint32, error) {
	if p := d.other(name); p != nil {
		return ask(d, p, name, func(c *dir) (uint32, error) { return c.Flags(".") })
	}
	return d.inner.Flags(name)
}

// ask opens the picture that begins at name in d, asks it, and closes it.
func ask[T any](d *dir, p *place, name string, question func(*dir) (T, error)) (T, error) {
	c, err := d.view.enter(p, d, name)
	if err != nil {
		var none T
		return none, err
	}
	answer, err := question(c)
	return answer, errors.Join(err, c.Close())
}

func (d *dir) OpenDir(name string) (disk.FS, error) {
	if p := d.other(name); p != nil {
		c, err := d.view.enter(p, d, name)
		if err != nil {
			return nil, err // not a nil *dir in an interface
		}
		return c, nil
	}
	inner, err := d.inner.OpenDir(name)
	if err != nil {
		return nil, err
	}
	c := &dir{inner: inner, view: d.view, place: d.place.next(name), spot: d.spot, parent: d, name: name}
	if d.spot != nil && (c.place != nil || d.spot.hollow != 0) {
		info, err := inner.Lookup(".")
		if err != nil {
			return nil, errors.Join(err, inner.Close())
		}
		c.apart = d.apart || d.isApart(name, &info)
	}
	return c, nil
}

func (d *dir) Open(name string) (disk.Reader, error) {
	if d.spot == nil {
		return nil, d.refuse("open", name)
	}
	r, err := d.inner.Open(name)
	if err != nil {
		return nil, err
	}
	return reader{r, d.spot}, nil
}

// refuse is the error of reading what is on the live disk alone.
func (d *dir) refuse(op, name string) error {
	path := d.path()
	if name != "" {
		path = varve.Join(path, name)
	}
	return &fs.PathError{Op: op, Path: "/" + path, Err: errLive}
}

func (d *dir) SyncAll() error { return d.inner.SyncAll() }

func (d *dir) Space() (disk.Space, error) {
	space, err := d.inner.Space()
	if err == nil && d.apart {
		space.Absent, space.Pseudo = true, pseudo(d.path())
	}
	return space, err
}

// pseudo reports whether what the live disk has at path, relative to the root, is a file system of the kernel's own.
func pseudo(path string) bool {
	root, err := osfs.Open("/")
	if err != nil {
		return false
	}
	defer root.Close()
	at, err := disk.OpenPath(root, path)
	if err != nil {
		return false
	}
	space, err := at.Space()
	return errors.Join(err, at.Close()) == nil && space.Pseudo
}

func (d *dir) Close() error { return d.inner.Close() }

// reader is a file of a picture.
type reader struct {
	disk.Reader
	spot *spot
}

func (r reader) Info() (disk.Info, error) {
	info, err := r.Reader.Info()
	return r.spot.told(info), err
}
