package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"varve"
	"varve/internal/daemon"
	"varve/internal/disk"
	"varve/internal/notice"
)

func (a *app) daemonCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "daemon",
		Short: "Run jobs of the configuration file when they are due",
		Long: `Run jobs of the configuration file when they are due, one at a time, until it is told to end: for machines that have neither systemd nor cron.
What is printed, who is told, and when a job that failed is tried again is as with varve run --due. It stays in the foreground, asks nobody
for a passphrase, and tells systemd how it is doing where that has started it.

SIGHUP reads the configuration anew before the next job; where that is broken the old one stays. The first SIGINT or SIGTERM ends the job that
runs in good order, and then the daemon, with the exit code 0. There is one daemon for each configuration file.`,
		Example: `  varve daemon
  varve daemon --config /etc/varve/varve.toml -v`,
		Args: wants(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return a.daemon(c) },
	}
}

// daemon runs jobs until it is told to end.
func (a *app) daemon(c *cobra.Command) (err error) {
	if a.store != "" {
		return usagef("--store: the configuration file says which stores a job has")
	}
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	signal.Stop(a.hangups)
	path, err := a.configPath(c)
	if err != nil {
		return err
	}
	lease, err := a.lockDaemon(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lease.Close()) }()
	a.tty = nil
	unsaved, runs := unsavedRuns{}, false
	return daemon.Run(c.Context(), daemon.Options{
		Load: func(ctx context.Context) (daemon.Work, error) {
			conf, path, err := a.loadConfig(c)
			if err != nil {
				if !runs { // else it goes on with what it has read
					a.barred(ctx, path, err, nil)
				}
				return nil, jobError(ctx, err)
			}
			j, err := a.newJobs(ctx, conf, path)
			if err != nil {
				return nil, err
			}
			j.keep(path)
			runs = true
			return &daemonWork{configured: j, unsaved: unsaved}, nil
		},
		Wait:    waitFor(hangups),
		Now:     a.now,
		Service: notice.NewService(a.env),
		Warn:    func(err error) { a.warn("%s", describe(err)) },
	})
}

// waitFor returns what waits for a time to pass, or for a signal.
func waitFor(signals <-chan os.Signal) func(context.Context, time.Duration) bool {
	return func(ctx context.Context, d time.Duration) bool {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-ctx.Done():
		case <-t.C:
		case <-signals:
			return true
		}
		return false
	}
}

// daemonLease is the right to be the daemon of a configuration.
type daemonLease struct {
	state disk.FS
	lock  io.Closer
}

// Close gives the right up.
func (l *daemonLease) Close() error { return errors.Join(l.lock.Close(), l.state.Close()) }

// lockDaemon takes the right to be the daemon of the configuration at path. errDaemon where there is one.
func (a *app) lockDaemon(path string) (*daemonLease, error) {
	name, err := daemonLock(path)
	if err != nil {
		return nil, err
	}
	state, err := a.openState()
	if err != nil {
		return nil, fmt.Errorf("open the history: %w", err)
	}
	lock, err := state.Lock(name)
	if errors.Is(err, varve.ErrBusy) {
		err = fmt.Errorf("%s: %w: %w", quote(path), errDaemon, err)
	}
	if err != nil {
		return nil, errors.Join(err, state.Close())
	}
	return &daemonLease{state, lock}, nil
}

// hasDaemon reports whether there is a daemon of the configuration at path.
func (a *app) hasDaemon(path string) (bool, error) {
	name, err := daemonLock(path)
	if err != nil {
		return false, err
	}
	state, err := a.openState()
	if err != nil {
		return false, err
	}
	defer state.Close()
	if _, err := state.Lookup(name); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return false, err
	}
	lock, err := state.Lock(name)
	if errors.Is(err, varve.ErrBusy) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return false, lock.Close()
}

// daemonLock returns the name of the file that the daemon of a configuration holds.
func daemonLock(path string) (string, error) {
	key, err := pathKey(path)
	return "daemon-" + key + ".lock", err
}
