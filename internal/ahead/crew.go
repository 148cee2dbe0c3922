package ahead

// work reads files ahead until the Source is closed.
func (s *Source) work() {
	for t := s.next(); t != nil; t = s.next() {
		t.result = s.read(t)
		s.finish(t)
	}
}

// next takes the file off the queue that will be needed first, once there is room for it; nil at the end. Whoever takes one wakes the
// next worker where there is another to be taken, so that each change has to wake one alone.
func (s *Source) next() *task {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.over {
		t := s.first()
		if t == nil {
			s.changed.Wait()
			continue
		}
		s.queue.Remove(t.place)
		t.place = nil
		s.held += t.cost
		if s.first() != nil {
			s.changed.Signal()
		}
		return t
	}
	return nil
}

// first returns the file that will be needed first of those that nobody has begun; nil where there is none or no room for it.
func (s *Source) first() *task {
	front := s.queue.Front()
	if front == nil {
		return nil
	}
	if t := front.Value.(*task); s.held+t.cost <= room {
		return t
	}
	return nil
}

// finish hands on what was read of t.
func (s *Source) finish(t *task) {
	s.mu.Lock()
	defer s.mu.Unlock()
	more := int64(cap(t.result.data)) + overhead - t.cost
	s.held += more
	t.cost += more
	close(t.done)
	if t.dropped {
		s.free(t)
	} else if more < 0 {
		s.changed.Signal()
	}
}
