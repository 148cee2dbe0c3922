package job

import (
	"errors"
	"fmt"
	"time"

	"varve"
	"varve/internal/history"
)

// ErrClock says that the clock may be wrong, so that nothing is deleted.
var ErrClock = errors.New("the clock may be wrong: nothing is deleted")

const (
	// built is how much earlier than the program the clock may be: that was made in another time zone, on a machine with another clock.
	builtBefore = 24 * time.Hour
	// builtYears is how old a program may be that deletes anything.
	builtYears = 10
	// leap is by how much the clock may move on between two runs, and settled for how long nothing is deleted after it moved on by more.
	leap    = 400 * 24 * time.Hour
	settled = 7 * 24 * time.Hour
)

// clock is what is known about the time at the beginning of a run.
type clock struct{ now, built time.Time }

// plausible returns an error where the clock shows a time at which the program cannot run, or hardly.
func (c clock) plausible() error {
	switch {
	case c.built.IsZero():
		return nil
	case c.now.Before(c.built.Add(-builtBefore)):
		return fmt.Errorf("it is %s here, and the program is of %s: %w", stampText(c.now), stampText(c.built), ErrClock)
	case c.now.After(c.built.AddDate(builtYears, 0, 0)):
		return fmt.Errorf("it is %s here, and the program of %s, which is more than %d years: %w", stampText(c.now), stampText(c.built),
			builtYears, ErrClock)
	}
	return nil
}

// leapt notices that the clock has moved on by more than a machine is off, and remembers it: time has to go on for a while without
// anybody setting it back before it is believed. last is the latest sign of the time before that is not later than now; zero where
// there is none.
func (c clock) leapt(j *history.Job, last time.Time) error {
	if !last.IsZero() && c.now.Sub(last) > leap {
		j.Leap = c.now
	}
	if j.Leap.IsZero() || j.Leap.After(c.now) || c.now.Sub(j.Leap) >= settled {
		j.Leap = time.Time{}
		return nil
	}
	return fmt.Errorf("it moved on by more than a year before %s, and is believed from %s on: %w", stampText(j.Leap),
		stampText(j.Leap.Add(settled)), ErrClock)
}

// follows returns an error where the newest snapshot of a series in list, by sequence, is of a later time than now.
func (c clock) follows(list []varve.Snapshot, series string) error {
	if s := newest(list, series); s != nil && s.Time.After(c.now) {
		return fmt.Errorf("it is %s here, and the newest snapshot is of %s: %w", stampText(c.now), stampText(s.Time), ErrClock)
	}
	return nil
}

// lastSign returns the latest time not after now at which the job ran or a snapshot was made; zero where there is none.
func (c clock) lastSign(j *history.Job, list []varve.Snapshot) time.Time {
	var last time.Time
	see := func(t time.Time) {
		if t.After(last) && !t.After(c.now) {
			last = t
		}
	}
	for _, r := range j.Runs {
		if r.Result != history.Running {
			see(r.Begin)
		}
	}
	for _, s := range list {
		see(s.Time)
	}
	return last
}

// newest returns the snapshot of a series with the highest number; nil where there is none.
func newest(list []varve.Snapshot, series string) *varve.Snapshot {
	var n *varve.Snapshot
	for i := range list {
		if s := &list[i]; s.Series == series && (n == nil || s.Seq > n.Seq) {
			n = s
		}
	}
	return n
}

// newestGood is newest of the good ones.
func newestGood(list []varve.Snapshot, series string) *varve.Snapshot {
	var n *varve.Snapshot
	for i := range list {
		if s := &list[i]; s.Series == series && s.State.Good() && (n == nil || s.Seq > n.Seq) {
			n = s
		}
	}
	return n
}

func stampText(t time.Time) string { return t.Format(time.RFC3339) }
