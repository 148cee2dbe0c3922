// Package mem is a vault's storage in memory, for tests.
//
// It can let listings lag behind, keeps a record of what was asked of it, and can be copied, so that a test may try what happens
// after every single operation. It is not for keeping data.
package mem

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"varve"
	"varve/internal/backend"
)

// Options describe the storage. The zero value is one that is never stale.
type Options struct {
	// Stale lets List show a Put or Delete only after up to so many further operations of any kind; Seed decides how many. Get, Put
	// and Delete always see what is there.
	Stale int
	Seed  uint64
	// Record keeps all operations for Ops.
	Record bool
	// Now tells the time of a Put; nil stands for time.Now.
	Now func() time.Time
}

// Op is one operation.
type Op struct {
	Method string // "Put", "Get", "List" or "Delete"
	Name   string // of the object; the prefix of a List
}

// Mem is a storage in memory.
type Mem struct {
	opts Options

	mu      sync.Mutex
	rng     *rand.PCG
	count   int
	ops     []Op
	objects map[string]object // what is there
	listed  map[string]object // what List shows, where it may be stale
	pending []change          // not listed yet, in order
}

var _ varve.Backend = (*Mem)(nil)

type object struct {
	data []byte
	time time.Time
}

// change becomes visible to List with the operation numbered at.
type change struct {
	at   int
	name string
	put  bool
	object
}

// New returns an empty storage.
func New(opts Options) *Mem {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	m := &Mem{opts: opts, rng: rand.NewPCG(opts.Seed, 0), objects: map[string]object{}}
	m.listed = m.objects
	if opts.Stale > 0 {
		m.listed = map[string]object{}
	}
	return m
}

// begin checks that an operation may go on and counts it. The caller holds the lock.
func (m *Mem) begin(ctx context.Context, method, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.count++
	if m.opts.Record {
		m.ops = append(m.ops, Op{method, name})
	}
	m.settle(m.count)
	if method == "List" {
		return nil
	}
	return backend.CheckName(name)
}

// Put is varve.Backend's.
func (m *Mem) Put(ctx context.Context, name string, data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	err := m.begin(ctx, "Put", name)
	if _, taken := m.objects[name]; err == nil && taken {
		err = fs.ErrExist
	}
	if err != nil {
		return &fs.PathError{Op: "put", Path: name, Err: err}
	}
	o := object{slices.Clone(data), m.opts.Now()}
	m.objects[name] = o
	m.announce(change{name: name, put: true, object: o})
	return nil
}

// Get is varve.Backend's.
func (m *Mem) Get(ctx context.Context, name string, off, n int64) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	err := m.begin(ctx, "Get", name)
	o, there := m.objects[name]
	switch {
	case err != nil:
	case off < 0:
		err = fs.ErrInvalid
	case !there:
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, &fs.PathError{Op: "get", Path: name, Err: err}
	}
	rest := o.data[min(off, int64(len(o.data))):]
	if n >= 0 && n < int64(len(rest)) {
		rest = rest[:n]
	}
	return append([]byte{}, rest...), nil
}

// Delete is varve.Backend's.
func (m *Mem) Delete(ctx context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	err := m.begin(ctx, "Delete", name)
	if _, there := m.objects[name]; err == nil && !there {
		err = fs.ErrNotExist
	}
	if err != nil {
		return &fs.PathError{Op: "delete", Path: name, Err: err}
	}
	delete(m.objects, name)
	m.announce(change{name: name})
	return nil
}

// Close does nothing: what is there can be used again.
func (m *Mem) Close() error { return nil }

// String says how many objects there are, for messages of tests.
func (m *Mem) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return fmt.Sprintf("%d objects after %d operations", len(m.objects), m.count)
}
