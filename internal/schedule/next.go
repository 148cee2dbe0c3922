package schedule

import "time"

// clock is a time of day in minutes since midnight, as a clock on the wall shows it.
type clock int

// days is a set of days of the week: bit 0 is Sunday. None stands for all.
type days uint8

// everyDay is the set that is written as none.
const everyDay days = 1<<7 - 1

func weekday(d time.Weekday) days { return 1 << d }

// lastDay stands for the last day of a month.
const lastDay = -1

// every is due so long after the last run.
type every struct{ span time.Duration }

func (e every) next(after time.Time) time.Time { return after.Add(e.span) }

// hourly is due when the clock shows this minute.
type hourly struct{ minute int }

// next looks at every minute, since a clock may be set by less than an hour.
func (h hourly) next(after time.Time) time.Time {
	past := time.Duration(after.Second())*time.Second + time.Duration(after.Nanosecond())
	t := after.Add(time.Minute - past)
	for range 24 * 60 {
		// Where the clock is set by odd seconds, which it was long ago, the full minute is elsewhere.
		t = t.Add(-time.Duration(t.Second()) * time.Second)
		if t.Minute() == h.minute && t.After(after) {
			break
		}
		t = t.Add(time.Minute)
	}
	return t
}

// calendar is due at times of day, on some days.
type calendar struct {
	days     days
	monthDay int // 0 for every day, lastDay for the last
	times    []clock
}

// shifted is how many days a time that the clock leaves out may be moved by, rounded up.
const shifted = 2

// next looks at the days around after and on, until there is one with a time that lies later, and some more: the first time that was
// found may have been moved behind one of the next days.
func (c calendar) next(after time.Time) time.Time {
	y, m, d := after.Date()
	var first time.Time
	for i, more := -shifted, shifted; more >= 0; i++ {
		// The days of UTC are all there, and each once.
		date := time.Date(y, m, d+i, 0, 0, 0, 0, time.UTC)
		for _, at := range c.on(date) {
			t := instant(date.Add(time.Duration(at)*time.Minute), after.Location())
			if t.After(after) && (first.IsZero() || t.Before(first)) {
				first = t
			}
		}
		if !first.IsZero() {
			more--
		}
	}
	return first
}

// on returns the times on one day.
func (c calendar) on(date time.Time) []clock {
	switch {
	case c.days != 0 && c.days&weekday(date.Weekday()) == 0:
	case c.monthDay == lastDay && date.AddDate(0, 0, 1).Day() != 1:
	case c.monthDay > 0 && date.Day() != c.monthDay:
	default:
		return c.times
	}
	return nil
}

// instant returns when the clocks of loc show what wall shows in UTC: for the first time where they do so twice. Where they never do,
// it is when they would have shown it had they not been set.
func instant(wall time.Time, loc *time.Location) time.Time {
	var before time.Time
	// No clock differs from UTC by two days, so the zone in which the search begins is over or the one that is sought.
	for in := wall.Add(-48 * time.Hour).In(loc); ; {
		_, offset := in.Zone()
		start, end := in.ZoneBounds()
		t := wall.Add(-time.Duration(offset) * time.Second).In(loc)
		switch {
		case !before.IsZero() && t.Before(start):
			return before
		case end.IsZero() || t.Before(end):
			return t
		}
		before, in = t, end
	}
}
