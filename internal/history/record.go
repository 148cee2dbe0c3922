package history

import (
	"slices"
	"time"

	"varve"
)

// Result is what became of a run.
type Result string

// The results. Running is that of a run that has not ended; once its lease is free it was killed.
const (
	Running     Result = "running"
	Success     Result = "success"
	Incomplete  Result = "incomplete"
	Suspect     Result = "suspect"
	Failed      Result = "failed"
	Skipped     Result = "skipped"
	Interrupted Result = "interrupted"
)

// Made reports whether a run with this result made a snapshot.
func (r Result) Made() bool { return r == Success || r == Incomplete || r == Suspect }

// Run is one run of a job.
type Run struct {
	Begin time.Time `json:"begin"`
	// End is zero where nobody knows: the run goes on, or was killed.
	End    time.Time `json:"end,omitzero"`
	Result Result    `json:"result"`
	// Store got the backup, and Snapshot is what it is there; empty and zero where there is none.
	Store    string           `json:"store,omitempty"`
	Snapshot varve.SnapshotID `json:"snapshot,omitzero"`
	// Error is the text of what went wrong, also after a snapshot was made.
	Error string `json:"error,omitempty"`
	// Files to Changed are those of the snapshot.
	Files    int64 `json:"files,omitempty"`
	Bytes    int64 `json:"bytes,omitempty"`
	Added    int64 `json:"added,omitempty"`
	Skipped  int64 `json:"skipped,omitempty"`
	Vanished int64 `json:"vanished,omitempty"`
	Changed  int64 `json:"changed,omitempty"`
	// Doubt says that the clock may have been wrong.
	Doubt bool `json:"doubt,omitempty"`
	// Copied and Forgotten count snapshots in all stores of the job.
	Copied    int `json:"copied,omitempty"`
	Forgotten int `json:"forgotten,omitempty"`
}

// Job is what is remembered of a job.
type Job struct {
	// Known is when the job was met first.
	Known time.Time `json:"known,omitzero"`
	// Runs are the last runs, the newest last; at most MaxRuns.
	Runs []Run `json:"runs"`
	// Success is the last run that made a complete snapshot, Made the last that made any. Both may be older than Runs.
	Success *Run `json:"success,omitempty"`
	Made    *Run `json:"made,omitempty"`
	// Good is when the backup began that is the newest good snapshot of the job in each store.
	Good map[string]time.Time `json:"good,omitempty"`
	// Trouble says that something was wrong when people were told last, or that a run was killed, which could tell nobody.
	Trouble bool `json:"trouble,omitempty"`
	// Alarmed is when people were last told that the job is overdue.
	Alarmed time.Time `json:"alarmed,omitzero"`
	// Leap is when the clock had jumped by so much that it may be wrong; zero where it never did.
	Leap time.Time `json:"leap,omitzero"`
}

// Alarm is what was told of a job by somebody else than its run, which owns the record of the job.
type Alarm struct {
	// Told is when people were told that the job is overdue though it runs; zero where they were not.
	Told time.Time `json:"told,omitzero"`
}

// MaxRuns is how many runs of a job are remembered, and MaxSizes how many sizes of a store.
const (
	MaxRuns  = 200
	MaxSizes = 200
)

// Last returns the last run; nil where there was none.
func (j *Job) Last() *Run {
	if len(j.Runs) == 0 {
		return nil
	}
	return &j.Runs[len(j.Runs)-1]
}

// Start enters a run that begins now. One that never ended was killed: it is returned, marked as interrupted.
func (j *Job) Start(now time.Time) (killed *Run) {
	if last := j.Last(); last != nil && last.Result == Running {
		last.Result, last.Error = Interrupted, killedText
		was := *last
		killed = &was
	}
	if j.Known.IsZero() {
		j.Known = now
	}
	j.Runs = append(j.Runs, Run{Begin: now, Result: Running})
	j.trim()
	return killed
}

// killedText is the error of a run that was killed.
const killedText = "killed: it has no end"

// Killed counts the runs, one after the other, that were killed before the one that goes on.
func (j *Job) Killed() int {
	n := 0
	for i := len(j.Runs) - 2; i >= 0 && j.Runs[i].Error == killedText; i-- {
		n++
	}
	return n
}

// Finish puts r in the place of the run that was started last.
func (j *Job) Finish(r Run) {
	if len(j.Runs) == 0 {
		j.Runs = append(j.Runs, r)
	}
	*j.Last() = r
	if r.Result.Made() {
		made := r
		j.Made = &made
	}
	if r.Result == Success {
		success := r
		j.Success = &success
	}
}

// Hold enters that a store has a good snapshot of the job, the backup having begun at a time.
func (j *Job) Hold(store string, at time.Time) {
	if j.Good == nil {
		j.Good = map[string]time.Time{}
	}
	j.Good[store] = at
}

// Failures counts the last runs, one after the other, that made no snapshot, and returns when the last of them ended, or began where
// it did not end. A run that was interrupted on demand counts, too.
func (j *Job) Failures() (n int, last time.Time) {
	for _, r := range slices.Backward(j.Runs) {
		if r.Result.Made() || r.Result == Running {
			break
		}
		if n++; n == 1 {
			if last = r.End; last.IsZero() {
				last = r.Begin
			}
		}
	}
	return n, last
}

func (j *Job) trim() {
	if extra := len(j.Runs) - MaxRuns; extra > 0 {
		j.Runs = slices.Delete(j.Runs, 0, extra)
	}
}

// Store is what is remembered of a store.
type Store struct {
	// Known is when the store was met first, Seen when it was there last.
	Known time.Time `json:"known,omitzero"`
	Seen  time.Time `json:"seen,omitzero"`
	// Blind says that the key at hand only adds, so that the store is neither checked nor restored from here.
	Blind bool `json:"blind,omitempty"`
	// Verify, Prune and Drill are the last of each, whatever came of it; nil where there was none.
	Verify *Verify `json:"verify,omitempty"`
	Prune  *Prune  `json:"prune,omitempty"`
	Drill  *Drill  `json:"drill,omitempty"`
	// Proven is the last drill that found everything as it should be.
	Proven *Drill `json:"proven,omitempty"`
	// Wrong are the last drills of jobs, by name, whose last one did not find everything as it should be. Damage is never less than in one
	// before of the same job that is not made good.
	Wrong map[string]*Drill `json:"wrong,omitempty"`
	// Sizes tell how the store grew, the newest last; at most MaxSizes, one a day.
	Sizes []Size `json:"sizes,omitempty"`
}

// Verify is one check of a store.
type Verify struct {
	Time time.Time `json:"time"`
	// Share of the content was read, from 0 to 1.
	Share float64 `json:"share"`
	// Files, Bytes and Damage count as those of a varve.VerifyReport.
	Files  int64 `json:"files"`
	Bytes  int64 `json:"bytes"`
	Damage int64 `json:"damage"`
	// Error says that checking was impossible.
	Error string `json:"error,omitempty"`
}

// Prune is one prune of a vault.
type Prune struct {
	Time time.Time `json:"time"`
	// Freed is in bytes.
	Freed int64  `json:"freed"`
	Error string `json:"error,omitempty"`
}

// Drill is one rehearsal of a restore.
type Drill struct {
	Time time.Time `json:"time"`
	Job  string    `json:"job"`
	// Snapshot is what was restored from; Files and Bytes were.
	Snapshot varve.SnapshotID `json:"snapshot"`
	Files    int64            `json:"files"`
	Bytes    int64            `json:"bytes"`
	// Rate is in bytes a second, Whole how long a restore of the whole snapshot would take; 0 where nothing was read.
	Rate  float64       `json:"rate"`
	Whole time.Duration `json:"whole"`
	// Damage counts files that came back wrong.
	Damage int64  `json:"damage"`
	Error  string `json:"error,omitempty"`
}

// Size is how large a store was.
type Size struct {
	Time time.Time `json:"time"`
	// Used is what its snapshots take, and Free the room there, in bytes; -1 where it is not known.
	Used int64 `json:"used"`
	Free int64 `json:"free"`
}

// Meet enters that the store is there now.
func (s *Store) Meet(now time.Time) {
	if s.Known.IsZero() {
		s.Known = now
	}
	s.Seen = now
}

// Grow enters how large the store is. Of one day the last size stays.
func (s *Store) Grow(z Size) {
	if n := len(s.Sizes); n > 0 && s.Sizes[n-1].Time.Format(time.DateOnly) == z.Time.Format(time.DateOnly) {
		s.Sizes[n-1] = z
		return
	}
	s.Sizes = append(s.Sizes, z)
	if extra := len(s.Sizes) - MaxSizes; extra > 0 {
		s.Sizes = slices.Delete(s.Sizes, 0, extra)
	}
}

// Growth returns by how many bytes the store grows in a day, over what is remembered; false where that is less than a day.
func (s *Store) Growth() (bytes int64, known bool) {
	var first, last *Size
	for i := range s.Sizes {
		if z := &s.Sizes[i]; z.Used >= 0 {
			if first == nil {
				first = z
			}
			last = z
		}
	}
	const day = 24 * time.Hour
	if first == nil || last.Time.Sub(first.Time) < day {
		return 0, false
	}
	return int64(float64(last.Used-first.Used) / (float64(last.Time.Sub(first.Time)) / float64(day))), true
}
