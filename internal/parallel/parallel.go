// Package parallel runs pieces of work on several goroutines and takes the results back in the order in which they were put in.
package parallel

import (
	"errors"
	"sync"
)

// ErrStopped is what put returns after another piece failed; Ordered returns that piece's error instead.
var ErrStopped = errors.New("stopped after an error")

// piece is one item under way.
type piece[T any] struct {
	item   T
	weight int
	err    error
	done   chan struct{}
}

// How much may be between put and done: enough for the others to go on while one is long at work, and no more memory than that
// takes.
const (
	maxPieces = 1024
	maxWeight = 1 << 14
)

// Ordered calls feed, which puts items in; do with each item, on one of several goroutines, begun in the order of put; and done with
// each item after its do, one after the other in the order of put and on the goroutine of the caller. At most 1,024 items, weighing
// 16,384 together unless one alone weighs more, are between put and done. After the first error nothing more is begun, stop is closed, put returns ErrStopped, and Ordered returns
// that error once all goroutines have ended. An error of feed counts like one of do.
//
// A do may wait for what another one, put earlier, brings about, as long as it also heeds stop.
func Ordered[T any](workers int, weight func(T) int, feed func(put func(T) error) error,
	do func(stop <-chan struct{}, item T) error, done func(T) error) error {
	o := &ordered[T]{weigh: weight, done: done, queue: make(chan *piece[T], maxPieces), stop: make(chan struct{})}
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() { o.work(do) })
	}
	err := feed(o.put)
	if errors.Is(err, ErrStopped) {
		err = nil
	}
	o.fail(err)
	for len(o.pending) > 0 {
		o.take()
	}
	close(o.queue)
	wg.Wait()
	return o.err
}

type ordered[T any] struct {
	weigh   func(T) int
	done    func(T) error
	queue   chan *piece[T]
	pending []*piece[T] // put and not taken back, in order
	weight  int         // of the pending ones

	mu   sync.Mutex
	err  error // the first one
	stop chan struct{}
}

// fail keeps the first error.
func (o *ordered[T]) fail(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil && err != nil {
		o.err = err
		close(o.stop)
	}
}

func (o *ordered[T]) failed() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err != nil
}

func (o *ordered[T]) work(do func(<-chan struct{}, T) error) {
	for p := range o.queue {
		if !o.failed() {
			if p.err = do(o.stop, p.item); p.err != nil {
				o.fail(p.err)
			}
		}
		close(p.done)
	}
}

// put queues one item, after taking back the oldest if the window is full, and every other that is ready.
func (o *ordered[T]) put(item T) error {
	weight := o.weigh(item)
	for len(o.pending) > 0 && (len(o.pending) >= maxPieces || o.weight+weight > maxWeight || o.ready()) {
		o.take()
	}
	if o.failed() {
		return ErrStopped
	}
	p := &piece[T]{item: item, weight: weight, done: make(chan struct{})}
	o.weight += weight
	o.pending = append(o.pending, p)
	o.queue <- p
	return nil
}

// ready reports whether the oldest item has been worked on.
func (o *ordered[T]) ready() bool {
	select {
	case <-o.pending[0].done:
		return true
	default:
		return false
	}
}

// take waits for the oldest item and hands it to done.
func (o *ordered[T]) take() {
	p := o.pending[0]
	o.pending = o.pending[1:]
	o.weight -= p.weight
	<-p.done
	if p.err == nil && !o.failed() {
		o.fail(o.done(p.item))
	}
}
