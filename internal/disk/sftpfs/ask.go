package sftpfs

import (
	"context"
	"fmt"
	"time"

	"varve/internal/disk"
	"varve/internal/sftp"
)

// turn is one attempt at an operation.
type turn struct {
	m *member
	// again says that an attempt before this one was lost: what it asked for may have been carried out.
	again bool
	ctx   context.Context
}

const (
	// maxLosses is how many sessions may be lost under one operation. Under a line that is cut all the time an operation may have bad
	// luck for long; one that makes the server's own process die is not asked for ever.
	maxLosses = 1000
	// blameAfter is how many of these may come without a breathing space.
	blameAfter = 20
)

// ask does an operation on some session, again on another one when that is lost.
func ask[T any](d *Disk, f func(t turn) (T, error)) (T, error) {
	var none T
	for losses := 0; ; {
		m, err := d.pool.acquire()
		if err != nil {
			return none, err
		}
		v, err := f(turn{m: m, again: losses > 0, ctx: d.pool.life})
		d.pool.release(m, err)
		if !lost(err) {
			return v, err
		}
		if losses++; losses >= maxLosses {
			return none, fmt.Errorf("%w: %d times while asking for this", disk.ErrLost, losses)
		}
		if err := d.breathe(losses); err != nil {
			return none, err
		}
	}
}

// breathe waits a little where one operation has seen many sessions end.
func (d *Disk) breathe(losses int) error {
	if losses < blameAfter {
		return nil
	}
	select {
	case <-d.opts.After(10 * time.Millisecond * time.Duration(min(losses, 100))):
		return nil
	case <-d.pool.life.Done():
		return context.Cause(d.pool.life)
	}
}

// one asks for one thing.
func one[T any](d *Disk, r sftp.Request[T]) (T, error) {
	return ask(d, func(t turn) (T, error) { return send(t, r).Wait(t.ctx) })
}

// send sends a request without waiting for the answer.
func send[T any](t turn, r sftp.Request[T]) *sftp.Call[T] { return sftp.Go(t.ctx, t.m.Session, r) }

// act is ask for what has no result.
func act(d *Disk, f func(t turn) error) error {
	_, err := ask(d, func(t turn) (struct{}, error) { return struct{}{}, f(t) })
	return err
}
