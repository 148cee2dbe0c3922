package doctor

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"iter"
	"time"

	"varve/internal/location"
)

// Options say how a place is looked at. The zero value is right.
type Options struct {
	// Location says how varve would open the place.
	Location location.Options
	// ReadOnly makes nothing there, not even for a moment.
	ReadOnly bool
	// Patience is how long one step may take; 0 for 30 s.
	Patience time.Duration
	// Now tells the time; nil stands for time.Now.
	Now func() time.Time
	// Random serves to make up names; nil stands for crypto/rand.
	Random io.Reader

	mountinfo string // where the kernel tells what is mounted; empty for its usual place
}

const (
	defaultPatience = 30 * time.Second
	// asked is how long a step may take while ssh may ask somebody for a passphrase.
	asked = 5 * time.Minute
	// farewell is how long what was cut off may take to end.
	farewell = 10 * time.Second
)

func (o Options) filled() Options {
	if o.Patience <= 0 {
		o.Patience = defaultPatience
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.mountinfo == "" {
		o.mountinfo = "/proc/self/mountinfo"
	}
	return o
}

// Examine looks at the place that is written as place, and yields what it finds while it goes on. A step that takes longer than
// Options.Patience is the last finding. When ctx ends, or nobody wants to hear more, what was made there is removed first.
//
// A call into this machine's kernel that never comes back, as on a disk whose server is gone, cannot be ended: the goroutine that made it is
// left alone, and ends when the kernel answers.
func Examine(ctx context.Context, place string, o Options) iter.Seq[Finding] {
	return func(yield func(Finding) bool) {
		e := newExam(ctx, o.filled())
		defer e.stop()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			e.run(place)
		}()
		e.deliver(yield, ended)
	}
}

// deliver hands on what is found until the exam has ended, and makes sure that it ends.
func (e *exam) deliver(yield func(Finding) bool, ended <-chan struct{}) {
	now := step{what: "place", limit: e.o.Patience}
	for {
		late := time.NewTimer(now.limit)
		select {
		case <-ended:
			late.Stop()
			return
		case f := <-e.found:
			if late.Stop(); !yield(f) {
				e.leave(ended)
				return
			}
		case now = <-e.steps:
			late.Stop()
		case <-e.ctx.Done():
			late.Stop()
			e.leave(ended)
			return
		case <-late.C:
			e.stop()
			yield(Finding{Wrong, now.what, fmt.Sprintf("no answer for %v; nothing further was looked at", now.limit),
				"is the machine there overloaded, or a disk of it gone? Try again later"})
			e.cut(ended)
			return
		}
	}
}

// leave lets the exam tidy up, but not for ever.
func (e *exam) leave(ended <-chan struct{}) {
	e.stop()
	late := time.NewTimer(e.o.Patience)
	defer late.Stop()
	select {
	case <-ended:
	case <-late.C:
		e.cut(ended)
	}
}

// cut ends all connections, and waits a little for what that ends.
func (e *exam) cut(ended <-chan struct{}) {
	e.stop()
	hung := make(chan struct{})
	go func() {
		defer close(hung)
		e.lines.cut()
	}()
	late := time.NewTimer(farewell)
	defer late.Stop()
	for _, done := range [...]<-chan struct{}{hung, ended} {
		select {
		case <-done:
		case <-late.C:
			return
		}
	}
}
