package mux

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// Session is one end of a pipe with streams. Its methods may be called from several goroutines.
type Session struct {
	conn    io.ReadWriteCloser
	in      *bufio.Reader
	opts    Options
	peer    hello
	version uint16
	ctx     context.Context
	cancel  context.CancelCauseFunc
	running sync.WaitGroup
	flushed chan struct{} // closed when the sender has ended
	heard   atomic.Bool   // something since the last beat
	said    atomic.Bool

	mu       sync.Mutex
	work     sync.Cond // for the sender: there is something to send
	room     sync.Cond // for those who send
	change   sync.Cond // for those who open and accept
	err      error     // why the session has ended
	closing  bool
	control  []byte // frames to be sent first: credit and beats
	data     []byte // all other frames to be sent
	streams  map[uint32]*Stream
	nextOwn  uint32
	lastPeer uint32 // the highest stream that the other side opened
	own      int    // how many streams are open that this side opened,
	theirs   int    // and the other
	waiting  []*Stream
	spare    int // by how many bytes windows may still grow
}

const (
	// inBuffer is what is read from the pipe at once, in bytes; a frame fits in.
	inBuffer = 2 * MaxFrame
	// outBuffer is how many bytes wait to be sent before those who send have to wait.
	outBuffer = 4 * MaxFrame
	// outLimit is how many bytes of frames that cannot wait may gather before the other side counts as one that provokes answers and
	// does not read them.
	outLimit = 128 << 10
	// spareWindow is by how many bytes all windows together may grow.
	spareWindow = 32 << 20
)

// Client begins a session as the side that asked for the connection. Closing conn must end reads and writes that wait. The session
// takes conn over and closes it, also where Client fails. Errors match ErrNotVarve, ErrVersion, ErrBreach or ErrLost, or are those of conn and ctx.
func Client(ctx context.Context, conn io.ReadWriteCloser, opts Options) (*Session, error) {
	return begin(ctx, conn, opts, 1)
}

// Server begins a session as the side that was asked, and is otherwise like Client.
func Server(ctx context.Context, conn io.ReadWriteCloser, opts Options) (*Session, error) {
	return begin(ctx, conn, opts, 2)
}

// begin greets the other side and starts the session. ctx does not limit the session.
func begin(ctx context.Context, conn io.ReadWriteCloser, opts Options, first uint32) (*Session, error) {
	opts = opts.filled()
	s := &Session{conn: conn, in: bufio.NewReaderSize(conn, inBuffer), opts: opts, flushed: make(chan struct{}),
		streams: map[uint32]*Stream{}, nextOwn: first, spare: spareWindow}
	s.work.L, s.room.L, s.change.L = &s.mu, &s.mu, &s.mu
	var err error
	own := hello{opts.Oldest, opts.Newest, opts.Program}
	if s.peer, s.version, err = greet(ctx, conn, s.in, own, silentBeats*opts.Beat); err != nil {
		conn.Close()
		return nil, err
	}
	s.ctx, s.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	s.running.Go(s.send)
	s.running.Go(s.receive)
	s.running.Go(s.beat)
	return s, nil
}

// Peer returns the name and version of the other side's program, as it says, made harmless.
func (s *Session) Peer() string {
	q := quote(s.peer.program)
	return q[1 : len(q)-1]
}

// Version returns the version of the protocol that both sides speak.
func (s *Session) Version() uint16 { return s.version }

// Context ends with the session; its cause is why. It has ended before any stream reports the end of the session.
func (s *Session) Context() context.Context { return s.ctx }

// Open opens a stream. It waits while MaxStreams that this side opened are there, until ctx ends.
func (s *Session) Open(ctx context.Context) (*Stream, error) {
	stop := context.AfterFunc(ctx, s.wake)
	defer stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.err == nil && ctx.Err() == nil && (s.own >= MaxStreams || len(s.data) >= outBuffer) {
		s.change.Wait()
	}
	switch {
	case s.err != nil:
		return nil, s.err
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case s.nextOwn > 1<<32-4:
		return nil, errors.New("open stream: the session has had all streams that there are numbers for")
	}
	st := s.newStream(s.nextOwn, true)
	s.nextOwn += 2
	s.own++
	s.queue(frameOpen, st.id)
	return st, nil
}

// Accept returns the next stream that the other side opened, waiting for one until ctx ends.
func (s *Session) Accept(ctx context.Context) (*Stream, error) {
	stop := context.AfterFunc(ctx, s.wake)
	defer stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.err == nil && ctx.Err() == nil && len(s.waiting) == 0 {
		s.change.Wait()
	}
	switch {
	case s.err != nil:
		return nil, s.err
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	st := s.waiting[0]
	s.waiting = s.waiting[1:]
	return st, nil
}

func (s *Session) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.change.Broadcast()
}

// Close sends what the streams have written, says goodbye, and ends the session. Streams that are still open fail. It waits for all
// goroutines of the session.
func (s *Session) Close() error {
	s.mu.Lock()
	if s.err == nil && !s.closing {
		s.closing = true
		s.data = appendHeader(s.data, frameBye, 0, 0)
		s.work.Signal()
	}
	s.mu.Unlock()
	limit := time.NewTimer(s.opts.Grace)
	defer limit.Stop()
	select {
	case <-s.flushed:
	case <-limit.C:
	}
	s.end(ErrClosed)
	s.running.Wait()
	return nil
}

// end ends the session for the reason err, unless it has ended.
func (s *Session) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail(err)
}

// fail is end with the lock held.
func (s *Session) fail(err error) {
	if s.err != nil {
		return
	}
	if s.closing { // what the other side does then is its answer to the goodbye
		err = ErrClosed
	}
	s.err = err
	s.cancel(err)
	s.work.Broadcast()
	s.room.Broadcast()
	s.change.Broadcast()
	for _, st := range s.streams {
		st.readable.Broadcast()
		st.writable.Broadcast()
	}
}

// beat sends signs of life and listens for them, and closes the pipe when the session ends. It counts beats, not time: a program that
// was stopped for an hour has missed one.
func (s *Session) beat() {
	defer s.conn.Close()
	ticks := time.NewTicker(s.opts.Beat)
	defer ticks.Stop()
	for silent := 0; ; {
		select {
		case <-s.ctx.Done():
			return
		case <-ticks.C:
		}
		silent++
		if s.heard.Swap(false) {
			silent = 0
		}
		if silent >= silentBeats {
			s.end(fmt.Errorf("%w: nothing was heard for %s", ErrLost, silentBeats*s.opts.Beat))
			return
		}
		if !s.said.Swap(false) {
			s.sayBeat()
		}
	}
}

func (s *Session) sayBeat() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.control) == 0 { // else the pipe is stuck, and more would only pile up
		s.control = appendHeader(s.control, frameBeat, 0, 0)
		s.work.Signal()
	}
}
