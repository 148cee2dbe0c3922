package sftp

import "context"

// Release closes h without waiting, neither for room nor for the answer. It is for handles of which nothing more is to be known.
func (s *Session) Release(h Handle) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.release(h)
}

// release is Release with Session.mu held.
func (s *Session) release(h Handle) {
	if s.err != nil {
		return
	}
	s.gate.borrow()
	c := &call{ask: Close(h).ask, done: make(chan struct{}), dropped: true}
	s.enqueue(c, c.body(appendHead(nil, typeClose)))
}

// discard gets rid of the answer to c, that nobody waits for: a handle is closed. Session.mu is held.
func (s *Session) discard(c *call) error {
	defer s.recycle(c)
	if c.typ != typeHandle {
		return nil
	}
	d := decoder{data: c.reply}
	h := Handle{raw: d.handle(), path: c.path}
	if d.err != nil {
		return d.err
	}
	s.release(h)
	return nil
}

// await waits until c is done. When ctx ends first, c is dropped.
func (s *Session) await(ctx context.Context, c *call) error {
	select {
	case <-c.done:
		return c.err
	default:
	}
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		s.drop(c)
		return ctx.Err()
	}
}

// drop says that nobody waits for c any more.
func (s *Session) drop(c *call) {
	if err := s.forsake(c); err != nil {
		s.die(err)
	}
}

// forsake leaves the answer of c to deliver, or discards it where it has come.
func (s *Session) forsake(c *call) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.dropped = true
	select {
	case <-c.done:
		if c.err == nil {
			return s.discard(c)
		}
	default:
	}
	return nil
}
