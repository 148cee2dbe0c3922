package schedule

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ErrNoCalendar says that a schedule cannot be written for a program that knows the calendar alone. Such a program should call
// "varve run --due" every hour instead.
var ErrNoCalendar = errors.New("needs varve run --due every hour: no calendar can say it")

// OnCalendar returns the schedule as values of OnCalendar= in a systemd timer, one for each; none where it is "never". A span that
// divides a day or an hour evenly becomes times of the clock, and must then be run without --due. The error matches ErrNoCalendar for other spans.
func (s Schedule) OnCalendar() ([]string, error) { return s.render(rule.onCalendar) }

// Cron returns the schedule as the first five fields of lines in a crontab, otherwise as OnCalendar does. The error matches
// ErrNoCalendar also for the last day of the month.
func (s Schedule) Cron() ([]string, error) { return s.render(rule.cron) }

func (s Schedule) render(as func(rule) ([]string, error)) ([]string, error) {
	var all []string
	for _, r := range s.rules {
		lines, err := as(r)
		if err != nil {
			return nil, fmt.Errorf("schedule %q: %w", r, err)
		}
		all = append(all, lines...)
	}
	return all, nil
}

func (e every) String() string { return "every " + FormatSpan(e.span) }

func (e every) onCalendar() ([]string, error) {
	return e.grid("*-*-* 00:00:00", "*-*-* 00/%d:00:00", "*-*-* *:00/%d:00")
}

func (e every) cron() ([]string, error) { return e.grid("0 0 * * *", "0 */%d * * *", "*/%d * * * *") }

// grid returns a span as times of the clock: once a day, every so many hours, or every so many minutes.
func (e every) grid(daily, hours, minutes string) ([]string, error) {
	switch {
	case e.span == day:
		return []string{daily}, nil
	case e.span%time.Hour == 0 && day%e.span == 0:
		return []string{fmt.Sprintf(hours, e.span/time.Hour)}, nil
	case e.span%time.Minute == 0 && time.Hour%e.span == 0:
		return []string{fmt.Sprintf(minutes, e.span/time.Minute)}, nil
	}
	return nil, ErrNoCalendar
}

func (h hourly) String() string {
	if h.minute == 0 {
		return "hourly"
	}
	return fmt.Sprintf("hourly :%02d", h.minute)
}

func (h hourly) onCalendar() ([]string, error) {
	return []string{fmt.Sprintf("*-*-* *:%02d:00", h.minute)}, nil
}

func (h hourly) cron() ([]string, error) { return []string{fmt.Sprintf("%d * * * *", h.minute)}, nil }

func (t clock) String() string { return fmt.Sprintf("%02d:%02d", t/60, t%60) }

func (c calendar) String() string {
	var times []string
	for _, t := range c.times {
		times = append(times, t.String())
	}
	on := "daily"
	switch {
	case c.monthDay == lastDay:
		on = "monthly last"
	case c.monthDay != 0:
		on = "monthly " + strconv.Itoa(c.monthDay)
	case c.days != 0:
		on = c.days.String()
	}
	return on + " " + strings.Join(times, ",")
}

func (c calendar) onCalendar() ([]string, error) {
	date := "*-*-*"
	switch {
	case c.monthDay == lastDay:
		date = "*-*~01"
	case c.monthDay != 0:
		date = fmt.Sprintf("*-*-%02d", c.monthDay)
	case c.days != 0:
		date = c.days.String() + " " + date
	}
	var lines []string
	for _, t := range c.times {
		lines = append(lines, fmt.Sprintf("%s %s:00", date, t))
	}
	return lines, nil
}

func (c calendar) cron() ([]string, error) {
	day, weekdays := "*", "*"
	switch {
	case c.monthDay == lastDay:
		return nil, ErrNoCalendar
	case c.monthDay != 0:
		day = strconv.Itoa(c.monthDay)
	case c.days != 0:
		weekdays = c.days.numbers()
	}
	var lines []string
	for _, t := range c.times {
		lines = append(lines, fmt.Sprintf("%d %d %s * %s", t%60, t/60, day, weekdays))
	}
	return lines, nil
}

// String returns the days from Monday to Sunday, separated by commas, three and more in a row as a range.
func (s days) String() string {
	var parts []string
	for i := 0; i < 7; i++ {
		first := i
		for i < 7 && s&weekday(isoDay(i)) != 0 {
			i++
		}
		switch names := isoNames[first:i]; {
		case len(names) >= 3:
			parts = append(parts, names[0]+".."+names[len(names)-1])
		default:
			parts = append(parts, names...)
		}
	}
	return strings.Join(parts, ",")
}

// isoNames are the days of a week that begins with Monday.
var isoNames = []string{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}

// isoDay returns the day of an index in isoNames.
func isoDay(i int) time.Weekday { return time.Weekday((i + 1) % 7) }

// numbers returns the days as crontab(5) has them. It has ranges too, but not everywhere such that end with Sunday.
func (s days) numbers() string {
	var parts []string
	for d := time.Sunday; d <= time.Saturday; d++ {
		if s&weekday(d) != 0 {
			parts = append(parts, strconv.Itoa(int(d)))
		}
	}
	return strings.Join(parts, ",")
}
