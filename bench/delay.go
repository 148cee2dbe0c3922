package main

import (
	"bytes"
	"errors"
	"net"
	"sync"
	"time"
)

// delayLine carries TCP connections to an address and lets every byte arrive so much later, in either direction, as a long line
// does: bytes are queued with the time at which they are due, so that as many get through as without it.
type delayLine struct {
	addr   string // where it listens
	target string
	each   time.Duration // one way
	listen net.Listener
	work   sync.WaitGroup

	mu     sync.Mutex
	open   map[net.Conn]bool
	closed bool
}

// The most that one direction of a connection has under way: 32 MiB, in pieces that may be smaller.
const (
	delayPiece = 32 << 10
	delayDepth = 1 << 10
)

// newDelayLine returns a line to target with a round trip of so much.
func newDelayLine(target string, trip time.Duration) (*delayLine, error) {
	listen, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &delayLine{addr: listen.Addr().String(), target: target, each: trip / 2, listen: listen, open: map[net.Conn]bool{}}
	d.work.Go(d.accept)
	return d, nil
}

// close ends the line and all connections, and waits for them.
func (d *delayLine) close() error {
	err := d.listen.Close()
	d.mu.Lock()
	d.closed = true
	for c := range d.open {
		c.Close()
	}
	d.mu.Unlock()
	d.work.Wait()
	return err
}

func (d *delayLine) accept() {
	for {
		near, err := d.listen.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(10 * time.Millisecond) // no descriptors left, or the like
			continue
		}
		d.work.Go(func() { d.connect(near) })
	}
}

// connect carries one connection to its end.
func (d *delayLine) connect(near net.Conn) {
	defer near.Close()
	far, err := net.Dial("tcp", d.target)
	if err != nil {
		return
	}
	defer far.Close()
	if !d.enter(near, far) {
		return
	}
	defer d.leave(near, far)
	var ways sync.WaitGroup
	ways.Go(func() { d.carry(near, far) })
	ways.Go(func() { d.carry(far, near) })
	ways.Wait()
}

// enter remembers connections for close; false when it has been called.
func (d *delayLine) enter(conns ...net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range conns {
		d.open[c] = true
	}
	return !d.closed
}

func (d *delayLine) leave(conns ...net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range conns {
		delete(d.open, c)
	}
}

// delayed is what one read gave, and when it is due at the other end.
type delayed struct {
	data []byte
	due  time.Time
}

// carry takes bytes one way until their end, which it passes on.
func (d *delayLine) carry(from, to net.Conn) {
	queue := make(chan delayed, delayDepth)
	var writer sync.WaitGroup
	writer.Go(func() {
		for p := range queue {
			time.Sleep(time.Until(p.due))
			if _, err := to.Write(p.data); err != nil {
				from.Close() // ends the reader; what is queued fails as this did
			}
		}
	})
	buf := make([]byte, delayPiece)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			queue <- delayed{bytes.Clone(buf[:n]), time.Now().Add(d.each)}
		}
		if err != nil {
			break
		}
	}
	close(queue)
	writer.Wait()
	if half, ok := to.(*net.TCPConn); ok {
		_ = half.CloseWrite() // fails only where nobody reads any more
	}
}
