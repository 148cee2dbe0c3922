package main

import (
	"context"
	"errors"
	"fmt"
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
	if released := c.post.release(); released != nil {
		return fmt.Errorf("%s: %w", c.peer.name(), released)
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, errLate):
		c.out, res.late[c.peer.name()] = true, true
		r.note("%s has no figures from %s on: %v", c.peer.name(), st, err)
		return nil
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
	if isOurs(c.peer.name()) {
		if err := r.look(ctx, st, c); err != nil {
			return err
		}
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
	limited, cancel := context.WithTimeout(ctx, r.limit())
	defer cancel()
	u, err := measure(limited, commands)
	if errors.Is(limited.Err(), context.DeadlineExceeded) && err != nil {
		err = fmt.Errorf("%w of %v", errLate, r.limit())
	}
	if st.writes() {
		c.post.made++
	}
	return u, err
}

// errLate says that a step took longer than it may.
var errLate = errors.New("it took longer than the limit")

// farLimit is the longest that a step over ssh may take where nothing else is said.
const farLimit = 10 * time.Minute

// limit returns the longest that a step may take.
func (r *runner) limit() time.Duration {
	switch {
	case r.opts.limit > 0:
		return r.opts.limit
	case r.far != nil:
		return farLimit
	}
	return stepTimeout
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

// look compares what one of our own has restored with the source: after a restore, after every pull over ssh, and after the last push.
func (r *runner) look(ctx context.Context, st step, c *contender) error {
	switch {
	case st == stepRestore:
		r.judge(ctx, c)
		return nil
	case c.post.far == farSource, c.post.far == farStore && st == stepChange:
		return r.proof(ctx, c)
	}
	return nil
}

// proof restores the newest snapshot, which is not measured, compares it with the source, and removes it again.
func (r *runner) proof(ctx context.Context, c *contender) error {
	commands, err := c.peer.read(ctx, stepRestore, c.post)
	for _, argv := range commands {
		if err == nil {
			_, err = output(ctx, argv...)
		}
	}
	if err != nil {
		r.note("%s: THE SNAPSHOT CANNOT BE RESTORED: %v", c.peer.name(), err)
	} else {
		r.judge(ctx, c)
	}
	return errors.Join(os.RemoveAll(c.post.restored), os.Mkdir(c.post.restored, 0o755))
}

// judge notes whether rsync finds any difference between the source and what was restored.
func (r *runner) judge(ctx context.Context, c *contender) {
	kept := "-aHAXnic"
	if c.post.far == farSource && overSFTP(c.peer.name()) {
		kept = "-rlptgonic" // what SFTP tells
	}
	found, err := output(ctx, "rsync", kept, "--delete", contents(c.post.source), contents(c.post.restored))
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
