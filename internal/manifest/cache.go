package manifest

import "sync"

// cache remembers the pages that were decoded last.
type cache[T any] struct {
	mu    sync.Mutex
	size  int
	slots []slot[T] // the one used last comes first
}

type slot[T any] struct {
	id   PageID
	page T
}

// get returns the page named id, if it is there.
func (c *cache[T]) get(id PageID) (page T, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.slots {
		if c.slots[i].id == id {
			found := c.slots[i]
			copy(c.slots[1:i+1], c.slots[:i])
			c.slots[0] = found
			return found.page, true
		}
	}
	return page, false
}

// add puts a page in; the one not used for longest falls out.
func (c *cache[T]) add(id PageID, page T) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.slots) < c.size {
		c.slots = append(c.slots, slot[T]{})
	}
	copy(c.slots[1:], c.slots)
	c.slots[0] = slot[T]{id, page}
}
