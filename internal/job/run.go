package job

import (
	"context"
	"errors"
	"fmt"
	"time"

	"varve"
	"varve/internal/config"
	"varve/internal/history"
	"varve/internal/remote"
)

// How varies a run. The zero value is right.
type How struct {
	// Accept takes the snapshot for good however much was lost or changed: somebody has looked.
	Accept bool
	// Due runs the job only if it is still due once nobody else runs it. Otherwise nothing is done, and Err matches varve.ErrBusy.
	Due bool
}

// run is one run of a job.
type run struct {
	job    *config.Job
	how    How
	deps   *Deps
	report *Report
	memory *history.Job
	clock  clock

	host     string
	request  remote.SourceRequest
	targets  []*target
	first    *target       // which gets the backup
	doubt    error         // why nothing may be deleted anywhere
	ailing   error         // why nothing is forgotten though the clock is right
	rested   error         // why nothing is forgotten by its age
	right    bool          // the clock was wrong, and was set right since the last run
	suspect  string        // why the snapshot is
	accepted bool          // it would be suspect, had nobody looked
	remains  error         // what could not be removed, though it is no part of a store
	waited   time.Duration // for machines that could not be reached
}

// target is one store of the job.
type target struct {
	conf    *config.Store
	place   *Place // nil while it is not there
	report  StoreReport
	holds   bool  // the snapshot of this run, in some form
	spent   bool  // it could not take the snapshot of this run
	blind   bool  // the key that opens it adds, and reads nothing
	doubt   error // why nothing may be deleted here
	damaged bool  // what was saved there earlier turned out not to be that any more
	used    int64 // bytes; -1 where nobody asked
	sum     int64 // bytes that all snapshots of a tree have stored, each what was new; -1 where that is not what the tree takes
}

// got enters a snapshot that the store got.
func (t *target) got(s varve.Snapshot, ofRun bool) {
	if t.report.Stored += s.Added; ofRun {
		t.report.Snapshot = s.ID
	}
}

// fail enters what went wrong with a store.
func (t *target) fail(op string, err error) {
	if err != nil {
		t.report.Err = errors.Join(t.report.Err, fmt.Errorf("store %s: %s: %w", t.conf.Name, op, err))
	}
}

// Run runs a job and returns what became of it. Where another run of it goes on nothing is done, and Err matches varve.ErrBusy.
func Run(ctx context.Context, j *config.Job, how How, d *Deps) *Report {
	now := d.Now()
	r := &run{job: j, how: how, deps: d, report: &Report{Job: j.Name, Begin: now}, clock: clock{now, d.Built}, memory: &history.Job{}}
	lease, err := d.History.LockJob(j.Name)
	switch {
	case errors.Is(err, varve.ErrBusy):
		r.report.Result, r.report.End = history.Skipped, now
		r.report.Err = fmt.Errorf("job %s: another run goes on: %w", j.Name, varve.ErrBusy)
		return r.report
	case err != nil:
		d.warn(fmt.Errorf("job %s: nothing will be remembered of this run: %w", j.Name, err))
	case how.Due && lease.Lost == nil && NextRun(j, &lease.Record, now).After(now):
		d.warn(lease.Close())
		r.report.Result, r.report.End = history.Skipped, now
		r.report.Err = fmt.Errorf("job %s: another run was quicker: %w", j.Name, varve.ErrBusy)
		return r.report
	default:
		r.memory = &lease.Record
		if lease.Lost != nil {
			r.note("what was remembered of the job is lost: %v", lease.Lost)
		}
	}
	remember := func() {
		if lease != nil {
			d.warn(lease.Save())
		}
	}
	r.begin()
	remember()
	r.work(ctx)
	r.end(ctx)
	remember()
	if lease != nil {
		d.warn(lease.Close())
	}
	return r.report
}

// begin looks back at the run before.
func (r *run) begin() {
	r.doubt = r.clock.plausible()
	var err error
	past := signsOf(r.memory, r.job.Schedule, r.clock.now)
	if r.right, err = r.clock.leapt(r.memory, past); r.doubt == nil {
		r.doubt = err
	}
	r.rested = r.clock.rested(r.memory, past)
	if killed := r.memory.Start(r.clock.now); killed != nil {
		r.note("the run of %s was killed", stampText(killed.Begin))
		if len(Listeners(r.deps.Config, Event{Kind: config.Recovered, Job: r.job})) == 0 { // a report on this run is printed only if it is not good
			r.deps.warn(fmt.Errorf("job %s: the run of %s was killed", r.job.Name, stampText(killed.Begin)))
		}
		if r.memory.Killed() == 2 {
			r.tellKilled(killed)
		}
		r.memory.Trouble = true // it could tell nobody
	}
	r.memory.Last().Doubt = r.doubt != nil
}

// tellKilled tells of a second run in a row that was killed, at once: the end of this one would tell of it, and may not come either.
func (r *run) tellKilled(killed *history.Run) {
	p := &Report{Job: r.job.Name, Begin: killed.Begin, Result: history.Interrupted,
		Err: fmt.Errorf("job %s: the run of %s was killed", r.job.Name, stampText(killed.Begin))}
	r.deps.notify(context.Background(), Event{Kind: config.Failure, Job: r.job, Report: p, Good: r.lastGood()})
}

// work does everything between the first entry in the history and the last.
func (r *run) work(ctx context.Context) {
	err := r.prepare(ctx)
	if !errors.Is(err, errAway) && ctx.Err() == nil {
		r.deps.notify(ctx, Event{Kind: config.Start, Job: r.job, Good: r.lastGood()})
	}
	if err == nil {
		err = r.hook(ctx, "before", r.job.Hook.Before)
	}
	if err == nil {
		err = r.backup(ctx)
	}
	r.conclude(ctx, err)
	r.count(ctx)
	if ctx.Err() == nil {
		r.lookAfter(ctx)
	}
	r.gather(ctx)
	r.hooks(ctx)
	for _, t := range r.targets {
		if t.place != nil {
			r.deps.warn(t.place.Close())
		}
	}
}

// backup makes the snapshot and copies it.
func (r *run) backup(ctx context.Context) error {
	r.catchUp(ctx, r.first)
	if r.first.place == nil { // it was lost on the way
		if err := r.reopen(ctx, r.first); err != nil {
			return fmt.Errorf("store %s: %w", r.first.conf.Name, err)
		}
	}
	snap, err := r.anywhere(ctx)
	if err != nil {
		return err
	}
	r.report.Store, r.report.Snapshot = r.first.conf.Name, snap
	r.first.holds = true
	r.first.got(snap, true)
	r.spread(ctx, r.first)
	for _, t := range r.targets {
		if t.report.Err != nil {
			r.ailing = errAiling
		}
	}
	for _, t := range r.targets {
		if ctx.Err() == nil {
			r.forget(ctx, t)
		}
	}
	return nil
}

// conclude says what became of the snapshot.
func (r *run) conclude(ctx context.Context, err error) {
	p := r.report
	switch snap := &p.Snapshot; {
	case snap.ID == (varve.SnapshotID{}) && ctx.Err() != nil:
		p.Result = history.Interrupted
		err = errors.Join(err, ctx.Err())
	case snap.ID == (varve.SnapshotID{}) && errors.Is(err, errAway):
		p.Result = history.Skipped
	case snap.ID == (varve.SnapshotID{}):
		p.Result = history.Failed
	case snap.State == varve.Suspect:
		p.Result = history.Suspect
		err = fmt.Errorf("snapshot %s is %w: %s", r.snapshotText(), ErrSuspect, r.suspect)
		if snap.Skipped > 0 {
			err = fmt.Errorf("%w; and %d objects could not be read", err, snap.Skipped)
		}
	case snap.State == varve.Incomplete:
		p.Result = history.Incomplete
		err = fmt.Errorf("snapshot %s is %w: %d objects could not be read", r.snapshotText(), ErrIncomplete, snap.Skipped)
	default:
		p.Result = history.Success
	}
	if err != nil {
		p.Err = fmt.Errorf("job %s: %w", r.job.Name, err)
	}
}

// snapshotText names the snapshot of the run: it has another ID in each store.
func (r *run) snapshotText() string {
	text := r.report.Snapshot.ID.Short()
	if len(r.targets) > 1 {
		text += " in store " + r.report.Store
	}
	return text
}

// gather puts together what is known of all stores.
func (r *run) gather(ctx context.Context) {
	p := r.report
	p.Err, p.Aftermath = errors.Join(p.Err, r.remains), r.remains
	if wrong := r.wrongClock(); wrong != nil {
		p.Err = errors.Join(p.Err, fmt.Errorf("job %s: %w", r.job.Name, wrong))
	}
	for _, t := range r.targets {
		p.Err = errors.Join(p.Err, t.report.Err)
		if t.report.Spared != nil && !errors.Is(p.Err, ErrClock) {
			r.note("store %s: nothing was forgotten: %v", t.conf.Name, t.report.Spared)
		}
		if t.report.Absent != nil && p.Result != history.Skipped {
			r.note("store %s was not there: %v", t.conf.Name, t.report.Absent)
		}
		p.Stores = append(p.Stores, t.report)
		if last := newestGood(t.report.Copied, p.Series); last != nil && last.Time.After(r.memory.Good[t.conf.Name]) {
			r.memory.Hold(t.conf.Name, last.Time, last.ID)
		}
		if t.holds && p.Snapshot.State.Good() {
			r.memory.Hold(t.conf.Name, p.Snapshot.Time, t.report.Snapshot)
		}
	}
	if err := ctx.Err(); err != nil && !errors.Is(p.Err, err) {
		p.Err = errors.Join(p.Err, fmt.Errorf("job %s: %w", r.job.Name, err))
	}
}

// wrongClock returns what says that the clock is wrong now; nil where nothing does, or where it was set right.
func (r *run) wrongClock() error {
	if r.doubt != nil {
		return r.doubt
	}
	for _, t := range r.targets {
		if t.doubt != nil && !r.right {
			return t.doubt
		}
	}
	return nil
}

// end enters the run in the history and tells people.
func (r *run) end(ctx context.Context) {
	p := r.report
	p.End = r.deps.Now()
	run := p.record()
	run.Doubt = r.wrongClock() != nil
	r.memory.Finish(run)
	takeAlarm(r.job, r.memory, r.deps)
	if p.Aftermath == nil && (p.Result == history.Skipped || p.Result == history.Interrupted) {
		return
	}
	e := Event{Kind: p.Event(), Job: r.job, Report: p, Good: r.lastGood()}
	r.deps.notify(ctx, e)
	late := len(Overdue(r.job, r.memory, p.End)) > 0 // in a store that is still away
	switch {
	case e.Kind != config.Success:
		r.memory.Trouble = true
	case r.memory.Trouble || !r.memory.Alarmed.IsZero() && !late:
		r.memory.Trouble = false
		if !late {
			r.memory.Alarmed = time.Time{}
		}
		e.Kind = config.Recovered
		r.deps.notify(ctx, e)
	}
}

// lastGood returns when the last good snapshot was begun that is remembered.
func (r *run) lastGood() time.Time {
	if r.memory.Success == nil {
		return time.Time{}
	}
	return r.memory.Success.Begin
}

// note enters what somebody should know.
func (r *run) note(format string, args ...any) {
	r.report.Notes = append(r.report.Notes, fmt.Sprintf(format, args...))
}

// progress passes events on, and keeps those that a report tells of.
func (r *run) progress(e varve.Event) {
	if e.Kind != varve.Done && e.Kind != varve.Partly && len(r.report.Findings) < maxFindings {
		r.report.Findings = append(r.report.Findings, e)
	}
	if r.deps.Progress != nil {
		r.deps.Progress(e)
	}
}
