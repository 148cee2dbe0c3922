package schedule

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// moving are zones and years in which clocks are set: by an hour, half an hour, two hours, at midnight, by a whole day, and by odd seconds.
var moving = []struct {
	name string
	year int
}{
	{"Europe/Berlin", 2026}, {"America/New_York", 2026}, {"Australia/Lord_Howe", 2026}, {"Antarctica/Troll", 2026}, {"America/Sao_Paulo", 2018},
	{"Asia/Beirut", 2026}, {"Africa/Casablanca", 2026}, {"Pacific/Apia", 2011}, {"Pacific/Kwajalein", 1993}, {"Africa/Monrovia", 1972},
	{"America/Nuuk", 2025}, {"Asia/Kolkata", 2026}, {"UTC", 2026},
}

func TestAJobAtHalfPastTwoRunsOnceWhenTheClocksAreSet(t *testing.T) {
	for _, c := range []struct{ zone, from, to, want string }{
		{"Europe/Berlin", "2026-03-28 12:00", "2026-03-30 00:00", "2026-03-29T03:30:00+02:00"},
		{"Europe/Berlin", "2026-10-24 12:00", "2026-10-26 00:00", "2026-10-25T02:30:00+02:00"},
		{"America/New_York", "2026-03-07 12:00", "2026-03-09 00:00", "2026-03-08T03:30:00-04:00"},
		{"America/New_York", "2026-10-31 12:00", "2026-11-02 00:00", "2026-11-01T02:30:00-05:00"},
	} {
		loc := zone(t, c.zone)
		end := at(t, c.to, loc)
		s := parse(t, "daily 02:30")
		var runs []string
		for next := s.Next(at(t, c.from, loc)); next.Before(end); next = s.Next(next) {
			runs = append(runs, next.Format(time.RFC3339))
		}
		if len(runs) != 1 || runs[0] != c.want {
			t.Errorf("%s, %s: ran at %v, want %s", c.zone, c.from, runs, c.want)
		}
	}
}

// TestEveryDayHasItsRunInEveryZone polls as a timer does, at odd intervals, and counts the runs of every day that there is.
func TestEveryDayHasItsRunInEveryZone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := rapid.SampledFrom(moving).Draw(t, "zone")
		loc, err := time.LoadLocation(c.name)
		if err != nil {
			t.Fatal(err)
		}
		slot := clock(rapid.IntRange(0, 24*60-1).Draw(t, "time of day"))
		poll := time.Duration(rapid.IntRange(1, 50).Draw(t, "minutes between polls")) * time.Minute
		s, err := Parse("daily " + slot.String())
		if err != nil {
			t.Fatal(err)
		}
		from := time.Date(c.year, 1, 1+rapid.IntRange(0, 360).Draw(t, "day"), 12, 0, 0, 0, loc)
		if _, set := from.ZoneBounds(); !set.IsZero() && rapid.Bool().Draw(t, "around a change") {
			from = set.Add(-time.Duration(rapid.IntRange(1, 72*60).Draw(t, "minutes before it")) * time.Minute)
		}
		from = from.Truncate(time.Minute)
		to := from.AddDate(0, 0, 2)
		want := scan(from, to.Add(2*poll), slot)
		last := from
		for now := from; now.Before(to.Add(poll)); now = now.Add(poll) {
			if due, wrong := s.Due(last, now); wrong {
				t.Fatal("the clock was taken for wrong")
			} else if !due {
				continue
			}
			if len(want) == 0 || now.Before(want[0]) || now.Sub(want[0]) >= poll {
				t.Fatalf("%s at %s in %s: ran at %s, wanted at %v", s, slot, c.name, now, want)
			}
			want, last = want[1:], now
		}
		if len(want) > 0 && want[0].Before(to) {
			t.Errorf("%s in %s: no run at %v", s, c.name, want)
		}
	})
}

// scan finds by looking at every minute when a daily job should run, later than from and not later than to.
func scan(from, to time.Time, slot clock) []time.Time {
	type date struct{ y, d int }
	seen := map[date]bool{}
	var runs []time.Time
	previous := -1
	for t := from.Add(-36 * time.Hour); !t.After(to); t = t.Add(time.Minute) {
		today := date{t.Year(), t.YearDay()}
		shown := t.Hour()*60 + t.Minute()
		// The clock shows it, or goes on from before it to behind it and shows it so much later.
		late := 0
		if before := t.Add(-time.Minute); previous >= 0 && shown != (previous+1)%(24*60) {
			late = gap(before, t, slot)
		}
		if late > 0 {
			if run := t.Add(time.Duration(late-1) * time.Minute); run.After(from) && !run.After(to) {
				runs = append(runs, run)
			}
		} else if shown == int(slot) && !seen[today] {
			seen[today] = true
			if t.After(from) && (len(runs) == 0 || !runs[len(runs)-1].Equal(t)) {
				runs = append(runs, t)
			}
		}
		previous = shown
	}
	return runs
}

// gap returns, where the clock leaves out slot between two minutes, how many minutes after the first one it would have shown it.
func gap(before, after time.Time, slot clock) int {
	wall := func(t time.Time) time.Time {
		return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), 0, 0, time.UTC)
	}
	for w, n := wall(before).Add(time.Minute), 1; w.Before(wall(after)); w, n = w.Add(time.Minute), n+1 {
		if w.Hour()*60+w.Minute() == int(slot) {
			return n
		}
	}
	return 0
}

func TestHourlyFollowsTheMinutesOfTheClock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := rapid.SampledFrom(moving).Draw(t, "zone")
		loc, err := time.LoadLocation(c.name)
		if err != nil {
			t.Fatal(err)
		}
		minute := rapid.IntRange(0, 59).Draw(t, "minute")
		s, err := Parse(fmt.Sprintf("hourly :%02d", minute))
		if err != nil {
			t.Fatal(err)
		}
		after := time.Date(c.year, 1, 1, 0, 0, rapid.IntRange(0, 366*24*3600).Draw(t, "second"), 5, loc)
		next := s.Next(after)
		if next.Minute() != minute || next.Second() != 0 || next.Nanosecond() != 0 || !next.After(after) {
			t.Errorf("after %s: %s", after, next)
		}
		if later := next.Sub(after); later > 2*time.Hour {
			t.Errorf("%s passes without a run after %s", later, after)
		}
	})
}

func TestNextComesLaterAndNothingComesBetween(t *testing.T) {
	texts := []string{"daily 00:15,23:45", "Sun 02:30; Mon 00:00", "monthly last 23:30", "monthly 28 00:00", "hourly :30; Wed 02:15"}
	rapid.Check(t, func(t *rapid.T) {
		c := rapid.SampledFrom(moving).Draw(t, "zone")
		loc, err := time.LoadLocation(c.name)
		if err != nil {
			t.Fatal(err)
		}
		s, err := Parse(rapid.SampledFrom(texts).Draw(t, "schedule"))
		if err != nil {
			t.Fatal(err)
		}
		after := time.Date(c.year, 1, 1, 0, 0, rapid.IntRange(0, 366*24*3600).Draw(t, "second"), 0, loc)
		next := s.Next(after)
		if !next.After(after) || next.Location() != loc {
			t.Fatalf("after %s: %s", after, next)
		}
		between := after.Add(time.Duration(rapid.Int64Range(0, int64(next.Sub(after))-1).Draw(t, "between")))
		if again := s.Next(between); !again.Equal(next) {
			t.Errorf("after %s it is %s, but after %s it is %s", after, next, between, again)
		}
	})
}
