package notice

import (
	"time"

	"varve"
)

// Event is what a report is about.
type Event string

// The events. Start and Success come with every run; Recovered is the first success after trouble.
const (
	Start      Event = "start"
	Success    Event = "success"
	Failure    Event = "failure"
	Suspect    Event = "suspect"
	Incomplete Event = "incomplete"
	Overdue    Event = "overdue"
	Recovered  Event = "recovered"
)

// known are all events.
var known = []Event{Start, Success, Failure, Suspect, Incomplete, Overdue, Recovered}

// level says how serious an event is, as syslog counts: 3 error, 4 warning, 5 notice, 6 information.
func (e Event) level() int {
	switch e {
	case Failure, Overdue:
		return 3
	case Suspect, Incomplete:
		return 4
	case Recovered:
		return 5
	}
	return 6
}

// Report is what is told. What does not apply is left zero. Texts may come from anywhere: whoever shows them makes them harmless.
type Report struct {
	Event  Event  `json:"event"`
	Job    string `json:"job"`
	Host   string `json:"host"`
	Series string `json:"series,omitempty"`
	// Begin and End are those of the run.
	Begin time.Time `json:"begin,omitzero"`
	End   time.Time `json:"end,omitzero"`
	// Attempts is how often the run was tried; 0 and 1 mean the same.
	Attempts int `json:"attempts,omitempty"`
	// Result is one word such as success, incomplete, suspect or failed; empty before the run.
	Result string `json:"result,omitempty"`
	// Exit is the exit code of the run.
	Exit  int    `json:"exit"`
	Error string `json:"error,omitempty"`
	// Hint says what is to be done.
	Hint string `json:"hint,omitempty"`
	// Snapshot is what was made; nil where none was.
	Snapshot *varve.Snapshot `json:"snapshot,omitempty"`
	// Stores tell of each store of the job, in its order.
	Stores []Store `json:"stores,omitempty"`
	// Problems are what was skipped, vanished, or found damaged, one line each; Unlisted is how many more there were.
	Problems []string `json:"problems,omitempty"`
	Unlisted int64    `json:"unlisted,omitempty"`
	// Notes are what somebody should know and is not wrong.
	Notes []string `json:"notes,omitempty"`
	// Good is when the last good snapshot was begun, GoodID its ID.
	Good   time.Time        `json:"good,omitzero"`
	GoodID varve.SnapshotID `json:"goodID,omitzero"`
	// Restore is the command line that restores from it.
	Restore string `json:"restore,omitempty"`
	// Next is when the job is due again.
	Next    time.Time `json:"next,omitzero"`
	Program string    `json:"program,omitempty"`

	// Metrics are all that is known of all jobs and stores; for a channel of the kind Prometheus, which writes nothing without them.
	Metrics *Metrics `json:"-"`
}

// Store is what became of one store in a run.
type Store struct {
	Name string `json:"name"`
	// Result is a word or two, such as "saved", "2 copied", "absent".
	Result string `json:"result"`
	Error  string `json:"error,omitempty"`
}
