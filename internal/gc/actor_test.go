package gc

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"math/rand/v2"
	"strings"

	"varve"
)

// fault is what befalls one operation of an actor.
type fault uint8

const (
	none       fault = iota
	killed           // the process ends; the operation has no effect
	killedOne        // the process ends; the operation has its effect
	killedLate       // the process ends; the operation has its effect some time later
	failed           // an error, without effect
	failedOne        // an error, but the operation had its effect
	failedLate       // an error, and the effect comes later
	paused           // the process stands still for long
	faults
)

var errStorage = errors.New("storage: connection lost")

// dead is what an actor panics with when its process ends.
type dead struct{}

// actor is one process. It is the Backend of its own program, and gives way to others before every operation.
type actor struct {
	*world
	name   string
	rules  *steps
	by     string // who signs; empty for an admin
	rand   *rand.Rand
	tidies bool

	yield   func(struct{}) bool // nil: nobody else is there
	resume  func() (struct{}, bool)
	stop    func()
	done    bool
	wake    int // not before this time
	ops     int
	faultAt int
	fault   fault

	shunned   int // when the last complete listing of condemn records began
	validated int // when the last one began that a complete listing of packs followed
	sealed    int // when it put its last seal
}

// start makes an actor run a program when it is resumed.
func (a *actor) start(program func(*actor)) {
	a.resume, a.stop = iter.Pull(func(yield func(struct{}) bool) {
		defer func() {
			if e := recover(); e != nil && e != (dead{}) {
				panic(e)
			}
		}()
		a.yield = yield
		program(a)
	})
}

// rest gives way, and goes on at some time not before wake.
func (a *actor) rest(wake int) {
	a.wake = wake
	if a.yield == nil {
		a.clock = max(a.clock, wake)
	} else if !a.yield(struct{}{}) {
		panic(dead{})
	}
	a.clock++
}

// settle waits until listings show what is.
func (a *actor) settle(context.Context) error {
	a.rest(a.clock + a.lag + 1)
	return nil
}

// step gives way before one operation, and returns what befalls it.
func (a *actor) step() fault {
	a.rest(0)
	a.ops++
	if a.ops != a.faultAt {
		return none
	}
	a.log(a, "fault %d", a.fault)
	switch a.fault {
	case killed:
		panic(dead{})
	case paused:
		a.rest(a.clock + a.rand.IntN(400))
		return none
	}
	return a.fault
}

// change lets an operation take effect, as far as nothing befalls it.
func (a *actor) change(f fault, do func() bool, refused error) error {
	switch f {
	case killedLate, failedLate:
		a.late = append(a.late, effect{at: a.clock + a.rand.IntN(300), do: func() { a.log(a, "late"); do() }})
	case killedOne, failedOne, none:
		if !do() {
			return refused
		}
	}
	switch f {
	case none:
		return nil
	case killedOne, killedLate:
		panic(dead{})
	}
	return errStorage
}

func (a *actor) Put(_ context.Context, name string, data []byte) error {
	f := a.step()
	if a.tracing {
		a.log(a, "put %s %s", name, describe(name, data))
	}
	return a.change(f, func() bool { return a.put(a, name, data) }, fs.ErrExist)
}

// describe says what is put, for the trace.
func describe(name string, data []byte) string {
	if strings.HasPrefix(name, packs) {
		return fmt.Sprintf("%b", unpack(data))
	}
	return string(data)
}

func (a *actor) Delete(_ context.Context, name string) error {
	f := a.step()
	a.log(a, "delete %s", name)
	return a.change(f, func() bool { return a.remove(a, name) }, fs.ErrNotExist)
}

func (a *actor) Get(_ context.Context, name string, _, _ int64) ([]byte, error) {
	if f := a.step(); f != none {
		return nil, a.change(f, func() bool { return true }, nil)
	}
	if !a.there(name) {
		a.log(a, "get %s: none", name)
		return nil, fs.ErrNotExist
	}
	return a.objects[name].data, nil
}

// List shows a page at a time, and what lies beyond it as it is then.
func (a *actor) List(_ context.Context, prefix string) iter.Seq2[varve.Object, error] {
	return func(yield func(varve.Object, error) bool) {
		last, more := prefix, true
		began, shunned := a.clock, a.shunned
		for more {
			if f := a.step(); f != none {
				yield(varve.Object{}, a.change(f, func() bool { return true }, nil))
				return
			}
			var shown []varve.Object
			shown, last, more = a.world.list(prefix, last, a.page)
			if a.tracing {
				a.log(a, "list %s %v", prefix, names(shown))
			}
			for _, o := range shown {
				if !yield(o, nil) {
					return
				}
			}
		}
		switch prefix {
		case condemned:
			a.shunned = began
		case packs:
			a.validated = shunned
		}
	}
}

// list returns a page of the names that come after last.
func (w *world) list(prefix, last string, page int) (shown []varve.Object, next string, more bool) {
	for _, o := range w.sorted[w.after(last):] {
		switch {
		case !strings.HasPrefix(o.name, prefix):
			return shown, last, false
		case len(shown) == page:
			return shown, last, true
		}
		last = o.name
		if w.visible(o) {
			shown = append(shown, varve.Object{Name: o.name, Size: int64(len(o.data))})
		}
	}
	return shown, last, false
}

func names(objects []varve.Object) (all []string) {
	for _, o := range objects {
		all = append(all, o.Name)
	}
	return all
}

func (a *actor) Close() error { return nil }
