package walk

import (
	"container/heap"
	"sync"
	"sync/atomic"

	"varve"
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
//
// On a disk where a directory takes long to answer, many are read at once, and those far behind may be read before what is below the
// first ones is known. So that they do not take up all the room then, what is needed before them may take up as much again.
type crew struct {
	mu       sync.Mutex
	changed  sync.Cond
	queue    queue
	furthest string // of the directories that the crew has begun, the one that is needed last
	waiting  int    // what is read and not consumed counts for, in entries
	over     bool
}

func newCrew() *crew {
	c := &crew{}
	c.changed.L = &c.mu
	return c
}

// push adds tasks that are needed, in their order. See batch for what at returns.
func (c *crew) push(b batch) {
	if b.size == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	heap.Push(&c.queue, &b)
	c.wake()
}

// wake wakes one worker where there is something to do. Each that begins something wakes the next one. c.mu is held.
func (c *crew) wake() {
	if c.ready() {
		c.changed.Signal()
	}
}

// ready reports whether somebody of the crew should begin the soonest needed task. c.mu is held.
func (c *crew) ready() bool {
	switch {
	case len(c.queue) == 0 || c.waiting > 2*ahead:
		return false
	case c.waiting <= ahead:
		return true
	}
	return varve.CompareDirs(c.queue[0].dir(), c.furthest) < 0
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
		if !c.ready() {
			c.changed.Wait()
		} else if t := c.pop(); t != nil {
			c.wake()
			return t
		}
	}
	return nil
}

// pop takes the task that is needed soonest; nil where it was one that is not needed any more. c.mu is held.
func (c *crew) pop() *task {
	b := c.queue[0]
	dir, t := b.dir(), b.at(b.next)
	if b.next++; b.next < b.size {
		heap.Fix(&c.queue, 0)
	} else {
		heap.Pop(&c.queue)
	}
	if t != nil && varve.CompareDirs(dir, c.furthest) > 0 {
		c.furthest = dir
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
	defer c.mu.Unlock()
	c.waiting -= n
	c.wake()
}

// dismiss ends all work once the tasks under way are done.
func (c *crew) dismiss() {
	c.mu.Lock()
	c.over = true
	c.changed.Broadcast()
	c.mu.Unlock()
}
