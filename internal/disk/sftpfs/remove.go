package sftpfs

import (
	"errors"
	"io/fs"

	"varve"
	"varve/internal/disk"
	"varve/internal/sftp"
)

func (d *dir) Remove(name string) error {
	const op = "remove"
	path, err := d.at(op, name, false)
	if err != nil {
		return err
	}
	end := d.disk.touch(path, "", false)
	err = d.disk.change(func(t turn) error {
		return t.removed(path, moved(t, sftp.Remove(path)), func(a sftp.Attrs, err error) error {
			if a.Kind() == varve.Dir {
				return marked{err, disk.ErrKind}
			}
			return err
		})
	}, path)
	end(err == nil || errors.Is(err, fs.ErrNotExist))
	if err == nil {
		d.disk.leases.removed(path)
		d.disk.made.take(path)
	}
	return wrap(op, path, err)
}

func (d *dir) Rmdir(name string) error {
	const op = "rmdir"
	path, err := d.at(op, name, false)
	if err != nil {
		return err
	}
	end := d.disk.touch(path, "", true)
	err = d.disk.change(func(t turn) error {
		return t.removed(path, moved(t, sftp.Rmdir(path)), func(a sftp.Attrs, err error) error {
			if a.Kind() != varve.Dir {
				return marked{err, disk.ErrKind}
			}
			return t.notEmpty(path, err)
		})
	})
	end(err == nil)
	d.disk.memory.forgetTree(path)
	return wrap(op, path, err)
}

// removed returns what the outcome of removing path means; there explains why it is still there.
func (t turn) removed(path string, err error, there func(sftp.Attrs, error) error) error {
	switch {
	case err == nil || lost(err):
		return err
	case t.again && errors.Is(err, fs.ErrNotExist):
		return nil
	}
	a, found, looked := t.look(path)
	switch {
	case looked != nil:
		return looked
	case !found && t.again:
		return nil
	case !found:
		return fs.ErrNotExist
	}
	return there(a, err)
}

// notEmpty finds out whether the directory at path was not removed because it has entries.
func (t turn) notEmpty(path string, err error) error {
	if !vague(err) {
		return err
	}
	for _, failed := range t.m.ListDir(t.ctx, path) {
		if lost(failed) {
			return failed
		}
		if failed == nil {
			return marked{err, disk.ErrNotEmpty}
		}
		break
	}
	return err
}
