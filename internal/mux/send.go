package mux

import (
	"encoding/binary"
	"fmt"
	"time"
)

// send writes frames to the pipe until the session ends or, when it is closing, all are written.
func (s *Session) send() {
	defer close(s.flushed)
	var control, data []byte // what is being sent; the buffers change places with those that are filled
	for {
		s.mu.Lock()
		for s.err == nil && !s.closing && len(s.control)+len(s.data) == 0 {
			s.work.Wait()
		}
		if s.err != nil || len(s.control)+len(s.data) == 0 {
			s.mu.Unlock()
			return
		}
		control, s.control = s.control, control[:0]
		data, s.data = s.data, data[:0]
		s.room.Broadcast()
		s.change.Broadcast()
		s.mu.Unlock()
		if err := s.write(control, data); err != nil {
			s.broken(err)
			return
		}
	}
}

// broken ends the session because the pipe takes nothing more. What the other side said last may say better why, and is on its way.
func (s *Session) broken(err error) {
	limit := time.NewTimer(s.opts.Grace)
	defer limit.Stop()
	select {
	case <-s.ctx.Done():
	case <-limit.C:
		s.end(fmt.Errorf("%w: %w", ErrLost, err))
	}
}

// write writes to the pipe.
func (s *Session) write(buffers ...[]byte) error {
	for _, b := range buffers {
		for len(b) > 0 {
			n, err := s.conn.Write(b[:min(len(b), MaxFrame)])
			if err != nil {
				return err
			}
			s.said.Store(true)
			b = b[n:]
		}
	}
	return nil
}

// queue has a frame without payload sent. It does not wait; the lock is held.
func (s *Session) queue(kind byte, stream uint32) {
	s.data = appendHeader(s.data, kind, 0, stream)
	s.queued()
}

// grant gives the other side credit on a stream. The lock is held.
func (s *Session) grant(stream uint32, n int) {
	s.control = appendHeader(s.control, frameCredit, 4, stream)
	s.control = binary.LittleEndian.AppendUint32(s.control, uint32(n))
	s.queued()
}

func (s *Session) queued() {
	s.work.Signal()
	if len(s.control)+len(s.data) > outBuffer+MaxFrame+outLimit {
		s.fail(breach("it provokes answers and does not read them"))
	}
}
