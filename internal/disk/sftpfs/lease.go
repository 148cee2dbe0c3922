package sftpfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"time"

	"varve"
	"varve/internal/sftp"
)

// A lease is a file that exists. It holds one line,
//
//	varve lease TOKEN COUNTER
//
// a random token and a counter, both in hexadecimal digits, 32 and 16. The holder counts up every few seconds. Who wants the lease
// makes the file, which must not exist; that is the only way to get it. Where it exists, the other one watches: as soon as
// its content changes somebody holds it, and that is varve.ErrBusy. A file that does not change for a minute of the watcher's own clock
// belongs to somebody who is gone; no clock is compared with another.
//
// Such a file is moved aside to a name that is made of what it holds. The move does not replace, so of several watchers one succeeds;
// another that comes late cannot move the new holder's file, whose content leads to another name, unless it looked at the old one in
// the very moment before; it then sees what it has moved and puts it back. The file that was moved aside stays until the new holder
// is done.
//
// A holder that has not been heard for long may have been given up by others while it lives: it was stopped, or its line was down. So
// every attempt at an operation on a name that changes something first makes sure that the last sign of life was given, and taken by
// the server, less than holdFor ago, and otherwise waits until the next one was; when the file is not the holder's own any more,
// everything that changes something fails from then on.
const (
	// beat is how often the holder counts; giveUpAfter how long a watcher waits for that; holdFor, which leaves room for what is under
	// way, how long a holder relies on its last beat.
	beat        = 5 * time.Second
	giveUpAfter = time.Minute
	holdFor     = 40 * time.Second
	// lookEvery is how often a watcher looks.
	lookEvery = time.Second
	// tellAfter is when a watcher tells what it waits for.
	tellAfter = 10 * time.Second
	// emptyFor is how long a watcher waits for a file that holds no lease: its maker may be about to write it.
	emptyFor = 3 * beat
	// leaseSize is the length of what the file holds, in bytes.
	leaseSize = len(leaseMagic) + 32 + 1 + 16 + 1
)

const leaseMagic = "varve lease "

// lease is one that this Disk holds.
type lease struct {
	disk  *Disk
	path  string
	token string
	aside string // what was moved out of the way; empty for nothing

	stop chan struct{}
	done chan struct{}
	once sync.Once
	soon chan struct{} // a beat is wanted at once

	mu    sync.Mutex
	count uint64
	last  time.Time     // when the last beat that arrived was sent
	heard chan struct{} // closed at the next beat, or when the lease is lost
	lost  error
	gone  bool // the file was removed through this Disk
}

// leases are those that a Disk holds.
type leases struct {
	mu   sync.Mutex
	held map[string]*lease // by path; nil while one is being taken
	lost error             // why nothing may be changed any more
}

// Lock takes the lease; the result has a method Err() error that tells whether it is held still. A file that exists already and is no
// lease is taken for one that was left behind.
func (d *dir) Lock(name string) (io.Closer, error) {
	const op = "lock"
	path, err := d.at(op, name, false)
	if err != nil {
		return nil, err
	}
	l, err := d.disk.lock(path)
	if err != nil {
		return nil, wrap(op, path, err)
	}
	return l, nil
}

func (d *Disk) lock(path string) (*lease, error) {
	if err := d.leases.guard(d); err != nil {
		return nil, err
	}
	if !d.leases.reserve(path) {
		return nil, varve.ErrBusy
	}
	token, err := d.tempName()
	if err == nil {
		l := &lease{disk: d, path: path, token: token[len("tmp-"):], stop: make(chan struct{}), done: make(chan struct{}),
			soon: make(chan struct{}, 1), heard: make(chan struct{})}
		if err = l.take(); err == nil {
			d.leases.enter(l)
			go l.keep()
			return l, nil
		}
	}
	d.leases.leave(path)
	return nil, err
}

func (s *leases) reserve(path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.held[path]; taken {
		return false
	}
	if s.held == nil {
		s.held = map[string]*lease{}
	}
	s.held[path] = nil
	return true
}

func (s *leases) enter(l *lease) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[l.path] = l
}

func (s *leases) leave(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.held, path)
}

// all returns the leases that are held.
func (s *leases) all() (list []*lease) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.held {
		if l != nil {
			list = append(list, l)
		}
	}
	return list
}

// guard returns once every lease is certain to be held, or why one is not.
func (s *leases) guard(d *Disk) error {
	s.mu.Lock()
	lost, none := s.lost, len(s.held) == 0
	s.mu.Unlock()
	if lost != nil || none {
		return lost
	}
	for _, l := range s.all() {
		if err := l.sure(); err != nil {
			return err
		}
	}
	return nil
}

// removed says that the file at path was removed through this Disk: a lease with that name ends.
func (s *leases) removed(path string) {
	s.mu.Lock()
	l := s.held[path]
	s.mu.Unlock()
	if l != nil {
		l.mu.Lock()
		l.gone = true
		l.mu.Unlock()
	}
}

// lose says that a lease is lost: nothing is changed any more.
func (s *leases) lose(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost = err
}

// end ends all leases that nobody has closed.
func (s *leases) end() error {
	var errs []error
	for _, l := range s.all() {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}

func (l *lease) text() []byte { return fmt.Appendf(nil, "%s%s %016x\n", leaseMagic, l.token, l.count) }

// mine reports whether text is what the lease holds, whatever the count.
func (l *lease) mine(text []byte) bool {
	return isLease(text) && bytes.HasPrefix(text[len(leaseMagic):], []byte(l.token))
}

// isLease reports whether text is what a lease holds.
func isLease(text []byte) bool {
	return len(text) == leaseSize && bytes.HasPrefix(text, []byte(leaseMagic))
}

// Err returns nil while the lease is certain to be held, varve.ErrBusy where somebody else has taken it, or why that is unknown.
func (l *lease) Err() error { return wrap("hold", l.path, l.sure()) }

// Close gives the lease back: its file is removed. The error says that it had been lost, or is left behind.
func (l *lease) Close() error {
	err := fs.ErrClosed
	l.once.Do(func() {
		close(l.stop)
		<-l.done
		err = l.giveBack()
		l.disk.leases.leave(l.path)
	})
	return wrap("unlock", l.path, err)
}

// giveBack removes the file of a lease that is held.
func (l *lease) giveBack() error {
	defer l.disk.memory.forget(l.path)
	defer l.clear()
	if l.ended() {
		return nil
	}
	if err := l.beat(); err != nil { // it is ours, and nobody takes it for a while
		return err
	}
	return act(l.disk, l.remove)
}

// remove removes the file, where an earlier attempt was lost only if it is there and ours: by then another one may be.
func (l *lease) remove(t turn) error {
	if !t.again {
		return moved(t, sftp.Remove(l.path))
	}
	err := l.renew(t)
	if err == nil {
		var now sign
		if now, err = t.peek(l.path); err == nil && !l.mine(now.text) {
			err = varve.ErrBusy
		}
	}
	if err == nil {
		err = moved(t, sftp.Remove(l.path))
	}
	return unless(err, fs.ErrNotExist)
}

// clear removes what was moved aside.
func (l *lease) clear() {
	if l.aside != "" {
		_ = act(l.disk, func(t turn) error { return moved(t, sftp.Remove(l.aside)) }) // of no use to anybody, and of no harm
	}
}
