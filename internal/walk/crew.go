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
	stack   []*task // the soonest needed last
	waiting int     // what is read and not consumed counts for, in entries
	over    bool
}

func newCrew() *crew {
	c := &crew{}
	c.changed.L = &c.mu
	return c
}

// push adds tasks that are needed, in their order, before all that are there.
func (c *crew) push(tasks []*task) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := len(tasks) - 1; i >= 0; i-- {
		c.stack = append(c.stack, tasks[i])
	}
	c.changed.Broadcast()
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
	for !c.over && (len(c.stack) == 0 || c.waiting > ahead) {
		c.changed.Wait()
	}
	if c.over {
		return nil
	}
	t := c.stack[len(c.stack)-1]
	c.stack = c.stack[:len(c.stack)-1]
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
