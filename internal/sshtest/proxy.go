package sshtest

import (
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"time"
)

// dialTimeout is how long a proxy waits for its target.
const dialTimeout = 10 * time.Second

// Proxy is a TCP proxy on the loopback interface that fails on demand. It ends with its test, and its connections with it. Methods
// may be called from several goroutines.
type Proxy struct {
	// Addr is where it listens, as host:port.
	Addr    string
	target  string
	control *control
	listen  net.Listener
	work    sync.WaitGroup

	mu     sync.Mutex
	links  map[*link]bool
	closed bool
}

// NewProxy starts a proxy for the server at target, as host:port. A target that cannot be reached makes it reset its clients.
func NewProxy(t testing.TB, target string, f Faults) *Proxy {
	t.Helper()
	listen, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen for a proxy: %v", err)
	}
	p := &Proxy{Addr: listen.Addr().String(), target: target, control: newControl(f), listen: listen, links: map[*link]bool{}}
	p.work.Go(p.serve)
	t.Cleanup(p.stop)
	return p
}

// Through returns an ssh command, such as Server.Command returns, that goes through the proxy.
func (p *Proxy) Through(ssh []string) []string {
	_, port, _ := net.SplitHostPort(p.Addr) // it came from a net.Addr
	return append(slices.Clone(ssh), "-o", "Port="+port)
}

// Set changes the faults from now on, also of connections that are open.
func (p *Proxy) Set(f Faults) { p.control.set(f) }

// Counts returns what went through so far.
func (p *Proxy) Counts() Counts { return p.control.counted() }

// Cut cuts all connections that are open.
func (p *Proxy) Cut() { p.end(true) }

func (p *Proxy) end(cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.end(cut)
	}
}

func (p *Proxy) stop() {
	p.listen.Close()
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.end(false)
	p.work.Wait()
}

func (p *Proxy) serve() {
	for {
		conn, err := p.listen.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // a client that went away before it was let in
		}
		if !p.control.admit() {
			reset(conn)
			continue
		}
		p.work.Go(func() { p.carry(conn) })
	}
}

// carry serves one client.
func (p *Proxy) carry(client net.Conn) {
	server, err := net.DialTimeout("tcp", p.target, dialTimeout)
	if err != nil {
		p.control.count(func(n *Counts) { n.Open-- })
		reset(client)
		return
	}
	l := newLink(p.control, client, server)
	p.mu.Lock()
	p.links[l] = true
	closed := p.closed
	p.mu.Unlock()
	if closed {
		l.end(false)
	}
	l.run()
	p.mu.Lock()
	delete(p.links, l)
	p.mu.Unlock()
}
