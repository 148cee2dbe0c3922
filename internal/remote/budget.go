package remote

import (
	"context"
	"sync"
)

// budget is a number of bytes of memory that several share. Whoever waits gets his turn in no particular order, so nobody may hold
// some while waiting for more.
type budget struct {
	mu     sync.Mutex
	change sync.Cond
	left   int64
}

func newBudget(n int64) *budget {
	b := &budget{left: n}
	b.change.L = &b.mu
	return b
}

// take waits until n bytes are left and takes them. The error is that of ctx.
func (b *budget) take(ctx context.Context, n int64) error {
	stop := context.AfterFunc(ctx, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.change.Broadcast()
	})
	defer stop()
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.left < n && ctx.Err() == nil {
		b.change.Wait()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	b.left -= n
	return nil
}

// try takes n bytes if they are left.
func (b *budget) try(n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.left < n {
		return false
	}
	b.left -= n
	return true
}

// give gives n bytes back.
func (b *budget) give(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left += n
	b.change.Broadcast()
}
