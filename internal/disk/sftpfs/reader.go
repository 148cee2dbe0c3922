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

// reader is a file being read.
type reader struct {
	disk *Disk
	path string

	mu      sync.Mutex
	at      *held      // nil where no session has it open
	checked *held      // the one of which seen was told
	want    object     // what was told of the file before it was opened
	seen    sftp.Attrs // what the open file told last; no fields before
	head    *head      // asked for together with the first Info
	closed  bool

	stream stream
}

var (
	errChanged = errors.New("changed while it was read")
	errOther   = errors.New("another file took its place while it was opened")
)

func (d *dir) Open(name string) (disk.Reader, error) {
	const op = "open"
	path, err := d.at(op, name, false)
	if err != nil {
		return nil, err
	}
	r := &reader{disk: d.disk, path: path}
	d.disk.writers.flush(path)
	o, known := d.disk.memory.recall(path, toOpen)
	r.want = o
	r.at, err = ask(d.disk, func(t turn) (*held, error) { return r.open(t, known && !t.again) })
	if err != nil {
		return nil, wrap(op, path, err)
	}
	return r, nil
}

// open opens the file, after a look at what it is unless that is known: to open a FIFO could take for ever.
func (r *reader) open(t turn, known bool) (*held, error) {
	if !known {
		a, err := send(t, sftp.Lstat(r.path)).Wait(t.ctx)
		if err != nil {
			return nil, err
		}
		r.want = object{Attrs: a}
	}
	if err := wantKind(r.want.Attrs, varve.Regular); err != nil {
		return nil, err
	}
	h, err := send(t, sftp.OpenFile(r.path, sftp.FlagRead, sftp.Attrs{})).Wait(t.ctx)
	if err != nil {
		return nil, err
	}
	return hold(t.m, h), nil
}

// handle returns the file open on some session, and whether its metadata has been checked.
func (r *reader) handle() (at *held, checked bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, false, fs.ErrClosed
	}
	if r.at == nil {
		if r.at, err = ask(r.disk, func(t turn) (*held, error) { return r.open(t, false) }); err != nil {
			return nil, false, err
		}
	}
	return r.at, r.at == r.checked, nil
}

// lose notes that the session is lost on which the file was open.
func (r *reader) lose(at *held) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.at == at {
		at.m.handles.Add(-1)
		r.at = nil
	}
}

// with does something with the open file, and again on another session when that is lost and f has got nowhere. Before the first
// outcome counts the open file is asked what it is, at the same time; where look is set, always, and after what f sends.
func (r *reader) with(look bool, f func(t turn, h sftp.Handle) error) error {
	for losses := 0; ; {
		at, checked, err := r.handle()
		if err != nil {
			return err
		}
		err = at.with(r.disk, func(t turn) error {
			if checked && !look {
				return f(t, at.Handle)
			}
			var err error
			if look {
				err = f(t, at.Handle)
			}
			stat := send(t, sftp.Fstat(at.Handle))
			if !look {
				err = f(t, at.Handle)
			}
			a, told := stat.Wait(t.ctx)
			if told == nil {
				told = r.accept(t, at, a)
			}
			if told != nil {
				return told
			}
			r.vouch(a)
			return err
		})
		if !lost(err) {
			return err
		}
		r.lose(at)
		if losses++; losses >= maxLosses {
			return fmt.Errorf("%w: %d times while reading", disk.ErrLost, losses)
		}
		if err := r.disk.breathe(losses); err != nil {
			return err
		}
	}
}

// accept checks that the open file is the one that was meant. The protocol cannot open a file without following symlinks; one that was
// put in its place leads to a file of somebody else where it does harm, so the owner must be the same. A file that was opened again
// must be what it was.
func (r *reader) accept(t turn, at *held, a sftp.Attrs) error {
	if err := wantKind(a, varve.Regular); err != nil {
		return err
	}
	r.mu.Lock()
	want, seen, again := r.want.Attrs, r.seen, r.checked != at && r.checked != nil
	r.mu.Unlock()
	switch {
	case again && (a.Size != seen.Size || a.MTime != seen.MTime || !sameOwner(a, seen)):
		return errChanged
	case r.checkedNone() && !sameOwner(a, want):
		now, err := send(t, sftp.Lstat(r.path)).Wait(t.ctx)
		if err != nil {
			return err
		}
		if now.Kind() != varve.Regular || !sameOwner(a, now) {
			return errOther
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen, r.checked = a, at
	return nil
}

func (r *reader) checkedNone() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.checked == nil
}

func sameOwner(a, b sftp.Attrs) bool {
	return a.Has(sftp.Owner) == b.Has(sftp.Owner) && a.UID == b.UID && a.GID == b.GID
}

func (r *reader) Info() (disk.Info, error) {
	r.disk.writers.flush(r.path)
	if err := r.usable("stat"); err != nil {
		return disk.Info{}, err
	}
	if !r.settled() {
		err := r.with(true, func(t turn, h sftp.Handle) error { r.prefetch(t, h); return nil })
		if err != nil {
			return disk.Info{}, wrap("stat", r.path, err)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	o := object{Attrs: r.seen}
	return o.info(base(r.path)), nil
}

func (r *reader) Xattrs() ([]varve.Xattr, error) { return nil, r.usable("list xattrs") }

// Holes returns nil: the protocol tells none.
func (r *reader) Holes(int64, bool) ([]varve.Extent, error) { return nil, r.usable("find holes of") }

// usable returns an error where the file is closed.
func (r *reader) usable(op string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return wrap(op, r.path, fs.ErrClosed)
	}
	return nil
}

func (r *reader) Close() error {
	r.stream.stop(r.disk)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return wrap("close", r.path, fs.ErrClosed)
	}
	r.closed = true
	r.head.drop()
	if r.at != nil {
		r.at.drop(r.disk)
		r.at = nil
	}
	return nil
}
