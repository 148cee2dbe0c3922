package main

import (
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"varve"
	"varve/internal/history"
	jobs "varve/internal/job"
)

func (a *app) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Tell how the jobs of the configuration file are",
		Long: `Tell of each job and store when the last good snapshot was made, when the job is due, when the store was last checked and a restore from it last
rehearsed, how large it is, how many bytes the last run and those of 7 days have added, and what is wrong. Notes tell of snapshots that are
suspect or incomplete, and of jobs that have a schedule and that nothing starts. It is told from what earlier runs remember; no store is opened.
The exit code is 0 where all is well, and 1 otherwise; notes do not count.`,
		Example: `  varve status
  varve status --json`,
		Args: wants(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			path, err := a.configPath(c)
			if err != nil {
				return err
			}
			return a.withJobs(c, func(j *configured) error {
				return a.status(jobs.Status(j.deps, nil), a.startedBy(c.Context(), j, path))
			})
		},
	}
}

// status prints how the jobs are; an error where not all is well.
func (a *app) status(lines []jobs.StatusLine, s started) error {
	if err := a.printStatus(lines, s); err != nil {
		return err
	}
	ill := int64(0)
	for _, l := range lines {
		if l.Level != jobs.Good {
			ill++
		}
	}
	if ill > 0 {
		return errors.New("status: " + count(ill, "copy is", "copies are") + " not well")
	}
	return nil
}

func (a *app) printStatus(lines []jobs.StatusLine, s started) error {
	if a.json {
		for _, l := range lines {
			a.emitEvent(newJSONStatus(&l, s[l.Job]))
		}
		return nil
	}
	if a.quiet || len(lines) == 0 {
		return nil
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "JOB\tSTORE\tSTATE\tLAST GOOD\tDUE\tCHECKED\tREHEARSED\tSIZE\tADDED\t7 DAYS")
	for _, l := range lines {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", l.Job, l.Store, l.Level, a.goodText(&l), a.whenText(l.Next), a.checkedText(l.Verify),
			a.provenText(l.Proven), usedText(&l), addedText(l.Added.Last), addedText(l.Added.Week))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, l := range lines {
		for _, why := range l.Why {
			a.printf("%s: job %s, store %s: %s\n", l.Level, l.Job, l.Store, plain(why))
		}
	}
	for _, l := range lines {
		for _, note := range l.Notes {
			a.printf("note: job %s, store %s: %s\n", l.Job, l.Store, plain(note))
		}
	}
	for _, note := range s.notes() {
		a.printf("note: %s\n", note)
	}
	return nil
}

// goodText returns when the last good snapshot was begun, and how many the store has not got that others have.
func (a *app) goodText(l *jobs.StatusLine) string {
	text := a.whenText(l.Good)
	if l.Missing > 0 {
		text += fmt.Sprintf(", %d behind", l.Missing)
	}
	return text
}

// whenText returns a time to the minute, or "never".
func (a *app) whenText(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.In(a.now().Location()).Format("2006-01-02 15:04")
}

func (a *app) checkedText(v *history.Verify) string {
	if v == nil || v.Error != "" {
		return "never"
	}
	return a.whenText(v.Time)
}

func (a *app) provenText(d *history.Drill) string {
	if d == nil {
		return "never"
	}
	return a.whenText(d.Time)
}

// usedText returns how large a store is, and by how much it grows.
func usedText(l *jobs.StatusLine) string {
	if l.Size == nil || l.Size.Used < 0 {
		return "unknown"
	}
	text := sizeText(l.Size.Used)
	switch {
	case l.Growth > 0:
		text += ", +" + sizeText(l.Growth) + " a day"
	case l.Growth < 0:
		text += ", -" + sizeText(-l.Growth) + " a day"
	}
	return text
}

// addedText returns how many bytes were added; -1 stands for an unknown number.
func addedText(n int64) string {
	if n < 0 {
		return "unknown"
	}
	return "+" + sizeText(n)
}

// jsonStatus is a line of the status in JSON.
type jsonStatus struct {
	Event    string           `json:"event"`
	Job      string           `json:"job"`
	Store    string           `json:"store"`
	Level    string           `json:"level"`
	Why      []string         `json:"why"`
	Notes    []string         `json:"notes"`
	Good     time.Time        `json:"good,omitzero"`
	Snapshot varve.SnapshotID `json:"snapshot,omitzero"`
	Overdue  bool             `json:"overdue"`
	Next     time.Time        `json:"next,omitzero"`
	Starters []string         `json:"starters,omitzero"`
	Stale    []string         `json:"stale,omitzero"`
	Last     *history.Run     `json:"last,omitempty"`
	Since    time.Time        `json:"since,omitzero"`
	Verify   *history.Verify  `json:"verify,omitempty"`
	Proven   *history.Drill   `json:"proven,omitempty"`
	Drill    *history.Drill   `json:"drill,omitempty"`
	Missing  int              `json:"missing"`
	Held     *history.Held    `json:"held,omitempty"`
	Size     *history.Size    `json:"size,omitempty"`
	Growth   int64            `json:"growth"`
	Added    jobs.Added       `json:"added"`
}

func newJSONStatus(l *jobs.StatusLine, by shown) jsonStatus {
	return jsonStatus{Event: "status", Job: l.Job, Store: l.Store, Level: l.Level.String(), Why: append([]string{}, l.Why...),
		Notes: append([]string{}, l.Notes...), Good: l.Good, Snapshot: l.ID, Overdue: l.Overdue, Next: l.Next, Starters: by.Starters, Stale: by.Stale,
		Last: l.Last, Since: l.Since, Verify: l.Verify, Proven: l.Proven, Drill: l.Drill, Missing: l.Missing, Held: l.Held, Size: l.Size, Growth: l.Growth,
		Added: l.Added}
}
