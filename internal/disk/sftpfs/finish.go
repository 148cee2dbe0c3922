package sftpfs

import (
	"errors"
	"hash/maphash"
	"io"
	"io/fs"

	"varve"
	"varve/internal/disk"
	"varve/internal/sftp"
)

func (w *writer) Truncate(size int64) error {
	const op = "truncate"
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.usable()
	if err == nil && size < 0 {
		err = errNegative
	}
	if err == nil {
		end := w.size
		w.unsafe = true
		w.size = max(w.size, size)
		err = w.request(func(t turn, h sftp.Handle) error {
			return moved(t, sftp.Fsetstat(h, sftp.Attrs{Fields: sftp.Size, Size: size}))
		})
		if size > end && w.err == nil && (vague(err) || errors.Is(err, fs.ErrPermission) || errors.Is(err, disk.ErrUnsupported)) {
			err = w.extend(size)
		}
	}
	if err == nil {
		w.sums.truncate(size)
		w.size, w.acked = size, true
	}
	w.disk.memory.forget(w.path)
	return wrap(op, w.path, err)
}

// extend makes the file larger, to size bytes, where the server lets nobody set that.
func (w *writer) extend(size int64) error {
	w.write(size-1, []byte{0})
	w.settle(0)
	return w.err
}

// Clone is not supported: the protocol has no sharing of content.
func (w *writer) Clone(disk.Reader) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.usable()
	if err == nil {
		err = disk.ErrUnsupported
	}
	return wrap("clone", w.path, err)
}

func (w *writer) Set(e *varve.Entry, aspect varve.Aspect) error {
	const op = "set metadata of"
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.usable(); err != nil {
		return wrap(op, w.path, err)
	}
	w.unsafe = true
	err := w.request(func(t turn, h sftp.Handle) error {
		set := func(a sftp.Attrs) (sftp.Attrs, error) { return verified(t, sftp.Fsetstat(h, a), sftp.Fstat(h)) }
		if aspect == varve.Mode {
			a, err := set(modeOf(e.Mode))
			if err != nil && !lost(err) && w.disk.facts.known(&w.disk.facts.chmod) != Fails {
				return w.disk.chmod(t, w.path, e.Mode&0o7777) // some refuse it for open files alone, which says nothing of others
			}
			return w.disk.moded(a, e.Mode&0o7777, err)
		}
		return w.disk.give(e, aspect, set, func() error { return nil })
	})
	if aspect == varve.Mode && w.err == nil {
		w.mode = nil
	}
	w.disk.memory.forget(w.path)
	return wrap(op, w.path, err)
}

// Sync makes the file durable where the server can. In any case everything has been acknowledged when it returns nil; where the server
// cannot make anything durable, or a session was lost, the content was read back and compared as well.
func (w *writer) Sync() error {
	const op = "sync"
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.usable(); err != nil {
		return wrap(op, w.path, err)
	}
	return wrap(op, w.path, w.finish(true, false))
}

// Close gives the file its mode, makes it durable where the Disk is, and closes it.
func (w *writer) Close() error {
	const op = "close"
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return wrap(op, w.path, fs.ErrClosed)
	}
	w.closed = true
	defer w.disk.writers.remove(w)
	losses := w.disk.pool.lost()
	err := w.err
	if err == nil {
		err = w.finish(w.flushNow(), true)
	}
	w.letGo()
	if err == nil && w.unsafe && !w.gone && !w.disk.opts.Durable {
		w.sums.last = nil
		w.disk.ledger.enter(&written{path: w.path, losses: losses, size: w.size, sums: w.sums})
	}
	w.disk.memory.forget(w.path)
	return wrap(op, w.path, err)
}

// flushNow reports whether the file is made durable when it is closed, not later with others: where the Disk is durable, where the
// file could not be compared later, and while sessions are being lost, since what is durable need not be read back after the next loss.
func (w *writer) flushNow() bool {
	switch {
	case !w.unsafe:
		return false
	case w.disk.opts.Durable:
		return true
	}
	return w.disk.offers[sftp.ExtFsync] && (w.sums.spoilt || w.disk.pool.wary())
}

// letGo closes the file without waiting, where it is open.
func (w *writer) letGo() {
	if w.at != nil {
		w.at.drop(w.disk)
		w.at = nil
	}
}

// finish brings the file to its end: its mode, its durability, its closing.
func (w *writer) finish(durable, closing bool) error {
	var read bool
	err := w.request(func(t turn, h sftp.Handle) error {
		read = w.mustRead(durable)
		return w.conclude(t, h, durable, closing && !read)
	})
	if err != nil {
		w.fail(err)
		return err
	}
	w.mode = nil
	if read {
		if err := w.readBack(); err != nil {
			w.fail(err)
			return err
		}
	}
	if w.mode != nil { // it was opened again, for which its mode had to be changed
		err := w.request(func(t turn, h sftp.Handle) error { return w.conclude(t, h, false, false) })
		if err != nil {
			w.fail(err)
			return err
		}
		w.mode = nil
	}
	if durable {
		w.unsafe = false
	}
	if closing && w.at != nil {
		return w.shut()
	}
	return nil
}

// mustRead reports whether what the server holds has to be compared with what was written.
func (w *writer) mustRead(durable bool) bool {
	return w.torn || durable && w.unsafe && !w.disk.offers[sftp.ExtFsync]
}

// conclude sends what ends the work on a file in one go, behind what was written.
func (w *writer) conclude(t turn, h sftp.Handle, durable, closing bool) error {
	at := w.at
	var mode, syncing, end *sftp.Call[sftp.None]
	if w.mode != nil && w.disk.facts.known(&w.disk.facts.chmod) != Fails { // some servers hang up after a few refusals
		mode = send(t, sftp.Fsetstat(h, modeOf(*w.mode)))
	}
	if durable && w.disk.offers[sftp.ExtFsync] {
		syncing = send(t, sftp.Fsync(h))
	}
	if closing {
		end = send(t, sftp.Close(h))
	}
	w.settle(0)
	errMode, errSync, errEnd := waitFor(t, mode), waitFor(t, syncing), waitFor(t, end)
	switch {
	case w.err != nil:
		return w.err
	case w.at != at: // lost meanwhile, and opened again
		return sftp.ErrLost
	case lost(errMode) || lost(errSync) || lost(errEnd):
		return errors.Join(errMode, errSync, errEnd)
	}
	if mode != nil && errMode != nil {
		errMode = w.disk.chmod(t, w.path, *w.mode) // some refuse it for open files alone
	}
	if lost(errMode) {
		return errMode
	}
	if mode != nil {
		w.disk.facts.learnModes(errMode == nil) // a server without modes must not keep files from being made
	}
	if end != nil {
		at.m.handles.Add(-1)
		w.at = nil
	}
	if err := errors.Join(errSync, errEnd); err != nil {
		return w.explain(err)
	}
	return nil
}

func waitFor(t turn, c *sftp.Call[sftp.None]) error {
	if c == nil {
		return nil
	}
	_, err := c.Wait(t.ctx)
	return err
}

// shut closes a file that has been read back. It does not matter whether the answer comes.
func (w *writer) shut() error {
	at := w.at
	w.at = nil
	at.m.handles.Add(-1)
	if err := moved(at.turn(w.disk), sftp.Close(at.Handle)); !lost(err) {
		return err
	}
	return nil
}

// readBack compares what the server holds with what was written.
func (w *writer) readBack() error {
	if w.torn && w.sums.spoilt {
		return errRewrite
	}
	var a sftp.Attrs
	err := w.request(func(t turn, h sftp.Handle) (err error) {
		a, err = send(t, sftp.Fstat(h)).Wait(t.ctx)
		return err
	})
	if err == nil && a.Size != w.size {
		err = errAltered
	}
	for _, r := range w.sums.runs {
		if err != nil {
			break
		}
		err = w.compare(r)
	}
	if err == nil {
		w.torn = false
	}
	return err
}

// compareSize is how many bytes are read back at a time.
const compareSize = 256 << 10

// compare reads one run back. Over a lost session it goes on where it was: what was made durable before does not go away.
func (w *writer) compare(r run) error {
	var h maphash.Hash
	h.SetSeed(w.sums.seed)
	buf := make([]byte, min(compareSize, r.len))
	for done := int64(0); done < r.len; {
		part := buf[:min(int64(len(buf)), r.len-done)]
		got := 0
		err := w.request(func(t turn, f sftp.Handle) error {
			n, err := t.m.ReadAt(t.ctx, f, part[got:], r.off+done+int64(got))
			if got += n; n > 0 {
				w.losses = 0
			}
			return err
		})
		if err == io.EOF {
			err = errAltered
		}
		if err != nil {
			return err
		}
		h.Write(part)
		done += int64(len(part))
	}
	if h.Sum64() != r.sum {
		return errAltered
	}
	return nil
}
