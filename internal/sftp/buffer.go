package sftp

// besideContent is how many bytes a packet that carries content has beside it at most, roughly.
const besideContent = 1 << 10

// roomy is the capacity of the buffers that are used again: those of packets that carry content.
func (s *Session) roomy() int { return s.o.Content + besideContent }

// buffer returns n bytes, whatever was in them before.
func (s *Session) buffer(n int) []byte {
	if n <= safeContent+headLen || n > s.roomy() {
		return make([]byte, n)
	}
	if b, ok := s.buffers.Get().(*[]byte); ok {
		return (*b)[:n]
	}
	return make([]byte, n, s.roomy())
}

// reuse takes b back, if it is one of those that are used again.
func (s *Session) reuse(b []byte) {
	if cap(b) == s.roomy() {
		s.buffers.Put(&b)
	}
}

// recycle takes the buffer of an answer back.
func (s *Session) recycle(c *call) {
	s.reuse(c.reply)
	c.reply = nil
}
