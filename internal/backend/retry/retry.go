// Package retry makes the operations of a varve.Backend again that failed in passing.
//
// Between attempts it waits longer and longer, by chance a little more or less, so that many clients do not come back at once. What
// says something about the object or the storage is not tried again, see Temporary.
//
// A connection that was lost and is opened again below, see ErrCut, is no failure of an operation: that is made again at once, as often as
// that happens.
//
// A second attempt meets what the first one may have done in spite of its error: a Put that finds its object there compares the bytes
// before it calls that a success; a Delete that finds nothing is done; a List that starts again yields no object twice.
//
// It belongs outside of package limit, so that nobody waits between attempts while holding a place.
package retry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"math/rand/v2"
	"sync"
	"time"

	"varve"
	"varve/internal/backend"
	"varve/internal/disk"
	"varve/internal/mux"
)

// ErrCut says that a connection was lost under an operation, and is opened again by the storage that says so, with pauses, until it gives
// up with another error. What has become of the operation is not known.
var ErrCut = errors.New("the connection was cut")

// Options vary how often and when to try again. The zero value tries 10 times within about three minutes.
type Options struct {
	// Attempts is how often an operation is tried in all; 0 stands for 10, 1 for never again.
	Attempts int
	// First is the time before the second attempt, which doubles with each one up to Max; 0 stands for half a second and half a
	// minute. Each is made up to half as long again, or shorter by half, by chance.
	First time.Duration
	Max   time.Duration
	// Sleep waits, and returns early with the context's error when it ends; nil stands for real time.
	Sleep func(ctx context.Context, d time.Duration) error
	// Chance returns a number from 0 to 1, below 1; nil stands for rand.Float64.
	Chance func() float64
	// Report, where set, is told of every attempt that failed and is made again, by one goroutine at a time. It must not block.
	Report func(Event)
}

// Event is an attempt that failed and will be made again.
type Event struct {
	Op      string // "put", "get", "list" or "delete"
	Name    string // of the object; the prefix of a list
	Attempt int    // from 1
	Err     error
	Wait    time.Duration // before the next one
}

// Retry is a storage that tries again.
type Retry struct {
	inner varve.Backend
	opts  Options

	reporting sync.Mutex
}

var _ varve.Backend = (*Retry)(nil)

// New returns inner with second attempts.
func New(inner varve.Backend, opts Options) *Retry {
	if opts.Attempts <= 0 {
		opts.Attempts = 10
	}
	if opts.First <= 0 {
		opts.First = 500 * time.Millisecond
	}
	if opts.Max <= 0 {
		opts.Max = 30 * time.Second
	}
	if opts.Sleep == nil {
		opts.Sleep = sleep
	}
	if opts.Chance == nil {
		opts.Chance = rand.Float64
	}
	return &Retry{inner: inner, opts: opts}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// Temporary reports whether an operation that failed with err may succeed later. It may not where err says something about the object
// or the storage: that it is there or is not, that access is denied, damage, a full disk, a name or an argument that is none, an
// answer that makes no sense, a connection that was given up, a backend that is closed; nor where the caller gave up.
func Temporary(err error) bool {
	if err == nil {
		return false
	}
	if errors.Is(err, ErrCut) {
		return true
	}
	for _, final := range []error{
		fs.ErrNotExist, fs.ErrExist, fs.ErrPermission, fs.ErrInvalid, fs.ErrClosed, context.Canceled, errors.ErrUnsupported,
		varve.ErrDamaged, backend.ErrName, disk.ErrLost, disk.ErrNoSpace, disk.ErrKind, disk.ErrName, disk.ErrUnsupported,
		mux.ErrLost, mux.ErrClosed, mux.ErrBreach,
	} {
		if errors.Is(err, final) {
			return false
		}
	}
	return true
}

// again reports an attempt that failed and waits before the next one; one that was cut off is neither reported nor waited for. It returns
// the error to end with, or nil to go on; one that also matches the context's error where that ended meanwhile.
func (r *Retry) again(ctx context.Context, op, name string, attempt int, err error) error {
	if !Temporary(err) || attempt >= r.opts.Attempts && !errors.Is(err, ErrCut) {
		return err
	}
	stop := ctx.Err()
	if stop == nil && !errors.Is(err, ErrCut) {
		wait := r.wait(attempt)
		r.report(Event{Op: op, Name: name, Attempt: attempt, Err: err, Wait: wait})
		stop = r.opts.Sleep(ctx, wait)
	}
	if stop != nil && !errors.Is(err, stop) {
		err = fmt.Errorf("%w, after: %w", stop, err)
	}
	if stop != nil {
		return err
	}
	return nil
}

// wait is the time after so many attempts.
func (r *Retry) wait(attempt int) time.Duration {
	d := r.opts.First
	for ; attempt > 1 && d < r.opts.Max; attempt-- {
		d *= 2
	}
	d = min(d, r.opts.Max)
	return time.Duration(float64(d) * (0.5 + r.opts.Chance()))
}

func (r *Retry) report(e Event) {
	if r.opts.Report == nil {
		return
	}
	r.reporting.Lock()
	defer r.reporting.Unlock()
	r.opts.Report(e)
}

// try makes an operation until it ends; final says that an error of an attempt is the last word.
func (r *Retry) try(ctx context.Context, op, name string, attempt func(n int) (final bool, err error)) error {
	cuts := 0
	for n := 1; ; n++ {
		final, err := attempt(n)
		if err == nil || final {
			return err
		}
		if errors.Is(err, ErrCut) {
			cuts++
		}
		if err := r.again(ctx, op, name, n-cuts, err); err != nil {
			return err
		}
	}
}

// Put is varve.Backend's. After an attempt that failed, fs.ErrExist says that the object there has other bytes.
func (r *Retry) Put(ctx context.Context, name string, data []byte) error {
	return r.try(ctx, "put", name, func(n int) (bool, error) {
		err := r.inner.Put(ctx, name, data)
		if n == 1 || !errors.Is(err, fs.ErrExist) {
			return false, err
		}
		return r.compare(ctx, name, data, err)
	})
}

// compare turns exists, which the second attempt of a Put returned, into success where the object holds data.
func (r *Retry) compare(ctx context.Context, name string, data []byte, exists error) (final bool, err error) {
	there, err := r.Get(ctx, name, 0, int64(len(data))+1)
	switch {
	case errors.Is(err, fs.ErrNotExist): // gone already, or never there: put it again
		return false, &fs.PathError{Op: "put", Path: name, Err: errors.New("the storage says that it exists, and that it does not")}
	case err != nil:
		return true, err
	case !bytes.Equal(there, data):
		return true, exists
	}
	return true, nil
}

// Get is varve.Backend's.
func (r *Retry) Get(ctx context.Context, name string, off, n int64) (data []byte, err error) {
	err = r.try(ctx, "get", name, func(int) (bool, error) {
		data, err = r.inner.Get(ctx, name, off, n)
		return false, err
	})
	return data, err
}

// Delete is varve.Backend's. After an attempt that failed, an object that is not there counts as deleted.
func (r *Retry) Delete(ctx context.Context, name string) error {
	return r.try(ctx, "delete", name, func(n int) (bool, error) {
		err := r.inner.Delete(ctx, name)
		if n > 1 && errors.Is(err, fs.ErrNotExist) {
			return true, nil
		}
		return false, err
	})
}

// List is varve.Backend's. It keeps the names that it yielded; an attempt that yielded new ones counts as the first again.
func (r *Retry) List(ctx context.Context, prefix string) iter.Seq2[varve.Object, error] {
	return func(yield func(varve.Object, error) bool) {
		l := &listing{yield: yield, seen: map[string]struct{}{}}
		for n := 1; ; n++ {
			before := len(l.seen)
			err := l.run(r.inner.List(ctx, prefix))
			if err == nil {
				return
			}
			switch {
			case len(l.seen) > before:
				n = 1
			case errors.Is(err, ErrCut):
				n--
			}
			if err := r.again(ctx, "list", prefix, n, err); err != nil {
				yield(varve.Object{}, err)
				return
			}
		}
	}
}

// listing is a List under way.
type listing struct {
	yield func(varve.Object, error) bool
	seen  map[string]struct{}
}

// run yields what is new, and returns the error that broke the listing off; nil also where the caller wants no more.
func (l *listing) run(objects iter.Seq2[varve.Object, error]) error {
	for o, err := range objects {
		if err != nil {
			return err
		}
		if _, known := l.seen[o.Name]; known {
			continue
		}
		l.seen[o.Name] = struct{}{}
		if !l.yield(o, nil) {
			return nil
		}
	}
	return nil
}

// Close closes the inner storage.
func (r *Retry) Close() error { return r.inner.Close() }
