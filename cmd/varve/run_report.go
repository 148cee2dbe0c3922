package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"varve"
	"varve/internal/config"
	"varve/internal/history"
	jobs "varve/internal/job"
	"varve/internal/location"
	"varve/internal/notice"
)

// report puts an event into the words that everybody gets who is told of it.
func (t *teller) report(e jobs.Event) *notice.Report {
	d := t.deps
	r := &notice.Report{Event: notice.Event(e.Kind), Job: e.Job.Name, Good: e.Good, Program: d.Program}
	r.Host, _ = d.Machine.Host() // a report without it is better than none
	r.Series, _, _ = jobs.Series(e.Job, d.Machine)
	h, err := d.History.Job(e.Job.Name)
	good := h.Success
	if err != nil {
		good = nil
	}
	if e.Report != nil {
		t.course(r, e)
		if s := e.Report.Snapshot; s.State.Good() && s.ID != (varve.SnapshotID{}) {
			good = &history.Run{Begin: e.Report.Begin, Store: e.Report.Store, Snapshot: s.ID}
		}
	}
	if e.Kind == config.Overdue {
		overdue(r, e, &h)
	}
	if good != nil {
		r.Good, r.GoodID = good.Begin, good.Snapshot
		r.Restore = restoreLine(t.readable(good.Store), good.Snapshot)
	}
	if e.Report != nil && errors.Is(e.Report.Err, jobs.ErrSuspect) {
		r.Hint = strings.TrimSuffix(t.judging(e, good)+"; "+r.Hint, "; ")
	}
	if e.Kind != config.Start {
		r.Next = t.next(e, h)
	}
	return r
}

// judging tells how to look at a suspect snapshot, and what to do then.
func (t *teller) judging(e jobs.Event, good *history.Run) string {
	look := ""
	if s := t.readable(e.Report.Store); s != nil && good != nil && good.Store == e.Report.Store {
		look = ": varve diff " + storeWords(s) + " " + good.Snapshot.Short() + " " + e.Report.Snapshot.ID.Short()
	}
	return "look what is lost or changed" + look + "; where all is well: varve run --accept " + e.Job.Name +
		"; if not, restore from the last good snapshot"
}

// overdue tells which stores wait for a good snapshot, and what went wrong last.
func overdue(r *notice.Report, e jobs.Event, h *history.Job) {
	r.Hint = "varve status tells how the job is, varve run " + e.Job.Name + " runs it"
	if last := h.Last(); last != nil {
		r.Error = last.Error
	}
	if !e.Running.IsZero() {
		r.Error = "has been running since " + e.Running.Format(time.DateTime)
	}
	for _, name := range e.Stores {
		one := notice.Store{Name: name, Result: "overdue, has no good snapshot"}
		if at := h.Good[name]; !at.IsZero() {
			one.Result = "overdue, the last good snapshot is of " + at.Format(time.DateTime)
		}
		r.Stores = append(r.Stores, one)
	}
}

// next returns when a job is due again, the run of an event being entered in what is remembered.
func (t *teller) next(e jobs.Event, h history.Job) time.Time {
	if p := e.Report; p != nil {
		run := history.Run{Begin: p.Begin, End: p.End, Result: p.Result}
		if last := h.Last(); last != nil && last.Result == history.Running {
			h.Finish(run)
		}
	}
	return jobs.NextRun(e.Job, &h, t.deps.Now())
}

// course tells how a run went.
func (t *teller) course(r *notice.Report, e jobs.Event) {
	p := e.Report
	r.Begin, r.End, r.Attempts, r.Result, r.Notes = p.Begin, p.End, p.Attempts, string(p.Result), p.Notes
	if p.Err != nil {
		r.Exit, r.Error, r.Hint = t.deps.ExitCode(p.Err), p.Err.Error(), jobHint(p.Err)
	}
	if p.Snapshot.ID != (varve.SnapshotID{}) {
		r.Snapshot = &p.Snapshot
	}
	for _, s := range p.Stores {
		r.Stores = append(r.Stores, storeReport(p, &s))
	}
	r.Problems, r.Unlisted = problems(p)
	for _, path := range p.LeftOut {
		if !volatile(path) {
			r.Notes = append(r.Notes[:len(r.Notes):len(r.Notes)], "left out file system: "+slashed(path))
		}
	}
	for _, err := range p.Complaints {
		r.Notes = append(r.Notes[:len(r.Notes):len(r.Notes)], describe(err))
	}
}

// storeReport tells what became of a store.
func storeReport(p *jobs.Report, s *jobs.StoreReport) notice.Store {
	var did []string
	if s.Store == p.Store {
		did = append(did, "saved")
	}
	for _, one := range []struct {
		n    int
		what string
	}{{len(s.Copied), "copied"}, {len(s.Forgotten), "forgotten"}, {s.More, "to be forgotten later"}} {
		if one.n > 0 {
			did = append(did, fmt.Sprintf("%d %s", one.n, one.what))
		}
	}
	if s.Verify != nil && s.Verify.Error == "" {
		did = append(did, "verified")
	}
	if s.Prune != nil && s.Prune.Error == "" {
		did = append(did, sizeText(s.Prune.Freed)+" freed")
	}
	if s.Drill != nil && s.Drill.Error == "" {
		did = append(did, "restore rehearsed")
	}
	r := notice.Store{Name: s.Store, Result: strings.Join(did, ", ")}
	switch {
	case s.Err != nil:
		r.Error = s.Err.Error()
	case s.Absent != nil:
		r.Error = s.Absent.Error()
	}
	if r.Result == "" {
		r.Result = "nothing was done"
		if s.Absent != nil {
			r.Result = "absent"
		}
	}
	return r
}

// problems returns what is missing or damaged, and then what changed under way, one line each. more is how many could not be kept.
func problems(p *jobs.Report) (lines []string, more int64) {
	skipped := int64(0)
	for _, kinds := range [][]varve.EventKind{{varve.Damage, varve.Skipped}, {varve.Vanished, varve.Changed}} {
		for _, e := range p.Findings {
			for _, k := range kinds {
				if e.Kind == k {
					lines = append(lines, problem(e))
				}
			}
		}
	}
	for _, e := range p.Findings {
		if e.Kind == varve.Skipped {
			skipped++
		}
	}
	return lines, max(p.Snapshot.Skipped-skipped, 0)
}

// problem returns one line about an event.
func problem(e varve.Event) string {
	word := map[varve.EventKind]string{varve.Damage: "damage", varve.Skipped: "skipped", varve.Vanished: "vanished", varve.Changed: "changed"}[e.Kind]
	line := word
	if e.Path != "" {
		line += ": " + slashed(e.Path)
	}
	if e.Err != nil {
		line += ": " + describe(cause(e.Err))
	}
	return line
}

// readable returns a store of the configuration as somebody opens it who wants to read; nil where it is not known any more. A key that only
// adds reads nothing.
func (t *teller) readable(name string) *config.Store {
	s := t.deps.Config.Store(name)
	if h, err := t.deps.History.Store(name); s != nil && err == nil && h.Blind {
		s = &config.Store{Place: s.Place, SSH: s.SSH}
	}
	return s
}

// restoreLine returns the command that restores a snapshot from a store; empty without one.
func restoreLine(s *config.Store, id varve.SnapshotID) string {
	if s == nil {
		return ""
	}
	return "varve restore " + storeWords(s) + " " + id.Short() + " -t DIR"
}

// storeWords returns the flags that have a command open a store, as a shell reads them.
func storeWords(s *config.Store) string {
	words := []string{"-s", s.Place}
	switch {
	case s.KeyFile != "":
		words = append(words, "--key", s.KeyFile)
	case s.PassphraseFile != "":
		words = append(words, "--passphrase-file", s.PassphraseFile)
	}
	if at, err := location.Parse(s.Place); err == nil && at.Scheme != location.Local && len(s.SSH) > 0 {
		words = append(words, "--ssh", shellWords(s.SSH))
	}
	return shellWords(words)
}

// shellWords returns words as a shell reads them.
func shellWords(words []string) string {
	var quoted []string
	for _, w := range words {
		quoted = append(quoted, shellWord(w))
	}
	return strings.Join(quoted, " ")
}

// shellWord returns a word as a shell reads it.
func shellWord(w string) string {
	const safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=.,/:@%"
	if w != "" && strings.Trim(w, safe) == "" {
		return w
	}
	return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
}
