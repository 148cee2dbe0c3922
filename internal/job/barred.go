package job

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"varve"
	"varve/internal/config"
	"varve/internal/history"
)

// ErrBarred says that nothing can be run.
var ErrBarred = errors.New("no job is run")

// Barred tells people of the jobs that are due and that something keeps from being run, such as a configuration file that cannot be read any
// more; the configuration is what it said before. names are those of the jobs that are meant, all without any. Each is told of once a day,
// and again the next time where nobody was reached; when a job is good again that is told, too. What is told matches why and ErrBarred.
func Barred(ctx context.Context, d *Deps, why error, names ...string) {
	due, err := Due(d)
	d.warn(err)
	for _, j := range due {
		if len(names) == 0 || slices.Contains(names, j.Name) {
			d.warn(barred(ctx, j, d, fmt.Errorf("%w: %w", ErrBarred, why)))
		}
	}
}

func barred(ctx context.Context, j *config.Job, d *Deps, why error) error {
	lease, err := d.History.LockJob(j.Name)
	if errors.Is(err, varve.ErrBusy) { // a run that began before goes on
		return nil
	}
	if err != nil {
		return fmt.Errorf("job %s: nobody is told that it is not run: %w", j.Name, err)
	}
	h := &lease.Record
	if now := d.Now(); !told(h.Alarmed, now) {
		e := Event{Kind: config.Failure, Job: j, Report: &Report{Job: j.Name, Result: history.Failed, Err: why}}
		if h.Success != nil {
			e.Good = h.Success.Begin
		}
		if d.notify(ctx, e) {
			h.Alarmed, h.Trouble = now, true
			err = lease.Save()
		}
	}
	return errors.Join(err, lease.Close())
}
