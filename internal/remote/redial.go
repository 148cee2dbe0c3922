package remote

import (
	"context"
	"errors"
	"time"

	"varve"
	"varve/internal/mux"
	"varve/internal/ssh"
)

// Redial says how a connection that was lost is opened again. Dial is required; the other zero values are right for all but tests.
type Redial struct {
	// Dial opens another connection to the same far end.
	Dial func(ctx context.Context) (*Client, error)
	// GiveUp is for how long nothing may be answered before the connection is given up; 0 for 15 minutes.
	GiveUp time.Duration
	// Warn, where set, is told of losses that are being mended, by several goroutines.
	Warn func(error)
	// Now tells the time, and Sleep waits and returns early with ctx; nil for the real ones.
	Now   func() time.Time
	Sleep func(ctx context.Context, d time.Duration)
}

const (
	// The pause before a connection is opened again grows between these, once something has failed twice in a row.
	firstPause, longestPause = 250 * time.Millisecond, 30 * time.Second
	// mostAtOnce is how many operations are under way on one connection.
	mostAtOnce = mux.MaxStreams / 2
)

func (o Redial) filled() Redial {
	if o.GiveUp <= 0 {
		o.GiveUp = 15 * time.Minute
	}
	if o.Warn == nil {
		o.Warn = func(error) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	return o
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// hopeless reports whether it is of no use to connect again.
func hopeless(err error) bool {
	for _, reason := range [...]error{ssh.ErrHostKey, varve.ErrNoStore, mux.ErrVersion, mux.ErrBreach} {
		if errors.Is(err, reason) {
			return true
		}
	}
	return false
}
