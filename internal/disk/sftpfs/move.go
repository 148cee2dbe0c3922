package sftpfs

import (
	"errors"
	"io/fs"

	"varve"
	"varve/internal/disk"
	"varve/internal/sftp"
)

// both are what a look at the two names of a move found.
type both struct {
	from, to     sftp.Attrs
	isFrom, isTo bool
}

func (t turn) lookBoth(from, to string) (b both, err error) {
	one, other := send(t, sftp.Lstat(from)), send(t, sftp.Lstat(to))
	var errFrom, errTo error
	b.from, errFrom = one.Wait(t.ctx)
	b.to, errTo = other.Wait(t.ctx)
	b.isFrom, b.isTo = errFrom == nil, errTo == nil
	if errors.Is(errFrom, fs.ErrNotExist) {
		errFrom = nil
	}
	if errors.Is(errTo, fs.ErrNotExist) {
		errTo = nil
	}
	return b, errors.Join(errFrom, errTo)
}

func (d *dir) Rename(name string, to disk.FS, toName string) error {
	const op = "rename"
	from, there, err := d.pair(op, name, to, toName)
	if err != nil {
		return err
	}
	k := d.disk
	keeps := k.renameKeeps(parent(there)) == Works
	plain := keeps && k.made.take(from)
	end := k.touch(from, there, !plain)
	err = k.change(func(t turn) error {
		if plain {
			return k.renamed(t, from, there, moved(t, sftp.Rename(from, there)))
		}
		return k.rename(t, from, there, keeps)
	})
	end(err == nil)
	k.forgetMove(from, there, plain)
	return wrap2(op, from, there, err)
}

// touch is followed by a change of what lies at from, and below it where there may be something: it is going to be at there, in the place
// of what is there now, or gone where there is empty. end says whether that was done.
func (d *Disk) touch(from, there string, tree bool) (end func(done bool)) {
	if from == there {
		return func(bool) {}
	}
	release := d.writers.hold(from, there)
	replaced, moved := d.ledger.begin(there, tree), d.ledger.begin(from, tree)
	return func(done bool) {
		replaced("", done)
		moved(there, done)
		release(done)
	}
}

func moved(t turn, r sftp.Request[sftp.None]) error {
	_, err := send(t, r).Wait(t.ctx)
	return err
}

// forgetMove forgets what was known of both names of a move; file says that it was a regular file.
func (d *Disk) forgetMove(from, there string, file bool) {
	if file {
		d.memory.forget(from)
		d.memory.forget(there)
	} else {
		d.memory.forgetTree(from)
		d.memory.forgetTree(there)
	}
}

// rename renames what may be of any kind. OpenSSH replaces a dangling symlink by a symlink, so there is a look first.
func (d *Disk) rename(t turn, from, there string, keeps bool) error {
	b, err := t.lookBoth(from, there)
	switch {
	case err != nil:
		return err
	case !b.isFrom && b.isTo && t.again:
		return nil
	case !b.isFrom:
		return fs.ErrNotExist
	case !keeps && b.from.Kind() != varve.Dir && d.offers[sftp.ExtHardlink] && d.facts.known(&d.facts.links) != Fails:
		return d.relink(t, from, there, b)
	case b.isTo:
		return fs.ErrExist
	}
	return d.renamed(t, from, there, moved(t, sftp.Rename(from, there)))
}

// relink renames where a plain rename would replace: a hard link does not.
func (d *Disk) relink(t turn, from, there string, b both) error {
	err := moved(t, sftp.Hardlink(from, there))
	switch {
	case lost(err):
		return err
	case err != nil && b.isTo && !(t.again && alike(b.from, b.to)):
		return fs.ErrExist
	case err != nil && !b.isTo:
		if now, looked := t.lookBoth(from, there); looked != nil || now.isTo {
			return errors.Join(looked, exist(now.isTo))
		}
		return d.renamed(t, from, there, moved(t, sftp.Rename(from, there))) // no links here after all
	}
	err = moved(t, sftp.Remove(from))
	if t.again && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func exist(found bool) error {
	if found {
		return fs.ErrExist
	}
	return nil
}

// renamed returns what the outcome of a rename that must not replace means.
func (d *Disk) renamed(t turn, from, there string, err error) error {
	if err == nil || lost(err) || errors.Is(err, fs.ErrPermission) {
		return err
	}
	b, looked := t.lookBoth(from, there)
	switch {
	case looked != nil:
		return looked
	case !b.isFrom && b.isTo && t.again:
		return nil
	case !b.isFrom:
		return fs.ErrNotExist
	case b.isTo:
		return fs.ErrExist
	}
	return t.apart(parent(from), parent(there), err)
}

func (d *dir) Replace(name string, to disk.FS, toName string) error {
	const op = "rename"
	from, there, err := d.pair(op, name, to, toName)
	if err != nil {
		return err
	}
	k := d.disk
	file := k.made.take(from)
	replace := k.replacing(parent(there))
	end := k.touch(from, there, !file)
	err = k.change(func(t turn) error { return k.replaced(t, from, there, replace(t, from, there)) })
	end(err == nil)
	k.forgetMove(from, there, file)
	return wrap2(op, from, there, err)
}

// replacing returns the way to replace that this server has; the last one is not atomic.
func (d *Disk) replacing(dir string) func(t turn, from, there string) error {
	switch {
	case d.offers[sftp.ExtPosixRename]:
		return func(t turn, from, there string) error { return moved(t, sftp.PosixRename(from, there)) }
	case d.renameKeeps(dir) == Fails:
		return func(t turn, from, there string) error { return moved(t, sftp.Rename(from, there)) }
	}
	return d.removeAndRename
}

func (d *Disk) removeAndRename(t turn, from, there string) error {
	b, err := t.lookBoth(from, there)
	switch {
	case err != nil:
		return err
	case !b.isFrom || from == there:
		return missing(b.isFrom)
	case b.isTo && (b.from.Kind() == varve.Dir) != (b.to.Kind() == varve.Dir):
		return disk.ErrKind
	case b.isTo && b.to.Kind() == varve.Dir:
		err = moved(t, sftp.Rmdir(there))
	case b.isTo:
		err = moved(t, sftp.Remove(there))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return moved(t, sftp.Rename(from, there))
}

// replaced returns what the outcome of replacing means.
func (d *Disk) replaced(t turn, from, there string, err error) error {
	if err == nil || lost(err) || errors.Is(err, fs.ErrPermission) {
		return err
	}
	b, looked := t.lookBoth(from, there)
	switch {
	case looked != nil:
		return looked
	case !b.isFrom && b.isTo && t.again:
		return nil
	case !b.isFrom:
		return fs.ErrNotExist
	case b.isTo && (b.from.Kind() == varve.Dir) != (b.to.Kind() == varve.Dir):
		return marked{err, disk.ErrKind}
	case b.isTo && b.to.Kind() == varve.Dir && vague(err):
		return marked{err, disk.ErrNotEmpty}
	}
	return t.apart(parent(from), parent(there), err)
}
