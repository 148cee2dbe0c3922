package main

import (
	"context"
	"errors"

	"varve/internal/daemon"
	"varve/internal/history"
	jobs "varve/internal/job"
)

// unsavedRuns are the last runs of jobs, by name, that could not be remembered on the disk: they count nevertheless, or the job would be run
// again and again.
type unsavedRuns map[string]history.Run

// daemonWork is what a daemon does by one reading of the configuration.
type daemonWork struct {
	*configured
	unsaved unsavedRuns
	// ill is what was wrong with the history when it was looked at last.
	ill string
}

// Agenda says what is due.
func (w *daemonWork) Agenda() (a daemon.Agenda) {
	now := w.deps.Now()
	var lost []error
	for _, j := range w.deps.Config.Jobs {
		if j.Schedule.Never() {
			continue
		}
		h, err := w.past(j.Name)
		lost = append(lost, err)
		switch at := jobs.NextRun(j, &h, now); {
		case !at.After(now):
			a.Due = append(a.Due, j.Name)
		case a.Next == "" || at.Before(a.At):
			a.Next, a.At = j.Name, at
		}
	}
	w.complain(errors.Join(lost...))
	return a
}

// complain warns of what is wrong with the history, once.
func (w *daemonWork) complain(err error) {
	text := ""
	if err != nil {
		text = describe(err)
	}
	if text != w.ill && text != "" {
		w.app.warn("%s", text)
	}
	w.ill = text
}

// past returns what is remembered of a job.
func (w *daemonWork) past(name string) (history.Job, error) {
	h, err := w.deps.History.Job(name)
	if run, ok := w.unsaved[name]; ok {
		if last := h.Last(); last == nil || !last.Begin.After(run.Begin) {
			h.Start(run.Begin)
			h.Finish(run)
		}
	}
	return h, err
}

// Run runs a job and tells what became of it. It knows nothing from runs before: files with passphrases, and users, may be others by now.
func (w *daemonWork) Run(ctx context.Context, name string) {
	one := w.deps.Config.Job(name)
	if one == nil {
		return
	}
	w.stores.known, w.deps.Owners = map[string]*secrets{}, newOwners()
	r := &running{app: w.app, due: true}
	r.one(ctx, w.configured, one)
	for _, p := range r.reports {
		w.remember(p)
	}
}

// remember keeps a run in mind that is not in the history.
func (w *daemonWork) remember(p *jobs.Report) {
	h, err := w.deps.History.Job(p.Job)
	if last := h.Last(); err == nil && last != nil && last.Begin.Equal(p.Begin) && last.Result == p.Result {
		delete(w.unsaved, p.Job)
		return
	}
	w.unsaved[p.Job] = history.Run{Begin: p.Begin, End: p.End, Result: p.Result}
}

// Alarm tells of the jobs that are overdue.
func (w *daemonWork) Alarm(ctx context.Context) {
	r := &running{app: w.app, due: true}
	for _, e := range jobs.Alarm(ctx, w.deps) {
		r.print(w.configured, e)
	}
	w.flush(ctx)
}

// Close ends the use of the configuration.
func (w *daemonWork) Close() error { return errors.Join(w.deps.History.Close(), w.state.Close()) }
