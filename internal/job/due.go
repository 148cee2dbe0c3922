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
)

const (
	// How long a job that failed is not due again, the first time and at the most; each further failure doubles it.
	firstRest = 15 * time.Minute
	lastRest  = 6 * time.Hour
	// alarmAgain is how long nobody is told again that a job is overdue.
	alarmAgain = 24 * time.Hour
	// longEnough is how long a job has run that may be told of as overdue nevertheless.
	longEnough = time.Hour
)

// Due returns the jobs that are due now, in the order of the configuration. What cannot be remembered is due; the error says why, and the
// jobs are right nevertheless.
func Due(d *Deps) ([]*config.Job, error) {
	now := d.Now()
	var due []*config.Job
	var lost []error
	for _, j := range d.Config.Jobs {
		h, err := d.History.Job(j.Name)
		if err != nil {
			lost = append(lost, err)
		}
		if !NextRun(j, &h, now).After(now) && !j.Schedule.Never() {
			due = append(due, j)
		}
	}
	return due, errors.Join(lost...)
}

// NextRun returns when a job is due next by what is remembered of it: not after now where it is due, zero where it never is. One that made
// no snapshot the last time rests for a while before it is tried again, though never for longer than until its next time.
func NextRun(j *config.Job, h *history.Job, now time.Time) time.Time {
	if j.Schedule.Never() {
		return time.Time{}
	}
	var last time.Time
	if h.Made != nil {
		last = h.Made.Begin
	}
	if due, _ := j.Schedule.Due(last, now); !due {
		return j.Schedule.Next(last.In(now.Location()))
	}
	n, ended := h.Failures()
	if n == 0 || ended.After(now) {
		return now
	}
	rest := firstRest
	if h.Last().Result == history.Failed {
		for range n - 1 {
			rest = min(2*rest, lastRest)
		}
	}
	again := ended.Add(rest)
	if next := j.Schedule.Next(ended.In(now.Location())); next.Before(again) {
		again = next
	}
	if again.Before(now) {
		return now
	}
	return again
}

// Overdue returns the stores of a job that have had no good snapshot for so long that somebody must be told.
func Overdue(j *config.Job, h *history.Job, now time.Time) []string {
	var stores []string
	for _, s := range j.Stores {
		last := h.Good[s]
		if last.IsZero() {
			last = h.Known
		}
		if last.IsZero() { // a job that never ran is told of by Alarm, which begins to count
			continue
		}
		if j.Schedule.Overdue(last, now, time.Duration(j.Overdue)) {
			stores = append(stores, s)
		}
	}
	return stores
}

// Alarm tells people of the jobs that are overdue, each once a day and of all its stores at once, and begins to count for jobs that it meets
// for the first time. It returns what they were told, or would have been, had anybody been reached: that is tried again the next time. A job
// that runs is told of where it has been running for long. Jobs that are about to be run wait until they were, unless their last run came to
// no end by itself: this one may not either.
func Alarm(ctx context.Context, d *Deps, before ...*config.Job) []Event {
	var events []Event
	for _, j := range d.Config.Jobs {
		if j.Schedule.Never() || ctx.Err() != nil {
			continue
		}
		lease, err := d.History.LockJob(j.Name)
		switch {
		case errors.Is(err, varve.ErrBusy):
			events = append(events, alarmRunning(ctx, j, d)...)
			continue
		case err != nil:
			d.warn(fmt.Errorf("job %s: nobody knows whether it is overdue: %w", j.Name, err))
			continue
		}
		if !slices.Contains(before, j) || stopped(&lease.Record) {
			events = append(events, alarm(ctx, j, &lease.Record, d, lease.Save)...)
		}
		d.warn(lease.Close())
	}
	return events
}

// stopped reports whether the last run was killed or interrupted.
func stopped(h *history.Job) bool {
	last := h.Last()
	return last != nil && (last.Result == history.Running || last.Result == history.Interrupted)
}

func alarm(ctx context.Context, j *config.Job, h *history.Job, d *Deps, save func() error) []Event {
	now := d.Now()
	if h.Known.IsZero() {
		h.Known = now
		d.warn(save())
		return nil
	}
	e, late := lateOf(j, h, now)
	if !late || told(h.Alarmed, now) {
		return nil
	}
	running, err := d.History.Alarm(j.Name) // of a run that was killed since
	d.warn(err)
	if told(running.Told, now) {
		return nil
	}
	if !d.notify(ctx, e) {
		return []Event{e}
	}
	h.Alarmed = now
	if err := save(); err != nil {
		d.warn(fmt.Errorf("job %s: it will be told again that it is overdue: %w", j.Name, err))
	}
	return []Event{e}
}

// alarmRunning is alarm of a job that runs, whose record belongs to that run: what was told is remembered beside it.
func alarmRunning(ctx context.Context, j *config.Job, d *Deps) []Event {
	h, err := d.History.Job(j.Name)
	d.warn(err)
	now := d.Now()
	e, late := lateOf(j, &h, now)
	last := h.Last()
	if !late || last == nil || last.Result != history.Running || now.Sub(last.Begin) < longEnough {
		return nil
	}
	e.Running = last.Begin
	lease, err := d.History.LockAlarm(j.Name)
	if err != nil {
		if !errors.Is(err, varve.ErrBusy) { // else it is being told
			d.warn(fmt.Errorf("job %s: it is not told that it is overdue: %w", j.Name, err))
		}
		return nil
	}
	defer func() { d.warn(lease.Close()) }()
	if told(h.Alarmed, now) || told(lease.Record.Told, now) {
		return nil
	}
	if d.notify(ctx, e) {
		lease.Record.Told = now
		d.warn(lease.Save())
	}
	return []Event{e}
}

// lateOf returns what there is to tell of a job, if it is overdue.
func lateOf(j *config.Job, h *history.Job, now time.Time) (e Event, late bool) {
	e = Event{Kind: config.Overdue, Job: j, Stores: Overdue(j, h, now)}
	if h.Success != nil {
		e.Good = h.Success.Begin
	}
	return e, len(e.Stores) > 0
}

// told reports whether something that was told at a time needs not be told again yet.
func told(at, now time.Time) bool {
	since := now.Sub(at)
	return since >= 0 && since < alarmAgain
}

// takeAlarm moves what was told while the job ran to its record.
func takeAlarm(j *config.Job, h *history.Job, d *Deps) {
	lease, err := d.History.LockAlarm(j.Name)
	if err != nil {
		d.warn(err)
		return
	}
	if told := lease.Record.Told; !told.IsZero() {
		if told.After(h.Alarmed) {
			h.Alarmed = told
		}
		lease.Record = history.Alarm{}
		d.warn(lease.Save())
	}
	d.warn(lease.Close())
}
