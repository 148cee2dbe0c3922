package main

import (
	"context"
	"errors"
	"os"

	"github.com/spf13/cobra"

	"varve"
	"varve/internal/config"
	jobs "varve/internal/job"
)

// withDueJobs is withJobs for what nobody watches. Of a configuration file that cannot be read those are told whom it named when it could be
// read last; names are the jobs that were to be run, if not all.
func (a *app) withDueJobs(c *cobra.Command, names []string, f func(*configured) error) error {
	path, err := a.configPath(c)
	if err != nil {
		return err
	}
	err = a.withJobs(c, func(j *configured) error {
		j.keep(path)
		return f(j)
	})
	var why unread
	if errors.As(err, &why) {
		a.barred(c.Context(), path, why.error, names)
	}
	return err
}

// unread says that a configuration file cannot be read, in the words of its cause.
type unread struct{ error }

// Unwrap returns the cause.
func (u unread) Unwrap() error { return u.error }

// keep remembers the configuration file, for when it cannot be read any more.
func (j *configured) keep(path string) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() { // a pipe can be read once
		return
	}
	text, err := os.ReadFile(path)
	if err == nil {
		_, err = config.Parse(path, text, j.app.configOptions())
	}
	if err != nil { // it was changed just now: the next one remembers it
		return
	}
	if err := j.deps.History.KeepConfig(string(text)); err != nil && !errors.Is(err, varve.ErrBusy) {
		j.app.warn("%s", describe(err))
	}
}

// barred tells people that the configuration file at path cannot be read, and why. Who sits at a terminal sees it.
func (a *app) barred(ctx context.Context, path string, why error, names []string) {
	if a.errTTY {
		return
	}
	j, err := a.newJobs(ctx, &config.Config{}, path)
	if err != nil { // nobody is known who could be told
		return
	}
	defer func() { _ = errors.Join(j.deps.History.Close(), j.state.Close()) }() // of what was read and saved
	last, err := j.deps.History.Config()
	if err != nil || last.Text == "" {
		return
	}
	conf, err := config.Parse(path, []byte(last.Text), a.configOptions())
	if err != nil { // by the rules of an earlier version
		return
	}
	j.deps.Config = conf
	jobs.Barred(ctx, j.deps, why, names...)
	j.flush(ctx)
}
