package tree_test

import (
	"io"
	"io/fs"
	"sync/atomic"
	"time"

	"varve"
	"varve/internal/disk"
)

// farDisk is what a disk on another machine looks like: every call takes long, and there is little that it can hold.
type farDisk struct {
	delay time.Duration // of every call
	calls atomic.Int64
	// dull disks hold no owners, nanoseconds, devices, extended attributes, and tell no inodes.
	dull bool
	// noSymlinks and noLinks take these away, too.
	noSymlinks bool
	// lost, where set, says what became of leases.
	lost func() error
}

// wait is the way there and back.
func (d *farDisk) wait() {
	d.calls.Add(1)
	if d.delay > 0 {
		time.Sleep(d.delay)
	}
}

// root returns inner as it is seen from here.
func (d *farDisk) root(inner disk.FS) disk.FS { return &farFS{FS: inner, d: d} }

// farFS is a directory of a farDisk.
type farFS struct {
	disk.FS
	d *farDisk
}

func (f *farFS) Names() ([]disk.Name, error) { f.d.wait(); return f.FS.Names() }

func (f *farFS) Lookup(name string) (disk.Info, error) {
	f.d.wait()
	info, err := f.FS.Lookup(name)
	return f.d.dim(info), err
}

// dim takes from info what the disk does not tell.
func (d *farDisk) dim(info disk.Info) disk.Info {
	if d.dull {
		info.Stamp, info.BTime, info.Flags, info.Links = varve.Stamp{}, varve.Time{}, 0, 1
	}
	return info
}

func (f *farFS) Xattrs(name string) ([]varve.Xattr, error) {
	if f.d.dull {
		return nil, nil
	}
	f.d.wait()
	return f.FS.Xattrs(name)
}

func (f *farFS) OpenDir(name string) (disk.FS, error) {
	f.d.wait()
	sub, err := f.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return f.d.root(sub), nil
}

func (f *farFS) Open(name string) (disk.Reader, error) {
	f.d.wait()
	r, err := f.FS.Open(name)
	if err != nil {
		return nil, err
	}
	return &farReader{r, f.d}, nil
}

func (f *farFS) Create(name string, mode uint32) (disk.Writer, error) {
	f.d.wait()
	w, err := f.FS.Create(name, mode)
	if err != nil {
		return nil, err
	}
	return &farWriter{w, f.d}, nil
}

func (f *farFS) Mkdir(name string, mode uint32) error { f.d.wait(); return f.FS.Mkdir(name, mode) }

func (f *farFS) Symlink(name, target string) error {
	f.d.wait()
	if f.d.noSymlinks {
		return &fs.PathError{Op: "symlink", Path: name, Err: disk.ErrUnsupported}
	}
	return f.FS.Symlink(name, target)
}

func (f *farFS) Mknod(name string, kind varve.Kind, mode uint32, dev varve.Rdev) error {
	f.d.wait()
	if f.d.dull {
		return &fs.PathError{Op: "mknod", Path: name, Err: disk.ErrUnsupported}
	}
	return f.FS.Mknod(name, kind, mode, dev)
}

func (f *farFS) Link(name string, to disk.FS, toName string) error {
	f.d.wait()
	return f.FS.Link(name, to.(*farFS).FS, toName)
}

func (f *farFS) Rename(name string, to disk.FS, toName string) error {
	f.d.wait()
	return f.FS.Rename(name, to.(*farFS).FS, toName)
}

func (f *farFS) Replace(name string, to disk.FS, toName string) error {
	f.d.wait()
	return f.FS.Replace(name, to.(*farFS).FS, toName)
}

func (f *farFS) Remove(name string) error { f.d.wait(); return f.FS.Remove(name) }
func (f *farFS) Rmdir(name string) error  { f.d.wait(); return f.FS.Rmdir(name) }
func (f *farFS) Sync() error              { return f.FS.Sync() }
func (f *farFS) SyncAll() error           { f.d.wait(); return f.FS.SyncAll() }

func (f *farFS) Set(name string, e *varve.Entry, aspect varve.Aspect) error {
	return f.d.set(e, aspect, func(e *varve.Entry) error { return f.FS.Set(name, e, aspect) })
}

// set sets what the disk can hold.
func (d *farDisk) set(e *varve.Entry, aspect varve.Aspect, call func(e *varve.Entry) error) error {
	switch {
	case !d.dull:
	case aspect == varve.Xattrs && len(e.Xattrs) == 0:
		return nil
	case aspect == varve.Xattrs || aspect == varve.Flags:
		return disk.ErrUnsupported
	case aspect == varve.Owner:
		d.wait()
		return fs.ErrPermission
	case aspect == varve.MTime && (e.Kind == varve.Symlink || e.MTime.Nsec != 0):
		d.wait()
		whole := *e
		whole.MTime.Nsec = 0
		if err := call(&whole); err != nil {
			return err
		}
		return disk.ErrUnsupported
	}
	d.wait()
	return call(e)
}

func (f *farFS) Lock(name string) (io.Closer, error) {
	f.d.wait()
	c, err := f.FS.Lock(name)
	if err != nil || f.d.lost == nil {
		return c, err
	}
	return farLease{c, f.d}, nil
}

// farLease is a lease that may be lost.
type farLease struct {
	io.Closer
	d *farDisk
}

func (l farLease) Err() error { return l.d.lost() }

// farReader is a file of a farDisk, read.
type farReader struct {
	disk.Reader
	d *farDisk
}

func (r *farReader) ReadAt(p []byte, off int64) (int, error) {
	r.d.wait()
	return r.Reader.ReadAt(p, off)
}

func (r *farReader) Info() (disk.Info, error) {
	r.d.wait()
	info, err := r.Reader.Info()
	return r.d.dim(info), err
}

// farWriter is a file of a farDisk, written.
type farWriter struct {
	disk.Writer
	d *farDisk
}

func (w *farWriter) WriteAt(p []byte, off int64) (int, error) {
	w.d.wait()
	return w.Writer.WriteAt(p, off)
}

func (w *farWriter) Set(e *varve.Entry, aspect varve.Aspect) error {
	return w.d.set(e, aspect, func(e *varve.Entry) error { return w.Writer.Set(e, aspect) })
}

func (w *farWriter) Sync() error  { w.d.wait(); return w.Writer.Sync() }
func (w *farWriter) Close() error { w.d.wait(); return w.Writer.Close() }
