package job

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"varve"
	"varve/internal/config"
	"varve/internal/history"
	"varve/internal/hook"
)

// commandOf returns a command of the configuration as it is run; ssh is the command line that reaches other machines.
func commandOf(c config.Call, ssh []string) hook.Command {
	h := hook.Command{Shell: c.Run.Shell, Argv: c.Run.Argv, User: c.User, Timeout: time.Duration(c.Timeout)}
	if c.On != "" {
		if len(ssh) == 0 {
			ssh = []string{"ssh"}
		}
		h.Remote = append(slices.Clone(ssh), "-oBatchMode=yes", "--", c.On)
	}
	return h
}

// facts returns what a hook is told.
func (r *run) facts(name string) *hook.Facts {
	p := r.report
	f := &hook.Facts{Hook: name, Job: p.Job, Host: r.host, Series: p.Series, StoreName: p.Store, Result: string(p.Result), Exit: -1,
		Begin: p.Begin}
	if s := r.deps.Config.Store(p.Store); s != nil {
		f.Store = s.Place
	}
	if p.Result != "" {
		f.Exit, f.End = r.deps.exitCode(p.Err), r.deps.Now()
	}
	if p.Err != nil {
		f.Error = p.Err.Error()
	}
	if p.Snapshot.ID != (varve.SnapshotID{}) {
		f.Snapshot = &p.Snapshot
	}
	return f
}

// hook runs a command around the run, if there is one.
func (r *run) hook(ctx context.Context, name string, c config.Call) error {
	if c.IsZero() {
		return nil
	}
	command, err := r.facts(name).Told(commandOf(c, r.deps.ssh(r.job)))
	if err == nil {
		_, err = r.deps.runHook(ctx, command)
	}
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrHook, name, err)
	}
	return nil
}

// hooks runs what comes after everything else. These commands are run also where the run was interrupted; their own time-outs end them.
func (r *run) hooks(ctx context.Context) {
	p := r.report
	ctx = context.WithoutCancel(ctx)
	var err error
	switch {
	case p.Result == history.Skipped:
	case p.Err == nil:
		err = r.hook(ctx, "after", r.job.Hook.After)
	default:
		err = r.hook(ctx, "failed", r.job.Hook.Failed)
	}
	p.Err = errors.Join(p.Err, err)
	last := r.hook(ctx, "finally", r.job.Hook.Finally)
	p.Err = errors.Join(p.Err, last)
	p.Aftermath = errors.Join(p.Aftermath, err, last)
}

// outputs returns the files that commands print; nil where the job has none.
func (r *run) outputs() (*hook.Source, error) {
	if len(r.job.Commands) == 0 {
		return nil, nil
	}
	var files []hook.File
	for _, c := range r.job.Commands {
		files = append(files, hook.File{Path: c.Path, Command: commandOf(c.Call, r.deps.ssh(r.job))})
	}
	return hook.NewSource(files, r.deps.Now())
}
