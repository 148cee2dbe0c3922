package notice

import (
	"cmp"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"varve"
	"varve/internal/hook"
)

const (
	// maxLine is how long one text of a report may be, in bytes.
	maxLine = 1000
	// maxListed is how many problems, notes and stores are listed each.
	maxListed = 25
)

// Title returns the report in a few words, on one line.
func (r *Report) Title() string {
	what := map[Event]string{Start: "started", Success: "is good", Failure: "FAILED", Suspect: "is SUSPECT", Incomplete: "is INCOMPLETE",
		Overdue: "is OVERDUE", Recovered: "is good again"}[r.Event]
	return fmt.Sprintf("Backup %s on %s %s", line(r.Job), line(r.Host), cmp.Or(what, line(string(r.Event))))
}

// Text returns the whole report for people: lines that end in newlines.
func (r *Report) Text() string {
	var t text
	t.say(r.Title() + ".")
	if what := r.meaning(); what != "" {
		t.say(what)
	}
	t.say("")
	r.course(&t)
	r.results(&t)
	t.list("What is missing or wrong", r.Problems, r.Unlisted)
	t.list("Notes", r.Notes, 0)
	t.say("")
	r.wayBack(&t)
	if r.Program != "" {
		t.say("")
		t.say("-- ")
		t.say(line(r.Program))
	}
	return t.String()
}

// meaning says what follows from the event.
func (r *Report) meaning() string {
	switch r.Event {
	case Failure:
		if r.Snapshot != nil {
			return "A snapshot was made, but not everything else was done."
		}
		return "No snapshot was made. Nothing was removed."
	case Suspect:
		return "The snapshot differs so much from the last good one that somebody must look at it. Because of it nothing is removed."
	case Incomplete:
		return "The snapshot lacks what could not be read."
	case Overdue:
		return "No good snapshot has come for longer than it may take."
	}
	return ""
}

// course tells when it was, and what went wrong.
func (r *Report) course(t *text) {
	t.at("Began", r.Begin)
	if !r.End.IsZero() && !r.Begin.IsZero() {
		took := fmt.Sprintf("%s, after %v", clock(r.End), r.End.Sub(r.Begin).Round(time.Second))
		if r.Attempts > 1 {
			took += fmt.Sprintf(" and %d attempts", r.Attempts)
		}
		t.row("Ended", took)
	}
	t.row("Series", r.Series)
	for i, one := range strings.Split(r.Error, "\n") {
		name := "Error"
		if i > 0 {
			name = ""
		}
		t.row(name, one)
	}
	t.row("To do", r.Hint)
}

// results tell of the snapshot and the stores.
func (r *Report) results(t *text) {
	if s := r.Snapshot; s != nil {
		t.row("Snapshot", fmt.Sprintf("%s, %s: %d files and %d directories, %s, of which %s were new", s.ID.Short(), s.State, s.Files, s.Dirs,
			size(s.Bytes), size(s.Added)))
		if s.Skipped+s.Vanished+s.Changed > 0 {
			t.row("", fmt.Sprintf("%d could not be read, %d vanished, %d changed while they were read", s.Skipped, s.Vanished, s.Changed))
		}
	}
	var stores []string
	for _, s := range r.Stores {
		one := s.Name + ": " + s.Result
		if s.Error != "" {
			one += ": " + strings.ReplaceAll(s.Error, "\n", "; ")
		}
		stores = append(stores, one)
	}
	t.list("Stores", stores, 0)
}

// wayBack tells what there is to restore, and how.
func (r *Report) wayBack(t *text) {
	switch {
	case !r.Good.IsZero() && r.GoodID != (varve.SnapshotID{}):
		t.row("Last good", fmt.Sprintf("snapshot %s of %s", r.GoodID.Short(), clock(r.Good)))
	case !r.Good.IsZero():
		t.at("Last good", r.Good)
	case r.Event != Start && r.Event != Success && r.Event != Recovered:
		t.row("Last good", "none that is known")
	}
	t.row("Restore", r.Restore)
	t.at("Next run", r.Next)
}

// text is a report being written. What it is given is made harmless.
type text struct{ strings.Builder }

// say writes a line of our own.
func (t *text) say(words string) { t.WriteString(words + "\n") }

// row writes a name and a value, unless that is empty.
func (t *text) row(name, value string) {
	if value != "" {
		fmt.Fprintf(t, "%-10s %s\n", name, line(value))
	}
}

func (t *text) at(name string, when time.Time) {
	if !when.IsZero() {
		t.row(name, clock(when))
	}
}

// list writes a heading and the first of many lines; more is how many there are besides.
func (t *text) list(heading string, lines []string, more int64) {
	if len(lines) == 0 {
		return
	}
	if len(lines) > maxListed {
		lines, more = lines[:maxListed], more+int64(len(lines)-maxListed)
	}
	t.say("\n" + heading + ":")
	for _, l := range lines {
		t.say("  " + line(l))
	}
	if more > 0 {
		t.say(fmt.Sprintf("  ... and %d more", more))
	}
}

// line returns text as one line without control characters, and not too long.
func line(text string) string { return cut(hook.Line(text), maxLine) }

// cut returns the first n bytes of text at the most, and whole characters of them.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n -= len("..."); n > 0 && !utf8.RuneStart(text[n]); n-- {
	}
	return text[:n] + "..."
}

// clock returns a time for people, in its own location.
func clock(t time.Time) string { return t.Format("2006-01-02 15:04:05 MST") }

// size returns a number of bytes for people.
func size(n int64) string {
	const units = "KMGTPE"
	if n < 1024 {
		return fmt.Sprintf("%d bytes", n)
	}
	f, unit := float64(n)/1024, 0
	for f >= 1023.95 {
		f, unit = f/1024, unit+1
	}
	return fmt.Sprintf("%.1f %ciB", f, units[unit])
}
