package sftp

import (
	"fmt"
	"time"
)

// patience is how many times longer than Options.Stall a slow request may take.
const patience = 10

// hearing is the connection, and notes when something came.
type hearing struct{ s *Session }

func (h hearing) Read(p []byte) (int, error) {
	n, err := h.s.conn.Read(p)
	if n > 0 {
		h.s.heard.Store(int64(time.Since(h.s.start)))
	}
	return n, err
}

// watch ends a session that stalls, keeps an idle one alive, and closes the connection when the session has ended, which wakes
// the others of the crew.
func (s *Session) watch() {
	timer := time.NewTimer(s.look())
	defer timer.Stop()
	for {
		select {
		case <-s.lost:
			s.closed = s.conn.Close()
			return
		case <-timer.C:
			timer.Reset(s.look())
		}
	}
}

// look does what is due and returns when to look again.
func (s *Session) look() time.Duration {
	s.mu.Lock()
	busy, limit, since := len(s.calls) > 0, s.o.Stall, s.since
	if s.slow > 0 {
		limit *= patience
	}
	s.mu.Unlock()
	quiet := time.Since(s.start) - max(since, time.Duration(s.heard.Load()))
	switch {
	case busy && quiet >= limit:
		s.die(fmt.Errorf("%w for %v", errStalled, quiet.Round(time.Second)))
	case busy:
		return min(limit-quiet, s.o.Stall, s.o.KeepAlive)
	case quiet >= s.o.KeepAlive:
		s.keepAlive()
	default:
		return s.o.KeepAlive - quiet
	}
	return min(s.o.KeepAlive, s.o.Stall)
}

// keepAlive asks for something that every server can answer at once.
func (s *Session) keepAlive() {
	s.gate.borrow()
	_ = s.post(&call{ask: Realpath(".").ask, done: make(chan struct{}), dropped: true}) // fails only where the session has ended
}
