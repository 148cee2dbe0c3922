package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"varve/internal/config"
	"varve/internal/hook"
	jobs "varve/internal/job"
	"varve/internal/notice"
)

// teller tells people what becomes of runs, as the configuration says.
type teller struct {
	app  *app
	deps *jobs.Deps
	// late are the notices that get figures, which are known once a run has ended and is remembered.
	late []*config.Notice
	// sent are the events that all who were to hear of them were told, and somebody by mail.
	sent map[mailing]bool
	mu   sync.Mutex // guards late and sent: while a job runs others may be told of
}

// mailing is an event of a job.
type mailing struct {
	job  string
	kind config.Event
}

// tell tells of an event. Figures wait for flush.
func (t *teller) tell(ctx context.Context, e jobs.Event) error {
	now := t.listeners(e)
	err := t.send(ctx, now, t.app.sourceOptions(e.Job).Reach.SSH, t.report(e))
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent[mailing{e.Job.Name, e.Kind}] = err == nil && slices.ContainsFunc(now, func(n *config.Notice) bool { return n.Kind == config.Mail })
	return err
}

// mailed reports whether all who were to hear of an event were told, and somebody by mail.
func (t *teller) mailed(e jobs.Event) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sent[mailing{e.Job.Name, e.Kind}]
}

// listeners returns the notices that an event goes to now, and keeps the others.
func (t *teller) listeners(e jobs.Event) (now []*config.Notice) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, n := range jobs.Listeners(t.deps.Config, e) {
		if n.Kind != config.Prometheus {
			now = append(now, n)
		} else if !slices.Contains(t.late, n) {
			t.late = append(t.late, n)
		}
	}
	return now
}

// flush writes the figures, if anybody wants them.
func (t *teller) flush(ctx context.Context) error {
	t.mu.Lock()
	late := t.late
	t.late = nil
	t.mu.Unlock()
	if len(late) == 0 {
		return nil
	}
	return t.send(ctx, late, nil, &notice.Report{Event: notice.Success, Metrics: metricsOf(t.deps)})
}

// send sends a report to those who are to have it; ssh is the command line that reaches other machines.
func (t *teller) send(ctx context.Context, to []*config.Notice, ssh config.Line, r *notice.Report) error {
	if len(to) == 0 {
		return nil
	}
	channels := channelsOf(to, ssh)
	for i := range channels { // who wants it was decided already
		channels[i].On, channels[i].Jobs = nil, nil
	}
	o := notice.Options{Host: r.Host, Now: t.app.now, Sendmail: t.app.sendmail, Log: t.app.syslog}
	if notice.UnderJournal(os.Stderr, t.app.env) {
		o.Journal = t.app.screen
	}
	s, err := notice.New(channels, o)
	if err == nil {
		err = s.Send(context.WithoutCancel(ctx), r)
	}
	if err == nil {
		return nil
	}
	if all, ok := err.(interface{ Unwrap() []error }); s == nil || ok && len(all.Unwrap()) == len(to) {
		err = unheard{err}
	}
	return fmt.Errorf("tell people: %w", err)
}

// unheard is an error that matches jobs.ErrNobody, in the words of its cause.
type unheard struct{ error }

// Is reports whether target is jobs.ErrNobody.
func (unheard) Is(target error) bool { return target == jobs.ErrNobody }

// Unwrap returns the cause.
func (u unheard) Unwrap() error { return u.error }

// channelsOf returns notices of a configuration as channels; ssh is the command line that reaches other machines, empty for the usual one.
func channelsOf(notices []*config.Notice, ssh config.Line) []notice.Channel {
	if len(ssh) == 0 {
		ssh = config.Line{"ssh"}
	}
	var all []notice.Channel
	for _, n := range notices {
		c := notice.Channel{Name: n.Name, Kind: notice.Kind(n.Kind), Jobs: n.Jobs, To: n.To, From: n.From, SMTP: n.SMTP, SMTPUser: n.SMTPUser,
			SMTPPasswordFile: n.SMTPPasswordFile, URL: n.URL, URLFile: n.URLFile, TokenFile: n.TokenFile, Path: n.Path}
		for _, e := range n.On {
			c.On = append(c.On, notice.Event(e))
		}
		if !n.Run.IsZero() {
			c.Run = hook.Command{Shell: n.Run.Run.Shell, Argv: n.Run.Run.Argv, User: n.Run.User, Timeout: time.Duration(n.Run.Timeout)}
			if n.Run.On != "" {
				c.Run.Remote = append(slices.Clone([]string(ssh)), "-oBatchMode=yes", "--", n.Run.On)
			}
		}
		all = append(all, c)
	}
	return all
}

// metricsOf returns what is remembered of all jobs and stores.
func metricsOf(d *jobs.Deps) *notice.Metrics {
	m := &notice.Metrics{}
	now := d.Now()
	for _, j := range d.Config.Jobs {
		h, err := d.History.Job(j.Name)
		if err != nil {
			continue // what is not known is not told
		}
		late := jobs.Overdue(j, &h, now)
		one := notice.JobMetrics{Job: j.Name, Next: jobs.NextRun(j, &h, now), Overdue: len(late) > 0}
		if last := h.Last(); last != nil {
			one.Run, one.Result = last.Begin, string(last.Result)
			one.Files, one.Bytes, one.Added, one.Skipped = last.Files, last.Bytes, last.Added, last.Skipped
			one.Vanished, one.Changed = last.Vanished, last.Changed
			if !last.End.IsZero() {
				one.Duration = last.End.Sub(last.Begin)
			}
		}
		if h.Success != nil {
			one.Success = h.Success.Begin
		}
		m.Jobs = append(m.Jobs, one)
		for _, s := range j.Stores {
			m.Copies = append(m.Copies, notice.CopyMetrics{Job: j.Name, Store: s, Good: h.Good[s], Overdue: slices.Contains(late, s)})
		}
	}
	for _, s := range d.Config.Stores {
		m.Stores = append(m.Stores, storeMetrics(d, s))
	}
	return m
}

// storeMetrics returns what is remembered of a store.
func storeMetrics(d *jobs.Deps, s *config.Store) notice.StoreMetrics {
	m := notice.StoreMetrics{Store: s.Name, Used: -1, Free: -1}
	h, err := d.History.Store(s.Name)
	if err != nil {
		return m
	}
	m.Seen = h.Seen
	if z := h.Size(); z != nil {
		m.Used, m.Free = z.Used, z.Free
	}
	if h.Verify != nil {
		m.Verified, m.Damage = h.Verify.Time, h.Verify.Damage
	}
	if h.Prune != nil {
		m.Pruned = h.Prune.Time
	}
	if p := h.Proven(); p != nil {
		m.Proven = p.Time
	}
	return m
}
