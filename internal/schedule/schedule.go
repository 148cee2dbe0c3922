// Package schedule says when a job is due.
//
// # What can be written
//
//	hourly              at the full hour            hourly :15           at a quarter past
//	daily               at midnight                 daily 02:00          or at several times: daily 06:00,18:30
//	weekly              Monday at midnight          weekly Sun 03:30
//	monthly             the 1st at midnight         monthly 15 04:00     a day from 1 to 28, or last
//	Mon..Fri 20:00      days of the week            Mon,Thu,Sat 06:00,18:00
//	every 6h            so long after the last run  every 3d             any span of at least a minute, see [ParseSpan]
//	never               by hand only
//
// Rules are separated by ";", and a job is due when one of them says so: "Mon..Fri 20:00; Sat 10:00". Case does not matter. Days have
// their English names or the first three letters of these. Lists have no spaces.
//
// # What it means
//
// A job is due when, since its last success, at least one of the times has come that its schedule names. So a machine that was off
// catches up with one run, however many were missed. The last success counts from when it began.
//
// Times are those of a wall clock in the location of the time.Time handed in. A time that the clock passes twice, when daylight saving
// ends, counts when it comes first. One that the clock leaves out counts as long after the change as it would have been: 02:30 is
// 03:30 on that day. "hourly" follows the clock's minutes, and "every" real time.
//
// # Not for
//
// The package reads no clock, waits for nothing and runs nothing.
package schedule

import (
	"strings"
	"time"
)

// Schedule says at which times a job is to run. It is immutable; the zero value is "never".
type Schedule struct{ rules []rule }

// rule is one part of a schedule.
type rule interface {
	// next returns the first time after a given one, in its location.
	next(after time.Time) time.Time
	// String returns the rule as Parse reads it.
	String() string
	// onCalendar and cron return the rule in the words of systemd.time(7) and crontab(5).
	onCalendar() ([]string, error)
	cron() ([]string, error)
}

// Never reports whether the job runs by hand only.
func (s Schedule) Never() bool { return len(s.rules) == 0 }

// Every returns the shortest span that rules count from the last run, as "every 6h" does; 0 where all rules are of the clock.
func (s Schedule) Every() time.Duration {
	var shortest time.Duration
	for _, r := range s.rules {
		if e, ok := r.(every); ok && (shortest == 0 || e.span < shortest) {
			shortest = e.span
		}
	}
	return shortest
}

// Next returns the first time after a given one at which the job is to run, in the same location; the zero time where that is never.
func (s Schedule) Next(after time.Time) time.Time {
	var first time.Time
	for _, r := range s.rules {
		if t := r.next(after.Round(0)); first.IsZero() || t.Before(first) {
			first = t
		}
	}
	return first
}

// Due reports whether the job is to run now, its last successful run having begun at last; the zero time stands for none. Wall clock
// times are those of the location of now. Where last lies in the future the clock is or was wrong: the job is due, and wrong is true.
func (s Schedule) Due(last, now time.Time) (due, wrong bool) {
	last, now = last.In(now.Location()).Round(0), now.Round(0)
	wrong = last.After(now)
	return !s.Never() && (wrong || last.IsZero() || !s.Next(last).After(now)), wrong
}

// Overdue reports whether the job was due more than grace before now and has not succeeded since last. Where it never did, last is
// when it came to be known; the zero time is overdue at once. A last success that lies further in the future than grace proves nothing:
// it is overdue, too. What runs by hand only never is.
func (s Schedule) Overdue(last, now time.Time, grace time.Duration) bool {
	last, now = last.In(now.Location()).Round(0), now.Round(0)
	if s.Never() {
		return false
	}
	return last.IsZero() || last.After(now.Add(grace)) || s.Next(last).Add(grace).Before(now)
}

// String returns the schedule as Parse reads it, in one form for all that mean the same.
func (s Schedule) String() string {
	if s.Never() {
		return never
	}
	var parts []string
	for _, r := range s.rules {
		parts = append(parts, r.String())
	}
	return strings.Join(parts, "; ")
}

// MarshalText returns what String does.
func (s Schedule) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText is Parse.
func (s *Schedule) UnmarshalText(text []byte) (err error) {
	*s, err = Parse(string(text))
	return err
}
