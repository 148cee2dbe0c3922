package sftpfs

import (
	"errors"
	"io/fs"
	"math"

	"varve"
	"varve/internal/disk"
	"varve/internal/sftp"
)

func (d *dir) Set(name string, e *varve.Entry, aspect varve.Aspect) error {
	const op = "set metadata of"
	path, err := d.at(op, name, true)
	if err != nil {
		return err
	}
	d.disk.writers.flush(path) // a write that comes later would change the time
	return wrap(op, path, d.disk.change(func(t turn) error { return d.disk.set(t, path, e, aspect) }, path))
}

// set sets one aspect of what lies at path.
func (d *Disk) set(t turn, path string, e *varve.Entry, aspect varve.Aspect) error {
	if aspect == varve.Mode {
		return d.chmod(t, path, e.Mode&0o7777)
	}
	return d.give(e, aspect, func(a sftp.Attrs) (sftp.Attrs, error) {
		if !d.offers[sftp.ExtLsetstat] {
			now, err := send(t, sftp.Lstat(path)).Wait(t.ctx)
			if err == nil && now.Kind() == varve.Symlink {
				err = disk.ErrUnsupported
			}
			if err != nil {
				return now, err
			}
			return verified(t, sftp.Setstat(path, a), sftp.Lstat(path))
		}
		return verified(t, sftp.Lsetstat(path, a), sftp.Lstat(path))
	}, func() error {
		_, err := send(t, sftp.Lstat(path)).Wait(t.ctx)
		return err
	})
}

// verified sends a request together with the question what became of it.
func verified(t turn, r sftp.Request[sftp.None], look sftp.Request[sftp.Attrs]) (sftp.Attrs, error) {
	done, after := send(t, r), send(t, look)
	_, err := done.Wait(t.ctx)
	a, looked := after.Wait(t.ctx)
	if looked != nil { // a is empty then
		return a, looked
	}
	return a, err
}

// give sets owner or time through set, which returns what the object is afterwards; exists says whether there is an object at all,
// for what cannot be set on any.
func (d *Disk) give(e *varve.Entry, aspect varve.Aspect, set func(sftp.Attrs) (sftp.Attrs, error), exists func() error) error {
	switch aspect {
	case varve.Owner:
		return d.chown(e, set)
	case varve.MTime:
		return d.setTime(e.MTime, set)
	case varve.Xattrs, varve.Flags:
		if err := exists(); err != nil {
			return err
		}
		if aspect == varve.Xattrs && len(e.Xattrs) == 0 || aspect == varve.Flags && e.Flags == 0 {
			return nil
		}
		return disk.ErrUnsupported
	}
	return errAspect
}

var errAspect = errors.New("not one aspect that can be set")

// maxRefused is how many owners may be refused before no other one is tried.
const maxRefused = 8

// chown sets the owner. What was refused once is not asked for again: servers drop the connection after errors in a row.
func (d *Disk) chown(e *varve.Entry, set func(sftp.Attrs) (sftp.Attrs, error)) error {
	f := &d.facts
	owner := [2]uint32{e.UID, e.GID}
	f.mu.Lock()
	hopeless := f.refused[owner] || f.chown != Works && len(f.refused) >= maxRefused
	f.mu.Unlock()
	if hopeless {
		return marked{errRefused, fs.ErrPermission}
	}
	a, err := set(sftp.Attrs{Fields: sftp.Owner, UID: e.UID, GID: e.GID})
	switch {
	case lost(err), errors.Is(err, fs.ErrNotExist):
		return err
	case errors.Is(err, disk.ErrUnsupported): // a symlink
		return err
	case err == nil && a.Has(sftp.Owner) && (a.UID != e.UID || a.GID != e.GID):
		err = marked{errIgnored, disk.ErrUnsupported}
	case vague(err):
		err = marked{err, disk.ErrUnsupported}
	}
	if a.Fields == 0 { // nothing can be said of the object
		return err
	}
	f.learn(&f.chown, err == nil)
	if err != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.refused == nil || len(f.refused) >= maxOwners {
			f.refused = map[[2]uint32]bool{}
		}
		f.refused[owner] = true
	}
	return err
}

var (
	errRefused = errors.New("the server refused this before")
	errIgnored = errors.New("the server does not keep it")
)

// setTime sets the modification time, and the access time with it, since the protocol has them together.
func (d *Disk) setTime(at varve.Time, set func(sftp.Attrs) (sftp.Attrs, error)) error {
	if at.Sec < 0 || at.Sec > math.MaxUint32 {
		return disk.ErrUnsupported
	}
	sec := uint32(at.Sec)
	a, err := set(sftp.Attrs{Fields: sftp.Times, ATime: sec, MTime: sec})
	switch {
	case lost(err), errors.Is(err, fs.ErrNotExist), errors.Is(err, disk.ErrUnsupported):
		return err
	case vague(err):
		err = marked{err, disk.ErrUnsupported}
	case err == nil && a.MTime != sec:
		err = marked{errIgnored, disk.ErrUnsupported}
	}
	d.facts.learn(&d.facts.times, err == nil)
	if err == nil && at.Nsec != 0 {
		err = disk.ErrCoarse
	}
	return err
}

// chmod sets the mode bits of what lies at path, unless it is a symlink, by the way that works here.
func (d *Disk) chmod(t turn, path string, mode uint32) error {
	f := &d.facts
	if d.offers[sftp.ExtLsetstat] && f.known(&f.chmodAt) != Fails {
		a, err := verified(t, sftp.Lsetstat(path, modeOf(mode)), sftp.Lstat(path))
		if !vague(err) {
			if err == nil {
				f.learn(&f.chmodAt, true)
			}
			return d.moded(a, mode, err)
		}
		// On a symlink, or everywhere where the server's system has no such call.
	}
	now, err := send(t, sftp.Lstat(path)).Wait(t.ctx)
	switch {
	case err != nil:
		return err
	case now.Kind() == varve.Symlink:
		return disk.ErrUnsupported
	case f.known(&f.chmodAt) == Untried:
		f.learn(&f.chmodAt, false)
	}
	a, err := verified(t, sftp.Setstat(path, modeOf(mode)), sftp.Lstat(path))
	return d.moded(a, mode, err)
}

// moded returns what the outcome of setting a mode means, given what the object is afterwards.
func (d *Disk) moded(a sftp.Attrs, mode uint32, err error) error {
	switch {
	case lost(err), errors.Is(err, fs.ErrNotExist):
		return err
	case vague(err):
		err = marked{err, disk.ErrUnsupported}
	case err == nil && a.Has(sftp.Mode) && a.Mode&0o7777 != mode:
		err = marked{errIgnored, disk.ErrUnsupported}
	}
	d.facts.learnModes(err == nil)
	return err
}
