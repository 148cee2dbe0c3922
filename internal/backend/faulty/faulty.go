// Package faulty lets the n-th operation of a varve.Backend fail in a chosen way.
//
// It wraps another storage and is meant for tests that ask, for every n, what a program does when that operation fails.
package faulty

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"strings"
	"sync"

	"varve"
)

// ErrKilled is what every operation returns after the process was killed, see Kill. It stands for a process that does not exist any
// more: whoever branches on it does what no program can. It matches fs.ErrClosed, so that nobody tries again.
var ErrKilled = fmt.Errorf("killed: %w", fs.ErrClosed)

// ErrFault is a passing fault, such as a lost connection.
var ErrFault = errors.New("connection lost")

// Op is one operation.
type Op struct {
	// N counts the operations that Injector.Filter lets pass, from 1; it is 0 while Filter is asked.
	N int
	// Method is "Put", "Get", "List" or "Delete".
	Method string
	// Name is that of the object; the prefix of a List.
	Name string
}

// Effect says how much of a failing operation happens.
type Effect uint8

const (
	// Nothing happens.
	Nothing Effect = iota
	// Half happens: Put keeps the first half of the bytes, Get returns the first half, List yields every other object. A storage
	// whose Put is not atomic may do the first.
	Half
	// Whole says that the operation is carried out; only its answer is wrong.
	Whole
	// Flipped says that it is carried out with the lowest bit of the byte in the middle flipped: Put and Get.
	Flipped
	// Doubled says that List yields every object twice.
	Doubled
)

// Fault is a way to fail.
type Fault struct {
	// Err is the error that the operation returns, wrapped in one that names the operation and the object. Without one the storage
	// acts as if nothing were wrong. ErrKilled makes all later operations fail with it too.
	Err    error
	Effect Effect
}

// Kill is the death of the process, in an operation that has this much effect.
func Kill(effect Effect) Fault { return Fault{Err: ErrKilled, Effect: effect} }

// Injector decides which operations fail. Several storages may share it. The zero value counts only. The fields must not be changed
// while it is in use.
type Injector struct {
	// At is the number of the operation to fail, from 1; 0 stands for none.
	At int
	// Filter says which operations count; nil stands for all. It must not use the storage.
	Filter func(Op) bool
	// Fault is how the operation fails.
	Fault Fault
	// Sticky makes all later operations that count fail in the same way.
	Sticky bool
	// Do, where set, is called before the operation numbered At, whatever Fault says. It may use the storage that New was given.
	Do func(Op)

	mu     sync.Mutex
	ops    []Op
	killed bool
}

// Count returns how many operations counted so far.
func (i *Injector) Count() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.ops)
}

// Ops returns the operations that counted so far.
func (i *Injector) Ops() []Op {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.ops)
}

// strike counts op and returns the fault that befalls it, or nil.
func (i *Injector) strike(op Op) *Fault {
	fault, here := i.count(&op)
	if here && i.Do != nil {
		i.Do(op)
	}
	return fault
}

// count numbers op and returns its fault, and whether op is the operation numbered At.
func (i *Injector) count(op *Op) (fault *Fault, here bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.killed {
		return &Fault{Err: ErrKilled}, false
	}
	if i.Filter != nil && !i.Filter(*op) {
		return nil, false
	}
	op.N = len(i.ops) + 1
	i.ops = append(i.ops, *op)
	here = op.N == i.At
	if !here && !(i.Sticky && i.At > 0 && op.N > i.At) {
		return nil, false
	}
	i.killed = errors.Is(i.Fault.Err, ErrKilled)
	return &i.Fault, here
}

// explain gives the error of a fault its operation and object.
func (f *Fault) explain(op Op) error {
	if f.Err == nil {
		return nil
	}
	return &fs.PathError{Op: strings.ToLower(op.Method), Path: op.Name, Err: f.Err}
}

// Faulty is a storage with faults.
type Faulty struct {
	inner varve.Backend
	inj   *Injector
}

var _ varve.Backend = (*Faulty)(nil)

// New returns inner with the faults of inj.
func New(inner varve.Backend, inj *Injector) *Faulty { return &Faulty{inner, inj} }

// Put is varve.Backend's.
func (f *Faulty) Put(ctx context.Context, name string, data []byte) error {
	op := Op{Method: "Put", Name: name}
	fault := f.inj.strike(op)
	if fault == nil {
		return f.inner.Put(ctx, name, data)
	}
	if fault.Effect != Nothing {
		if err := f.inner.Put(ctx, name, fault.spoil(data)); err != nil && fault.Err == nil {
			return err
		}
	}
	return fault.explain(op)
}

// Get is varve.Backend's.
func (f *Faulty) Get(ctx context.Context, name string, off, n int64) ([]byte, error) {
	op := Op{Method: "Get", Name: name}
	fault := f.inj.strike(op)
	if fault == nil {
		return f.inner.Get(ctx, name, off, n)
	}
	if fault.Err != nil {
		return nil, fault.explain(op)
	}
	if fault.Effect == Nothing {
		return []byte{}, nil
	}
	data, err := f.inner.Get(ctx, name, off, n)
	return fault.spoil(data), err
}

// spoil returns what the fault makes of data.
func (f *Fault) spoil(data []byte) []byte {
	switch {
	case f.Effect == Half:
		return data[:len(data)/2]
	case f.Effect == Flipped && len(data) > 0:
		data = slices.Clone(data)
		data[len(data)/2] ^= 1
	}
	return data
}

// List is varve.Backend's; it counts when it is ranged over.
func (f *Faulty) List(ctx context.Context, prefix string) iter.Seq2[varve.Object, error] {
	return func(yield func(varve.Object, error) bool) {
		op := Op{Method: "List", Name: prefix}
		fault := f.inj.strike(op)
		if fault == nil {
			f.inner.List(ctx, prefix)(yield)
			return
		}
		n := 0
		for o, err := range f.inner.List(ctx, prefix) {
			if err != nil {
				yield(varve.Object{}, err)
				return
			}
			for range fault.times(n) {
				if !yield(o, nil) {
					return
				}
			}
			n++
		}
		if err := fault.explain(op); err != nil {
			yield(varve.Object{}, err)
		}
	}
}

// times is how often the object numbered n, from 0, is listed.
func (f *Fault) times(n int) int {
	switch f.Effect {
	case Nothing:
		return 0
	case Half:
		return n % 2
	case Doubled:
		return 2
	}
	return 1
}

// Delete is varve.Backend's.
func (f *Faulty) Delete(ctx context.Context, name string) error {
	op := Op{Method: "Delete", Name: name}
	fault := f.inj.strike(op)
	if fault == nil {
		return f.inner.Delete(ctx, name)
	}
	if fault.Effect != Nothing {
		if err := f.inner.Delete(ctx, name); err != nil && fault.Err == nil {
			return err
		}
	}
	return fault.explain(op)
}

// Close closes the inner storage; it never fails by itself.
func (f *Faulty) Close() error { return f.inner.Close() }
