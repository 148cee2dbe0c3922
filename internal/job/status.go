package job

import (
	"fmt"
	"strings"
	"time"

	"varve"
	"varve/internal/config"
	"varve/internal/history"
	"varve/internal/retention"
)

// Level says how a job is with a store.
type Level uint8

// The levels, the better ones first.
const (
	Good Level = iota
	Warning
	Wrong
)

// String returns the word for l that reports use.
func (l Level) String() string { return [...]string{"good", "warning", "wrong"}[l] }

// StatusLine is how one job is with one store.
type StatusLine struct {
	Job, Store string
	Level      Level
	// Why says what is wrong, or soon may be; nothing where all is well. Notes are what somebody should know and is not wrong.
	Why, Notes []string
	// Good is when the newest good snapshot was begun that the store has; zero where there is none. ID is what it is there; zero where that
	// is not known.
	Good    time.Time
	ID      varve.SnapshotID
	Overdue bool
	// Next is when the job is due; zero where it runs by hand only.
	Next time.Time
	// Last is the last run; nil where there was none. Since is when the first of the runs ended that made nothing good, one after the
	// other, up to now; zero where the last was good.
	Last  *history.Run
	Since time.Time
	// Verify, Proven and Drill are the last check, the last drill that succeeded, and the last drill; nil where there was none.
	Verify *history.Verify
	Proven *history.Drill
	Drill  *history.Drill
	// Missing counts the good snapshots that the store has yet to get from the others, as far as it would keep them; -1 where that is not
	// known.
	Missing int
	// Held is what the store had of the job when it was looked at last; nil where it never was.
	Held *history.Held
	// Size is how large the store was last, Growth by how many bytes it grows in a day; nil and 0 where that is not known.
	Size   *history.Size
	Growth int64
	// Added is what the runs of the job brought there.
	Added Added
}

// Seen are the snapshots of stores, by name, of those that were looked into.
type Seen map[string][]varve.Snapshot

// Status says how all jobs are, by what is remembered and what was seen; it opens nothing.
func Status(d *Deps, seen Seen) []StatusLine {
	now := d.Now()
	var lines []StatusLine
	for _, j := range d.Config.Jobs {
		h, err := d.History.Job(j.Name)
		for _, name := range j.Stores {
			l := StatusLine{Job: j.Name, Store: name, Missing: -1, Good: h.Good[name], ID: h.GoodID[name], Next: NextRun(j, &h, now), Last: h.Last(),
				Added: addedOf(&h, name, now)}
			l.say(Warning, err)
			if held, known := h.Held[name]; known {
				l.Held = &held
			}
			if s := d.Config.Store(name); s != nil {
				l.ofStore(d, s, now)
				l.Missing = behind(&h, name, d.Config.Policy(j, s), now)
			}
			l.look(d, j, seen, now)
			l.ofRuns(j, &h)
			l.ofTime(j, &h, now)
			l.ofHeld()
			lines = append(lines, l)
		}
	}
	return lines
}

// because enters what is not well.
func (l *StatusLine) because(level Level, format string, args ...any) {
	l.Level = max(l.Level, level)
	l.Why = append(l.Why, fmt.Sprintf(format, args...))
}

func (l *StatusLine) say(level Level, err error) {
	if err != nil {
		l.because(level, "%v", err)
	}
}

// ofStore says how the store is by itself.
func (l *StatusLine) ofStore(d *Deps, s *config.Store, now time.Time) {
	h, err := d.History.Store(s.Name)
	l.say(Warning, err)
	l.Verify, l.Proven, l.Drill = h.Verify, h.Proofs[l.Job], h.Drills[l.Job]
	l.Size = h.Size()
	l.Growth, _ = h.Growth()
	if v := h.Verify; v != nil && v.Damage > 0 {
		l.because(Wrong, "the check of %s found damage", stampText(v.Time))
	} else if v != nil && v.Error != "" {
		l.because(Warning, "it could not be checked: %s", v.Error)
	}
	if r := h.Wrong[l.Job]; r != nil && r.Damage > 0 {
		l.because(Wrong, "the drill of %s got back wrong files", stampText(r.Time))
	} else if r != nil && r.Error != "" {
		l.because(Warning, "the last drill failed: %s", r.Error)
	}
	if h.Known.IsZero() || h.Blind {
		return
	}
	if isLate(s.Verify.Every, verifiedAt(&h), h.Known, now) {
		l.because(Warning, "it was not checked for too long")
	}
	if !l.Good.IsZero() && isLate(s.Drill.Every, drilledAt(&h, l.Job), h.Known, now) { // else there is nothing to rehearse with
		l.because(Warning, "no restore was rehearsed for too long")
	}
}

// isLate reports whether something that is done regularly was left out once.
func isLate(every config.Every, last, known, now time.Time) bool {
	return isDue(2*every, last, known, now)
}

// look takes what was seen for what was remembered.
func (l *StatusLine) look(d *Deps, j *config.Job, seen Seen, now time.Time) {
	held, looked := seen[l.Store]
	series, _, err := Series(j, d.Machine)
	if !looked || err != nil {
		return
	}
	l.Good, l.ID = time.Time{}, varve.SnapshotID{}
	if s := newestGood(held, series); s != nil {
		l.Good, l.ID = s.Time, s.ID
	}
	have := heldOf(held, series, now)
	l.Held = &have
	if alarming(held, series) {
		l.because(Warning, "its newest snapshots are suspect")
	}
	first, looked := seen[j.Stores[0]]
	s := d.Config.Store(l.Store)
	if !looked || s == nil {
		return
	}
	if l.Missing = 0; l.Store != j.Stores[0] {
		l.Missing = len(missing(first, held, series, d.Config.Policy(j, s), now))
	}
}

// behind counts the good snapshots that runs remember and a store has yet to get, as far as a policy keeps them; -1 where no run made any.
func behind(h *history.Job, store string, p retention.Policy, now time.Time) int {
	var made, held []varve.Snapshot
	for _, r := range h.Runs {
		if r.Result != history.Success {
			continue
		}
		made = append(made, varve.Snapshot{ID: r.Snapshot, Seq: uint64(len(made) + 1), Time: r.Begin, State: varve.Complete})
		if !r.Begin.After(h.Good[store]) {
			held = made
		}
	}
	if len(made) == 0 {
		return -1
	}
	return len(missing(made, held, "", p, now))
}

// ofRuns says how the last runs went.
func (l *StatusLine) ofRuns(j *config.Job, h *history.Job) {
	for i := len(h.Runs) - 1; i >= 0; i-- {
		r := &h.Runs[i]
		if r.Result == history.Success {
			break
		}
		if r.Result != history.Running {
			l.Since = r.End
		}
	}
	if l.Last == nil {
		return
	}
	switch l.Last.Result {
	case history.Suspect, history.Failed:
		l.because(Wrong, "the last run: %s: %s", l.Last.Result, l.Last.Error)
	case history.Incomplete, history.Interrupted:
		l.because(Warning, "the last run: %s: %s", l.Last.Result, l.Last.Error)
	case history.Success:
		if l.Last.Error != "" {
			l.because(Warning, "the last run: %s", l.Last.Error)
		}
	}
}

// ofTime says whether the last good snapshot is recent enough.
func (l *StatusLine) ofTime(j *config.Job, h *history.Job, now time.Time) {
	last := l.Good
	if last.IsZero() {
		last = h.Known
	}
	l.Overdue = !last.IsZero() && j.Schedule.Overdue(last, now, time.Duration(j.Overdue))
	switch {
	case l.Overdue:
		l.because(Wrong, "it is overdue")
	case l.Good.IsZero():
		l.because(Warning, "there is no good snapshot yet")
	case l.Good.After(now):
		l.because(Warning, "the newest good snapshot lies in the future: the clock is or was wrong")
	}
}

// ofHeld tells of snapshots that do not count as good.
func (l *StatusLine) ofHeld() {
	h := l.Held
	if h == nil {
		return
	}
	var kinds []string
	if h.Suspect > 0 {
		kinds = append(kinds, fmt.Sprintf("%d suspect", h.Suspect))
	}
	if h.Incomplete > 0 {
		kinds = append(kinds, fmt.Sprintf("%d incomplete", h.Incomplete))
	}
	if len(kinds) > 0 {
		l.Notes = append(l.Notes, fmt.Sprintf("not good of %d snapshots: %s; the newest of these is %s", h.Snapshots, strings.Join(kinds, ", "),
			h.Doubtful.Short()))
	}
}
