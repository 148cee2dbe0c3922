package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"varve"
	"varve/internal/config"
	"varve/internal/history"
	jobs "varve/internal/job"
)

// running is one run of varve run.
type running struct {
	app *app
	all bool
	due bool
	how jobs.How
	// cron says that what is printed is mailed; mailed that something was left out for that reason, said that something was not.
	cron, mailed, said bool

	reports []*jobs.Report
	late    map[string]int // how many stores of a job people were told are overdue
}

func (a *app) runCommand() *cobra.Command {
	r := &running{app: a, late: map[string]int{}}
	c := &cobra.Command{
		Use:   "run [JOB...]",
		Short: "Run jobs of the configuration file",
		Long: `Run jobs of the configuration file, one after the other: those that are named, --all of them, or those that are --due. Where all is well and no
terminal is there nothing is printed. Otherwise a report on standard error tells what went wrong, what is to be done, which snapshot is
good, and how to restore from it; the exit code is that of the worst run.

A snapshot that lost or changed too much is suspect: exit code 3. It is kept, does not count as good, and because of it nothing is removed,
until somebody has looked and run the job with --accept.`,
		Example: `  varve run home
  varve run --due
  varve run --accept home`,
		Args:              wants(cobra.ArbitraryArgs),
		ValidArgsFunction: a.completeJobs,
		RunE: func(c *cobra.Command, names []string) error {
			if err := r.check(names); err != nil {
				return err
			}
			run := func(j *configured) error { return r.run(c.Context(), j, names) }
			if r.due {
				return a.withDueJobs(c, names, run)
			}
			return a.withJobs(c, run)
		},
	}
	flags := c.Flags()
	flags.BoolVar(&r.all, "all", false, "run all jobs")
	flags.BoolVar(&r.due, "due", false, "run what is due, and tell what is overdue; of the jobs that are named, if any are")
	flags.BoolVar(&r.cron, "cron", false, "print no report that a notice has sent by mail: cron would mail it once more")
	flags.BoolVar(&r.how.Accept, "accept", false, "take the snapshot for good, however much was lost or changed: somebody has looked")
	return c
}

// check finds what makes no sense on the command line.
func (r *running) check(names []string) error {
	switch {
	case r.all && (r.due || len(names) > 0):
		return usagef("--all runs all jobs: name none, and leave --due out")
	case r.how.Accept && (r.all || r.due):
		return usagef("--accept wants the names of the jobs that somebody has looked at")
	case !r.all && !r.due && len(names) == 0:
		return usagef("name a job, or give --due or --all")
	}
	return nil
}

// run runs the jobs that were asked for.
func (r *running) run(ctx context.Context, j *configured, names []string) error {
	list, err := r.chosen(j, names)
	if err != nil {
		return err
	}
	r.alarm(ctx, j, list...) // a run that hangs or is killed comes to no other place
	for _, one := range list {
		if ctx.Err() != nil {
			break
		}
		r.one(ctx, j, one)
	}
	r.alarm(ctx, j)
	err = r.outcome(ctx)
	if err != nil && r.mailed && !r.said && ctx.Err() == nil {
		return statusOf(exitCode(ctx, err), errSilent)
	}
	return err
}

// alarm tells what is overdue, if that was asked for; before are the jobs that are run next.
func (r *running) alarm(ctx context.Context, j *configured, before ...*config.Job) {
	if !r.due || ctx.Err() != nil {
		return
	}
	for _, e := range jobs.Alarm(ctx, j.deps, before...) {
		r.late[e.Job.Name] = len(e.Stores)
		r.print(j, e)
	}
	j.flush(ctx)
}

// chosen returns the jobs to run.
func (r *running) chosen(j *configured, names []string) ([]*config.Job, error) {
	list := j.deps.Config.Jobs
	if len(names) > 0 {
		var err error
		if list, err = j.named(names); err != nil {
			return nil, err
		}
	}
	if !r.due {
		return list, nil
	}
	due, err := jobs.Due(j.deps)
	if err != nil {
		r.app.warn("%s", describe(err))
	}
	var found []*config.Job
	for _, one := range due {
		for _, wanted := range list {
			if one == wanted {
				found = append(found, one)
			}
		}
	}
	return found, nil
}

// one runs a job and tells what became of it.
func (r *running) one(ctx context.Context, j *configured, one *config.Job) {
	m := r.app.newMeter()
	j.deps.Progress = watchEvents(m)
	var p *jobs.Report
	_ = r.app.watch(m, func() error {
		how := r.how
		how.Due = r.due
		p = jobs.Run(ctx, one, how, j.deps)
		return nil
	})
	j.flush(ctx)
	if r.due && p.Result == history.Skipped && errors.Is(p.Err, varve.ErrBusy) {
		return // it is being run, so all is well
	}
	if h, err := j.deps.History.Job(one.Name); err == nil && len(jobs.Overdue(one, &h, j.deps.Now())) == 0 {
		delete(r.late, one.Name) // this run mended it
	}
	r.reports = append(r.reports, p)
	r.leftOut(p)
	if r.waits(p) && !r.app.json && !r.app.talks() {
		return
	}
	r.print(j, jobs.Event{Kind: p.Event(), Job: one, Report: p})
}

// waits reports whether a run came to nothing for a reason that a later one mends, or else the alarm tells: a disk may be away for days, and
// nobody wants to read of it every hour.
func (r *running) waits(p *jobs.Report) bool {
	return r.due && p.Result == history.Skipped && p.Aftermath == nil
}

// flush writes the figures that somebody wants.
func (j *configured) flush(ctx context.Context) {
	if err := j.teller.flush(ctx); err != nil {
		j.app.warn("%s", describe(err))
	}
}

// leftOut warns of file systems that were left out of a run that is told of by nothing else.
func (r *running) leftOut(p *jobs.Report) {
	if p.Err == nil {
		(&backupReport{app: r.app}).leftOut(p.LeftOut)
	}
}

// print prints an event: as an object with --json, and else a report if something is not well. Who watches sees a line if all is.
func (r *running) print(j *configured, e jobs.Event) {
	a, p := r.app, e.Report
	switch told := j.teller.report(e); {
	case p != nil && p.Result == history.Interrupted && p.Aftermath == nil:
	case a.json:
		a.emitEvent(told)
	case (p == nil || p.Err != nil) && r.cron && j.teller.mailed(e):
		r.mailed = true
	case p == nil || p.Err != nil:
		r.said = true
		a.screen.line(strings.TrimSuffix(told.Text(), "\n") + "\n")
	case a.talks():
		s := p.Snapshot
		a.printf("job %s: snapshot %s (%s): %s, %s, %s; %s added, in %s\n", quote(p.Job), s.ID.Short(), s.State, count(s.Files, "file", "files"),
			count(s.Dirs, "directory", "directories"), sizeText(s.Bytes), sizeText(s.Added), durationText(max(p.End.Sub(p.Begin), time.Millisecond)))
		for _, note := range p.Notes {
			a.printf("  %s\n", plain(note))
		}
	}
	_ = a.out.Flush() // the error stays and is found at the end
}

// outcome says how the runs ended, all together.
func (r *running) outcome(ctx context.Context) error {
	var ill []string
	told, late := false, 0
	for _, n := range r.late {
		late += n
	}
	for _, p := range r.reports {
		if p.Err != nil {
			ill = append(ill, p.Job)
			told = told || !r.waits(p)
		}
	}
	code := exitGood
	if worst := jobs.Worst(r.reports); worst != nil {
		code = jobCode(ctx, worst.Err)
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case late > 0 && (code == exitGood || code == exitNotRun): // a later run was to mend that, and none did
		return errors.New("run: " + count(int64(late), "store has", "stores have") + " had no good snapshot for too long; see above")
	case len(ill) > 0 && !told && !r.app.talks():
		return statusOf(code, errSilent)
	case len(ill) > 0:
		return statusOf(code, fmt.Errorf("run: not well: %s; see above", strings.Join(ill, ", ")))
	}
	return nil
}
