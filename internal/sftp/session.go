package sftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// Options of a Session. The zero value is right for a server far away.
type Options struct {
	// InFlight is how many requests may be under way at once; 512 by default, so that a few sessions bring thousands of small
	// files a second over 20 ms.
	InFlight int
	// Bytes is how much content may be under way at once, sent or asked for; 8 MiB by default.
	Bytes int64
	// Content is the most bytes of content that one READ or WRITE carries, where the server allows more; all it allows by default.
	Content int
	// First is how much content may be under way to begin with; it grows by what is answered, up to Bytes. All of Bytes by default. A
	// small one is for lines that may be cut: what everybody has under way at that moment was sent in vain.
	First int64
	// Stall is how long the server may be silent while an answer is due; 60 s by default. While a request is under way that may
	// take long with good reason, Fsync, it is ten times as long.
	Stall time.Duration
	// KeepAlive is how long a session may be idle before the server is asked for a sign of life; 15 s by default.
	KeepAlive time.Duration
}

func (o Options) filled() Options {
	if o.InFlight <= 0 {
		o.InFlight = 512
	}
	if o.Bytes <= 0 {
		o.Bytes = 8 << 20
	}
	if o.Content <= 0 {
		o.Content = maxContent
	}
	if o.First <= 0 || o.First > o.Bytes {
		o.First = o.Bytes
	}
	if o.Stall <= 0 {
		o.Stall = time.Minute
	}
	if o.KeepAlive <= 0 {
		o.KeepAlive = 15 * time.Second
	}
	return o
}

// Session is a conversation with one server over one pipe. Methods may be called from any goroutine.
type Session struct {
	conn    io.ReadWriteCloser
	o       Options
	offered map[Extension]bool
	limits  Limits
	gate    *gate
	crew    sync.WaitGroup
	wake    chan struct{} // something is in queue
	lost    chan struct{} // closed when err is set
	start   time.Time
	heard   atomic.Int64 // when the last byte came, after start
	buffers sync.Pool    // of *[]byte with room for roomy() bytes

	mu    sync.Mutex
	err   error // why the session has ended
	last  uint32
	calls map[uint32]*call // under way
	slow  int              // how many of them are slow
	since time.Duration    // when calls was filled or emptied, after start
	queue [][]byte         // packets to be sent

	closed error // of closing conn; to be read when crew is done
}

// Open begins a session over conn, which belongs to it from now on and is closed also when Open fails. ErrProtocol where what
// answers is no SFTP server of version 3, ErrLost where nothing answers.
func Open(ctx context.Context, conn io.ReadWriteCloser, o Options) (*Session, error) {
	o = o.filled()
	s := &Session{
		conn: conn, o: o, gate: newGate(o.InFlight, o.First, o.Bytes),
		limits: Limits{Read: min(safeContent, o.Content), Write: min(safeContent, o.Content)},
		wake:   make(chan struct{}, 1), lost: make(chan struct{}),
		start: time.Now(), calls: map[uint32]*call{},
	}
	in, err := s.greet(ctx)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("open sftp session: %w", err)
	}
	s.crew.Go(func() { s.read(in) })
	s.crew.Go(s.write)
	s.crew.Go(s.watch)
	if err := s.learnLimits(ctx); err != nil {
		s.Close()
		return nil, fmt.Errorf("open sftp session: %w", err)
	}
	return s, nil
}

// learnLimits asks for the limits where the server can tell them. That it then refuses does no harm.
func (s *Session) learnLimits(ctx context.Context) error {
	limits, err := Do(ctx, s, askLimits())
	var refusal *StatusError
	switch {
	case errors.As(err, &refusal), errors.Is(err, ErrUnsupported):
		return nil
	case err != nil:
		return err
	}
	s.limits = Limits{Read: min(limits.Read, s.o.Content), Write: min(limits.Write, s.o.Content), Handles: limits.Handles}
	return nil
}

// Close ends the session and the connection. What is under way ends with ErrLost. The error is that of closing the connection of
// a session that was not lost before.
func (s *Session) Close() error {
	ours := s.die(errClosed)
	s.crew.Wait()
	if ours {
		return s.closed
	}
	return nil
}

// Lost is closed when the session has ended, for whatever reason.
func (s *Session) Lost() <-chan struct{} { return s.lost }

// Err returns why the session has ended: ErrLost with its cause, nil while it goes on.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Offers reports whether the server offers e.
func (s *Session) Offers(e Extension) bool { return s.offered[e] }

// Limits returns what one request may carry.
func (s *Session) Limits() Limits { return s.limits }

// Load returns how many requests are under way.
func (s *Session) Load() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.calls)
}

// die ends the session, unless it has ended: everything under way fails, and the crew goes home and closes the connection. It
// reports whether cause is why the session ended.
func (s *Session) die(cause error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return false
	}
	s.err = fmt.Errorf("%w: %w", ErrLost, cause)
	close(s.lost)
	for _, c := range s.calls {
		c.err = s.err
		close(c.done)
	}
	clear(s.calls)
	s.queue = nil
	return true
}
