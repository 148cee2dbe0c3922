package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// parseTime reads a point in time: now, a date, a date and a time with or without a zone, seconds since 1970 after @, or an age such as
// 10D or 1h30m with the units s, m (minutes), h, D, W, M (30 days) and Y (365 days). A date is its first moment.
func (a *app) parseTime(text string) (*time.Time, error) {
	now := a.now()
	if text == "now" {
		return &now, nil
	}
	for _, layout := range [...]string{time.DateOnly, "2006-01-02T15:04", "2006-01-02T15:04:05", time.DateTime, time.RFC3339Nano} {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return &t, nil
		}
	}
	if number, ok := strings.CutPrefix(text, "@"); ok {
		if n, err := strconv.ParseInt(number, 10, 64); err == nil {
			t := time.Unix(n, 0)
			return &t, nil
		}
	}
	if age, ok := parseAge(text); ok {
		t := now.Add(-age)
		return &t, nil
	}
	return nil, fmt.Errorf("time %q: want now, 10D, 1h30m, 2026-11-20, 2026-11-20T10:20:30 or @1763632800", text)
}

// parseAge reads a sum of numbers with units.
func parseAge(text string) (time.Duration, bool) {
	const day = 24 * time.Hour
	units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'D': day, 'W': 7 * day, 'M': 30 * day, 'Y': 365 * day}
	var sum time.Duration
	for rest := text; rest != "" || text == ""; {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		if digits == 0 || digits == len(rest) {
			return 0, false
		}
		unit := units[rest[digits]]
		n, err := strconv.ParseInt(rest[:digits], 10, 64)
		if unit == 0 || err != nil || n > int64((math.MaxInt64-sum)/unit) {
			return 0, false
		}
		sum += time.Duration(n) * unit
		rest = rest[digits+1:]
	}
	return sum, true
}
