package schedule

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// never is the schedule without times.
const never = "never"

// maxRules bounds how many rules a schedule has, and how many times of day a rule.
const maxRules = 100

// errForms lists what can be written, for one who wrote something else.
var errForms = errors.New("want hourly, daily, weekly, monthly, days such as Mon..Fri, or every 6h; with times such as daily 02:00")

// Parse reads a schedule in the forms of the package comment.
func Parse(text string) (Schedule, error) {
	if strings.EqualFold(strings.TrimSpace(text), never) {
		return Schedule{}, nil
	}
	var s Schedule
	for part := range strings.SplitSeq(text, ";") {
		r, err := parseRule(part)
		if err == nil && len(s.rules) == maxRules {
			err = errors.New("has too many rules")
		}
		if err != nil {
			return Schedule{}, fmt.Errorf("schedule %q: %w", text, err)
		}
		s.rules = append(s.rules, r)
	}
	return s, nil
}

// parseRule reads one rule.
func parseRule(text string) (rule, error) {
	words := strings.Fields(strings.ToLower(text))
	if len(words) == 0 {
		return nil, errForms
	}
	rest := words[1:]
	switch words[0] {
	case never:
		return nil, errors.New("never goes with no other rule")
	case "every":
		return parseEvery(strings.Fields(text)[1:]) // M is not m
	case "hourly":
		return parseHourly(rest)
	case "daily":
		return calendar{}.at(rest)
	case "weekly":
		return parseWeekly(rest)
	case "monthly":
		return parseMonthly(rest)
	}
	days, err := parseDays(words[0])
	if err != nil {
		return nil, err
	}
	if len(rest) == 0 {
		return nil, fmt.Errorf("says no time: write %s 02:00", words[0])
	}
	return calendar{days: days}.at(rest)
}

func parseEvery(rest []string) (rule, error) {
	if len(rest) != 1 {
		return nil, errors.New("want one span without spaces, such as every 6h")
	}
	span, err := ParseSpan(rest[0])
	if err == nil && span < time.Minute {
		err = errors.New("a job runs every minute at most")
	}
	return every{span}, err
}

func parseHourly(rest []string) (rule, error) {
	if len(rest) == 0 {
		return hourly{}, nil
	}
	digits, ok := strings.CutPrefix(rest[0], ":")
	minute, err := parseNumber(digits, 59)
	if !ok || err != nil || len(digits) != 2 || len(rest) > 1 {
		return nil, errors.New("want hourly alone, or with a minute, as in hourly :15")
	}
	return hourly{minute}, nil
}

func parseWeekly(rest []string) (rule, error) {
	c := calendar{days: weekday(time.Monday)}
	if len(rest) > 0 && !strings.Contains(rest[0], ":") {
		day, err := parseDay(rest[0])
		if err != nil {
			return nil, err
		}
		c.days, rest = weekday(day), rest[1:]
	}
	return c.at(rest)
}

func parseMonthly(rest []string) (rule, error) {
	c := calendar{monthDay: 1}
	if len(rest) > 0 && !strings.Contains(rest[0], ":") {
		day, err := parseNumber(rest[0], 28)
		switch {
		case rest[0] == "last":
			day = lastDay
		case err != nil || day == 0:
			return nil, fmt.Errorf("day %q: want a number from 1 to 28, or last", rest[0])
		}
		c.monthDay, rest = day, rest[1:]
	}
	return c.at(rest)
}

// at returns c with the times of day that the words name: one list, or nothing for midnight.
func (c calendar) at(words []string) (rule, error) {
	if len(words) == 0 {
		c.times = []clock{0}
		return c, nil
	}
	if len(words) > 1 {
		return nil, fmt.Errorf("%q is too much: lists have no spaces, and rules are separated by \";\"", words[1])
	}
	for text := range strings.SplitSeq(words[0], ",") {
		at, err := parseClock(text)
		if err != nil {
			return nil, err
		}
		c.times = append(c.times, at)
	}
	slices.Sort(c.times)
	if c.times = slices.Compact(c.times); len(c.times) > maxRules {
		return nil, errors.New("has too many times of day")
	}
	return c, nil
}

func parseClock(text string) (clock, error) {
	h, m, _ := strings.Cut(text, ":")
	hour, errHour := parseNumber(h, 23)
	minute, errMinute := parseNumber(m, 59)
	if errHour != nil || errMinute != nil || len(m) != 2 || len(h) > 2 {
		return 0, fmt.Errorf("time of day %q: want hours and minutes from 00:00 to 23:59", text)
	}
	return clock(60*hour + minute), nil
}

// parseNumber reads a number from 0 to limit, digits alone.
func parseNumber(text string, limit int) (int, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err == nil && n > uint64(limit) {
		err = strconv.ErrRange
	}
	return int(n), err
}

// parseDays reads days of the week and ranges of them, which may go on over the end of the week.
func parseDays(list string) (days, error) {
	var all days
	for text := range strings.SplitSeq(list, ",") {
		from, to, isRange := strings.Cut(text, "..")
		first, err := parseDay(from)
		if err != nil {
			return 0, err
		}
		last := first
		if isRange {
			if last, err = parseDay(to); err != nil {
				return 0, err
			}
		}
		for day := first; ; day = (day + 1) % 7 {
			all |= weekday(day)
			if day == last {
				break
			}
		}
	}
	if all == everyDay {
		all = 0
	}
	return all, nil
}

func parseDay(text string) (time.Weekday, error) {
	for day := time.Sunday; day <= time.Saturday; day++ {
		name := strings.ToLower(day.String())
		if text == name || text == name[:3] {
			return day, nil
		}
	}
	return 0, fmt.Errorf("%q is not a day of the week: %w", text, errForms)
}
