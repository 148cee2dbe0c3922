package sftp

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// send sends a request once there is room for it. Whatever goes wrong is the outcome of the call.
func (s *Session) send(ctx context.Context, a *ask) *call {
	c := &call{ask: *a, cost: s.gate.cost(a.size), done: make(chan struct{})}
	err := c.ask.err
	if err == nil && a.ext != "" && !s.offered[a.ext] {
		err = fmt.Errorf("%w: %s", ErrUnsupported, a.ext)
	}
	if err == nil && a.typ == typeWrite && a.size > s.limits.Write {
		err = fmt.Errorf("%d bytes at once, and the server takes %d", a.size, s.limits.Write)
	}
	if err == nil {
		err = s.enter(ctx, c)
	}
	if err == nil {
		err = s.post(c)
	}
	if err != nil {
		c.err = err
		close(c.done)
	}
	return c
}

func (s *Session) enter(ctx context.Context, c *call) error {
	err := s.gate.enter(ctx, s.lost, c.cost)
	if errors.Is(err, errClosed) {
		return s.Err()
	}
	return err
}

// post puts the packet of c, which is within the gate, into the queue.
func (s *Session) post(c *call) error {
	size := headLen + 64 + len(c.path)
	if c.ask.typ == typeWrite {
		size += maxHandle + c.size
	}
	packet := c.body(appendHead(s.buffer(size)[:0], c.ask.typ))
	if len(packet) > maxPacket {
		s.gate.leave(c.cost)
		return fmt.Errorf("%w: too long", ErrName)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		s.gate.leave(c.cost)
		return s.err
	}
	s.enqueue(c, packet)
	return nil
}

// enqueue gives c an ID and queues its packet. Session.mu is held.
func (s *Session) enqueue(c *call, packet []byte) {
	for s.last++; s.calls[s.last] != nil; s.last++ {
	}
	seal(packet, s.last)
	if len(s.calls) == 0 {
		s.since = time.Since(s.start)
	}
	if c.slow {
		s.slow++
	}
	s.calls[s.last] = c
	s.queue = append(s.queue, packet)
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
