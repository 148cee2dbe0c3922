package tree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"time"

	"varve"
	"varve/internal/disk"
	"varve/internal/place"
)

// Who writes to a series on the store's own machine holds the file locks/SERIES locked, which nobody sees over SFTP; who writes from
// another machine has the file locks/%far-SERIES, which is as good as no lock here. So each side first takes its own lock, then shows that it has, and
// only then looks at the other's: of two that begin at the same time at least one sees the other. Both show that they live by the
// modification time of their file, which moves on; no clock is compared. Here a time of long ago says that nobody holds the lock.
const (
	// showEvery is how often a holder here moves the time of its file on.
	showEvery = 2 * time.Second
	// lookEvery is how often the other side's file is looked at, and silence how long it must stay the same for its holder to be gone.
	lookEvery, silence = time.Second, time.Minute
	// sureFor is how long a holder relies on having shown itself.
	sureFor = 40 * time.Second
	// yieldFor is how long one here waits for one from another machine that has begun in the same moment, and gives way.
	yieldFor = 5 * time.Second
	// tellAfter is when it is told what is waited for.
	tellAfter = 10 * time.Second
	// idleBefore is the second since 1970 before which the time of the file here says that nobody holds the lock; no file system
	// has to begin to count before 1980.
	idleBefore = 1 << 29
)

// farLock returns the name of the file that whoever writes to a series from another machine has.
func farLock(name string) string { return "%far-" + name } // which seriesDir never makes

var (
	errFarWriter  = fmt.Errorf("somebody writes to it over SFTP: %w", varve.ErrBusy)
	errNearWriter = fmt.Errorf("somebody writes to it on the machine of the store: %w", varve.ErrBusy)
)

// seriesLease is the right to write to one series; it ends with the process.
type seriesLease struct {
	io.Closer         // of the lock among those of this side
	dir       disk.FS // that holds the locks
	name      string  // of the directory of the series

	stop chan struct{} // nil where nothing is shown
	done sync.WaitGroup
	mu   sync.Mutex
	last time.Time // when it was last shown
}

// lock takes the lease on a series. varve.ErrBusy where somebody holds it.
func (s *Store) lock(ctx context.Context, series string) (*seriesLease, error) {
	l := &seriesLease{name: seriesDir(series)}
	var err error
	if l.dir, err = s.control.OpenDir(locksDir); err == nil {
		if err = s.take(ctx, l); err != nil {
			err = errors.Join(err, l.Close())
		}
	}
	if err != nil {
		return nil, fmt.Errorf("series %s: %w", series, err)
	}
	return l, nil
}

func (s *Store) take(ctx context.Context, l *seriesLease) (err error) {
	if s.opts.Far {
		if l.Closer, err = l.dir.Lock(farLock(l.name)); err != nil {
			return err
		}
		return s.await(ctx, l, l.name, errNearWriter)
	}
	if l.Closer, err = l.dir.Lock(l.name); err != nil {
		return err
	}
	if err := errors.Join(s.give(l.dir, l.name), l.show(time.Now())); err != nil {
		return err
	}
	l.stop = make(chan struct{})
	l.done.Go(l.keep)
	return s.await(ctx, l, farLock(l.name), errFarWriter)
}

// await returns nil once nobody of the other side, whose file is called name, holds the series; busy where somebody does.
func (s *Store) await(ctx context.Context, l *seriesLease, name string, busy error) error {
	after := s.opts.After
	if after == nil {
		after = time.After
	}
	first, there, err := l.sign(name)
	for waited := time.Duration(0); err == nil && there; waited += lookEvery {
		if waited == tellAfter {
			s.warn(fmt.Errorf("series %s: somebody who began to write to it gives no sign of life; it is taken over after %v of that", l.name, silence))
		}
		if waited >= silence {
			return l.bury(name, s.opts.Far)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-after(lookEvery):
		}
		var now varve.Time
		now, there, err = l.sign(name)
		if moved := there && now != first; moved && (s.opts.Far || waited >= yieldFor) {
			return busy
		}
	}
	return err
}

// sign returns the time of a file that shows that somebody holds the series; false where nobody does.
func (l *seriesLease) sign(name string) (at varve.Time, there bool, err error) {
	info, err := l.dir.Lookup(name)
	if errors.Is(err, fs.ErrNotExist) {
		return at, false, nil
	}
	return info.MTime, err == nil && info.MTime.Sec >= idleBefore, err
}

// bury takes away the file by which somebody of the other side has shown himself who is gone; of one here it is the time alone.
func (l *seriesLease) bury(name string, far bool) error {
	if far {
		return l.setTime(name, varve.Time{})
	}
	return gone(l.dir.Remove(name))
}

// show moves the time of the file here on.
func (l *seriesLease) show(now time.Time) error {
	at := varve.Time{Sec: now.Unix()}
	if at.Sec < 2*idleBefore { // the clock is wrong, and may be it for good
		at.Sec += 2 * idleBefore
	}
	if err := l.setTime(l.name, at); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = now
	return nil
}

// setTime sets the time of a file, where the user may.
func (l *seriesLease) setTime(name string, at varve.Time) error {
	err := l.dir.Set(name, &varve.Entry{Kind: varve.Regular, MTime: at}, varve.MTime)
	if place.Unkeepable(err) {
		return nil
	}
	return err
}

// keep shows the lease until it is closed.
func (l *seriesLease) keep() {
	tick := time.NewTicker(showEvery)
	defer tick.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-tick.C:
			_ = l.show(time.Now()) // lost finds out what comes of it
		}
	}
}

// lost says whether somebody else may have taken over meanwhile, as happens to who is stopped for long, and on far disks.
func (l *seriesLease) lost() error {
	if watched, ok := l.Closer.(interface{ Err() error }); ok {
		return watched.Err()
	}
	if l.stop == nil {
		return nil
	}
	l.mu.Lock()
	age := disk.Elapsed(l.last, time.Now()) // a machine may have slept
	l.mu.Unlock()
	if age < sureFor {
		return nil
	}
	if err := l.show(time.Now()); err != nil {
		return err
	}
	_, there, err := l.sign(farLock(l.name))
	if err == nil && there {
		err = fmt.Errorf("while nothing was heard of this run %w", errFarWriter)
	}
	return err
}

// Close gives the lease back.
func (l *seriesLease) Close() error {
	var err error
	if l.stop != nil {
		close(l.stop)
		l.done.Wait()
		_ = l.setTime(l.name, varve.Time{}) // where that fails the next one from another machine waits a minute
	}
	if l.Closer != nil {
		err = l.Closer.Close()
	}
	return errors.Join(err, l.dir.Close())
}
