package mux

import (
	"errors"
	"io"
	"sync"
)

// largestWindow is how many bytes a stream that is read fast may have under way.
const largestWindow = 4 << 20

// Stream is one stream of a Session: two directions that end by themselves. One goroutine may read while another one writes; Close may be
// called at any time.
type Stream struct {
	session  *Session
	id       uint32
	own      bool
	readable sync.Cond
	writable sync.Cond

	buf     ring
	window  int // how many bytes may be under way or in buf
	allowed int // how many of them the other side may still send
	eaten   int // how many were read and not allowed anew
	sped    int // how many were read since the window grew
	credit  int // how many bytes may be sent

	ended    bool // the other side's direction
	finished bool // this side's direction
	reset    bool // by either side
	closed   bool // by Close
}

// newStream makes a stream. The lock is held.
func (s *Session) newStream(id uint32, own bool) *Stream {
	st := &Stream{session: s, id: id, own: own, window: FirstWindow, allowed: FirstWindow, credit: FirstWindow}
	st.readable.L, st.writable.L = &s.mu, &s.mu
	s.streams[id] = st
	return st
}

// ID returns the number of the stream, the same on both sides and never used again in the session.
func (st *Stream) ID() uint32 { return st.id }

// Read reads what the other side writes; io.EOF after its End. ErrReset where either side gave the stream up before that.
func (st *Stream) Read(p []byte) (int, error) {
	s := st.session
	s.mu.Lock()
	defer s.mu.Unlock()
	for st.buf.n == 0 && !st.over() && s.err == nil && len(p) > 0 {
		st.readable.Wait()
	}
	switch {
	case st.closed:
		return 0, ErrReset
	case st.buf.n > 0 || len(p) == 0:
		n := st.buf.read(p)
		st.consumed(n)
		return n, nil
	case st.ended:
		return 0, io.EOF
	case st.reset:
		return 0, ErrReset
	}
	return 0, s.err
}

// over reports whether nothing more will come.
func (st *Stream) over() bool { return st.ended || st.reset }

// consumed gives credit for what was read, in portions of half a window; a stream that is read on and on gets a larger one.
func (st *Stream) consumed(n int) {
	if st.over() || st.session.err != nil {
		return
	}
	st.eaten += n
	st.sped += n
	if st.eaten < st.window/2 {
		return
	}
	if st.sped >= 2*st.window && st.window < largestWindow && st.session.spare >= st.window {
		st.session.spare -= st.window
		st.eaten += st.window
		st.window *= 2
		st.sped = 0
	}
	st.allowed += st.eaten
	st.session.grant(st.id, st.eaten)
	st.eaten = 0
}

// Write sends p. It waits for credit. ErrReset where either side gave the stream up, io.ErrClosedPipe after End.
func (st *Stream) Write(p []byte) (n int, err error) {
	s := st.session
	s.mu.Lock()
	defer s.mu.Unlock()
	for n < len(p) {
		for st.fault() == nil && len(s.data) >= outBuffer {
			s.room.Wait()
		}
		for st.fault() == nil && st.credit == 0 {
			st.writable.Wait()
		}
		if err := st.fault(); err != nil {
			return n, err
		}
		if len(s.data) >= outBuffer {
			continue // while credit was waited for
		}
		part := p[n:min(len(p), n+MaxFrame, n+st.credit)]
		st.credit -= len(part)
		s.data = append(appendHeader(s.data, frameData, len(part), st.id), part...)
		s.work.Signal()
		n += len(part)
	}
	return n, nil
}

// fault says why nothing can be sent.
func (st *Stream) fault() error {
	switch {
	case st.reset:
		return ErrReset
	case st.session.err != nil:
		return st.session.err
	case st.session.closing:
		return ErrClosed
	case st.finished:
		return io.ErrClosedPipe
	}
	return nil
}

// End ends this side's direction: the other side reads all that was written, then io.EOF.
func (st *Stream) End() error {
	s := st.session
	s.mu.Lock()
	defer s.mu.Unlock()
	err := st.fault()
	if errors.Is(err, io.ErrClosedPipe) {
		return nil
	}
	if err != nil {
		return err
	}
	st.finished = true
	s.queue(frameEnd, st.id)
	st.release()
	return nil
}

// Close lets go of the stream. Where one of the directions has not ended the stream is given up, which the other side notices; what
// was written before End still arrives.
func (st *Stream) Close() error {
	s := st.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if st.closed {
		return nil
	}
	st.closed = true
	if !st.reset && !(st.finished && st.ended) {
		st.reset = true
		if s.err == nil && !s.closing {
			s.queue(frameReset, st.id)
		}
	}
	st.buf = ring{}
	st.release()
	st.readable.Broadcast()
	st.writable.Broadcast()
	s.room.Broadcast()
	return nil
}

// release takes the stream out of the session once both directions are over.
func (st *Stream) release() {
	s := st.session
	if s.streams[st.id] != st || !st.reset && !(st.finished && st.ended) {
		return
	}
	delete(s.streams, st.id)
	s.spare += st.window - FirstWindow
	if st.own {
		s.own--
	} else {
		s.theirs--
	}
	s.change.Broadcast()
}

// arrived takes payload in.
func (st *Stream) arrived(payload []byte) error {
	switch {
	case st.ended:
		return breach("data on stream %d after its end", st.id)
	case len(payload) > st.allowed:
		return breach("%d bytes on stream %d, which may send %d", len(payload), st.id, st.allowed)
	}
	st.allowed -= len(payload)
	st.buf.write(payload)
	st.readable.Broadcast()
	return nil
}

func (st *Stream) endArrived() error {
	if st.ended {
		return breach("a second end of stream %d", st.id)
	}
	st.ended = true
	st.release()
	st.readable.Broadcast()
	return nil
}

// resetArrived gives the stream up. What has arrived and has its end can still be read.
func (st *Stream) resetArrived() {
	st.reset = true
	if !st.ended {
		st.buf = ring{}
	}
	st.release()
	st.readable.Broadcast()
	st.writable.Broadcast()
	st.session.room.Broadcast()
}

func (st *Stream) creditArrived(n uint32) error {
	if n == 0 || int64(st.credit)+int64(n) > 1<<31-1 {
		return breach("credit of %d more bytes on stream %d", n, st.id)
	}
	st.credit += int(n)
	st.writable.Broadcast()
	return nil
}
