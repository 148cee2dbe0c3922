package sftpfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"varve/internal/disk"
	"varve/internal/sftp"
)

// pool opens sessions as they are needed and replaces those that are lost.
type pool struct {
	opts   Options
	caller context.Context // once it is done nothing that is lost is replaced
	life   context.Context // ends with close
	end    context.CancelFunc
	ended  sync.WaitGroup // what opens and closes sessions

	mu      sync.Mutex
	changed chan struct{} // closed when anything below changes
	members []*member
	dialing bool
	proven  bool      // a session could be opened once
	final   error     // why there will be no more sessions
	fails   int       // attempts in a row that led to no answer
	since   time.Time // the first of them
	last    error     // why the last one failed
	broken  int       // sessions that ended because the server broke the protocol
	apart   time.Time // no session is opened beside others before this time
	pause   time.Duration
	shaken  time.Time // when a session was lost
	losses  int64     // sessions that were lost
}

// member is one session of a pool.
type member struct {
	*sftp.Session
	load     atomic.Int64 // operations under way
	handles  atomic.Int64 // files open
	fruitful atomic.Bool  // something was answered
}

const (
	// busy is the number of operations under way on every session at which another session is worth while.
	busy = 4
	// The pause before a further session is tried again after the server refused one.
	firstPause, longestPause = 30 * time.Second, 30 * time.Minute
	// The pause before a lost session is replaced grows between these, once the first attempt has failed.
	firstWait, longestWait = 250 * time.Millisecond, 30 * time.Second
	// maxBroken is how many sessions may end by a breach of the protocol before the server is given up: few, so that the pauses between
	// them are seconds.
	maxBroken = 5
	// firstBytes is how much content is under way on a new session, in bytes, before anything was answered.
	firstBytes = 32 << 10
	// maxFirst is how many times the first session is tried again where it is lost while it is opened.
	maxFirst = 2
	// waryFor is how long after a loss another one is expected; new sessions send no more than smallContent bytes at a time then.
	waryFor, smallContent = time.Minute, 16 << 10
)

func newPool(ctx context.Context, o Options) *pool {
	p := &pool{opts: o, caller: ctx, changed: make(chan struct{}), pause: firstPause}
	p.life, p.end = context.WithCancel(context.WithoutCancel(ctx))
	return p
}

// acquire returns the least busy session for one operation, waiting until there is one. It is followed by a release.
func (p *pool) acquire() (*member, error) {
	for {
		m, changed, err := p.pick()
		if m != nil || err != nil {
			return m, err
		}
		select {
		case <-changed:
		case <-p.life.Done():
		case <-p.caller.Done():
			return nil, fmt.Errorf("%w: %w", disk.ErrLost, context.Cause(p.caller))
		}
	}
}

// pick returns a session, or what to wait for.
func (p *pool) pick() (*member, <-chan struct{}, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reap()
	if p.final != nil {
		return nil, nil, p.final
	}
	var best *member
	for _, m := range p.members {
		if best == nil || m.weight() < best.weight() {
			best = m
		}
	}
	if !p.dialing && p.wants(best) {
		p.grow(best == nil)
	}
	if best != nil {
		best.load.Add(1)
	}
	return best, p.changed, nil
}

func (m *member) weight() int64 { return busy*m.load.Load() + m.handles.Load() }

// wants reports whether another session should be opened, given the least busy one.
func (p *pool) wants(best *member) bool {
	return best == nil || best.load.Load() >= busy && len(p.members) < p.opts.Connections && !p.opts.Now().Before(p.apart)
}

// grow opens a session; where it is the only one, after a pause that grows with the attempts that failed. p.mu is held.
func (p *pool) grow(only bool) {
	wait := time.Duration(0)
	if only && p.fails > 0 {
		wait = min(firstWait<<min(p.fails-1, 16), longestWait)
	}
	p.dialing = true
	p.ended.Go(func() {
		s, err := p.open(wait)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.dialing = false
		p.welcome(s, err)
		p.signal()
	})
}

func (p *pool) open(wait time.Duration) (*sftp.Session, error) {
	if wait > 0 {
		select {
		case <-p.opts.After(wait):
		case <-p.life.Done():
		case <-p.caller.Done():
		}
	}
	ctx, cancel := context.WithCancelCause(p.life)
	defer cancel(nil)
	defer context.AfterFunc(p.caller, func() { cancel(context.Cause(p.caller)) })()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	conn, err := p.opts.Dial(ctx)
	if err != nil {
		return nil, err
	}
	return sftp.Open(ctx, conn, sftp.Options{Content: p.content(), First: firstBytes})
}

// welcome takes a new session in, or notes that there is none. p.mu is held.
func (p *pool) welcome(s *sftp.Session, err error) {
	switch {
	case err == nil && p.final != nil:
		p.discard(s)
	case err == nil:
		p.members = append(p.members, &member{Session: s})
		p.proven = true
		p.pause = firstPause
	case len(p.members) > 0:
		p.opts.Warn(fmt.Errorf("no further connection, going on with %d: %w", len(p.members), err))
		p.apart = p.opts.Now().Add(p.pause)
		p.pause = min(2*p.pause, longestPause)
	case p.caller.Err() != nil || !p.proven && (hopeless(err) || p.fails >= maxFirst):
		p.fail(err)
	default:
		p.failed(err)
	}
}

// failed notes an attempt that led to no answer. p.mu is held.
func (p *pool) failed(err error) {
	now := p.opts.Now()
	if p.fails == 0 {
		p.since = now
	}
	p.fails++
	p.last = err
	if now.Sub(p.since) >= p.opts.GiveUp {
		p.fail(fmt.Errorf("no answer for %s: %w", now.Sub(p.since).Round(time.Second), err))
	}
}

// fail ends all hope. p.mu is held.
func (p *pool) fail(err error) {
	switch {
	case p.final != nil:
	case p.proven:
		p.final = fmt.Errorf("%w: %w", disk.ErrLost, err)
	default:
		p.final = neverMet{err}
	}
}

// reap takes out the sessions that are lost. p.mu is held.
func (p *pool) reap() {
	p.members = slices.DeleteFunc(p.members, func(m *member) bool {
		select {
		case <-m.Lost():
			p.mourn(m)
			return true
		default:
			return false
		}
	})
}

// mourn notes the loss of a session.
func (p *pool) mourn(m *member) {
	err := m.Err()
	p.shaken = p.opts.Now()
	p.losses++
	if p.final == nil {
		p.opts.Warn(fmt.Errorf("connecting again: %w", err))
	}
	if m.fruitful.Load() {
		p.fails = 0
	} else {
		p.failed(err)
	}
	if errors.Is(err, sftp.ErrProtocol) {
		if p.broken++; p.broken >= maxBroken {
			p.fail(err)
		}
	}
	p.discard(m.Session)
}

// discard closes a session without waiting for it. p.mu is held.
func (p *pool) discard(s *sftp.Session) {
	p.ended.Go(func() { _ = s.Close() }) // what was under way has its error
}

func (p *pool) signal() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// release ends one operation, given its outcome.
func (p *pool) release(m *member, err error) {
	if !lost(err) {
		m.fruitful.Store(true)
	}
	m.load.Add(-1)
}

// lost reports whether an error says that the session ended and nothing about what was asked.
func lost(err error) bool { return errors.Is(err, sftp.ErrLost) }

// content returns how much one request of a new session carries; little after a loss, so that over a line that is cut all the time
// some of them come through.
func (p *pool) content() int {
	if p.wary() {
		return smallContent
	}
	return maxBlock
}

// wary reports whether a session was lost a short time ago.
func (p *pool) wary() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.shaken.IsZero() && p.opts.Now().Sub(p.shaken) < waryFor
}

// lost returns how many sessions have been lost so far.
func (p *pool) lost() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reap()
	return p.losses
}

// present returns the sessions that there are.
func (p *pool) present() []*member {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.members)
}

// close ends all sessions. What is asked later fails with fs.ErrClosed.
func (p *pool) close() {
	p.mu.Lock()
	p.final = fs.ErrClosed
	for _, m := range p.members {
		p.discard(m.Session)
	}
	p.members = nil
	p.signal()
	p.mu.Unlock()
	p.end()
	p.ended.Wait()
}
