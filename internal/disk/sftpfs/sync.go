package sftpfs

import (
	"cmp"
	"errors"
	"io/fs"
	"sync"
	"sync/atomic"

	"varve"
	"varve/internal/sftp"
)

// syncers is how many files are made durable at once by SyncAll.
const syncers = 32

// SyncAll makes the files durable that were written and closed through this Disk, as far as the server can, and finds out whether it
// still has them: where a session was lost since a file was closed, the server may have crashed, and the file is read back and
// compared. A file that is not there any more and was not removed through this Disk is an error, as is one that cannot be made
// durable; that is not tried again, but said again until the file is removed or replaced. The entries of directories are beyond its
// reach.
func (d *dir) SyncAll() error {
	if _, err := d.at("sync files below", ".", true); err != nil {
		return err
	}
	l := d.disk.ledger
	l.flushing.Lock()
	defer l.flushing.Unlock()
	return d.disk.flush()
}

// relieve makes files durable where many wait for that, so that there is room for others. Meanwhile some may be made.
func (d *Disk) relieve() error {
	l := d.ledger
	switch {
	case !l.full(1):
		return nil
	case l.full(2):
		l.flushing.Lock()
	case !l.flushing.TryLock():
		return nil
	}
	defer l.flushing.Unlock()
	if !l.full(1) {
		return nil
	}
	return d.flush()
}

// flush is SyncAll with the ledger's flushing held. What could not be done for want of a connection is left to be done again.
func (d *Disk) flush() error {
	list, err := d.ledger.all()
	if err != nil || len(list) == 0 {
		return err
	}
	if d.offers[sftp.ExtFsync] {
		if err := d.each(list, d.persist); err != nil {
			return err
		}
	}
	losses := d.rollCall()
	err = d.each(list, func(path string, f *written) error {
		if f.losses == losses {
			return nil
		}
		return d.revive(path, f).again(false)
	})
	if err == nil {
		d.ledger.strike(list)
	}
	return err
}

// each does something with every file, many at once, until the first error.
func (d *Disk) each(list []*written, do func(path string, f *written) error) error {
	var wg sync.WaitGroup
	var next atomic.Int64
	errs := make([]error, min(syncers, len(list)))
	for i := range errs {
		wg.Go(func() {
			for n := next.Add(1); n <= int64(len(list)); n = next.Add(1) {
				if errs[i] = d.follow(list[n-1], do); errs[i] != nil {
					next.Store(int64(len(list))) // the others stop as well
				}
			}
		})
	}
	wg.Wait()
	return cmp.Or(errs...)
}

// follow does something with a file, again where it was moved meanwhile; nothing with one that is of no concern any more.
func (d *Disk) follow(f *written, do func(path string, f *written) error) error {
	for {
		path, turn, there := d.ledger.where(f)
		if !there {
			return nil
		}
		err := wrap("sync", path, do(path, f))
		if !d.ledger.judge(f, turn, err) {
			return err
		}
	}
}

// persist makes a closed file durable.
func (d *Disk) persist(path string, f *written) error {
	var opened bool
	err := act(d, func(t turn) error {
		h, err := send(t, sftp.OpenFile(path, sftp.FlagRead, sftp.Attrs{})).Wait(t.ctx)
		if err != nil {
			return err
		}
		opened = true
		done, look := send(t, sftp.Fsync(h)), send(t, sftp.Fstat(h))
		send(t, sftp.Close(h)).Drop()
		a, errLook := look.Wait(t.ctx)
		err = errors.Join(waitFor(t, done), errLook)
		if err == nil && (a.Kind() != varve.Regular || a.Size != f.size) {
			err = errAltered
		}
		return t.fuller(onWire(parent(path)), err, maxSpare)
	})
	if !opened && errors.Is(err, fs.ErrPermission) { // its mode does not let it be read
		return d.revive(path, f).again(true)
	}
	return err
}

// revive returns a writer for a file that was closed, as one whose session is lost.
func (d *Disk) revive(path string, f *written) *writer {
	return &writer{disk: d, path: path, size: f.size, sums: f.sums, torn: true}
}

// again opens the file once more, makes it durable where asked for, compares what the server holds with what was written, and closes it.
func (w *writer) again(durable bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.letGo()
	return w.finish(durable, true)
}

// rollCall waits for a sign of life of every session and returns how many have been lost until then. Where it is as many as before,
// the server has been running all the time: none of those that were there before has ended.
func (d *Disk) rollCall() int64 {
	var calls []*sftp.Call[sftp.Attrs]
	for _, m := range d.pool.present() {
		calls = append(calls, send(turn{m: m, ctx: d.pool.life}, sftp.Lstat(onWire(d.path))))
	}
	for _, c := range calls {
		_, _ = c.Wait(d.pool.life) // a session that does not answer is lost then
	}
	return d.pool.lost()
}
