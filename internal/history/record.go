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
	// Stored are the bytes of content that each store, by name, had to store anew; of stores that got nothing there is no number.
	Stored map[string]int64 `json:"stored,omitempty"`
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
	// GoodID is what that snapshot is in each store; zero where a store is known to have it under an ID that is not.
	GoodID map[string]varve.SnapshotID `json:"good_id,omitempty"`
	// Held is what each store had of the job when it was looked at last.
	Held map[string]Held `json:"held,omitempty"`
	// Trouble says that something was wrong when people were told last, or that a run was killed, which could tell nobody.
	Trouble bool `json:"trouble,omitempty"`
	// Alarmed is when people were last told that the job is overdue.
	Alarmed time.Time `json:"alarmed,omitzero"`
	// Leap is when the clock had jumped by so much that it may be wrong; zero where it never did.
	Leap time.Time `json:"leap,omitzero"`
	// Rest is when a run began after a longer pause than usual; zero where that is long ago.
	Rest time.Time `json:"rest,omitzero"`
}

// Held is what a store has of a job.
type Held struct {
	// Time is when the store was looked at.
	Time time.Time `json:"time"`
	// Snapshots counts all of the job's, Suspect and Incomplete those of them that are.
	Snapshots  int `json:"snapshots"`
	Suspect    int `json:"suspect"`
	Incomplete int `json:"incomplete"`
	// Doubtful is the newest that is suspect or incomplete; zero where none is.
	Doubtful varve.SnapshotID `json:"doubtful,omitzero"`
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

// Hold enters that a store has a good snapshot of the job, with an ID there, the backup having begun at a time.
func (j *Job) Hold(store string, at time.Time, id varve.SnapshotID) {
	if j.Good == nil {
		j.Good = map[string]time.Time{}
	}
	if j.GoodID == nil {
		j.GoodID = map[string]varve.SnapshotID{}
	}
	j.Good[store], j.GoodID[store] = at, id
}

// Look enters what a store has of the job.
func (j *Job) Look(store string, held Held) {
	if j.Held == nil {
		j.Held = map[string]Held{}
	}
	j.Held[store] = held
}

// Added returns how many bytes of content the last run that gave anything to a store had it store anew; false where none is remembered.
func (j *Job) Added(store string) (bytes int64, known bool) {
	for i := len(j.Runs) - 1; i >= 0; i-- {
		if n, gave := j.Runs[i].Stored[store]; gave {
			return n, true
		}
	}
	return 0, false
}

// AddedSince returns how many bytes of content all runs that began after a time had a store store anew; false where some of them may be
// forgotten.
func (j *Job) AddedSince(store string, since time.Time) (bytes int64, known bool) {
	if len(j.Runs) >= MaxRuns && j.Runs[0].Begin.After(since) {
		return 0, false
	}
	for i := range j.Runs {
		if j.Runs[i].Begin.After(since) {
			bytes += j.Runs[i].Stored[store]
		}
	}
	return bytes, true
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
