package sftpfs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"varve"
	"varve/internal/disk"
	"varve/internal/sftp"
)

// take makes the file of the lease, once nobody else has it.
func (l *lease) take() error {
	for {
		err := l.make()
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
		if err := l.watch(); err != nil {
			return err
		}
	}
}

// make makes the file and writes the first beat. fs.ErrExist where there is one that is not ours.
func (l *lease) make() error {
	sent := l.disk.opts.Now()
	var mine bool
	err := act(l.disk, func(t turn) error {
		const how = sftp.FlagWrite | sftp.FlagCreate | sftp.FlagExclusive
		h, err := send(t, sftp.OpenFile(l.path, how, modeOf(0o600))).Wait(t.ctx)
		if err == nil {
			mine = true
			return l.write(t, h)
		}
		if mine && !lost(err) { // made at an earlier attempt
			return l.refill(t, sent)
		}
		return t.taken(l.path, err)
	})
	l.disk.memory.forget(l.path)
	if err != nil {
		return err
	}
	if err := l.owned(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = sent
	return nil
}

// write puts the text of the lease into the open file and closes it.
func (l *lease) write(t turn, h sftp.Handle) error {
	put, look, end := send(t, sftp.Write(h, 0, l.text())), send(t, sftp.Fstat(h)), send(t, sftp.Close(h))
	a, errLook := look.Wait(t.ctx)
	err := errors.Join(waitFor(t, put), errLook, waitFor(t, end))
	if err == nil {
		l.disk.noteClock(a)
	}
	return err
}

// refill writes the text into the file that was made, no earlier than at a time, before the session was lost, unless another one has
// taken its place. An empty one may be that of another once the first one was there long enough to be taken over.
func (l *lease) refill(t turn, made time.Time) error {
	h, s, err := t.view(l.path, sftp.FlagRead|sftp.FlagWrite)
	if err != nil {
		return err
	}
	empty := len(s.text) == 0 && disk.Elapsed(made, l.disk.opts.Now()) < emptyFor
	if !empty && !l.mine(s.text) {
		send(t, sftp.Close(h)).Drop()
		return fs.ErrExist
	}
	return l.write(t, h)
}

// owned returns fs.ErrExist where the file is not ours.
func (l *lease) owned() error {
	s, err := l.disk.see(l.path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !l.mine(s.text) {
		return fs.ErrExist
	}
	return err
}

// watch returns nil once the file is out of the way, varve.ErrBusy once it is certain that somebody holds it.
func (l *lease) watch() error {
	d := l.disk
	first, err := d.see(l.path)
	begin := d.opts.Now()
	patience := giveUpAfter
	if !isLease(first.text) {
		patience = emptyFor
	}
	for told := false; err == nil; {
		waited := d.opts.Now().Sub(begin)
		if waited >= patience {
			return l.moveAside(first)
		}
		if waited >= tellAfter && !told {
			told = true
			d.opts.Warn(fmt.Errorf("%s: its holder gives no sign of life; it is taken over after %v of that", l.path, patience))
		}
		select {
		case <-d.opts.After(lookEvery):
		case <-d.pool.life.Done():
			return fs.ErrClosed
		case <-d.pool.caller.Done():
			return d.pool.caller.Err()
		}
		var now sign
		if now, err = d.see(l.path); err == nil && !now.equal(first) {
			return varve.ErrBusy
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// moveAside moves the file out of the way that has looked like this for so long.
func (l *lease) moveAside(dead sign) error {
	d := l.disk
	switch now, err := d.see(l.path); {
	case err != nil:
		return unless(err, fs.ErrNotExist)
	case !now.equal(dead):
		return varve.ErrBusy
	}
	aside := asideName(l.path, dead.text, dead.mtime)
	keeps := d.renameKeeps(parent(l.path)) == Works
	err := act(d, func(t turn) error {
		if t.again { // the line was down, maybe for long enough that somebody else has the lease now
			now, err := t.peek(l.path)
			if err == nil && !now.equal(dead) {
				err = varve.ErrBusy
			}
			if unless(err, fs.ErrNotExist) != nil {
				return err
			}
		}
		return d.rename(t, l.path, aside, keeps)
	})
	d.memory.forget(l.path)
	if errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) {
		return varve.ErrBusy // somebody was faster
	}
	if err != nil {
		return err
	}
	moved, err := d.see(aside)
	if err == nil && !bytes.Equal(moved.text, dead.text) {
		err = act(d, func(t turn) error { return d.rename(t, aside, l.path, keeps) })
		return errors.Join(varve.ErrBusy, err)
	}
	l.aside = aside
	return unless(err, fs.ErrNotExist)
}

// unless returns err, or nil where it is the one that does not count.
func unless(err, but error) error {
	if errors.Is(err, but) {
		return nil
	}
	return err
}

// keep gives signs of life until the lease is closed.
func (l *lease) keep() {
	defer close(l.done)
	for {
		select {
		case <-l.stop:
			return
		case <-l.disk.pool.life.Done():
			return
		case <-l.disk.opts.After(beat):
		case <-l.soon:
		}
		if l.ended() || l.beat() != nil {
			return
		}
	}
}

// ended reports whether the file was removed through this Disk.
func (l *lease) ended() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.gone
}

// beat counts up in the file, provided that it is ours. An error means that the lease is lost: because the file is not, or because
// nothing could be written to it for too long.
func (l *lease) beat() error {
	l.mu.Lock()
	last := l.last
	l.count++
	l.mu.Unlock()
	sent := l.disk.opts.Now()
	err := act(l.disk, l.renew)
	if err == nil && disk.Elapsed(last, l.disk.opts.Now()) >= holdFor { // somebody may have moved it away while it was written to
		err = l.owned()
	}
	return l.noted(sent, err)
}

// renew writes the text into the file, which must be ours.
func (l *lease) renew(t turn) error {
	h, s, err := t.view(l.path, sftp.FlagRead|sftp.FlagWrite)
	if err != nil {
		return err
	}
	if !l.mine(s.text) {
		send(t, sftp.Close(h)).Drop()
		return varve.ErrBusy
	}
	return l.write(t, h)
}

// noted enters the outcome of a beat and wakes who waits for it. It returns an error where the lease is lost.
func (l *lease) noted(sent time.Time, err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil:
		l.last = sent
	case l.gone || l.lost != nil:
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrExist), errors.Is(err, disk.ErrKind), errors.Is(err, varve.ErrBusy):
		l.lost = fmt.Errorf("lease %s: taken over: %w", l.path, varve.ErrBusy)
	case errors.Is(err, disk.ErrLost), disk.Elapsed(l.last, l.disk.opts.Now()) >= holdFor:
		l.lost = fmt.Errorf("lease %s: %w", l.path, err)
	}
	if l.lost != nil {
		l.disk.leases.lose(l.lost)
	}
	close(l.heard)
	l.heard = make(chan struct{})
	return l.lost
}

// sure returns nil once it is certain that the lease is held now.
func (l *lease) sure() error {
	for {
		l.mu.Lock()
		lost, gone, heard, age := l.lost, l.gone, l.heard, disk.Elapsed(l.last, l.disk.opts.Now())
		l.mu.Unlock()
		switch {
		case gone:
			return nil
		case lost != nil:
			return lost
		case age < holdFor:
			return nil
		}
		select {
		case l.soon <- struct{}{}:
		default:
		}
		select {
		case <-heard:
		case <-l.done:
			return l.finished()
		}
	}
}

// finished returns why no more signs of life are given: because the lease is lost or was closed; nil where its file was removed.
func (l *lease) finished() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone || l.lost != nil {
		return l.lost
	}
	return fs.ErrClosed
}
