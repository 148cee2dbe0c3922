package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// contender is one program in one round.
type contender struct {
	peer  peer
	post  post
	vol   *volume
	empty int64 // bytes in use before anything was there
	last  time.Time
	out   bool // it failed, and takes no further part
}

// contender gives a program a volume of that name.
func (r *runner) contender(ctx context.Context, p peer, name string, size census, data string) (*contender, error) {
	vol, err := r.volume(ctx, name, size.times(5))
	if err != nil {
		return nil, err
	}
	c := &contender{peer: p, vol: vol, post: post{
		source: data, store: filepath.Join(vol.dir, "store"),
		scratch: filepath.Join(vol.dir, "scratch"), restored: filepath.Join(vol.dir, "restored"),
	}}
	if err := errors.Join(os.Mkdir(c.post.scratch, 0o755), os.Mkdir(c.post.restored, 0o755)); err != nil {
		return nil, err
	}
	c.empty, err = r.used(ctx, vol)
	return c, err
}

// step lets one program do one step, if it has it. That it fails is a note in the report; an error is our own trouble.
func (r *runner) step(ctx context.Context, st step, c *contender, res *results) error {
	if c.out || !has(c.peer.name(), st) {
		return nil
	}
	if err := wait(ctx, time.Until(c.last.Add(r.tick))); err != nil {
		return err
	}
	u, err := r.do(ctx, st, c)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		c.out = true
		r.note("%s failed at %s, and is left out of the rest of the round: %v", c.peer.name(), st, err)
		return nil
	}
	c.last = time.Now()
	used, err := r.used(ctx, c.vol)
	if err != nil {
		return err
	}
	beside, err := allocated(c.post.scratch)
	if err != nil {
		return err
	}
	res.add(sample{step: st, peer: c.peer.name(), usage: u, space: used - c.empty - beside})
	if st == stepRestore && isOurs(c.peer.name()) {
		r.judge(ctx, c)
	}
	return ctx.Err()
}

// do runs the commands of a step. What was written before is on the disk when the clock starts.
func (r *runner) do(ctx context.Context, st step, c *contender) (usage, error) {
	commands, err := c.commands(ctx, st)
	if err != nil {
		return usage{}, err
	}
	if _, err := output(ctx, r.settle...); err != nil {
		return usage{}, err
	}
	u, err := measure(ctx, commands)
	if st.writes() {
		c.post.made++
	}
	return u, err
}

func (c *contender) commands(ctx context.Context, st step) ([]command, error) {
	switch st {
	case stepFirst:
		return c.peer.first(ctx, c.post)
	case stepUnchanged, stepChange:
		return c.peer.again(c.post)
	case stepForget:
		return c.peer.forget(ctx, c.post)
	}
	return c.peer.read(ctx, st, c.post)
}

// used returns how many bytes are in use on a volume, once everything is on the disk.
func (r *runner) used(ctx context.Context, v *volume) (int64, error) {
	if _, err := output(ctx, r.settle...); err != nil {
		return 0, err
	}
	s, err := spaceOf(v.dir)
	return s.used, err
}

// judge notes whether rsync finds any difference between the source and what was restored.
func (r *runner) judge(ctx context.Context, c *contender) {
	found, err := output(ctx, "rsync", "-aHAXnic", "--delete", contents(c.post.source), contents(c.post.restored))
	found = strings.TrimSpace(found)
	switch {
	case err != nil:
		r.note("%s: the restore could not be compared: %v", c.peer.name(), err)
	case found != "":
		first, rest, _ := strings.Cut(found, "\n")
		more := 0
		if rest != "" {
			more = 1 + strings.Count(rest, "\n")
		}
		r.note("%s: THE RESTORE DIFFERS from the source: %q and %d more", c.peer.name(), first, more)
	default:
		r.note("%s: the restore is identical to the source", c.peer.name())
	}
}

// wait lets d pass, unless ctx ends before.
func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
