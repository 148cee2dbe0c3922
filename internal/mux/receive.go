package mux

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// receive reads frames until the session ends. It never waits for anything but the pipe.
func (s *Session) receive() {
	s.end(s.readFrames())
}

// readFrames returns why there are no more frames.
func (s *Session) readFrames() error {
	for {
		head, err := s.in.Peek(headerSize)
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("%w: it ended unannounced", ErrLost)
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrLost, err)
		}
		h, err := parseHeader(head)
		if err != nil {
			return err
		}
		s.heard.Store(true)
		s.in.Discard(headerSize) // it was peeked at
		payload, err := s.in.Peek(h.length)
		if err != nil {
			return fmt.Errorf("%w: in the middle of a frame: %w", ErrLost, err)
		}
		if err := s.take(h, payload); err != nil {
			return err
		}
		s.in.Discard(h.length)
	}
}

// take deals with one frame; payload is valid during the call.
func (s *Session) take(h header, payload []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch h.kind {
	case frameBeat:
		return nil
	case frameBye:
		return fmt.Errorf("%w by the other side", ErrClosed)
	case frameOpen:
		return s.opened(h.stream)
	}
	st := s.streams[h.stream]
	if st == nil {
		return s.gone(h)
	}
	switch h.kind {
	case frameData:
		return st.arrived(payload)
	case frameEnd:
		return st.endArrived()
	case frameReset:
		st.resetArrived()
		return nil
	}
	return st.creditArrived(binary.LittleEndian.Uint32(payload))
}

// mine reports whether a stream is one that this side opens.
func (s *Session) mine(stream uint32) bool { return stream&1 == s.nextOwn&1 }

// gone deals with a frame of a stream that is not there: one that was given up here while the frame was on its way.
func (s *Session) gone(h header) error {
	if s.mine(h.stream) && h.stream < s.nextOwn || !s.mine(h.stream) && h.stream <= s.lastPeer {
		return nil
	}
	return breach("a frame of type %d on stream %d, which was never opened", h.kind, h.stream)
}

// opened deals with a stream that the other side opens.
func (s *Session) opened(stream uint32) error {
	switch {
	case s.mine(stream) || stream <= s.lastPeer:
		return breach("it opens stream %d after stream %d", stream, s.lastPeer)
	case s.theirs >= MaxStreams:
		return breach("more than %d streams at once", MaxStreams)
	}
	s.lastPeer = stream
	s.theirs++
	s.waiting = append(s.waiting, s.newStream(stream, false))
	s.change.Broadcast()
	return nil
}
