package sftpfs

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"varve"
	"varve/internal/disk"
	"varve/internal/sftp"
)

// writer is a file being written. Writes are sent without waiting for the answers; what the server has not acknowledged is kept, to be
// sent again when the session is lost.
type writer struct {
	disk *Disk
	path string

	mu      sync.Mutex
	at      *held   // nil where no session has it open
	opened  int     // how often it was opened
	losses  int     // since the server last acknowledged something
	pending []block // not acknowledged, in the order in which they were sent
	waiting int64   // bytes in pending
	mode    *uint32 // still to be set; nil where it is
	sums    sums
	size    int64 // bytes
	acked   bool  // the server has acknowledged something
	torn    bool  // a session was lost since: what the server holds must be read back
	unsafe  bool  // something was written since the last Sync
	closed  bool
	gone    bool  // its name was removed, or given to another file
	err     error // why the file is to be given up
}

// block is a part of a file under way.
type block struct {
	off  int64
	data []byte
	kept bool // data is a copy that counts in the budget
	call *sftp.Call[sftp.None]
}

const (
	// maxBlock is how many bytes one request carries at most.
	maxBlock = 128 << 10
	// maxPending is how many bytes of one file are under way.
	maxPending = 4 << 20
	// maxSpare is how many bytes may be free on a file system that counts as full once it has refused content: files that were given up
	// for the same reason at the same moment may be gone again already.
	maxSpare = 64 << 20
)

var (
	errNegative = errors.New("negative offset")
	errReplaced = errors.New("the file is not the one that was being written any more")
	errAltered  = errors.New("the server does not hold what was written")
	errRewrite  = errors.New("the connection was lost while a part of the file was written a second time")
)

// usable returns why nothing can be done with the file; w.mu is held.
func (w *writer) usable() error {
	if w.closed {
		return fs.ErrClosed
	}
	return w.err
}

func (w *writer) WriteAt(p []byte, off int64) (int, error) {
	const op = "write"
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.usable()
	if err == nil && off < 0 {
		err = errNegative
	}
	if err != nil {
		return 0, wrap(op, w.path, err)
	}
	done := 0
	for done < len(p) && w.err == nil {
		part := p[done:min(done+w.blockSize(), len(p))]
		w.write(off+int64(done), part)
		done += len(part)
	}
	if w.err != nil {
		return 0, wrap(op, w.path, w.err)
	}
	w.disk.memory.forget(w.path)
	return done, nil
}

func (w *writer) blockSize() int {
	if w.at == nil {
		return maxBlock
	}
	return min(maxBlock, w.at.m.Limits().Write)
}

// write sends one block, and waits for acknowledgements while too much is under way. Any error is that of w.
func (w *writer) write(off int64, p []byte) {
	w.sums.add(off, p)
	w.size = max(w.size, off+int64(len(p)))
	w.unsafe = true
	b := block{off: off, data: p}
	if b.kept = w.disk.budget.take(int64(len(p))); b.kept {
		b.data = append([]byte(nil), p...)
	}
	w.pending = append(w.pending, b)
	w.waiting += int64(len(p))
	w.post(len(w.pending) - 1)
	if b.kept {
		w.settle(maxPending)
	} else {
		w.settle(0)
	}
}

// post sends the i-th pending block where the file is open.
func (w *writer) post(i int) {
	if b := &w.pending[i]; w.at != nil {
		b.call = send(w.at.turn(w.disk), sftp.Write(w.at.Handle, b.off, b.data))
	}
}

// settle waits until no more than a number of bytes are under way.
func (w *writer) settle(most int64) {
	for w.waiting > most && w.err == nil {
		if w.at == nil {
			w.reopen()
			continue
		}
		b := w.pending[0]
		_, err := b.call.Wait(w.disk.pool.life)
		switch {
		case lost(err):
			w.pending[0].call = nil
			w.lose()
		case err != nil:
			w.pending[0].call = nil
			w.fail(w.explain(err))
		default:
			w.at.m.fruitful.Store(true)
			w.losses, w.acked = 0, true
			w.pending = w.pending[1:]
			w.finished(b)
		}
	}
}

func (w *writer) finished(b block) {
	w.waiting -= int64(len(b.data))
	if b.kept {
		w.disk.budget.give(int64(len(b.data)))
	}
}

// explain finds out whether a write failed for want of room.
func (w *writer) explain(err error) error {
	full := act(w.disk, func(t turn) error { return t.fuller(onWire(parent(w.path)), err, maxSpare) })
	if full == nil {
		return err
	}
	return full
}

// lose notes that the session is lost: the file has to be opened again and what was under way sent again.
func (w *writer) lose() {
	w.at.m.handles.Add(-1)
	w.at = nil
	w.torn = w.torn || w.acked || w.sums.twice
	w.recall()
	if w.losses++; w.losses >= maxLosses {
		w.fail(fmt.Errorf("%w: %d times without progress", disk.ErrLost, w.losses))
	} else if err := w.disk.breathe(w.losses); err != nil {
		w.fail(err)
	}
}

// recall gives up all answers that are awaited.
func (w *writer) recall() {
	for i := range w.pending {
		if c := w.pending[i].call; c != nil {
			c.Drop()
			w.pending[i].call = nil
		}
	}
}

// fail gives the file up.
func (w *writer) fail(err error) {
	if w.err == nil {
		w.err = err
	}
	w.recall()
	for _, b := range w.pending {
		w.finished(b)
	}
	w.pending = nil
}

// reopen opens the file again and sends what the server may not have.
func (w *writer) reopen() {
	at, err := ask(w.disk, w.open)
	if err != nil {
		w.fail(err)
		return
	}
	w.at = at
	w.opened++
	w.split()
	for i := range w.pending {
		w.post(i)
	}
}

// open opens the file that was made before.
func (w *writer) open(t turn) (*held, error) {
	const how = sftp.FlagRead | sftp.FlagWrite
	h, err := send(t, sftp.OpenFile(w.path, how, sftp.Attrs{})).Wait(t.ctx)
	if errors.Is(err, fs.ErrPermission) {
		h, err = w.unlock(t)
	}
	if err != nil {
		return nil, err
	}
	a, err := send(t, sftp.Fstat(h)).Wait(t.ctx)
	if err == nil && (a.Kind() != varve.Regular || a.Size > w.size) {
		err = errReplaced
	}
	if err != nil {
		send(t, sftp.Close(h)).Drop()
		return nil, err
	}
	return hold(t.m, h), nil
}

// unlock opens a file whose mode has been set to one that forbids it.
func (w *writer) unlock(t turn) (sftp.Handle, error) {
	a, err := send(t, sftp.Lstat(w.path)).Wait(t.ctx)
	if err != nil {
		return sftp.Handle{}, err
	}
	if a.Kind() != varve.Regular {
		return sftp.Handle{}, errReplaced
	}
	if w.mode == nil {
		mode := a.Mode & 0o7777
		w.mode = &mode
	}
	if err := w.disk.chmod(t, w.path, anyway); err != nil {
		return sftp.Handle{}, err
	}
	return send(t, sftp.OpenFile(w.path, sftp.FlagRead|sftp.FlagWrite, sftp.Attrs{})).Wait(t.ctx)
}

// split cuts the pending blocks to what the session takes.
func (w *writer) split() {
	size := w.blockSize()
	var parts []block
	for _, b := range w.pending {
		for len(b.data) > size {
			parts = append(parts, block{off: b.off, data: b.data[:size:size], kept: b.kept})
			b.off, b.data = b.off+int64(size), b.data[size:]
		}
		parts = append(parts, b)
	}
	w.pending = parts
}

// request does something with the open file, after everything that was written, and again where that was lost. f returns an error
// that matches sftp.ErrLost where it does not know.
func (w *writer) request(f func(t turn, h sftp.Handle) error) error {
	for w.err == nil {
		if w.at == nil {
			w.reopen()
			continue
		}
		at, opened := w.at, w.opened
		err := at.with(w.disk, func(t turn) error { return f(t, at.Handle) })
		if lost(err) {
			w.settle(0) // what was acknowledged before the loss is not sent again
			if w.at == at && w.err == nil {
				w.lose()
			}
			continue
		}
		w.settle(0)
		if w.err == nil && w.opened == opened {
			return err
		}
	}
	return w.err
}
