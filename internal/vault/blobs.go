package vault

import (
	"container/list"
	"context"
	"sync"
)

// blobCache keeps blobs that were opened, so that chunks which lie together are read together. Two who want the same blob wait for one.
type blobCache struct {
	mu     sync.Mutex
	limit  int // bytes
	size   int
	blobs  map[blobKey]*list.Element
	recent *list.List // of *cachedBlob, the most recent first
}

// blobKey says where a blob lies.
type blobKey struct {
	pack [32]byte
	off  uint32
}

type cachedBlob struct {
	key   blobKey
	ready chan struct{}
	data  []byte
	err   error
	kept  bool // it was opened and counts in size; guarded by the cache's mutex
}

func newBlobCache(limit int) *blobCache {
	return &blobCache{limit: limit, blobs: map[blobKey]*list.Element{}, recent: list.New()}
}

// get returns the plaintext of the blob at key, which open reads where it is not at hand. It must not be changed. Errors are not kept.
func (c *blobCache) get(ctx context.Context, key blobKey, open func() ([]byte, error)) ([]byte, error) {
	for {
		c.mu.Lock()
		at, ok := c.blobs[key]
		if !ok {
			b := &cachedBlob{key: key, ready: make(chan struct{})}
			c.blobs[key] = c.recent.PushFront(b)
			c.mu.Unlock()
			b.data, b.err = open()
			c.opened(b)
			return b.data, b.err
		}
		c.recent.MoveToFront(at)
		c.mu.Unlock()
		b := at.Value.(*cachedBlob)
		select {
		case <-b.ready:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if b.err == nil {
			return b.data, nil
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
}

// clear forgets every blob that is at hand.
func (c *blobCache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for at := c.recent.Back(); at != nil; {
		before := at.Prev()
		c.drop(at)
		at = before
	}
}

// drop forgets a blob, unless it is being opened; c.mu is held.
func (c *blobCache) drop(at *list.Element) {
	b := at.Value.(*cachedBlob)
	if !b.kept {
		return
	}
	c.size -= len(b.data)
	c.recent.Remove(at)
	delete(c.blobs, b.key)
}

// opened makes b known to those who wait for it, and makes room.
func (c *blobCache) opened(b *cachedBlob) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer close(b.ready)
	if b.err != nil {
		c.recent.Remove(c.blobs[b.key])
		delete(c.blobs, b.key)
		return
	}
	c.size += len(b.data)
	b.kept = true
	for at := c.recent.Back(); at != nil && c.size > c.limit; {
		before := at.Prev()
		if at.Value.(*cachedBlob) != b {
			c.drop(at)
		}
		at = before
	}
}
