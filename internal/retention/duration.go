package retention

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// maxUnits bounds every part of a Duration, so that no sum overflows: a million years are representable as a time.
const maxUnits = 1_000_000

// Duration is a span of the calendar: a month is as long as the month it is taken from. The zero value is no span.
type Duration struct{ Years, Months, Weeks, Days, Hours int }

// ParseDuration reads a duration such as "1y5m7d2h" or "10D": numbers, each followed by one of the units y, m (months), w, d and
// h in either case, each unit at most once. Spaces, signs, minutes, seconds and a sum of zero are errors.
func ParseDuration(s string) (Duration, error) {
	var d Duration
	units := map[byte]*int{'y': &d.Years, 'm': &d.Months, 'w': &d.Weeks, 'd': &d.Days, 'h': &d.Hours}
	for rest := s; rest != ""; {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		if digits == 0 || digits == len(rest) {
			return Duration{}, durationError(s, "want numbers with units, such as 1y5m7d2h")
		}
		letter := rest[digits] | 0x20
		unit := units[letter]
		if unit == nil {
			return Duration{}, durationError(s, "the units are y, m for months, w, d and h, each at most once")
		}
		n, err := strconv.Atoi(rest[:digits])
		if err != nil || n > maxUnits {
			return Duration{}, durationError(s, "a number is too large")
		}
		*unit = n
		delete(units, letter)
		rest = rest[digits+1:]
	}
	if d == (Duration{}) {
		return Duration{}, durationError(s, "must be longer than zero")
	}
	return d, nil
}

func durationError(s, cause string) error { return fmt.Errorf("duration %q: %s", s, cause) }

// String returns d as ParseDuration reads it; "0h" for the zero value.
func (d Duration) String() string {
	var b strings.Builder
	for i, n := range [...]int{d.Years, d.Months, d.Weeks, d.Days, d.Hours} {
		if n != 0 {
			fmt.Fprintf(&b, "%d%c", n, "ymwdh"[i])
		}
	}
	if b.Len() == 0 {
		return "0h"
	}
	return b.String()
}

// Before returns the time that lies d before t, in the location of t. Where a month is too short for the day of t, its last day is
// taken: one month before the 31st of March is the end of February.
func (d Duration) Before(t time.Time) time.Time {
	year, month, day := t.Date()
	first := time.Date(year-d.Years, month-time.Month(d.Months), 1, 0, 0, 0, 0, time.UTC)
	day = min(day, first.AddDate(0, 1, -1).Day())
	h, m, s := t.Clock()
	back := time.Date(first.Year(), first.Month(), day-7*d.Weeks-d.Days, h, m, s, t.Nanosecond(), t.Location())
	return back.Add(-time.Duration(d.Hours) * time.Hour)
}

func (d Duration) validate() error {
	for _, n := range [...]int{d.Years, d.Months, d.Weeks, d.Days, d.Hours} {
		if n < 0 || n > maxUnits {
			return errors.New("a part is negative or too large")
		}
	}
	return nil
}
