package sftpfs

import (
	"errors"
	"io/fs"
	"sync"

	"varve"
	"varve/internal/disk"
	"varve/internal/sftp"
)

// change does an operation that changes what lies at these paths. Every attempt makes sure that the leases are held: to come to it may
// have taken longer than others wait before they take a lease over.
func (d *Disk) change(f func(t turn) error, paths ...string) error {
	var forbidden error
	err := act(d, func(t turn) error {
		if forbidden = d.leases.guard(d); forbidden != nil {
			return nil // whatever it says, it is not that this attempt was lost
		}
		return f(t)
	})
	if forbidden != nil {
		err = forbidden
	}
	for _, p := range paths {
		d.memory.forget(p)
	}
	return err
}

func modeOf(mode uint32) sftp.Attrs { return sftp.Attrs{Fields: sftp.Mode, Mode: mode & 0o7777} }

// anyway is the mode that a file has at least while it is written, so that it can be opened again.
const anyway = 0o600

func (d *dir) Create(name string, mode uint32) (disk.Writer, error) {
	const op = "create"
	path, err := d.at(op, name, false)
	if err != nil {
		return nil, err
	}
	if err := d.disk.relieve(); err != nil {
		return nil, err
	}
	w := &writer{disk: d.disk, path: path, mode: &mode, unsafe: true}
	mode &= 0o777
	if err := d.disk.change(w.create, path); err != nil {
		return nil, wrap(op, path, err)
	}
	d.disk.made.add(path)
	d.disk.writers.add(w)
	return w, nil
}

// create makes the file of w.
func (w *writer) create(t turn) error {
	const how = sftp.FlagRead | sftp.FlagWrite
	h, err := send(t, sftp.OpenFile(w.path, how|sftp.FlagCreate|sftp.FlagExclusive, modeOf(*w.mode|anyway))).Wait(t.ctx)
	if err != nil && t.again && !lost(err) {
		a, found, looked := t.look(w.path)
		switch {
		case looked != nil:
			return looked
		case found && a.Kind() == varve.Regular && a.Size == 0:
			h, err = send(t, sftp.OpenFile(w.path, how, sftp.Attrs{})).Wait(t.ctx)
		}
	}
	if err != nil {
		return t.taken(w.path, err)
	}
	w.at = hold(t.m, h)
	if _, known := w.disk.Clock(); !known {
		if a, err := send(t, sftp.Fstat(h)).Wait(t.ctx); err == nil {
			w.disk.noteClock(a)
		}
	}
	return nil
}

func (d *dir) Mkdir(name string, mode uint32) error {
	const op = "mkdir"
	path, err := d.at(op, name, false)
	if err != nil {
		return err
	}
	mode &= 0o777
	err = d.disk.change(func(t turn) error {
		made, look := send(t, sftp.Mkdir(path, modeOf(mode))), send(t, sftp.Lstat(path))
		_, err := made.Wait(t.ctx)
		a, looked := look.Wait(t.ctx)
		switch {
		case lost(err), lost(looked):
			return errors.Join(err, looked)
		case err != nil && t.again && looked == nil && a.Kind() == varve.Dir:
		case err != nil && looked == nil:
			return fs.ErrExist
		case err != nil:
			return t.full(onWire(parent(path)), err)
		}
		if looked == nil && a.Mode&0o7777 == mode {
			return nil
		}
		err = d.disk.chmod(t, path, mode)
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, disk.ErrUnsupported) {
			return nil // a server without modes must not keep directories from being made
		}
		return err
	}, path)
	return wrap(op, path, err)
}

// maxName is how many bytes a name may have nearly everywhere.
const maxName = 255

func (d *dir) Symlink(name, target string) error {
	const op = "symlink"
	path, err := d.at(op, name, false)
	if err != nil {
		return err
	}
	err = d.disk.change(func(t turn) error {
		_, err := send(t, sftp.Symlink(target, path)).Wait(t.ctx)
		if err != nil && t.again && !lost(err) {
			there, looked := send(t, sftp.Readlink(path)).Wait(t.ctx)
			if lost(looked) || looked == nil && there == target {
				return looked
			}
		}
		err = t.taken(path, err)
		if vague(err) && len(name) <= maxName && d.disk.facts.known(&d.disk.facts.symlinks) != Works {
			err = marked{err, disk.ErrUnsupported}
		}
		return err
	}, path)
	if err == nil || errors.Is(err, disk.ErrUnsupported) {
		d.disk.facts.learn(&d.disk.facts.symlinks, err == nil)
	}
	return wrap(op, path, err)
}

func (d *dir) Mknod(name string, kind varve.Kind, mode uint32, dev varve.Rdev) error {
	const op = "mknod"
	path, err := d.at(op, name, false)
	if err != nil {
		return err
	}
	switch kind {
	case varve.FIFO, varve.Socket, varve.CharDevice, varve.BlockDevice:
		return wrap(op, path, disk.ErrUnsupported)
	}
	return wrap(op, path, disk.ErrKind)
}

// puzzled is how many links may fail without a reason that can be found before links are taken for impossible.
const puzzled = 3

func (d *dir) Link(name string, to disk.FS, toName string) error {
	const op = "link"
	from, there, err := d.pair(op, name, to, toName)
	if err != nil {
		return err
	}
	f := &d.disk.facts
	if f.known(&f.links) == Fails {
		return wrap2(op, from, there, disk.ErrUnsupported)
	}
	if err := d.disk.relieve(); err != nil {
		return err
	}
	named := d.disk.ledger.link(from)
	err = d.disk.change(func(t turn) error {
		_, err := send(t, sftp.Hardlink(from, there)).Wait(t.ctx)
		return d.disk.linked(t, from, there, err)
	}, from, there)
	if err == nil {
		f.learn(&f.links, true)
		named(there)
	}
	return wrap2(op, from, there, err)
}

// linked returns what the outcome of a hardlink request means.
func (d *Disk) linked(t turn, from, there string, err error) error {
	switch {
	case err == nil || lost(err) || errors.Is(err, sftp.ErrUnsupported):
		return err
	case errors.Is(err, fs.ErrPermission): // also said of directories and of file systems that have no links
		return marked{err, disk.ErrUnsupported}
	}
	source, found, looked := t.look(from)
	if looked != nil || !found {
		return errors.Join(looked, missing(found || looked != nil))
	}
	target, found, looked := t.look(there)
	switch {
	case looked != nil:
		return looked
	case found && t.again && alike(source, target):
		return nil
	case found:
		return fs.ErrExist
	case !vague(err):
		return err
	}
	return d.unlinkable(t, from, there, err)
}

func missing(found bool) error {
	if found {
		return nil
	}
	return fs.ErrNotExist
}

// alike reports whether two names may be those of one object.
func alike(a, b sftp.Attrs) bool { a.ATime, b.ATime = 0, 0; return a == b }

// unlinkable finds out why a link could not be made although nothing was in the way.
func (d *Disk) unlinkable(t turn, from, there string, err error) error {
	err = t.apart(parent(from), parent(there), err)
	if !vague(err) {
		return err
	}
	f := &d.facts
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.links == Works { // one that cannot take another link is what is left
		return marked{err, disk.ErrTooManyLinks}
	}
	if f.unexplained++; f.unexplained >= puzzled {
		f.links = Fails
	}
	return marked{err, disk.ErrUnsupported}
}

// apart explains why nothing could be moved or linked from one directory to another: they lie on different file systems, or there is
// no room.
func (t turn) apart(from, there string, err error) error {
	if !vague(err) {
		return err
	}
	one, other := send(t, sftp.Statvfs(onWire(from))), send(t, sftp.Statvfs(onWire(there)))
	a, errA := one.Wait(t.ctx)
	b, errB := other.Wait(t.ctx)
	switch {
	case lost(errA), lost(errB):
		return errors.Join(errA, errB)
	case errA == nil && errB == nil && a.ID != b.ID:
		return marked{err, disk.ErrCrossDevice}
	}
	return t.full(onWire(there), err)
}

// made remembers regular files that were made here, which saves a look at them when they get their names.
type made struct {
	mu    sync.Mutex
	paths map[string]bool
}

// maxMade bounds the memory of made.
const maxMade = 1 << 12

func (m *made) add(path string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.paths == nil || len(m.paths) >= maxMade {
		m.paths = map[string]bool{}
	}
	m.paths[path] = true
}

// take reports whether path is such a file, and forgets it.
func (m *made) take(path string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.paths[path]
	delete(m.paths, path)
	return known
}
