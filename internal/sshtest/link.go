package sshtest

import (
	"bytes"
	"io"
	"net"
	"sync"
	"time"
)

// packet is what one read gave, and when it is due at the other end.
type packet struct {
	data []byte
	due  time.Time
}

// A queue holds as much as a long and fast line has under way: 16 MiB.
const (
	packetSize = 16 << 10
	queueDepth = 1 << 10
)

// link is one connection between a client and a server, with faults.
//
// Each way has a goroutine that reads and one that writes, with a queue between them. A way ends when its reader met the end and its
// writer has delivered everything, or cannot write any more; the link ends when both ways have.
type link struct {
	*control
	client, server io.ReadWriteCloser
	begun          time.Time
	once           sync.Once
	done           chan struct{} // closed when the link is over
	closing        chan struct{} // closed when what is silent shall be given up
	sent           chan struct{} // closed when the way up has ended

	mu     sync.Mutex
	passed int64 // bytes that CutAfter and StallAfter count
	fallen bool  // it has been silent, or is
	silent bool
	until  time.Time // when the silence ends; zero for never
}

// newLink returns a link for a connection that was let in.
func newLink(c *control, client, server io.ReadWriteCloser) *link {
	return &link{control: c, client: client, server: server, begun: time.Now(),
		done: make(chan struct{}), closing: make(chan struct{}), sent: make(chan struct{})}
}

// run carries bytes until the connection has ended.
func (l *link) run() {
	var readers, writers sync.WaitGroup
	up, down := make(chan packet, queueDepth), make(chan packet, queueDepth)
	readers.Go(func() { l.read(l.client, up) })
	readers.Go(func() { l.read(l.server, down) })
	readers.Go(l.watch)
	writers.Go(func() { defer close(l.sent); l.write(Up, up, l.server) })
	writers.Go(func() { l.write(Down, down, l.client) })
	writers.Wait()
	l.end(false)
	readers.Wait()
}

// end closes both sides; by a cut as if the line had been severed.
func (l *link) end(cut bool) {
	l.once.Do(func() {
		l.count(func(n *Counts) {
			n.Open--
			if cut {
				n.Cuts++
			}
		})
		close(l.done)
		for _, side := range []io.Closer{l.client, l.server} {
			if cut {
				reset(side)
			} else {
				side.Close()
			}
		}
	})
}

// watch cuts the link when it is old enough.
func (l *link) watch() {
	for {
		f, changed := l.current()
		select {
		case <-l.done:
			return
		case <-changed:
		case <-alarm(f.CutEvery > 0, l.begun.Add(f.CutEvery)):
			l.end(true)
		}
	}
}

// read queues what comes in. An end is passed on, an error ends the link.
func (l *link) read(from io.Reader, to chan<- packet) {
	defer close(to)
	buf := make([]byte, packetSize)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			f, _ := l.current()
			select {
			case to <- packet{bytes.Clone(buf[:n]), time.Now().Add(f.Latency)}:
			case <-l.done:
				return
			}
		}
		if err == io.EOF {
			return
		}
		if err != nil {
			l.end(false)
			return
		}
	}
}

// write delivers what is queued when it is due, and then the end. Where it cannot it gives up: who reads from that side finds out why.
func (l *link) write(way Direction, from <-chan packet, to io.WriteCloser) {
	for p := range from {
		if !l.wait(p.due) || !l.deliver(way, p.data, to) {
			return
		}
	}
	if l.over() {
		return // what is queued has no end: the line was cut
	}
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // fails only where nobody listens any more
		return
	}
	to.Close()
}

func (l *link) deliver(way Direction, data []byte, to io.Writer) bool {
	for len(data) > 0 {
		if !l.loud() {
			return false
		}
		n, cut := l.take(way, len(data))
		if !l.wait(l.pass(way, n)) {
			return false
		}
		if !put(to, data[:n]) {
			return false
		}
		if cut {
			l.end(true)
			return false
		}
		data = data[n:]
	}
	return true
}

// put writes; nothing is not written, since a pipe would wait for a reader.
func put(to io.Writer, data []byte) bool {
	if len(data) == 0 {
		return true
	}
	_, err := to.Write(data)
	return err == nil
}

// take says how many of n bytes may pass now, and whether the link is to be cut behind them. It begins a silence that is due.
func (l *link) take(way Direction, n int) (int, bool) {
	f, _ := l.current()
	if f.Piece > 0 {
		n = min(n, f.Piece)
	}
	if f.Count != Both && f.Count != way {
		return n, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if f.StallAfter > 0 && !l.fallen {
		n = int(min(int64(n), max(f.StallAfter-l.passed, 0)))
	}
	cut := false
	if f.CutAfter > 0 && l.passed+int64(n) >= f.CutAfter {
		n, cut = int(max(f.CutAfter-l.passed, 0)), true
	}
	l.passed += int64(n)
	if !cut && f.StallAfter > 0 && !l.fallen && l.passed >= f.StallAfter {
		l.fall(f.StallFor)
	}
	return n, cut
}

// fall makes the link silent. l.mu is held.
func (l *link) fall(d time.Duration) {
	l.fallen, l.silent, l.until = true, true, time.Time{}
	if d > 0 {
		l.until = time.Now().Add(d)
	}
	l.count(func(n *Counts) { n.Stalls++ })
}

// loud waits until the link is not silent; false when it is over instead.
func (l *link) loud() bool {
	for {
		f, changed := l.current()
		l.mu.Lock()
		if f.StallAfter <= 0 || (!l.until.IsZero() && !time.Now().Before(l.until)) {
			l.silent = false
		}
		silent, until := l.silent, l.until
		l.mu.Unlock()
		if !silent {
			return true
		}
		select {
		case <-alarm(!until.IsZero(), until):
		case <-changed:
		case <-l.closing:
			l.end(false)
		case <-l.done:
		}
		if l.over() {
			return false
		}
	}
}

// wait waits for a time; false when the link is over before.
func (l *link) wait(t time.Time) bool {
	if !time.Now().Before(t) {
		return !l.over()
	}
	select {
	case <-alarm(true, t):
		return true
	case <-l.done:
		return false
	}
}

func (l *link) over() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

// alarm returns a channel that tells when it is t, or one that never does.
func alarm(on bool, t time.Time) <-chan time.Time {
	if !on {
		return nil
	}
	return time.After(time.Until(t))
}

// reset closes a connection without a farewell where it has one.
func reset(c io.Closer) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // fails only where it is closed already
	}
	c.Close()
}
