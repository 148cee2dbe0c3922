package selector

import (
	"errors"
	"strings"
	"time"
)

// parseDate reads a date, or a date and a time with or without a zone. Local time is that of the location of now.
func parseDate(expr string, now time.Time) (query, error) {
	switch shape(expr) {
	case "0000-00-00":
		day, err := time.ParseInLocation(time.DateOnly, expr, now.Location())
		if err != nil {
			return query{}, errors.New("no such date")
		}
		return until(time.Date(day.Year(), day.Month(), day.Day()+1, 0, 0, 0, -1, now.Location())), nil
	case "00-00-0000", "00/00/0000":
		return query{}, errors.New("dates are written as in 2026-11-20")
	}
	value, zone := cutZone(expr)
	value, fraction := cutFraction(value)
	layout, unit := "2006-01-02T15:04:05", time.Second
	switch shape(value) {
	case "0000-00-00T00:00:00", "0000-00-00 00:00:00":
		for range fraction {
			unit /= 10
		}
	case "0000-00-00T00:00", "0000-00-00 00:00":
		if fraction != "" {
			return query{}, errForm
		}
		layout, unit = "2006-01-02T15:04", time.Minute
	default:
		return query{}, errForm
	}
	value = value[:10] + "T" + value[11:] + strings.Repeat(".", min(1, len(fraction))) + fraction + zone
	at, err := time.ParseInLocation(layout+zoneLayout(zone), value, now.Location())
	if err != nil {
		return query{}, errors.New("no such time")
	}
	return until(at.Add(unit - 1)), nil
}

// shape returns s with every digit replaced by 0.
func shape(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return '0'
		}
		return r
	}, s)
}

// cutZone splits off Z, +00:00 or +0000 at the end of a time; a date alone has no zone.
func cutZone(s string) (value, zone string) {
	const shortest = len("0000-00-00T00:00")
	if value, ok := strings.CutSuffix(s, "Z"); ok {
		return value, "Z"
	}
	for _, zone := range [...]string{"+00:00", "-00:00", "+0000", "-0000"} {
		if at := len(s) - len(zone); at >= shortest && shape(s[at:]) == zone {
			return s[:at], s[at:]
		}
	}
	return s, ""
}

// zoneLayout returns the layout of a zone that cutZone found.
func zoneLayout(zone string) string {
	switch len(zone) {
	case 0:
		return ""
	case len("+0000"):
		return "-0700"
	default:
		return "Z07:00"
	}
}

// cutFraction splits off up to nine digits after a point.
func cutFraction(s string) (value, fraction string) {
	value, fraction, _ = strings.Cut(s, ".")
	if !digits(fraction) || len(fraction) > 9 {
		return s, ""
	}
	return value, fraction
}
