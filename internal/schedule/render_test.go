package schedule

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// calendars are schedules that systemd knows; those that cron knows, too, have a second rendering.
var calendars = []struct {
	text             string
	onCalendar, cron []string
}{
	{"hourly", []string{"*-*-* *:00:00"}, []string{"0 * * * *"}},
	{"hourly :15", []string{"*-*-* *:15:00"}, []string{"15 * * * *"}},
	{"daily 02:05,18:30", []string{"*-*-* 02:05:00", "*-*-* 18:30:00"}, []string{"5 2 * * *", "30 18 * * *"}},
	{"weekly Sun 03:30", []string{"Sun *-*-* 03:30:00"}, []string{"30 3 * * 0"}},
	{"Mon..Fri 20:00", []string{"Mon..Fri *-*-* 20:00:00"}, []string{"0 20 * * 1,2,3,4,5"}},
	{"Sat..Mon 20:00", []string{"Mon,Sat,Sun *-*-* 20:00:00"}, []string{"0 20 * * 0,1,6"}},
	{"Fri..Sun,Tue 20:00", []string{"Tue,Fri..Sun *-*-* 20:00:00"}, []string{"0 20 * * 0,2,5,6"}},
	{"monthly 15 04:00", []string{"*-*-15 04:00:00"}, []string{"0 4 15 * *"}},
	{"monthly last 23:00", []string{"*-*~01 23:00:00"}, nil},
	{"daily; Sat 10:00", []string{"*-*-* 00:00:00", "Sat *-*-* 10:00:00"}, []string{"0 0 * * *", "0 10 * * 6"}},
	{"every 1d", []string{"*-*-* 00:00:00"}, []string{"0 0 * * *"}},
	{"every 6h", []string{"*-*-* 00/6:00:00"}, []string{"0 */6 * * *"}},
	{"every 1h", []string{"*-*-* 00/1:00:00"}, []string{"0 */1 * * *"}},
	{"every 15m", []string{"*-*-* *:00/15:00"}, []string{"*/15 * * * *"}},
}

func TestSchedulesAreWrittenForTimersAndCron(t *testing.T) {
	for _, c := range calendars {
		s := parse(t, c.text)
		if got, err := s.OnCalendar(); err != nil || !slices.Equal(got, c.onCalendar) {
			t.Errorf("%s: OnCalendar %q, %v", c.text, got, err)
		}
		got, err := s.Cron()
		if !slices.Equal(got, c.cron) || (err != nil) != (c.cron == nil) {
			t.Errorf("%s: cron %q, %v", c.text, got, err)
		}
	}
	if lines, err := parse(t, "never").Cron(); lines != nil || err != nil {
		t.Errorf("never: %q, %v", lines, err)
	}
}

func TestWhatNoCalendarCanSaySaysWhatToDoInstead(t *testing.T) {
	for _, text := range []string{"every 7h", "every 3d", "every 90m", "every 61s", "every 45m", "every 26h", "daily; every 1w"} {
		if got, err := parse(t, text).OnCalendar(); !errors.Is(err, ErrNoCalendar) || !strings.Contains(err.Error(), "varve run --due") {
			t.Errorf("%s: OnCalendar %q, %v", text, got, err)
		}
		if got, err := parse(t, text).Cron(); !errors.Is(err, ErrNoCalendar) {
			t.Errorf("%s: cron %q, %v", text, got, err)
		}
	}
}

// TestCronFiresWhenTheScheduleSays holds the lines against a reading of them of its own.
func TestCronFiresWhenTheScheduleSays(t *testing.T) {
	start := at(t, "2026-11-20 00:00", time.UTC)
	for _, c := range calendars {
		if c.cron == nil || strings.HasPrefix(c.text, "every") {
			continue
		}
		next := parse(t, c.text).Next(start.Add(-time.Minute))
		for now := start; now.Before(start.AddDate(0, 0, 40)); now = now.Add(time.Minute) {
			fires := slices.ContainsFunc(c.cron, func(line string) bool { return fires(line, now) })
			if fires != now.Equal(next) {
				t.Fatalf("%s at %s: cron fires: %v, the schedule says %s", c.text, now, fires, next)
			}
			if fires {
				next = parse(t, c.text).Next(now)
			}
		}
	}
}

// fires reports whether a line of a crontab, without steps and ranges, fires at t.
func fires(line string, t time.Time) bool {
	values := [...]int{t.Minute(), t.Hour(), t.Day(), int(t.Month()), int(t.Weekday())}
	for i, field := range strings.Fields(line) {
		if field != "*" && !slices.Contains(strings.Split(field, ","), strconv.Itoa(values[i])) {
			return false
		}
	}
	return true
}

// TestSystemdReadsTimersAsTheyAreMeant asks systemd when the timers would run next.
func TestSystemdReadsTimersAsTheyAreMeant(t *testing.T) {
	program, err := exec.LookPath("systemd-analyze")
	if err != nil {
		if os.Getenv("VARVE_TEST_STRICT") == "1" {
			t.Fatal(err)
		}
		t.Skip("systemd-analyze is not installed")
	}
	elapse := regexp.MustCompile(`(?:Next elapse|Iter(?:ation|\.) #\d+): \w+ (\d+-\d+-\d+ \d+:\d+:\d+) UTC`)
	base := at(t, "2026-11-20 10:07", time.UTC)
	for _, c := range calendars {
		if len(c.onCalendar) != 1 || strings.HasPrefix(c.text, "every") {
			continue
		}
		ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
		cmd := exec.CommandContext(ctx, program, "calendar", "--iterations=5", "--base-time=2026-11-20 10:07:00 UTC", c.onCalendar[0])
		cmd.Env = append(os.Environ(), "TZ=UTC", "LC_ALL=C")
		out, err := cmd.CombinedOutput()
		stop()
		if err != nil {
			t.Fatalf("%s: %v\n%s", c.onCalendar[0], err, out)
		}
		found := elapse.FindAllStringSubmatch(string(out), -1)
		if len(found) != 5 {
			t.Fatalf("%d times in\n%s", len(found), out)
		}
		next := base
		for _, m := range found {
			next = parse(t, c.text).Next(next)
			if got := next.Format(time.DateTime); got != m[1] {
				t.Errorf("%s: systemd runs it at %s, the schedule says %s", c.text, m[1], got)
			}
		}
	}
}
