package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"varve"
	"varve/internal/config"
	"varve/internal/history"
	jobs "varve/internal/job"
)

func (a *app) drillCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "drill [JOB...]",
		Short: "Rehearse a restore of jobs of the configuration file",
		Long: `Rehearse a restore of the jobs that are named, or of all, from each of their stores: a sample of files, with the newest, the oldest and the
largest, goes to a directory of its own in $TMPDIR, or /var/tmp, and is compared with what was saved. Nothing that is remembered of a vault
on this machine is used. What came of it is remembered, and told by varve status. A file that comes back wrong makes the exit code 4.`,
		Example: `  varve drill home
  varve drill -v`,
		Args:              wants(cobra.ArbitraryArgs),
		ValidArgsFunction: a.completeJobs,
		RunE: func(c *cobra.Command, names []string) error {
			return a.withJobs(c, func(j *configured) error { return j.drill(c.Context(), names) })
		},
	}
}

// drill rehearses restores of the jobs with these names, or of all.
func (j *configured) drill(ctx context.Context, names []string) error {
	list := j.deps.Config.Jobs
	if len(names) > 0 {
		var err error
		if list, err = j.named(names); err != nil {
			return err
		}
	}
	var errs []error
	for _, one := range list {
		for _, store := range one.Stores {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			err := j.rehearse(ctx, one, store)
			if err != nil {
				err = fmt.Errorf("job %s: %w", one.Name, err)
			}
			errs = append(errs, err)
		}
	}
	j.teller.wantFigures()
	j.flush(ctx)
	return statusOf(worstCode(ctx, errs), errors.Join(errs...))
}

// worstCode returns the exit code for several errors: that of damage, else the first that no later run would mend by itself.
func worstCode(ctx context.Context, errs []error) int {
	worst := exitGood
	for _, err := range errs {
		code := jobCode(ctx, err)
		if code == exitDamaged {
			return code
		}
		if code != exitGood && (worst == exitGood || worst == exitNotRun) {
			worst = code
		}
	}
	return worst
}

// rehearse rehearses a restore of a job from one store, and tells how it went.
func (j *configured) rehearse(ctx context.Context, one *config.Job, store string) error {
	d, err := jobs.Drill(ctx, one, store, j.deps)
	a := j.app
	switch {
	case d.Time.IsZero(): // it did not come to that
	case a.json:
		a.emitEvent(struct {
			Event string `json:"event"`
			Store string `json:"store"`
			history.Drill
		}{"drill", store, d})
	case a.talks() && d.Snapshot != (varve.SnapshotID{}):
		a.printf("job %s, store %s: snapshot %s: %s, %s restored (%s/s), %s\n", one.Name, store, d.Snapshot.Short(),
			count(d.Files, "file", "files"), sizeText(d.Bytes), sizeText(int64(d.Rate)), count(d.Damage, "is wrong", "are wrong"))
		if d.Whole > 0 {
			a.printf("  a restore of all of it would take about %s\n", durationText(d.Whole))
		}
	}
	_ = a.out.Flush() // the error stays and is found at the end
	return err
}

// wantFigures makes flush write the figures also where there was no event.
func (t *teller) wantFigures() {
	for _, n := range t.deps.Config.Notices {
		if n.Kind == config.Prometheus {
			t.late = append(t.late, n)
		}
	}
}
