package job

import (
	"time"

	"varve"
	"varve/internal/config"
	"varve/internal/history"
)

// Report is what became of a run.
type Report struct {
	Job        string
	Series     string
	Begin, End time.Time
	// Result is about the snapshot; a run that made a good one may have an Err nevertheless.
	Result history.Result
	// Err is everything that went wrong, joined; nil where all is well. It matches ErrIncomplete and ErrSuspect, too.
	Err error
	// Aftermath is what of Err went wrong after everything else: commands that failed, and what could not be removed. It is told also where
	// the run was skipped or interrupted.
	Aftermath error
	// Store got the backup; Snapshot is zero where none was made.
	Store    string
	Snapshot varve.Snapshot
	Stores   []StoreReport
	// Notes are what somebody should know and is not wrong.
	Notes []string
	// LeftOut are paths of file systems that were left out, Complaints what the walk noticed besides.
	LeftOut    []string
	Complaints []error
	// Findings are paths that are damaged in a store, skipped in the source, and so on; at most maxFindings.
	Findings []varve.Event
	// Attempts is how often it was tried to make the snapshot.
	Attempts int
}

// maxFindings is how many events a report keeps.
const maxFindings = 100

// StoreReport is what became of one store in a run.
type StoreReport struct {
	Store string
	// Absent says that the store was not there, and why.
	Absent error
	// Err is everything that went wrong with the store.
	Err error
	// Snapshot is what the snapshot of this run is in the store; zero where it is not there, or where that is not known.
	Snapshot varve.SnapshotID
	// Stored counts the bytes of content that the store had to store anew.
	Stored int64
	// Copied are the snapshots that came from other stores, as they are here; Forgotten those that went, More how many are to go next time.
	Copied    []varve.Snapshot
	Forgotten []varve.Snapshot
	More      int
	// Spared says why nothing was forgotten although something may have been planned; nil otherwise.
	Spared error
	Verify *history.Verify
	Prune  *history.Prune
	Drill  *history.Drill
}

// Event returns what the report is for people.
func (r *Report) Event() config.Event {
	switch {
	case r.Result == history.Suspect:
		return config.Suspect
	case r.Result == history.Incomplete:
		return config.Incomplete
	case r.Err != nil:
		return config.Failure
	}
	return config.Success
}

// record returns the report as it is remembered.
func (r *Report) record() history.Run {
	h := history.Run{Begin: r.Begin, End: r.End, Result: r.Result, Store: r.Store, Snapshot: r.Snapshot.ID, Files: r.Snapshot.Files,
		Bytes: r.Snapshot.Bytes, Added: r.Snapshot.Added, Skipped: r.Snapshot.Skipped, Vanished: r.Snapshot.Vanished,
		Changed: r.Snapshot.Changed}
	if r.Err != nil {
		h.Error = cut(r.Err.Error())
	}
	for _, s := range r.Stores {
		h.Copied += len(s.Copied)
		h.Forgotten += len(s.Forgotten)
		if s.Snapshot == (varve.SnapshotID{}) && len(s.Copied) == 0 {
			continue
		}
		if h.Stored == nil {
			h.Stored = map[string]int64{}
		}
		h.Stored[s.Store] = s.Stored
	}
	return h
}

// maxError is how much of an error is remembered, in bytes.
const maxError = 4 << 10

func cut(text string) string {
	if len(text) > maxError {
		return text[:maxError] + "..."
	}
	return text
}

// Worst returns the report with the most serious result: the first of the worst. nil where there are none.
func Worst(reports []*Report) *Report {
	var worst *Report
	for _, r := range reports {
		if worst == nil || r.weight() > worst.weight() {
			worst = r
		}
	}
	return worst
}

// weight says how serious a report is.
func (r *Report) weight() int {
	switch {
	case r.Result == history.Interrupted:
		return 6
	case r.Result == history.Failed:
		return 5
	case r.Result == history.Suspect:
		return 4
	case r.Result == history.Success && r.Err != nil:
		return 3
	case r.Result == history.Incomplete:
		return 2
	case r.Result == history.Skipped:
		return 1
	}
	return 0
}
