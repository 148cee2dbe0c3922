package remote

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"sync"
	"time"

	"varve"
	"varve/internal/backend"
	"varve/internal/backend/retry"
	"varve/internal/disk"
	"varve/internal/mux"
)

// LastingBackend returns the far storage, as Backend does, on connections of which the client's is the first: one that is lost is
// opened again. The operations that it takes along end with retry.ErrCut, and are for retry.Retry to make again. After GiveUp without any
// answer, or where another attempt is of no use, all fail with disk.ErrLost. Closing it closes the client.
//
// What is under way at once is halved at each loss and grows with each answer: a line that is cut again and again carries few objects
// to their end, where it would carry none of many.
func (c *Client) LastingBackend(opts Redial) varve.Backend {
	l := &lasting{opts: opts.filled(), client: c, allowed: mostAtOnce, changed: make(chan struct{})}
	l.life, l.end = context.WithCancel(context.Background())
	return l
}

// lasting is a far storage whose connection is opened again.
type lasting struct {
	opts Redial
	life context.Context // ends with Close
	end  context.CancelFunc

	mu      sync.Mutex
	changed chan struct{} // closed when anything below changes
	client  *Client       // nil while there is none
	dialing bool
	final   error     // why there will be no more connections
	running int       // operations under way
	allowed int       // how many may be
	fails   int       // losses and attempts in a row without an answer
	since   time.Time // the first of them
}

var _ varve.Backend = (*lasting)(nil)

// enter returns the connection for one operation, which leave must follow. It opens one where there is none. A listing neither
// waits for its turn nor takes one: whoever reads it may ask for other things meanwhile.
func (l *lasting) enter(ctx context.Context, op string) (*Client, error) {
	turn := turns(op)
	for {
		l.mu.Lock()
		switch {
		case l.final != nil:
			defer l.mu.Unlock()
			return nil, l.final
		case l.client != nil && (l.running < l.allowed || turn == 0):
			defer l.mu.Unlock()
			l.running += turn
			return l.client, nil
		case l.client == nil && !l.dialing:
			l.dialing = true
			pause := l.pause()
			l.mu.Unlock()
			l.dial(ctx, pause)
		default:
			changed := l.changed
			l.mu.Unlock()
			select {
			case <-changed:
			case <-ctx.Done():
			}
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
}

// turns returns how many operations one counts for.
func turns(op string) int {
	if op == opList {
		return 0
	}
	return 1
}

// pause returns how long to wait before a connection is opened. l.mu is held.
func (l *lasting) pause() time.Duration {
	if l.fails < 2 {
		return 0
	}
	return min(firstPause<<min(l.fails-2, 16), longestPause)
}

// dial opens a connection after a pause. Where ctx ends meanwhile the next one who needs it has to.
func (l *lasting) dial(ctx context.Context, pause time.Duration) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.life, cancel)()
	var client *Client
	if pause > 0 {
		l.opts.Sleep(ctx, pause)
	}
	err := ctx.Err()
	if err == nil {
		client, err = l.opts.Dial(ctx)
	}
	if err == nil && !client.Info().Backend {
		err = errors.Join(fmt.Errorf("the varve there serves no vault any more: %w", varve.ErrNoStore), client.Close())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.signal()
	l.dialing = false
	switch {
	case err == nil && l.final == nil:
		l.client = client
	case err == nil:
		client.Close()
	case ctx.Err() == nil:
		l.failed(err)
	}
}

// leave ends one operation, given its outcome, and returns that as it is to be told.
func (l *lasting) leave(ctx context.Context, op string, c *Client, err error) error {
	told, gone := l.settle(ctx, op, c, err)
	if gone {
		c.Close() // ssh may take seconds to end
	}
	return told
}

// settle notes the outcome of an operation. gone says that c was lost, and that nobody else closes it.
func (l *lasting) settle(ctx context.Context, op string, c *Client, err error) (told error, gone bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.signal()
	cut := err != nil && ctx.Err() == nil && (errors.Is(err, mux.ErrLost) || errors.Is(err, mux.ErrClosed))
	if gone = cut && l.client == c; gone {
		l.mourn(err)
	}
	l.running -= turns(op)
	switch {
	case cut && l.final != nil:
		return l.final, gone
	case cut:
		return marked{err, retry.ErrCut}, gone
	case ctx.Err() == nil && !errors.Is(err, ErrProtocol):
		l.fails = 0
		l.allowed = min(l.allowed+1, mostAtOnce)
	}
	return err, false
}

// mourn notes that the connection is lost. l.mu is held.
func (l *lasting) mourn(err error) {
	l.client = nil
	l.allowed = max(min(l.allowed, l.running)/2, 1)
	l.failed(err)
	if l.final == nil {
		l.opts.Warn(fmt.Errorf("connecting again: %w", err))
	}
}

// failed notes that there was no answer. l.mu is held.
func (l *lasting) failed(err error) {
	now := l.opts.Now()
	if l.fails == 0 {
		l.since = now
	}
	l.fails++
	silent := now.Sub(l.since)
	switch {
	case l.final != nil:
	case hopeless(err):
		l.final = marked{err, disk.ErrLost}
	case silent >= l.opts.GiveUp:
		l.final = marked{fmt.Errorf("no answer for %s: %w", silent.Round(time.Second), err), disk.ErrLost}
	}
}

func (l *lasting) signal() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// marked is an error that also matches another one.
type marked struct {
	error
	also error
}

func (e marked) Unwrap() []error { return []error{e.error, e.also} }

// on makes one attempt at an operation.
func (l *lasting) on(ctx context.Context, op, name string, do func(s *storage) error) error {
	c, err := l.enter(ctx, op)
	if err != nil {
		return wrap(op, name, err)
	}
	return l.leave(ctx, op, c, do(&storage{client: c, p: c.peer}))
}

// Put keeps an object on the far side, which checks its name against its bytes.
func (l *lasting) Put(ctx context.Context, name string, data []byte) error {
	return l.on(ctx, opPut, name, func(s *storage) error { return s.Put(ctx, name, data) })
}

// Get returns bytes of an object. After a loss it goes on where it stopped, since an object never changes.
func (l *lasting) Get(ctx context.Context, name string, off, n int64) ([]byte, error) {
	if kind, _, err := backend.Parse(name); err == nil {
		n = mostOf(kind, n)
	}
	var data []byte
	for {
		err := l.on(ctx, opGet, name, func(s *storage) error {
			part, err := s.read(ctx, name, off+int64(len(data)), n-int64(len(data)))
			if data = append(data, part...); len(part) > 0 {
				l.answered()
			}
			return err
		})
		if err == nil || errors.Is(err, retry.ErrCut) && int64(len(data)) == n {
			return data, nil
		}
		if !errors.Is(err, retry.ErrCut) || len(data) == 0 {
			return nil, err
		}
	}
}

// answered notes that something came, be it only a part of an answer.
func (l *lasting) answered() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fails = 0
}

// List yields the far objects.
func (l *lasting) List(ctx context.Context, prefix string) iter.Seq2[varve.Object, error] {
	return func(yield func(varve.Object, error) bool) {
		err := l.on(ctx, opList, prefix, func(s *storage) error {
			for o, err := range s.List(ctx, prefix) {
				if err != nil || !yield(o, nil) {
					return err
				}
			}
			return nil
		})
		if err != nil {
			yield(varve.Object{}, err)
		}
	}
}

// Delete removes a far object.
func (l *lasting) Delete(ctx context.Context, name string) error {
	return l.on(ctx, opDelete, name, func(s *storage) error { return s.Delete(ctx, name) })
}

// Close closes the connection.
func (l *lasting) Close() error {
	l.mu.Lock()
	c := l.client
	l.client, l.final = nil, fs.ErrClosed
	l.signal()
	l.mu.Unlock()
	l.end()
	if c == nil {
		return nil
	}
	return c.Close()
}
