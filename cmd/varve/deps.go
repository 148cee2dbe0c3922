package main

import (
	"context"
	crand "crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"varve"
	"varve/internal/config"
	"varve/internal/digest"
	"varve/internal/disk"
	"varve/internal/history"
	jobs "varve/internal/job"
	"varve/internal/location"
	"varve/internal/ssh"
)

// configured are the jobs of a configuration and what running them takes.
type configured struct {
	app    *app
	deps   *jobs.Deps
	state  disk.FS
	stores *storeSecrets
	teller *teller
}

// withJobs reads the configuration of a command, opens what is remembered, calls f and closes it.
func (a *app) withJobs(c *cobra.Command, f func(*configured) error) error {
	if a.store != "" {
		return usagef("--store: the configuration file says which stores a job has")
	}
	conf, path, err := a.loadConfig(c)
	if err != nil {
		return jobError(c.Context(), unread{err})
	}
	j, err := a.newJobs(c.Context(), conf, path)
	if err != nil {
		return err
	}
	return errors.Join(f(j), j.deps.History.Close(), j.state.Close())
}

// newJobs returns the jobs of a configuration, which was read from path.
func (a *app) newJobs(ctx context.Context, conf *config.Config, path string) (*configured, error) {
	key, err := a.configKey(path)
	if err != nil {
		return nil, err
	}
	state, err := a.openState()
	if err != nil {
		return nil, fmt.Errorf("open the history: %w", err)
	}
	past, err := history.Open(state, key)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the history: %w", err), state.Close())
	}
	j := &configured{app: a, state: state, stores: &storeSecrets{app: a, known: map[string]*secrets{}}}
	j.deps = &jobs.Deps{Config: conf, History: past, Now: a.now, Sleep: pause, Random: rand.Int64N, Machine: machine{app: a}, Program: program(),
		Built: builtAt(), Open: j.stores.open, Sources: a.sourceOptions, Freeze: a.freeze, Owners: newOwners(),
		Scratch: jobs.ScratchIn(a.scratchBase(), crand.Text), Warn: a.warnOfRun,
		ExitCode: func(err error) int { return jobCode(ctx, err) }}
	j.teller = &teller{app: a, deps: j.deps, sent: map[mailing]bool{}}
	j.deps.Notify = j.teller.tell
	return j, nil
}

// configKey tells the configuration at path from others of the same user; it is empty for the standard one.
func (a *app) configKey(path string) (string, error) {
	key, err := pathKey(path)
	if err != nil {
		return "", err
	}
	home := func(name string) string { // of other variables timers and people may see different ones
		if name == "HOME" {
			return a.env(name)
		}
		return ""
	}
	if standard, err := config.Path(a.root, home); err == nil {
		if a.root {
			standard = a.system + standard
		}
		if usual, err := pathKey(standard); err == nil && usual == key {
			return "", nil
		}
	}
	return key, nil
}

// pathKey returns some letters and digits that stand for the file at path.
func pathKey(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	sum := digest.Sum([]byte(location.RealPath(path)))
	return hex.EncodeToString(sum[:8]), nil
}

// warnOfRun tells of trouble that changed nothing about the outcome of a run. What is tried again is told to who watches alone: in the end it
// goes well, or there is an error.
func (a *app) warnOfRun(err error) {
	if errors.Is(err, ssh.ErrUnreachable) || errors.Is(err, disk.ErrLost) || errors.Is(err, varve.ErrBusy) {
		a.gotOver(err)
		return
	}
	a.warn("%s", describe(err))
}

// openState opens the directory for what must be remembered.
func (a *app) openState() (disk.FS, error) {
	_, state := a.dirs()
	if state == "" {
		return nil, errors.New("there is no directory for it: set VARVE_STATE_DIR")
	}
	if err := os.MkdirAll(state, 0o700); err != nil {
		return nil, err
	}
	return a.open(state)
}

// named returns the jobs with these names, each once.
func (j *configured) named(names []string) ([]*config.Job, error) {
	var found []*config.Job
	met := map[string]bool{}
	for _, name := range names {
		one := j.deps.Config.Job(name)
		if one == nil {
			return nil, usagef("the configuration has no job %q", name)
		}
		if !met[name] {
			found = append(found, one)
		}
		met[name] = true
	}
	return found, nil
}

// machine is this machine, under the name that the app knows.
type machine struct {
	jobs.Local
	app *app
}

// Host returns the name of this machine as a snapshot can hold it.
func (m machine) Host() (string, error) {
	host, err := m.app.host()
	if err == nil && host == "" {
		err = errors.New("it is empty")
	}
	return escape(host), err
}

// sourceOptions returns how the machine of a job's sources is reached.
func (a *app) sourceOptions(j *config.Job) location.Options {
	o := location.Options{OpenDir: a.open, Reach: a.reach.reach(a)}
	if len(j.SSH) > 0 {
		o.Reach.SSH = j.SSH
	}
	return o
}

// scratchBase returns the directory that drills restore into: on a disk, and not in memory.
func (a *app) scratchBase() string {
	if dir := a.env("TMPDIR"); filepath.IsAbs(dir) {
		return dir
	}
	return "/var/tmp"
}

// pause waits, or returns the error of a context that ends before.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// builtAt returns when the program was made, as far as its build knows; no clock that is right shows an earlier time.
func builtAt() time.Time {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return time.Time{}
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.time" {
			if t, err := time.Parse(time.RFC3339, s.Value); err == nil {
				return t
			}
		}
	}
	return time.Time{}
}

// watchEvents returns what feeds a meter with the events of a run.
func watchEvents(m *meter) func(varve.Event) {
	return func(e varve.Event) {
		switch e.Kind {
		case varve.Done:
			m.add(1, e.Bytes)
		case varve.Partly:
			m.add(0, e.Bytes)
		}
	}
}
