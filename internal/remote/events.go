package remote

import (
	"math"
	"sync"

	"varve"
)

// appendEvent appends an event.
func (w *encoder) event(e *varve.Event) {
	flags := byte(0)
	if e.Stored {
		flags |= eventStored
	}
	if e.Err != nil {
		flags |= eventErr
	}
	w.b = append(w.b, byte(e.Kind), flags)
	w.tail(e.Path, w.path)
	w.path = e.Path
	w.signed(e.Bytes)
	w.number(uint64(e.Aspect))
	if e.Err != nil {
		w.text(string(appendError(nil, briefly(e.Err))))
	}
}

// What an event has besides what all have.
const (
	eventStored = 1 << iota
	eventErr
)

func (d *decoder) event() (e varve.Event) {
	e.Kind = varve.EventKind(d.byte())
	flags := d.byte()
	if flags&^(eventStored|eventErr) != 0 {
		d.fail("flags that have no meaning")
	}
	e.Path = d.tail(d.path)
	d.path = e.Path
	e.Bytes = d.signed()
	e.Aspect = varve.Aspect(d.number(math.MaxUint16))
	e.Stored = flags&eventStored != 0
	if flags&eventErr != 0 {
		e.Err = decodeError(d.take(d.number(2 * maxText)))
	}
	return e
}

// reporter sends events. A goroutine does that, so that whoever has something to report waits only where the other side does
// not keep up by a long way.
type reporter struct {
	c       *call
	running sync.WaitGroup

	mu     sync.Mutex
	change sync.Cond
	w      encoder
	ended  bool
	err    error
}

// maxReport is how many bytes of events gather before whoever has more has to wait.
const maxReport = maxMessage / 2

func newReporter(c *call) *reporter {
	r := &reporter{c: c}
	r.change.L = &r.mu
	r.running.Go(r.send)
	return r
}

// report takes an event in. Events that cannot be sent are dropped.
func (r *reporter) report(e varve.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.w.b) >= maxReport && r.err == nil {
		r.change.Wait()
	}
	if r.err == nil && len(e.Path) <= maxControl {
		r.w.event(&e)
		r.change.Broadcast()
	}
}

// close sends what is left. After it the call may be used again.
func (r *reporter) close() {
	r.mu.Lock()
	r.ended = true
	r.change.Broadcast()
	r.mu.Unlock()
	r.running.Wait()
}

func (r *reporter) send() {
	var spare []byte
	for {
		r.mu.Lock()
		for len(r.w.b) == 0 && !r.ended {
			r.change.Wait()
		}
		full := r.w.b
		r.w = encoder{b: spare[:0]}
		r.change.Broadcast()
		r.mu.Unlock()
		if len(full) == 0 {
			return
		}
		if err := r.c.send(msgEvents, full); err != nil {
			r.mu.Lock()
			r.err = err
			r.change.Broadcast()
			r.mu.Unlock()
			return
		}
		spare = full
	}
}

// tell hands the events of a message on.
func tell(payload []byte, progress func(varve.Event)) error {
	d := decoder{b: payload}
	for d.more() {
		e := d.event()
		if d.fault == "" && progress != nil {
			progress(e)
		}
	}
	return d.err()
}
