// Package faultfs lets the n-th call on a disk.FS fail in a chosen way.
//
// It wraps another implementation and is meant for tests that ask, for every n, what a program does when that call fails.
package faultfs

import (
	"errors"
	"io"
	"slices"
	"sync"

	"varve/internal/disk"
)

// ErrKilled is what every call returns after the process was killed, see Kill. It stands for a process that does not exist any
// more: whoever branches on it does what no program can.
var ErrKilled = errors.New("killed")

// Op is one call.
type Op struct {
	// N counts the calls that Injector.Filter lets pass, from 1; it is 0 while Filter is asked.
	N int
	// Method is the interface and the method, such as "FS.Rename", "Reader.ReadAt", "Writer.Sync"; closing what FS.Lock returned
	// is "Lease.Close".
	Method string
	// Name is the path of the object below the directory that New was given, that directory itself "".
	Name string
	// To is the second path of Link, Rename and Replace.
	To string
}

// Effect says how much of a failing call happens.
type Effect uint8

const (
	// Nothing happens. A Close gives up the handle nevertheless, as the operating system does. A Writer.Sync or FS.SyncAll leaves
	// content behind that counts as written but is not, so that the next one succeeds: memfs shows it after a crash.
	Nothing Effect = iota
	// Half of the bytes are read or written; other calls have no effect.
	Half
	// Whole says that the call is carried out, and only its answer is wrong.
	Whole
)

// Fault is a way to fail. The zero value is no fault.
type Fault struct {
	// Err is the error that the call returns, wrapped in one that names the operation and the path; io.EOF is not wrapped. Errors
	// of package syscall match the sentinels of package disk as the contract of disk.FS has it. ErrKilled makes all later calls
	// fail with it too.
	Err    error
	Effect Effect
}

// Kill is the death of the process, in a call that has this much effect.
func Kill(effect Effect) Fault { return Fault{Err: ErrKilled, Effect: effect} }

// Injector decides which calls fail. All handles derived from one New share it, and several New may. The zero value counts only.
// The fields must not be changed while it is in use.
type Injector struct {
	// At is the number of the call to fail, from 1; 0 stands for none.
	At int
	// Filter says which calls count; nil stands for all. It must not use the disk.
	Filter func(Op) bool
	// Fault is how the call fails.
	Fault Fault
	// Sticky makes all later calls that count fail in the same way.
	Sticky bool
	// Do, where set, is called before the call numbered At, whatever Fault says. It may use the disk that New was given.
	Do func(Op)

	mu     sync.Mutex
	ops    []Op
	killed bool
}

// Count returns how many calls counted so far.
func (i *Injector) Count() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.ops)
}

// Ops returns the calls that counted so far.
func (i *Injector) Ops() []Op {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.ops)
}

// New returns inner with the faults of inj.
func New(inner disk.FS, inj *Injector) disk.FS {
	return &dir{inner: inner, place: place{inj, ""}}
}

// strike counts op and returns the fault that befalls it.
func (i *Injector) strike(op Op) Fault {
	fault, here := i.count(&op)
	if here && i.Do != nil {
		i.Do(op)
	}
	return fault
}

// count numbers op and returns its fault, and whether op is the call numbered At.
func (i *Injector) count(op *Op) (fault Fault, here bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.killed {
		return Kill(Nothing), false
	}
	if i.Filter != nil && !i.Filter(*op) {
		return Fault{}, false
	}
	op.N = len(i.ops) + 1
	i.ops = append(i.ops, *op)
	here = op.N == i.At
	if !here && !(i.Sticky && i.At > 0 && op.N > i.At) {
		return Fault{}, false
	}
	i.killed = errors.Is(i.Fault.Err, ErrKilled)
	return i.Fault, here
}

// ask makes the call op unless a fault befalls it. A handle that nobody gets to see is closed.
func ask[T any](i *Injector, op Op, call func() (T, error)) (T, error) {
	var none T
	fault := i.strike(op)
	if fault.Err == nil {
		return call()
	}
	if fault.Effect == Whole {
		v, err := call()
		if c, ok := any(v).(io.Closer); ok && err == nil {
			c.Close()
		}
	}
	return none, explain(op, fault.Err)
}

// do is ask for calls that return an error alone.
func (i *Injector) do(op Op, call func() error) error {
	_, err := ask(i, op, func() (struct{}, error) { return struct{}{}, call() })
	return err
}

// transfer is ask for ReadAt and WriteAt.
func (i *Injector) transfer(op Op, p []byte, off int64, call func([]byte, int64) (int, error)) (int, error) {
	fault := i.strike(op)
	n := 0
	switch {
	case fault.Err == nil:
		return call(p, off)
	case fault.Effect == Half && len(p) > 1:
		n, _ = call(p[:len(p)/2], off)
	case fault.Effect == Whole:
		n, _ = call(p, off)
	}
	return n, explain(op, fault.Err)
}

// sync is ask for calls that make the content of inner durable. One that fails without effect loses that content.
func (i *Injector) sync(op Op, inner any, call func() error) error {
	fault := i.strike(op)
	switch {
	case fault.Err == nil:
		return call()
	case fault.Effect == Whole:
		call()
	case !errors.Is(fault.Err, ErrKilled):
		lose(inner)
	}
	return explain(op, fault.Err)
}

// lose makes the unsynced content of inner count as written, where inner can do that.
func lose(inner any) {
	if l, ok := inner.(interface{ LoseUnsynced() }); ok {
		l.LoseUnsynced()
	}
}

// shut is ask for Close, which always gives up the handle.
func (i *Injector) shut(op Op, call func() error) error {
	fault := i.strike(op)
	err := call()
	if fault.Err != nil {
		return explain(op, fault.Err)
	}
	return err
}
