package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// step is one thing that programs do: all of them, but for what only those can that know what they keep.
type step string

// The steps, in their order.
const (
	stepFirst     step = "first"
	stepUnchanged step = "unchanged"
	stepChange    step = "change"
	stepList      step = "list"
	stepRestore   step = "restore"
	stepVerify    step = "verify"
	stepForget    step = "forget"
)

// steps returns what is done with a data set.
func (s set) steps() []step {
	if s.job.far != noEnd {
		return []step{stepFirst, stepUnchanged, stepChange}
	}
	after := []step{stepList, stepRestore, stepVerify, stepForget}
	if s.change == nil {
		return append([]step{stepFirst, stepUnchanged}, after...)
	}
	return append([]step{stepFirst, stepUnchanged, stepChange}, after...)
}

// writes reports whether a step makes a backup.
func (st step) writes() bool { return st == stepFirst || st == stepUnchanged || st == stepChange }

// runner goes through the rounds.
type runner struct {
	opts  options
	log   io.Writer // what is going on
	peers []peer
	dir   string // the work directory
	plain bool   // directories instead of file systems
	// tick is the least time between two steps of a program: some tell their backups apart by whole seconds.
	tick time.Duration
	// age is how long a data set lies still before the first backup: what changed in the last seconds is rightly read again by the next
	// run of some programs, and data that is kept is seldom that young.
	age time.Duration
	// settle brings everything that was written to the disk, so that no program pays for another.
	settle command
	open   []*volume
	notes  []string
	far    *farSide // nil where everything is on this machine
}

// bench does everything: the data sets one by one, each with its report on out.
func bench(ctx context.Context, opts options, out, log io.Writer) (err error) {
	r := &runner{opts: opts, log: log, tick: 1100 * time.Millisecond, age: 5 * time.Second, settle: command{"sync"}}
	if r.dir, err = workDir(opts.dir); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.cleanUp()) }()
	fmt.Fprintln(out, machine())
	if why := canMount(ctx, r.dir); why != nil {
		r.plain = true
		fmt.Fprintf(out, "  plain directories instead of fresh file systems: %v\n", why)
	}
	if len(opts.far) > 0 {
		if r.far, err = startFarSide(ctx, filepath.Join(r.dir, "ssh")); err != nil {
			return fmt.Errorf("start the far side: %w", err)
		}
	}
	r.find(ctx, out)
	if len(r.peers) == 0 {
		return errors.New("no program to measure")
	}
	for _, s := range opts.allSets() {
		if err := r.setAndReport(ctx, s, out); err != nil {
			return fmt.Errorf("set %s: %w", s.id(), err)
		}
	}
	return nil
}

// setAndReport goes through everything that is done with a data set, if there is a program for it, and reports.
func (r *runner) setAndReport(ctx context.Context, s set, out io.Writer) error {
	if len(r.peersFor(s)) == 0 {
		return nil
	}
	if r.far != nil {
		if err := r.far.reach(ctx, s.trip); err != nil {
			return fmt.Errorf("reach the far side: %w", err)
		}
	}
	res, err := r.set(ctx, s)
	if err != nil {
		return err
	}
	return res.print(out)
}

// workDir makes the work directory in parent, and returns its path as the kernel sees it.
func workDir(parent string) (string, error) {
	dir, err := os.MkdirTemp(parent, "varve-bench-*")
	if err != nil {
		return "", err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(dir)
}

func (r *runner) say(format string, args ...any) { fmt.Fprintf(r.log, format+"\n", args...) }

// note keeps a remark for the next report; the same one once.
func (r *runner) note(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	r.say("%s", line)
	if !slices.Contains(r.notes, line) {
		r.notes = append(r.notes, line)
	}
}

// find looks which programs are there, and prints them.
func (r *runner) find(ctx context.Context, out io.Writer) {
	for _, name := range r.opts.peers {
		p := r.newPeer(name)
		version, err := p.version(ctx)
		if err != nil {
			fmt.Fprintf(out, "  %s: left out: %v\n", name, err)
			continue
		}
		fmt.Fprintf(out, "  %s: %s\n", name, version)
		r.peers = append(r.peers, p)
	}
}

func (r *runner) newPeer(name string) peer {
	if r.far != nil {
		return newFarPeer(name, r.opts.varve, r.far.line())
	}
	return newPeer(name, r.opts.varve)
}

// peersFor returns the programs that take part in what is done with a set.
func (r *runner) peersFor(s set) []peer {
	return slices.DeleteFunc(slices.Clone(r.peers), func(p peer) bool { return !s.takes(p.name()) })
}

// volume makes a volume that is removed in the end, whatever happens.
func (r *runner) volume(ctx context.Context, name string, size census) (*volume, error) {
	v, err := newVolume(ctx, r.dir, name, size, r.plain)
	if v != nil {
		r.open = append(r.open, v)
	}
	return v, err
}

// cleanUp ends the far side and removes everything, unless the user wants to keep it.
func (r *runner) cleanUp() error {
	var stopped error
	if r.far != nil {
		stopped = r.far.stop()
	}
	return errors.Join(stopped, r.remove())
}

func (r *runner) remove() error {
	if r.opts.keep {
		r.say("kept: %s", r.dir)
		return nil
	}
	if err := r.closeFrom(0); err != nil {
		return fmt.Errorf("%w; left behind: %s", err, r.dir)
	}
	return os.RemoveAll(r.dir)
}

// closeFrom closes the volumes that were opened after the first n.
func (r *runner) closeFrom(n int) error {
	var errs []error
	for _, v := range r.open[n:] {
		errs = append(errs, v.close())
	}
	r.open = r.open[:n]
	return errors.Join(errs...)
}

// set builds a data set, goes through all rounds, and removes it.
func (r *runner) set(ctx context.Context, s set) (*results, error) {
	before := len(r.open)
	data, size, err := r.build(ctx, s)
	if err != nil {
		return nil, err
	}
	res := &results{set: s, size: size, rounds: r.opts.rounds, late: map[string]bool{}}
	for _, p := range r.peersFor(s) {
		res.peers = append(res.peers, p.name())
	}
	for round := 1; round <= r.opts.rounds; round++ {
		if err := r.round(ctx, data, round, res); err != nil {
			return nil, err
		}
	}
	res.notes, r.notes = r.notes, nil
	if r.opts.keep {
		return res, nil
	}
	return res, r.closeFrom(before)
}

// build makes the data set on a volume of its own, and returns where it is and what it holds.
func (r *runner) build(ctx context.Context, s set) (string, census, error) {
	if err := r.checkRoom(s); err != nil {
		return "", census{}, err
	}
	source, err := r.volume(ctx, "source-"+s.id(), s.size.times(2))
	if err != nil {
		return "", census{}, err
	}
	r.say("set %s: building", s.id())
	data := filepath.Join(source.dir, "data")
	if err := os.Mkdir(data, 0o755); err != nil {
		return "", census{}, err
	}
	if err := s.build(ctx, data, r.dir); err != nil {
		return "", census{}, err
	}
	if err := wait(ctx, r.age); err != nil {
		return "", census{}, err
	}
	size, err := warm(ctx, data)
	return data, size, err
}

// checkRoom says whether the disk under the work directory is large enough.
func (r *runner) checkRoom(s set) error {
	here, err := spaceOf(r.dir)
	if err != nil {
		return err
	}
	entries := 5000 * (s.size.files + s.size.dirs) // a block and an inode, for each
	source, each := s.size.bytes+entries, s.copies*s.size.bytes+2*entries
	if need := 2*source + each*int64(len(r.peersFor(s))); need > here.free {
		return fmt.Errorf("%s has %s MB free and this takes about %s MB: choose another with -dir, or a smaller -scale", r.dir,
			thousands(here.free/1e6), thousands(need/1e6))
	}
	return nil
}

// round lets every program go through all steps on file systems made fresh.
func (r *runner) round(ctx context.Context, data string, round int, res *results) error {
	before := len(r.open)
	var all []*contender
	for _, p := range r.peersFor(res.set) {
		c, err := r.contender(ctx, p, fmt.Sprintf("%s-%d-%s", res.set.id(), round, p.name()), res.size, data)
		if err != nil {
			return err
		}
		c.post.far, c.out = res.set.job.far, res.late[p.name()]
		all = append(all, c)
	}
	for _, st := range res.set.steps() {
		if err := prepare(ctx, st, data, round, res); err != nil {
			return err
		}
		r.say("set %s, round %d of %d: %s", res.set.id(), round, r.opts.rounds, st)
		for _, c := range all {
			if err := r.step(ctx, st, c, res); err != nil {
				return err
			}
		}
	}
	if r.opts.keep && round == r.opts.rounds {
		return nil
	}
	return r.closeFrom(before)
}

// prepare brings the data set into the state that a step needs: changed, and in the page cache.
func prepare(ctx context.Context, st step, data string, round int, res *results) error {
	if st == stepChange {
		what, err := res.set.change(ctx, data, round)
		if err != nil {
			return fmt.Errorf("change: %w", err)
		}
		res.change = what
	}
	if st != stepFirst && st != stepChange {
		return nil
	}
	_, err := warm(ctx, data)
	return err
}
