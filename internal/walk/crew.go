package walk

import (
	"sync"
	"sync/atomic"
)

// task is a piece of work that the consumer will need; whoever claims it first does it.
type task struct {
	run     func()
	claimed atomic.Bool
	done    chan struct{}
}

func newTask(run func()) *task { return &task{run: run, done: make(chan struct{})} }

// do runs t unless somebody else has claimed it.
func (t *task) do() bool {
	if t.claimed.Swap(true) {
		return false
	}
	t.run()
	close(t.done)
	return true
}

// crew works ahead of the consumer: on the task that the consumer will need soonest, and only while not too many entries wait to
// be consumed. The consumer never waits for a task that nobody has begun: it does that one itself, so nothing can lock up.
type crew struct {
	mu      sync.Mutex
	changed sync.Cond
	stack   []batch // the soonest needed last
	waiting int     // what is read and not consumed counts for, in entries
	over    bool
}

// batch is tasks in the order in which they are needed. They are made when their turn comes, since there may be very many.
type batch struct {
	next, size int
	at         func(i int) *task // nil where the i-th is not needed any more; crew.mu is held
}

func newCrew() *crew {
	c := &crew{}
	c.changed.L = &c.mu
	return c
}

// push adds tasks that are needed, in their order, before all that are there. See batch for what at returns.
func (c *crew) push(size int, at func(i int) *task) {
	if size == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stack = append(c.stack, batch{size: size, at: at})
	c.changed.Broadcast()
}

// listing returns what it takes to read n; the same until leave.
func (c *crew) listing(n *node, s *Source) *listing {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.start(n, s)
}

func (c *crew) start(n *node, s *Source) *listing {
	if n.listing == nil {
		l := n.begin()
		l.task = newTask(func() { s.list(l, c) })
		n.listing = l
	}
	return n.listing
}

// begun returns the task of reading n; nil once the consumer has done with it. c.mu is held.
func (c *crew) begun(n *node, s *Source) *task {
	if n.left {
		return nil
	}
	return c.start(n, s).task
}

// leave says that the consumer has done with n.
func (c *crew) leave(n *node) {
	c.consumed(1)
	c.mu.Lock()
	n.left, n.listing = true, nil
	c.mu.Unlock()
}

// work does tasks until the crew is dismissed.
func (c *crew) work() {
	for {
		t := c.next()
		if t == nil {
			return
		}
		t.do()
	}
}

func (c *crew) next() *task {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.over {
		if len(c.stack) == 0 || c.waiting > ahead {
			c.changed.Wait()
		} else if t := c.pop(); t != nil {
			return t
		}
	}
	return nil
}

// pop takes the task that is needed soonest off the stack; nil where it was one that is not needed any more.
func (c *crew) pop() *task {
	last := len(c.stack) - 1
	b := &c.stack[last]
	t := b.at(b.next)
	if b.next++; b.next == b.size {
		*b, c.stack = batch{}, c.stack[:last]
	}
	return t
}

// need returns when t is done.
func (c *crew) need(t *task) {
	if !t.do() {
		<-t.done
	}
}

// produced counts what n entries take and wait to be consumed, consumed what no longer does.
func (c *crew) produced(n int) {
	c.mu.Lock()
	c.waiting += n
	c.mu.Unlock()
}

func (c *crew) consumed(n int) {
	c.mu.Lock()
	before := c.waiting
	c.waiting -= n
	if before > ahead && c.waiting <= ahead {
		c.changed.Broadcast()
	}
	c.mu.Unlock()
}

// dismiss ends all work once the tasks under way are done.
func (c *crew) dismiss() {
	c.mu.Lock()
	c.over = true
	c.changed.Broadcast()
	c.mu.Unlock()
}
