package job

import (
	"context"
	"errors"
	"fmt"
	"time"

	"varve/internal/config"
	"varve/internal/history"
)

const (
	// How long a job that failed is not due again, the first time and at the most; each further failure doubles it.
	firstRest = 15 * time.Minute
	lastRest  = 6 * time.Hour
	// alarmAgain is how long nobody is told again that a job is overdue.
	alarmAgain = 24 * time.Hour
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
// for the first time. It returns what they were told. A job that runs is left alone.
func Alarm(ctx context.Context, d *Deps) []Event {
	var events []Event
	for _, j := range d.Config.Jobs {
		if j.Schedule.Never() || ctx.Err() != nil {
			continue
		}
		lease, err := d.History.LockJob(j.Name)
		if err != nil {
			continue // it runs, or nothing can be remembered of it
		}
		events = append(events, alarm(ctx, j, &lease.Record, d, lease.Save)...)
		d.warn(lease.Close())
	}
	return events
}

func alarm(ctx context.Context, j *config.Job, h *history.Job, d *Deps, save func() error) []Event {
	now := d.Now()
	if h.Known.IsZero() {
		h.Known = now
		d.warn(save())
		return nil
	}
	late := Overdue(j, h, now)
	if since := now.Sub(h.Alarmed); len(late) == 0 || since >= 0 && since < alarmAgain {
		return nil
	}
	e := Event{Kind: config.Overdue, Job: j, Stores: late}
	if h.Success != nil {
		e.Good = h.Success.Begin
	}
	d.notify(ctx, e)
	h.Alarmed = now
	if err := save(); err != nil {
		d.warn(fmt.Errorf("job %s: it will be told again that it is overdue: %w", j.Name, err))
	}
	return []Event{e}
}
