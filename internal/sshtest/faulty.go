package sshtest

import (
	"io"
	"net"
	"sync"
	"time"
)

// closeGrace is how long Close waits for what was written before.
const closeGrace = 5 * time.Second

// Conn is a connection in memory that fails on demand.
//
// It behaves like the pipe to an ssh process. Write does not wait for the other side. What was written before Close still arrives,
// unless the connection is cut or silent. After a cut, what arrived before can still be read, then Read returns io.EOF, also
// in the middle of a message, and Write io.ErrClosedPipe.
type Conn struct {
	near  net.Conn
	link  *link
	ended chan struct{}
	once  sync.Once
}

// Faulty puts faults between the caller, who is the client, and conn, which leads to the server; MaxConns is not among them. The
// result owns conn: Close closes both and waits for all that was started.
func Faulty(conn io.ReadWriteCloser, f Faults) *Conn {
	near, inner := net.Pipe()
	control := newControl(f)
	control.count(func(n *Counts) { n.Conns, n.Open, n.Peak = 1, 1, 1 })
	c := &Conn{near: near, link: newLink(control, inner, conn), ended: make(chan struct{})}
	go func() {
		defer close(c.ended)
		c.link.run()
	}()
	return c
}

// Read returns what the server sent.
func (c *Conn) Read(p []byte) (int, error) { return c.near.Read(p) }

// Write sends p to the server.
func (c *Conn) Write(p []byte) (int, error) { return c.near.Write(p) }

// Close ends the connection. It returns nil.
func (c *Conn) Close() error {
	c.once.Do(func() {
		c.near.Close()
		close(c.link.closing)
		select {
		case <-c.link.sent:
		case <-time.After(closeGrace):
		}
		c.link.end(false)
	})
	<-c.ended
	return nil
}

// Set changes the faults from now on.
func (c *Conn) Set(f Faults) { c.link.set(f) }

// Counts returns what went through so far.
func (c *Conn) Counts() Counts { return c.link.counted() }

// Cut cuts the connection.
func (c *Conn) Cut() { c.link.end(true) }
