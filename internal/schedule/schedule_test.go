package schedule

import (
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"pgregory.net/rapid"
)

// parse reads a schedule that must be right.
func parse(t testing.TB, text string) Schedule {
	t.Helper()
	s, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// zone returns a time zone by its name.
func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

// at reads a local time.
func at(t testing.TB, text string, loc *time.Location) time.Time {
	t.Helper()
	when, err := time.ParseInLocation("2006-01-02 15:04", text, loc)
	if err != nil {
		t.Fatal(err)
	}
	return when
}

func TestNextIsTheFirstTimeThatIsNamed(t *testing.T) {
	for _, c := range []struct{ text, after, want string }{
		{"hourly", "2026-11-20 10:00", "2026-11-20 11:00"},
		{"hourly :15", "2026-11-20 10:14", "2026-11-20 10:15"},
		{"hourly :15", "2026-12-31 23:15", "2027-01-01 00:15"},
		{"daily", "2026-11-20 00:00", "2026-11-21 00:00"},
		{"daily 02:00", "2026-11-20 01:59", "2026-11-20 02:00"},
		{"daily 18:30,6:00", "2026-11-20 06:00", "2026-11-20 18:30"},
		{"weekly", "2026-11-20 10:00", "2026-11-23 00:00"},
		{"weekly Sun 03:30", "2026-11-20 10:00", "2026-11-22 03:30"},
		{"weekly friday", "2026-11-20 00:00", "2026-11-27 00:00"},
		{"monthly", "2026-11-20 10:00", "2026-12-01 00:00"},
		{"monthly 15 04:00", "2026-11-20 10:00", "2026-12-15 04:00"},
		{"monthly last 23:00", "2028-01-31 23:00", "2028-02-29 23:00"},
		{"Mon..Fri 20:00", "2026-11-20 20:00", "2026-11-23 20:00"},
		{"Sat..Mon 20:00", "2026-11-20 20:00", "2026-11-21 20:00"},
		{"Sat..Mon 20:00", "2026-11-23 20:00", "2026-11-28 20:00"},
		{"Wed,Fri 20:00", "2026-11-20 20:00", "2026-11-25 20:00"},
		{"every 6h", "2026-11-20 10:10", "2026-11-20 16:10"},
		{"every 1w", "2026-11-20 10:10", "2026-11-27 10:10"},
		{"Mon..Fri 20:00; Sat 10:00", "2026-11-20 20:00", "2026-11-21 10:00"},
		{" DAILY  02:00 ;every 90m", "2026-11-20 01:00", "2026-11-20 02:00"},
	} {
		if got := parse(t, c.text).Next(at(t, c.after, time.UTC)); !got.Equal(at(t, c.want, time.UTC)) {
			t.Errorf("%s after %s: got %s, want %s", c.text, c.after, got, c.want)
		}
	}
}

func TestWhatMakesNoSenseIsRefusedWithAReason(t *testing.T) {
	for text, reason := range map[string]string{
		"":                       "want hourly",
		";":                      "want hourly",
		"daily 02:00;":           "want hourly",
		"sometimes":              "not a day",
		"02:00":                  "not a day",
		"*-*-* 02:00":            "not a day",
		"daily 24:00":            "23:59",
		"daily 2":                "23:59",
		"daily 02:0":             "23:59",
		"daily 002:00":           "23:59",
		"daily +2:00":            "23:59",
		"daily 02:00:00":         "23:59",
		"daily 02:00,":           "23:59",
		"daily 02:00 03:00":      "too much",
		"daily 02:00, 03:00":     "lists have no spaces",
		"hourly 15":              "hourly :15",
		"hourly :60":             "hourly :15",
		"hourly :5":              "hourly :15",
		"weekly Mon,Thu":         "not a day",
		"weekly Mo":              "not a day",
		"monthly 0":              "1 to 28",
		"monthly 29":             "1 to 28",
		"Mon..Fri":               "says no time",
		"Mon.. 10:00":            "not a day",
		"every":                  "one span",
		"every 6 h":              "one span",
		"every 0h":               "every minute",
		"every 59s":              "every minute",
		"every 6h daily":         "one span",
		"every 3M":               "no months",
		"never; daily":           "no other rule",
		"Mon..Fri\u00a010:00,\n": "23:59",
		strings.Repeat("daily;", maxRules) + "daily": "too many rules",
	} {
		if s, err := Parse(text); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%q: got %v, %v; want an error with %q", text, s, err, reason)
		}
	}
}

func TestADayThatIsMissedIsCaughtUpOnce(t *testing.T) {
	s := parse(t, "daily 02:00")
	last, now := at(t, "2026-11-01 02:00", time.UTC), at(t, "2026-11-20 09:00", time.UTC)
	if due, wrong := s.Due(last, now); !due || wrong {
		t.Errorf("after nineteen days: due %v, clock wrong %v", due, wrong)
	}
	if due, _ := s.Due(now, now.Add(time.Minute)); due {
		t.Error("due again though it has caught up")
	}
	if due, _ := s.Due(now, at(t, "2026-11-21 02:00", time.UTC)); !due {
		t.Error("not due on the next day")
	}
}

func TestWhatNeverRanIsDue(t *testing.T) {
	if due, wrong := parse(t, "monthly").Due(time.Time{}, at(t, "2026-11-20 09:00", time.UTC)); !due || wrong {
		t.Errorf("due %v, clock wrong %v", due, wrong)
	}
}

func TestASuccessInTheFutureIsDueAndTellsOfTheClock(t *testing.T) {
	now := at(t, "2026-11-20 09:00", time.UTC)
	last := at(t, "2038-01-19 03:14", time.UTC)
	if due, wrong := parse(t, "daily").Due(last, now); !due || !wrong {
		t.Errorf("due %v, clock wrong %v", due, wrong)
	}
	if !parse(t, "daily").Overdue(last, now, time.Hour) {
		t.Error("a success in the future was taken for a proof")
	}
	if parse(t, "daily").Overdue(now.Add(time.Minute), now, time.Hour) {
		t.Error("a clock that was set back a minute is an alarm")
	}
}

func TestOverdueBeginsWhenTheGraceIsOver(t *testing.T) {
	s := parse(t, "Mon..Fri 20:00")
	last := at(t, "2026-11-20 20:05", time.UTC) // a Friday
	if now := at(t, "2026-11-23 22:00", time.UTC); s.Overdue(last, now, 2*time.Hour) {
		t.Error("overdue before the grace was over")
	}
	if now := at(t, "2026-11-23 22:01", time.UTC); !s.Overdue(last, now, 2*time.Hour) {
		t.Error("not overdue when the grace was over")
	}
	if !s.Overdue(time.Time{}, last, 2*time.Hour) {
		t.Error("what never succeeded is not overdue")
	}
}

func TestNeverIsNeitherDueNorOverdue(t *testing.T) {
	now := at(t, "2026-11-20 09:00", time.UTC)
	for _, s := range []Schedule{{}, parse(t, " Never ")} {
		due, _ := s.Due(time.Time{}, now)
		if due || s.Overdue(time.Time{}, now, 0) || !s.Never() || !s.Next(now).IsZero() || s.String() != "never" {
			t.Errorf("%v is due", s)
		}
	}
}

func TestTheWallClockIsThatOfNow(t *testing.T) {
	last := at(t, "2026-11-20 00:30", time.UTC) // 01:30 in Berlin
	now := at(t, "2026-11-20 02:00", zone(t, "Europe/Berlin"))
	if due, _ := parse(t, "daily 02:00").Due(last, now); !due {
		t.Error("not due at two o'clock local time")
	}
	if due, _ := parse(t, "daily 02:00").Due(last, now.UTC()); due {
		t.Error("due at one o'clock local time")
	}
}

func TestAScheduleIsReadAsItIsWritten(t *testing.T) {
	for text, want := range map[string]string{
		"daily": "daily 00:00", "DAILY 6:05,6:05": "daily 06:05", "hourly :00": "hourly", "hourly :07": "hourly :07",
		"sun,sat,mon 10:00": "Mon,Sat,Sun 10:00", "fri..sun 10:00": "Fri..Sun 10:00", "mon..sun 10:00": "daily 10:00",
		"monthly LAST": "monthly last 00:00", "every 24h": "every 1d", "every 90m;weekly": "every 1h30m; Mon 00:00", "every 1y": "every 365d",
	} {
		var s Schedule
		if err := s.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		again, err := s.MarshalText()
		if err != nil || string(again) != want {
			t.Errorf("%s: got %q, %v, want %q", text, again, err, want)
		}
		if twice := parse(t, want); twice.String() != want {
			t.Errorf("%q became %q", want, twice)
		}
	}
}

func TestSpansAreReadAsTheyAreWritten(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1h30m": 90 * time.Minute, "3d": 3 * day, "2W": 2 * week, "1y": year, "90s": 90 * time.Second, "0s": 0, "1d12H": 36 * time.Hour,
		"100y": maxSpan,
	} {
		if got, err := ParseSpan(text); err != nil || got != want {
			t.Errorf("%s: got %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "h", "6", "6 h", "-6h", "+6h", "1.5h", "6h6h", "6hours", "3M", "1mo", "101y", "100y1s",
		"99999999999999999999s", "9223372036854775807w", "6\u00b5s"} {
		if got, err := ParseSpan(text); err == nil {
			t.Errorf("%q: got %s", text, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		span := time.Duration(rapid.Int64Range(0, int64(maxSpan/time.Second)).Draw(t, "seconds")) * time.Second
		if got, err := ParseSpan(FormatSpan(span)); err != nil || got != span {
			t.Errorf("%s: got %s, %v", FormatSpan(span), got, err)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"daily 02:00", "Mon..Fri 20:00; every 6h", "monthly last", "hourly :15", "never", "weekly Sun 03:30,04:30"} {
		f.Add(text)
	}
	now := time.Date(2026, 3, 29, 1, 30, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		if again, err := Parse(s.String()); err != nil || again.String() != s.String() {
			t.Errorf("%q became %q, %v", s, again, err)
		}
		if next := s.Next(now); !s.Never() && !next.After(now) {
			t.Errorf("%q: %s is not after %s", text, next, now)
		}
	})
}
