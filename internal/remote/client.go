package remote

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"varve"
	"varve/internal/mux"
)

// Options say how a client works. The zero value is right, with a Program.
type Options struct {
	// Program is the name and version of this program.
	Program string
	// Random is where the key comes from that files are cut with; nil stands for crypto/rand.
	Random io.Reader
	// Log is told what the other side was refused; nil for nobody.
	Log *slog.Logger
	// Beat is that of mux.Options.
	Beat time.Duration
}

// Client is the near end. Its methods, and those of what it returns, may be called from several goroutines.
type Client struct {
	peer    *peer
	info    Info
	key     [32]byte
	serving sync.WaitGroup
}

// Dial begins a session over conn, whose Close must end reads and writes that wait, and asks the far end what it is. It takes conn
// over, also where it fails. Errors match those of mux.Client.
func Dial(ctx context.Context, conn io.ReadWriteCloser, opts Options) (*Client, error) {
	s, err := mux.Client(ctx, conn, mux.Options{Program: opts.Program, Oldest: oldestVersion, Newest: newestVersion, Beat: opts.Beat})
	if err != nil {
		return nil, fmt.Errorf("connect to varve on the far side: %w", err)
	}
	c := &Client{peer: newPeer(s, opts.Log)}
	c.peer.ops[opNow] = operation{do: c.peer.now}
	c.peer.ops[opJudge] = operation{do: c.peer.judge}
	c.serving.Go(func() { c.peer.serve() })
	if opts.Random == nil {
		opts.Random = rand.Reader
	}
	_, err = io.ReadFull(opts.Random, c.key[:])
	if err == nil {
		err = c.ask(ctx)
	}
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("connect to varve on the far side: %w", err)
	}
	return c, nil
}

// ask asks the far end what it is.
func (c *Client) ask(ctx context.Context) error {
	r, err := c.peer.do(ctx, &request{Op: opInfo})
	if err != nil {
		return err
	}
	if r.Info == nil {
		return protocolError("it does not say what it is")
	}
	c.info = *r.Info
	for _, text := range []*string{&c.info.Program, &c.info.Host, &c.info.Series} {
		*text = harmless(*text)
	}
	return nil
}

// Info returns what the far end says of itself, texts made harmless.
func (c *Client) Info() Info { return c.info }

// Close ends the session and everything that was opened through it.
func (c *Client) Close() error {
	err := c.peer.session.Close()
	c.serving.Wait()
	return err
}

// Store returns the far store. Closing it closes the client.
func (c *Client) Store() varve.Store { return &store{client: c, p: c.peer} }

// Backend returns the far storage. Closing it closes the client.
func (c *Client) Backend() varve.Backend { return &storage{client: c, p: c.peer} }

// Source opens files of the far side. Of a file that basis knows something like, only what is not in that crosses; nil for none.
func (c *Client) Source(ctx context.Context, r SourceRequest, basis Basis) (*Source, error) {
	call, stop, answer, err := c.peer.hold(ctx, &request{Op: opSource, Source: r.wire()})
	if err != nil {
		return nil, fmt.Errorf("open far files: %w", err)
	}
	return &Source{pull: pull{p: c.peer, id: call.ID(), basis: basis, key: c.key, humble: true}, stop: stop, sources: plain(answer.Sources)}, nil
}

// hold asks for something that stays open until stop is called.
func (p *peer) hold(ctx context.Context, r *request) (c *call, stop func(), answer reply, err error) {
	c, stop, err = p.ask(ctx, r)
	if err != nil {
		return nil, nil, answer, err
	}
	if err = c.receiveJSON(msgReply, &answer); err != nil {
		stop()
		return nil, nil, answer, whatever(ctx, err)
	}
	return c, stop, answer, nil
}

// Source is a tree of files of the far side, as walk.Source is one of this side.
type Source struct {
	pull
	stop    func()
	sources []string
}

var _ Walk = (*Source)(nil)

// Sources returns the absolute paths of the sources on the far side.
func (s *Source) Sources() []string { return s.sources }

// Guard returns a context that ends, with the reason as its cause, when content could not be read for another reason than the file's
// own, such as a lost connection. A store that saves under it makes no snapshot then, not even an incomplete one. It must be
// called before the files are read, and end at the end.
func (s *Source) Guard(ctx context.Context) (guarded context.Context, end func()) {
	guarded, cancel := context.WithCancelCause(ctx)
	s.lost = cancel
	return guarded, func() { cancel(nil) }
}

// LeftOut returns the paths of the file systems that were left out, after the entries have come to their end.
func (s *Source) LeftOut() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return plain(s.left.LeftOut)
}

// Complaints returns what was wrong with the files that say what is left out, after the entries have come to their end.
func (s *Source) Complaints() (list []error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, text := range s.left.Complaints {
		list = append(list, &farError{text: harmless(string(text))})
	}
	return list
}

// Close lets go of the files.
func (s *Source) Close() error {
	s.stop()
	return nil
}
