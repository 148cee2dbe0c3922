package sftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// Call is a request under way. Either Wait or Drop must be called, and only once.
type Call[T any] struct {
	s      *Session
	c      *call
	decode func(*decoder) (T, error)
}

// call is the part of a Call that the session sees. What is below done is for others to read once done is closed, except dropped,
// which is under Session.mu.
type call struct {
	ask
	cost    int64
	done    chan struct{}
	dropped bool
	typ     byte
	reply   []byte // the fields of the answer
	err     error
}

// Go sends r and returns without waiting for the answer. It waits for room where too much is under way, until ctx ends. Any error
// comes from Wait.
func Go[T any](ctx context.Context, s *Session, r Request[T]) *Call[T] {
	return &Call[T]{s: s, c: s.send(ctx, &r.ask), decode: r.decode}
}

// Do sends r and waits for the answer. See Call.Wait.
func Do[T any](ctx context.Context, s *Session, r Request[T]) (T, error) {
	return Go(ctx, s, r).Wait(ctx)
}

// Wait returns the answer. The error is io.EOF itself; or an *fs.PathError that holds a *StatusError where the server refused,
// ErrLost where the session has ended, ErrProtocol where the answer made no sense, which ends the session, ErrUnsupported,
// ErrName, or the error of ctx. When ctx ends the request may be carried out all the same, and its answer is dropped.
func (c *Call[T]) Wait(ctx context.Context) (T, error) {
	var none T
	if err := c.s.await(ctx, c.c); err != nil {
		return none, c.c.explain(err)
	}
	result, err := c.result()
	if err != nil {
		return none, c.c.explain(err)
	}
	return result, nil
}

// Drop says that nobody will wait. A handle that the answer may bring is closed.
func (c *Call[T]) Drop() { c.s.drop(c.c) }

// result decodes the answer.
func (c *Call[T]) result() (T, error) {
	defer c.s.recycle(c.c)
	d := &decoder{data: c.c.reply}
	result, err := c.open(d)
	if errors.Is(err, ErrProtocol) {
		c.s.die(err)
	}
	return result, err
}

func (c *Call[T]) open(d *decoder) (T, error) {
	var none T
	if c.c.typ != typeStatus {
		return c.decode(d)
	}
	switch err := d.status(); {
	case err != nil:
		return none, err
	case c.c.want != typeStatus:
		return none, fmt.Errorf("%w: success without a result", ErrProtocol)
	}
	return c.decode(d)
}

// explain says what an error belongs to.
func (c *call) explain(err error) error {
	switch {
	case err == io.EOF:
		return err
	case c.path == "":
		return fmt.Errorf("%s: %w", c.op, err)
	}
	return &fs.PathError{Op: c.op, Path: c.path, Err: err}
}
