package daemon

import (
	"context"
	"fmt"
	"time"

	"varve/internal/notice"
)

// Work is what one reading of the configuration gives a daemon to do. It is used by one goroutine, but for Alarm, which is called while Run
// goes on, too.
type Work interface {
	// Agenda says what is due.
	Agenda() Agenda
	// Run runs a job to its end, and tells whoever is to hear of it; early where ctx ends, and in good order then, too.
	Run(ctx context.Context, job string)
	// Alarm tells people of the jobs that are overdue.
	Alarm(ctx context.Context)
	// Close ends the use of the configuration.
	Close() error
}

// Agenda says what there is to do at one point in time.
type Agenda struct {
	// Due are the names of the jobs that are due now, in the order of the configuration.
	Due []string
	// Next is the name of the job that is due next, and At when that is; empty and zero where none ever is.
	Next string
	At   time.Time
}

// Options say what a daemon works with. Load, Wait and Now must be set.
type Options struct {
	// Load reads the configuration.
	Load func(ctx context.Context) (Work, error)
	// Wait waits for so long, or returns earlier: true where the configuration is to be read anew. It returns at once where ctx has ended.
	Wait func(ctx context.Context, d time.Duration) (anew bool)
	// Tick returns what fires each time that so long has passed, until it is stopped; nil stands for a time.Ticker.
	Tick func(d time.Duration) (c <-chan time.Time, stop func())
	// Now tells the time.
	Now func() time.Time
	// Service hears how the daemon is doing; nil where nobody listens.
	Service *notice.Service
	// Warn, where set, is told of trouble that does not end the daemon.
	Warn func(error)
}

const (
	// nap is the longest time that passes between two looks at the clock, and rest the shortest between two runs of one job.
	nap  = time.Minute
	rest = time.Minute
	// alarmEvery is how often it looks for jobs that are overdue while nothing runs, or one run goes on, and alarmAtLeast how often while there
	// is no end of jobs.
	alarmEvery   = 15 * time.Minute
	alarmAtLeast = 6 * time.Hour
)

// daemon is one that runs.
type daemon struct {
	Options
	work Work
	// turns counts runs; turn is the last one of each job, and ended when it ended.
	turns int
	turn  map[string]int
	ended map[string]time.Time
	// looked is when it last looked for jobs that are overdue; news says that something happened since.
	looked time.Time
	news   bool
	status string
	deaf   bool // systemd could not be told
}

// Run runs jobs until ctx ends, which is no error. The error is that of reading the configuration for the first time, or of closing it.
func Run(ctx context.Context, o Options) error {
	d := &daemon{Options: o, turn: map[string]int{}, ended: map[string]time.Time{}, looked: o.Now(), news: true}
	var err error
	if d.work, err = o.Load(ctx); err != nil {
		return err
	}
	d.heard(o.Service.Ready())
	for ctx.Err() == nil {
		if d.Wait(ctx, d.step(ctx)) && ctx.Err() == nil {
			d.reload(ctx)
		}
	}
	d.heard(o.Service.Stopping())
	return d.work.Close()
}

// step runs a job if one is due, and returns how long there is nothing to do.
func (d *daemon) step(ctx context.Context) time.Duration {
	d.heard(d.Service.Alive())
	agenda := d.work.Agenda()
	job := d.first(agenda.Due)
	// Before it is told that a job is overdue it is run, if that is what it lacks.
	if ago := d.passed(d.looked); ago >= alarmAtLeast || job == "" && (d.news || ago >= alarmEvery) {
		d.looked, d.news = d.Now(), false
		d.work.Alarm(ctx)
	}
	if job != "" {
		d.run(ctx, job)
		return 0
	}
	d.tell(outlook(agenda))
	return d.pause(agenda)
}

// pause returns how long to wait for what comes next.
func (d *daemon) pause(a Agenda) time.Duration {
	pause := nap
	if half := d.Service.Watchdog() / 2; half > 0 {
		pause = min(pause, half)
	}
	if left := a.At.Sub(d.Now()); a.Next != "" && left > 0 {
		pause = min(pause, left)
	}
	return pause
}

// first returns the job of those that are due that ran longest ago; empty where each has only just run.
func (d *daemon) first(due []string) string {
	first := ""
	for _, job := range due {
		if _, ran := d.turn[job]; ran && d.passed(d.ended[job]) < rest {
			continue
		}
		if first == "" || d.turn[job] < d.turn[first] {
			first = job
		}
	}
	return first
}

// passed returns how long ago something was. After a time that lies in the future everything has passed: the clock was set.
func (d *daemon) passed(since time.Time) time.Duration {
	ago := d.Now().Sub(since)
	if ago < 0 {
		return alarmAtLeast
	}
	return ago
}

// run runs a job, while systemd hears that the daemon is alive.
func (d *daemon) run(ctx context.Context, job string) {
	d.tell("runs " + job)
	stop, end := d.keepAlive(), d.keepLooking(ctx)
	d.work.Run(ctx, job)
	end()
	stop()
	d.turns++
	d.turn[job], d.ended[job] = d.turns, d.Now()
	d.news = true
}

// keepAlive says that the daemon is at work until stop is called: a job may take longer than a watchdog waits.
func (d *daemon) keepAlive() (stop func()) {
	half := d.Service.Watchdog() / 2
	if half <= 0 {
		return func() {}
	}
	tick := time.NewTicker(half)
	return each(tick.C, tick.Stop, func() {
		_ = d.Service.Alive() // systemd ends a daemon that it does not hear
	})
}

// keepLooking looks for jobs that are overdue until stop is called: a job that hangs never ends, and keeps the others from running.
func (d *daemon) keepLooking(ctx context.Context) (stop func()) {
	tick := d.Tick
	if tick == nil {
		tick = func(d time.Duration) (<-chan time.Time, func()) {
			t := time.NewTicker(d)
			return t.C, t.Stop
		}
	}
	c, end := tick(alarmEvery)
	return each(c, end, func() { d.work.Alarm(ctx) })
}

// each calls do whenever c fires until stop is called, which waits for it, and stops c by end.
func each(c <-chan time.Time, end func(), do func()) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		defer end()
		for {
			select {
			case <-done:
				return
			case <-c:
				do()
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

// reload reads the configuration anew.
func (d *daemon) reload(ctx context.Context) {
	work, err := d.Load(ctx)
	if err != nil {
		d.warn(fmt.Errorf("the configuration stays as it was: %w", err))
		return
	}
	d.warn(d.work.Close())
	d.work, d.news = work, true
}

// tell tells systemd what the daemon is doing, if that has changed.
func (d *daemon) tell(status string) {
	if status != d.status {
		d.status = status
		d.heard(d.Service.Status(status))
	}
}

// outlook says what comes next.
func outlook(a Agenda) string {
	switch {
	case len(a.Due) > 0:
		return a.Due[0] + " is due, and ran only just now"
	case a.Next == "":
		return "no job has a schedule"
	}
	return a.Next + " is due at " + a.At.Format("2006-01-02 15:04")
}

// heard warns once where systemd cannot be told.
func (d *daemon) heard(err error) {
	if err != nil && !d.deaf {
		d.deaf = true
		d.warn(err)
	}
}

func (d *daemon) warn(err error) {
	if err != nil && d.Warn != nil {
		d.Warn(err)
	}
}
