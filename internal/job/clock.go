package job

import (
	"errors"
	"fmt"
	"time"

	"varve"
	"varve/internal/history"
	"varve/internal/schedule"
)

// ErrClock says that the clock may be wrong, so that nothing is deleted.
var ErrClock = errors.New("the clock may be wrong: nothing is deleted")

const (
	// built is how much earlier than the program the clock may be: that was made in another time zone, on a machine with another clock.
	builtBefore = 24 * time.Hour
	// builtYears is how old a program may be that deletes anything.
	builtYears = 10
	// The clock may move on between two runs by as often the longest time that usually lies between them, at least by shortLeap and at most by
	// longLeap, and be set back by no more than back; settled is for how long nothing is deleted after it jumped by more.
	often     = 3
	shortLeap = 183 * 24 * time.Hour
	unsure    = 14 * 24 * time.Hour // of a run or a pause that lasted longer nobody knows whether time or the clock went on
	longLeap  = 400 * 24 * time.Hour
	back      = 24 * time.Hour
	settled   = 7 * 24 * time.Hour
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

// leapt notices that the clock has moved on by more than usually lies between two runs, or was set back, and remembers it: time has to go on for a while
// without anybody setting it before it is believed. past is what was before. right says that the clock was wrong and goes on now where it
// was believed last.
func (c clock) leapt(j *history.Job, past signs) (right bool, err error) {
	if past.jumped(c.now) {
		right = past.believed.IsZero() || !(signs{last: past.believed, leap: past.leap}).jumped(c.now)
		if j.Leap = c.now; right {
			j.Leap = time.Time{}
		}
	}
	if j.Leap.IsZero() || c.now.Sub(j.Leap) >= settled {
		j.Leap = time.Time{}
		return right, nil
	}
	return false, fmt.Errorf("it jumped before %s, and is believed from %s on: %w", stampText(j.Leap), stampText(j.Leap.Add(settled)), ErrClock)
}

// rested notices a pause that is longer than usual and no leap yet, and remembers it. For a while after it nothing goes by its age: that need
// not be a pause, somebody may have set the clock, and has time to notice. It is no reason to alarm anybody.
func (c clock) rested(j *history.Job, past signs) error {
	if !past.last.IsZero() && c.now.Sub(past.last) > past.rest {
		j.Rest = c.now
	}
	if since := c.now.Sub(j.Rest); j.Rest.IsZero() || since < 0 || since >= settled {
		j.Rest = time.Time{}
		return nil
	}
	return fmt.Errorf("there was a long pause before %s, unless the clock was set: what goes by its age waits until %s", stampText(j.Rest),
		stampText(j.Rest.Add(settled)))
}

// strayed returns an error where the clock was set since the run began, which took from then to now as steady tells, what no clock on the wall
// has to do with.
func (c clock) strayed(now time.Time, steady time.Duration) error {
	wall := now.Round(0).Sub(c.now.Round(0))
	if wall < -back || wall > unsure || (wall-steady).Abs() > back {
		return fmt.Errorf("it was %s when the run began, and is %s: %w", stampText(c.now), stampText(now), ErrClock)
	}
	return nil
}

// signs are times before: the last, and the last that was believed; zero where there was none. leap is by how much the clock may have moved
// on since, rest by how much for all to be as usual.
type signs struct {
	last, believed time.Time
	leap, rest     time.Duration
}

// usual returns how long it may be until the next run of a job: the longest time between two that is remembered, or scheduled from now on.
func usual(h *history.Job, s schedule.Schedule, now time.Time) (longest time.Duration) {
	earliest := now // of the runs that come later: a time that the clock came back from was none
	for i := len(h.Runs) - 1; i > 0; i-- {
		begin := h.Runs[i].Begin
		if begin.Sub(earliest) > back {
			continue
		}
		earliest = begin
		longest = max(longest, begin.Sub(h.Runs[i-1].Begin))
	}
	if s.Never() {
		return longest
	}
	at := now
	for range 10 {
		next := s.Next(at)
		if next.IsZero() {
			break
		}
		longest, at = max(longest, next.Sub(at)), next
	}
	return longest
}

// signsOf returns when the last runs of a job began, which has a schedule.
func signsOf(j *history.Job, plan schedule.Schedule, now time.Time) (s signs) {
	long := often * usual(j, plan, now)
	s.leap, s.rest = min(max(shortLeap, long), longLeap), max(unsure, long)
	for _, r := range j.Runs {
		if r.Result == history.Running {
			continue
		}
		if s.last = r.Begin; !r.Doubt {
			s.believed = r.Begin
		}
	}
	return s
}

// jumped reports whether the clock cannot have gone on from the last sign to now.
func (s signs) jumped(now time.Time) bool {
	return !s.last.IsZero() && (now.Sub(s.last) > s.leap || s.last.Sub(now) > back)
}

// follows returns an error where s, the newest snapshot of a series by its sequence, is of a later time than now. nil stands for none.
func (c clock) follows(s *varve.Snapshot) error {
	if s != nil && s.Time.After(c.now) {
		return fmt.Errorf("it is %s here, and the newest snapshot is of %s: %w", stampText(c.now), stampText(s.Time), ErrClock)
	}
	return nil
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
