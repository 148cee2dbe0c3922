package farfs

import (
	"io"
	"sync"

	"varve"
	"varve/internal/disk"
)

// dir is a directory at the other end.
type dir struct {
	inner disk.FS
	line  *Line

	mu    sync.Mutex
	fresh map[string]disk.Info // what the last listing told, until it is asked for
	dirs  map[string]disk.Info // the directories among them
	self  *disk.Info           // what the listing above told, until it is asked for
}

var _ disk.FS = (*dir)(nil)

func (d *dir) Names() ([]disk.Name, error) {
	if err := d.line.ask("FS.Names", 3); err != nil { // OPENDIR, READDIR, and one more that says that there is no more
		return nil, err
	}
	names, err := d.inner.Names()
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fresh, d.dirs = map[string]disk.Info{}, map[string]disk.Info{}
	for i, n := range names {
		info, err := d.inner.Lookup(n.Name)
		if err != nil {
			continue // it vanished
		}
		names[i].Ino, names[i].Kind = 0, info.Kind
		d.fresh[n.Name] = told(info)
		if info.Kind == varve.Dir {
			d.dirs[n.Name] = told(info)
		}
	}
	return names, nil
}

// remembered returns what the last listing told of name, the first time.
func (d *dir) remembered(name string) (disk.Info, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if name == "." && d.self != nil {
		info := *d.self
		d.self, info.Path = nil, ""
		return info, true
	}
	info, ok := d.fresh[name]
	delete(d.fresh, name)
	return info, ok
}

func (d *dir) Lookup(name string) (disk.Info, error) {
	if info, ok := d.remembered(name); ok {
		return info, nil
	}
	if err := d.line.ask("FS.Lookup", 1); err != nil {
		return disk.Info{}, err
	}
	info, err := d.inner.Lookup(name)
	return told(info), err
}

func (d *dir) Xattrs(string) ([]varve.Xattr, error) { return nil, nil }

func (d *dir) Flags(string) (uint32, error) { return 0, nil }

func (d *dir) OpenDir(name string) (disk.FS, error) {
	d.mu.Lock()
	info, known := d.dirs[name]
	d.mu.Unlock()
	if !known {
		if err := d.line.ask("FS.OpenDir", 1); err != nil {
			return nil, err
		}
		var err error
		if info, err = d.inner.Lookup(name); err != nil {
			return nil, err
		}
		info = told(info)
	}
	inner, err := d.inner.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &dir{inner: inner, line: d.line, self: &info}, nil
}

func (d *dir) Open(name string) (disk.Reader, error) {
	if err := d.line.ask("FS.Open", 1); err != nil {
		return nil, err
	}
	r, err := d.inner.Open(name)
	if err != nil {
		return nil, err
	}
	return &reader{r, d.line}, nil
}

func (d *dir) Create(name string, mode uint32) (disk.Writer, error) {
	d.forget(name)
	if err := d.line.ask("FS.Create", 1); err != nil {
		return nil, err
	}
	w, err := d.inner.Create(name, mode)
	if err != nil {
		return nil, err
	}
	return &writer{w, d.line}, nil
}

// forget drops what the last listing told of name.
func (d *dir) forget(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.fresh, name)
	delete(d.dirs, name)
	if name == "." {
		d.self = nil
	}
}

// change makes a request that changes name.
func (d *dir) change(method, name string, call func() error) error {
	d.forget(name)
	return d.request(method, call)
}

func (d *dir) request(method string, call func() error) error {
	if err := d.line.ask(method, 1); err != nil {
		return err
	}
	return call()
}

func (d *dir) Mkdir(name string, mode uint32) error {
	return d.change("FS.Mkdir", name, func() error { return d.inner.Mkdir(name, mode) })
}

func (d *dir) Symlink(name, target string) error {
	return d.change("FS.Symlink", name, func() error { return d.inner.Symlink(name, target) })
}

func (d *dir) Mknod(name string, _ varve.Kind, _ uint32, _ varve.Rdev) error {
	return refuse("mknod", name, disk.ErrUnsupported)
}

func (d *dir) Link(name string, to disk.FS, toName string) error {
	if d.line.NoLinks {
		return refuse("link", name, disk.ErrUnsupported)
	}
	return d.move("FS.Link", name, to, toName, d.inner.Link)
}

func (d *dir) Rename(name string, to disk.FS, toName string) error {
	return d.move("FS.Rename", name, to, toName, d.inner.Rename)
}

func (d *dir) Replace(name string, to disk.FS, toName string) error {
	return d.move("FS.Replace", name, to, toName, d.inner.Replace)
}

// move makes a request that concerns two directories.
func (d *dir) move(method, name string, to disk.FS, toName string, call func(string, disk.FS, string) error) error {
	if other, ok := to.(*dir); ok {
		other.forget(toName)
		to = other.inner
	}
	return d.change(method, name, func() error { return call(name, to, toName) })
}

func (d *dir) Remove(name string) error {
	return d.change("FS.Remove", name, func() error { return d.inner.Remove(name) })
}

func (d *dir) Rmdir(name string) error {
	return d.change("FS.Rmdir", name, func() error { return d.inner.Rmdir(name) })
}

func (d *dir) Set(name string, e *varve.Entry, aspect varve.Aspect) error {
	d.forget(name)
	return d.line.set("FS.Set", name, e, aspect, func(e *varve.Entry, aspect varve.Aspect) error { return d.inner.Set(name, e, aspect) })
}

func (d *dir) Sync() error { return nil }

func (d *dir) SyncAll() error { return d.request("FS.SyncAll", d.inner.SyncAll) }

func (d *dir) Lock(name string) (lease io.Closer, err error) {
	err = d.request("FS.Lock", func() error { lease, err = d.inner.Lock(name); return err })
	return lease, err
}

func (d *dir) Space() (space disk.Space, err error) {
	err = d.request("FS.Space", func() error { space, err = d.inner.Space(); return err })
	return space, err
}

func (d *dir) Close() error { return d.inner.Close() }
