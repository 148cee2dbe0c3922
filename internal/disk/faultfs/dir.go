package faultfs

import (
	"io"
	"io/fs"
	"os"

	"varve"
	"varve/internal/disk"
)

// place is where a handle lies: what befalls it and its path below the root.
type place struct {
	inj  *Injector
	path string
}

// at returns the path of name in the directory p.
func (p place) at(name string) string {
	if name == "." {
		return p.path
	}
	return varve.Join(p.path, name)
}

// op returns the call of method on name in the directory p.
func (p place) op(method, name string) Op { return Op{Method: method, Name: p.at(name)} }

// dir is a directory whose calls may fail.
type dir struct {
	inner disk.FS
	place
}

var _ disk.FS = (*dir)(nil)

func (d *dir) Names() ([]disk.Name, error) {
	return ask(d.inj, d.op("FS.Names", "."), d.inner.Names)
}

func (d *dir) Lookup(name string) (disk.Info, error) {
	return ask(d.inj, d.op("FS.Lookup", name), func() (disk.Info, error) { return d.inner.Lookup(name) })
}

func (d *dir) Xattrs(name string) ([]varve.Xattr, error) {
	return ask(d.inj, d.op("FS.Xattrs", name), func() ([]varve.Xattr, error) { return d.inner.Xattrs(name) })
}

func (d *dir) Flags(name string) (uint32, error) {
	return ask(d.inj, d.op("FS.Flags", name), func() (uint32, error) { return d.inner.Flags(name) })
}

func (d *dir) OpenDir(name string) (disk.FS, error) {
	sub, err := ask(d.inj, d.op("FS.OpenDir", name), func() (disk.FS, error) { return d.inner.OpenDir(name) })
	if err != nil {
		return nil, err
	}
	return &dir{inner: sub, place: place{d.inj, d.at(name)}}, nil
}

func (d *dir) Open(name string) (disk.Reader, error) {
	r, err := ask(d.inj, d.op("FS.Open", name), func() (disk.Reader, error) { return d.inner.Open(name) })
	if err != nil {
		return nil, err
	}
	return &reader{inner: r, place: place{d.inj, d.at(name)}}, nil
}

func (d *dir) Create(name string, mode uint32) (disk.Writer, error) {
	w, err := ask(d.inj, d.op("FS.Create", name), func() (disk.Writer, error) { return d.inner.Create(name, mode) })
	if err != nil {
		return nil, err
	}
	return &writer{inner: w, place: place{d.inj, d.at(name)}}, nil
}

func (d *dir) Mkdir(name string, mode uint32) error {
	return d.inj.do(d.op("FS.Mkdir", name), func() error { return d.inner.Mkdir(name, mode) })
}

func (d *dir) Symlink(name, target string) error {
	return d.inj.do(d.op("FS.Symlink", name), func() error { return d.inner.Symlink(name, target) })
}

func (d *dir) Mknod(name string, kind varve.Kind, mode uint32, dev varve.Rdev) error {
	return d.inj.do(d.op("FS.Mknod", name), func() error { return d.inner.Mknod(name, kind, mode, dev) })
}

func (d *dir) Link(name string, to disk.FS, toName string) error {
	return d.pair("FS.Link", name, to, toName, d.inner.Link)
}

func (d *dir) Rename(name string, to disk.FS, toName string) error {
	return d.pair("FS.Rename", name, to, toName, d.inner.Rename)
}

func (d *dir) Replace(name string, to disk.FS, toName string) error {
	return d.pair("FS.Replace", name, to, toName, d.inner.Replace)
}

// pair makes a call with the directory behind to.
func (d *dir) pair(method, name string, to disk.FS, toName string, call func(string, disk.FS, string) error) error {
	op := d.op(method, name)
	other, ok := to.(*dir)
	if ok {
		op.To = other.at(toName)
	} else {
		op.To = toName
	}
	return d.inj.do(op, func() error {
		if !ok {
			return explain(op, disk.ErrCrossDevice)
		}
		return call(name, other.inner, toName)
	})
}

func (d *dir) Remove(name string) error {
	return d.inj.do(d.op("FS.Remove", name), func() error { return d.inner.Remove(name) })
}

func (d *dir) Rmdir(name string) error {
	return d.inj.do(d.op("FS.Rmdir", name), func() error { return d.inner.Rmdir(name) })
}

func (d *dir) Set(name string, e *varve.Entry, aspect varve.Aspect) error {
	return d.inj.do(d.op("FS.Set", name), func() error { return d.inner.Set(name, e, aspect) })
}

func (d *dir) Sync() error {
	return d.inj.do(d.op("FS.Sync", "."), d.inner.Sync)
}

func (d *dir) SyncAll() error {
	return d.inj.sync(d.op("FS.SyncAll", "."), d.inner, d.inner.SyncAll)
}

// LoseUnsynced passes on what another faultfs around this one asks for.
func (d *dir) LoseUnsynced() { lose(d.inner) }

func (d *dir) Lock(name string) (io.Closer, error) {
	c, err := ask(d.inj, d.op("FS.Lock", name), func() (io.Closer, error) { return d.inner.Lock(name) })
	if err != nil {
		return nil, err
	}
	return &lease{inner: c, place: place{d.inj, d.at(name)}}, nil
}

func (d *dir) Space() (disk.Space, error) {
	return ask(d.inj, d.op("FS.Space", "."), d.inner.Space)
}

func (d *dir) Close() error {
	return d.inj.shut(d.op("FS.Close", "."), d.inner.Close)
}

// lease is a lock whose end may fail.
type lease struct {
	inner io.Closer
	place
}

// Close ends the lease.
func (l *lease) Close() error {
	return l.inj.shut(l.op("Lease.Close", "."), l.inner.Close)
}

// explain gives err the operation and the paths of op.
func explain(op Op, err error) error {
	if err == io.EOF {
		return err
	}
	if op.To != "" {
		return &os.LinkError{Op: op.Method, Old: op.Name, New: op.To, Err: mark(err)}
	}
	path := op.Name
	if path == "" {
		path = "."
	}
	return &fs.PathError{Op: op.Method, Path: path, Err: mark(err)}
}
