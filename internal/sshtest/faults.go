package sshtest

import (
	"sync"
	"time"
)

// Direction says which way bytes go.
type Direction uint8

// The directions; Both is the zero value.
const (
	Both Direction = iota
	// Up is from the client to the server.
	Up
	// Down is from the server to the client.
	Down
)

// Faults say how a connection fails. The zero value is one that does not.
type Faults struct {
	// CutAfter ends a connection, both ways and without a farewell, as soon as so many bytes went through it; 0 for never. Since every
	// connection counts for itself, one that is opened again and again is cut every so many bytes.
	CutAfter int64
	// CutEvery ends a connection in the same way when it is so old; 0 for never.
	CutEvery time.Duration
	// StallAfter makes a connection fall silent, both ways and once, after so many bytes went through it; 0 for never. It stays open.
	StallAfter int64
	// StallFor is how long it is silent; 0 for ever. A change to Faults without StallAfter ends the silence.
	StallFor time.Duration
	// Count says which bytes CutAfter and StallAfter count.
	Count Direction
	// Piece is the most bytes that are written at a time; 0 for no limit. The receiver may find several pieces in one read.
	Piece int
	// Latency is how long each byte is under way, in either direction. Bandwidth does not suffer.
	Latency time.Duration
	// Rate is how many bytes a second go in either direction, on all connections together; 0 for no limit.
	Rate int64
	// MaxConns is how many connections are open at once: others are reset at once. 0 for no limit, below 0 for none at
	// all, as if the server were gone.
	MaxConns int
}

// Counts are what went through since the beginning.
type Counts struct {
	// Conns counts the connections that were let in, Refused those that were reset because of MaxConns.
	Conns, Refused int64
	// Open is how many connections are open now, Peak the most that were open at once.
	Open, Peak int64
	// Cuts counts the connections that were cut, Stalls those that fell silent.
	Cuts, Stalls int64
	// Up and Down count the bytes that were let through to the server and to the client.
	Up, Down int64
}

// control holds the faults in force, and the counts, for all connections of one proxy.
type control struct {
	mu      sync.Mutex
	faults  Faults
	changed chan struct{} // closed when faults change
	counts  Counts
	free    [Down + 1]time.Time // when the line can take the next byte, under Rate
}

func newControl(f Faults) *control {
	return &control{faults: f, changed: make(chan struct{})}
}

// current returns the faults in force, and a channel that is closed when they no longer are.
func (c *control) current() (Faults, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.faults, c.changed
}

func (c *control) set(f Faults) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = f
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *control) counted() Counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts
}

func (c *control) count(enter func(*Counts)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	enter(&c.counts)
}

// admit lets a connection in, or refuses it.
func (c *control) admit() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if limit := c.faults.MaxConns; limit != 0 && c.counts.Open >= int64(limit) {
		c.counts.Refused++
		return false
	}
	c.counts.Conns++
	c.counts.Open++
	c.counts.Peak = max(c.counts.Peak, c.counts.Open)
	return true
}

// pass enters n bytes that are let through, and returns when the line has taken them.
func (c *control) pass(way Direction, n int) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if way == Up {
		c.counts.Up += int64(n)
	} else {
		c.counts.Down += int64(n)
	}
	if c.faults.Rate <= 0 {
		return time.Time{}
	}
	if now := time.Now(); c.free[way].Before(now) {
		c.free[way] = now
	}
	c.free[way] = c.free[way].Add(time.Duration(n) * time.Second / time.Duration(c.faults.Rate))
	return c.free[way]
}
