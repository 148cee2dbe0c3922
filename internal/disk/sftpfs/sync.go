package sftpfs

import (
	"errors"
	"io/fs"
	"sync"

	"varve/internal/sftp"
)

// syncers is how many files are made durable at once by SyncAll.
const syncers = 32

// SyncAll makes the files durable that were written through this Disk, as far as the server can. The entries of directories are
// beyond its reach.
func (d *dir) SyncAll() error {
	const op = "sync files below"
	path, err := d.at(op, ".", true)
	if err != nil {
		return err
	}
	k := d.disk
	if k.opts.Durable || !k.offers[sftp.ExtFsync] {
		return nil
	}
	return wrap(op, path, k.syncFiles(k.unsynced.take()))
}

// syncFiles makes these files durable. Those that are gone do not count. What could not be done is left to be done again.
func (d *Disk) syncFiles(paths []string) error {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var first error
	next := 0
	take := func() (string, bool) {
		mu.Lock()
		defer mu.Unlock()
		if next == len(paths) || first != nil {
			return "", false
		}
		next++
		return paths[next-1], true
	}
	for range min(syncers, len(paths)) {
		wg.Go(func() {
			for path, ok := take(); ok; path, ok = take() {
				if err := act(d, func(t turn) error { return syncFile(t, path) }); err != nil && !errors.Is(err, fs.ErrNotExist) {
					mu.Lock()
					first = errors.Join(first, wrap("sync", path, err))
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return first
}

// syncFile makes one file durable.
func syncFile(t turn, path string) error {
	h, err := send(t, sftp.OpenFile(path, sftp.FlagRead, sftp.Attrs{})).Wait(t.ctx)
	if errors.Is(err, fs.ErrPermission) {
		h, err = send(t, sftp.OpenFile(path, sftp.FlagWrite, sftp.Attrs{})).Wait(t.ctx)
	}
	if err != nil {
		return err
	}
	_, err = send(t, sftp.Fsync(h)).Wait(t.ctx)
	send(t, sftp.Close(h)).Drop()
	return err
}
