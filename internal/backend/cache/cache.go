// Package cache keeps what was got from a varve.Backend on a local disk, so that it need not come from far away again.
//
// Objects never change, so what was got once stays right. Kept are whole objects of the kinds index, snapshots and keys, each checked
// against its name before it is kept and whenever it is used; and ranges of data objects, with a checksum. Nothing else is: config and
// locks always come from the storage.
//
// A cache never proves that something is present in the storage: List, Put and Delete go there always, and what Put brought there is
// not kept. Get alone may be answered from here, also for an object that was deleted meanwhile. Who wants to know what the storage
// holds, to verify it or to try a restore, asks the storage itself; so does who reads the content of files, which is better not kept.
//
// The cache never makes an operation fail. What is damaged counts as absent and is removed; where it cannot be written, nothing more
// is kept until the program ends. Nothing is synced. Several processes may use one directory at once.
//
// It belongs outside of all other wrappers.
package cache

import (
	"context"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"varve"
	"varve/internal/backend"
	"varve/internal/disk"
)

// Options vary a cache. The zero value keeps 4 GiB.
type Options struct {
	// Limit is how many bytes the cache may take on the disk; 0 stands for 4 GiB. It is exceeded by an eighth at most, by each
	// process that uses the cache.
	Limit int64
	// MaxRange is how long a range of a data object may be to be kept, in bytes; 0 stands for 9 MiB, enough for any blob.
	MaxRange int64
	// Now tells the time; nil stands for time.Now.
	Now func() time.Time
}

// Cache is a storage with a cache.
type Cache struct {
	inner varve.Backend
	opts  Options
	held  *disk.Held

	unwritable atomic.Bool // it could not be written once
	evicting   sync.Mutex
	kept       atomic.Int64 // bytes written since the last time that old items were removed
}

var _ varve.Backend = (*Cache)(nil)

// descriptors is how many directories are kept open when nobody uses them.
const descriptors = 32

// New returns inner with a cache in the directory dir, which must be used for nothing else. Both are closed by Close.
func New(inner varve.Backend, dir disk.FS, opts Options) *Cache {
	if opts.Limit <= 0 {
		opts.Limit = 4 << 30
	}
	if opts.MaxRange <= 0 {
		opts.MaxRange = 9 << 20
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	c := &Cache{inner: inner, opts: opts, held: disk.NewHeld(dir, descriptors)}
	c.kept.Store(opts.Limit) // what others left there is not known
	return c
}

// Get is varve.Backend's; see the package's comment for what it may answer.
func (c *Cache) Get(ctx context.Context, name string, off, n int64) ([]byte, error) {
	k, _, err := backend.Parse(name)
	if err != nil || off < 0 || ctx.Err() != nil {
		return c.inner.Get(ctx, name, off, n)
	}
	switch k {
	case backend.Index, backend.Snapshots, backend.Keys:
		return c.whole(ctx, name, off, n)
	case backend.Data:
		if n > 0 && n <= c.opts.MaxRange {
			return c.part(ctx, name, off, n)
		}
	}
	return c.inner.Get(ctx, name, off, n)
}

// whole gets a part of an object that is kept as a whole, if it is.
func (c *Cache) whole(ctx context.Context, name string, off, n int64) ([]byte, error) {
	it := wholeItem(name)
	if data, ok := c.load(it); ok {
		data = data[min(off, int64(len(data))):]
		if n >= 0 && n < int64(len(data)) {
			data = data[:n:n]
		}
		return data, nil
	}
	data, err := c.inner.Get(ctx, name, off, n)
	// It is the whole object if its bytes hash to its name, whatever was asked for.
	if err == nil && off == 0 && backend.Check(name, data) == nil {
		c.keep(it, data)
	}
	return data, err
}

// part gets a range of an object. One that is shorter than asked for is not kept: it may have been cut off on its way.
func (c *Cache) part(ctx context.Context, name string, off, n int64) ([]byte, error) {
	it := rangeItem(name, off, n)
	if data, ok := c.load(it); ok {
		return data, nil
	}
	data, err := c.inner.Get(ctx, name, off, n)
	if err == nil && int64(len(data)) == n {
		c.keep(it, data)
	}
	return data, err
}

// Drop removes what Get with these arguments may have kept. It is for who found out that what Get returned is damaged: a range of a
// data object cannot be checked here for what happened to it on its way. The next Get asks the storage.
func (c *Cache) Drop(name string, off, n int64) {
	k, _, err := backend.Parse(name)
	switch {
	case err != nil:
	case k == backend.Data:
		c.remove(rangeItem(name, off, n))
	default:
		c.remove(wholeItem(name))
	}
}

// Put is varve.Backend's.
func (c *Cache) Put(ctx context.Context, name string, data []byte) error {
	return c.inner.Put(ctx, name, data)
}

// List is varve.Backend's.
func (c *Cache) List(ctx context.Context, prefix string) iter.Seq2[varve.Object, error] {
	return c.inner.List(ctx, prefix)
}

// Delete is varve.Backend's. Ranges of the object stay until they are the oldest.
func (c *Cache) Delete(ctx context.Context, name string) error {
	err := c.inner.Delete(ctx, name)
	if k, _, bad := backend.Parse(name); err == nil && bad == nil && k != backend.Data {
		c.remove(wholeItem(name))
	}
	return err
}

// Close closes the inner storage and the cache's directory.
func (c *Cache) Close() error {
	_ = c.held.Close() // nothing is lost with it
	return c.inner.Close()
}
