package sftpfs

import (
	"context"
	"crypto/rand"
	"io"
	"time"
)

// Options say how a Disk reaches its server and what it takes care of. Dial is required.
type Options struct {
	// Dial opens one new connection to the SFTP subsystem of the server. It is called again whenever a connection is needed.
	Dial func(ctx context.Context) (io.ReadWriteCloser, error)
	// Connections is how many sessions there are at once; 0 for 4. Where the server allows fewer, fewer are used.
	Connections int
	// Mounts tells file systems apart: directories have Stamp.Dev, at the price of one more request for each. It needs a server that
	// tells; see Abilities.
	Mounts bool
	// Still says that a directory which was one a moment ago may be taken for one when it is gone through again, which saves a walk many
	// requests. It is not for stores, where somebody else may be at work.
	Still bool
	// Durable makes every file durable before Writer.Close returns, as far as the server can. Otherwise SyncAll does, for all files
	// that were closed until then, and finds out whether the server still has them.
	Durable bool
	// GiveUp is how long a lost connection is tried again before the loss is final; 0 for 15 minutes.
	GiveUp time.Duration
	// Warn, where set, is told what went wrong and was got over, by several goroutines. It must not block, nor use the Disk.
	Warn func(error)
	// Random serves to make up names; nil stands for crypto/rand.
	Random io.Reader
	// Now and After tell the time; nil stands for those of package time.
	Now   func() time.Time
	After func(time.Duration) <-chan time.Time
}

const (
	defaultConnections = 4
	defaultGiveUp      = 15 * time.Minute
)

// filled returns o with what was left zero.
func (o Options) filled() Options {
	if o.Connections <= 0 {
		o.Connections = defaultConnections
	}
	if o.GiveUp <= 0 {
		o.GiveUp = defaultGiveUp
	}
	if o.Warn == nil {
		o.Warn = func(error) {}
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.After == nil {
		o.After = time.After
	}
	return o
}
