package sftp

import (
	"context"
	"slices"
	"sync"
)

// gate bounds how many requests are under way and how many bytes of content belong to them. Whoever waits is let in in the order
// of coming.
//
// There may be little room for bytes to begin with, and as much more as has been answered, up to a limit: over a line that is cut again
// and again the first answers come before everything that could be sent has used the line up.
type gate struct {
	mu    sync.Mutex
	slots int   // free
	bytes int64 // free
	all   int64 // bytes free when nobody is in
	most  int64 // what all grows to
	queue []*waiter
}

type waiter struct {
	cost int64
	in   chan struct{} // closed when let in
}

func newGate(slots int, first, bytes int64) *gate {
	return &gate{slots: slots, bytes: first, all: first, most: bytes}
}

// cost returns what size bytes of content take; more than there is ever room for counts as all of it.
func (g *gate) cost(size int) int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return min(int64(size), g.all)
}

// enter waits until there is room. The error is that of ctx, or errClosed when lost is closed first.
func (g *gate) enter(ctx context.Context, lost <-chan struct{}, cost int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w := &waiter{cost: cost, in: make(chan struct{})}
	g.mu.Lock()
	g.queue = append(g.queue, w)
	g.admit()
	g.mu.Unlock()
	var err error
	select {
	case <-w.in:
		return nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-lost:
		err = errClosed
	}
	g.give(w)
	return err
}

// admit lets in who comes next, as far as there is room.
func (g *gate) admit() {
	for len(g.queue) > 0 && g.slots > 0 && g.queue[0].cost <= g.bytes {
		w := g.queue[0]
		g.queue = g.queue[1:]
		g.slots--
		g.bytes -= w.cost
		close(w.in)
	}
}

// borrow enters without waiting, and beyond what there is room for. It is for the few requests that the session makes itself.
func (g *gate) borrow() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.slots--
}

// leave makes room again.
func (g *gate) leave(cost int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	more := min(cost, g.most-g.all)
	g.slots++
	g.bytes += cost + more
	g.all += more
	g.admit()
}

// give takes back a waiter that has given up; it may have been let in at the same moment.
func (g *gate) give(w *waiter) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if i := slices.Index(g.queue, w); i >= 0 {
		g.queue = slices.Delete(g.queue, i, i+1)
	} else {
		g.slots++
		g.bytes += w.cost
	}
	g.admit()
}
