// Package limit bounds how many operations of a varve.Backend are under way at once, and how many bytes a second they move.
//
// Objects are put and got whole, so the pace is kept between operations, not within one: each begins once those before it are paid
// for. Time in which nothing was moved is not saved up.
//
// It belongs inside of package retry.
package limit

import (
	"context"
	"iter"
	"sync"
	"time"

	"varve"
)

// Options are the bounds; 0 stands for none.
type Options struct {
	// Operations is how many operations may be under way at once. A List counts while the storage is asked, not while the caller
	// deals with what it yielded: the caller may use the storage meanwhile.
	Operations int
	// Up and Down are bytes a second, of Put and of Get.
	Up   int64
	Down int64
	// Now tells the time; nil stands for time.Now.
	Now func() time.Time
	// Sleep waits, and returns early with the context's error when it ends; nil stands for real time.
	Sleep func(ctx context.Context, d time.Duration) error
}

// Limit is a storage within bounds.
type Limit struct {
	inner  varve.Backend
	opts   Options
	places chan struct{} // nil where there is no bound
	up     pace
	down   pace
}

var _ varve.Backend = (*Limit)(nil)

// New returns inner within the bounds of opts.
func New(inner varve.Backend, opts Options) *Limit {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Sleep == nil {
		opts.Sleep = sleep
	}
	l := &Limit{inner: inner, opts: opts, up: pace{rate: opts.Up}, down: pace{rate: opts.Down}}
	if opts.Operations > 0 {
		l.places = make(chan struct{}, opts.Operations)
	}
	return l
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

// enter takes a place; leave gives it back.
func (l *Limit) enter(ctx context.Context) error {
	if l.places == nil {
		return ctx.Err()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case l.places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *Limit) leave() {
	if l.places != nil {
		<-l.places
	}
}

// pace says when the next bytes may be moved.
type pace struct {
	rate int64 // bytes a second; 0 for no bound

	mu   sync.Mutex
	next time.Time // when all that was taken is paid for
}

// take takes n bytes at the time now and returns how long to wait before they are moved. A negative n gives bytes back.
func (p *pace) take(now time.Time, n int64) time.Duration {
	if p.rate <= 0 {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if n > 0 && p.next.Before(now) {
		p.next = now
	}
	wait := p.next.Sub(now)
	p.next = p.next.Add(time.Duration(float64(n) / float64(p.rate) * float64(time.Second)))
	return wait
}

// await takes n bytes and waits until they may be moved.
func (l *Limit) await(ctx context.Context, p *pace, n int64) error {
	wait := p.take(l.opts.Now(), n)
	if wait <= 0 {
		return nil
	}
	err := l.opts.Sleep(ctx, wait)
	if err != nil {
		p.take(l.opts.Now(), -n)
	}
	return err
}

// Put is varve.Backend's.
func (l *Limit) Put(ctx context.Context, name string, data []byte) error {
	if err := l.await(ctx, &l.up, int64(len(data))); err != nil {
		return err
	}
	if err := l.enter(ctx); err != nil {
		return err
	}
	defer l.leave()
	return l.inner.Put(ctx, name, data)
}

// most is how many bytes a Get is taken to move before it is known: it may ask for more than there is.
const most = 1 << 20

// Get is varve.Backend's.
func (l *Limit) Get(ctx context.Context, name string, off, n int64) ([]byte, error) {
	taken := n
	if n < 0 || n > most {
		taken = most
	}
	if err := l.await(ctx, &l.down, taken); err != nil {
		return nil, err
	}
	if err := l.enter(ctx); err != nil {
		return nil, err
	}
	defer l.leave()
	data, err := l.inner.Get(ctx, name, off, n)
	l.down.take(l.opts.Now(), int64(len(data))-taken)
	return data, err
}

// List is varve.Backend's.
func (l *Limit) List(ctx context.Context, prefix string) iter.Seq2[varve.Object, error] {
	return func(yield func(varve.Object, error) bool) {
		if err := l.enter(ctx); err != nil {
			yield(varve.Object{}, err)
			return
		}
		held := true
		defer func() {
			if held {
				l.leave()
			}
		}()
		for o, err := range l.inner.List(ctx, prefix) {
			l.leave()
			held = false
			if !yield(o, err) || err != nil {
				return
			}
			if err := l.enter(ctx); err != nil {
				yield(varve.Object{}, err)
				return
			}
			held = true
		}
	}
}

// Delete is varve.Backend's.
func (l *Limit) Delete(ctx context.Context, name string) error {
	if err := l.enter(ctx); err != nil {
		return err
	}
	defer l.leave()
	return l.inner.Delete(ctx, name)
}

// Close closes the inner storage.
func (l *Limit) Close() error { return l.inner.Close() }
