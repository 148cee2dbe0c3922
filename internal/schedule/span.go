package schedule

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The units of a span that package time does not name.
const (
	day  = 24 * time.Hour
	week = 7 * day
	year = 365 * day
)

// maxSpan is the longest span.
const maxSpan = 100 * year

// ParseSpan reads a span of real time such as "6h", "1h30m" or "2w": numbers, each followed by one of the units y (365 days), w, d, h, m
// (minutes) and s, each unit at most once. Letters may be capital but for M, which others read as months. Spaces, signs, fractions
// and spans of more than 100 years are errors; "0s" is none.
func ParseSpan(text string) (time.Duration, error) {
	units := map[byte]time.Duration{'y': year, 'w': week, 'd': day, 'h': time.Hour, 'm': time.Minute, 's': time.Second}
	var span time.Duration
	for rest := text; rest != "" || text == ""; {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		if digits == 0 || digits == len(rest) {
			return 0, spanError(text, errors.New("want numbers with units, such as 90m, 36h, 7d or 2w"))
		}
		letter := rest[digits]
		if letter == 'M' {
			return 0, spanError(text, errors.New("m is minutes; there are no months, write days"))
		}
		unit, known := units[letter|0x20]
		if !known {
			return 0, spanError(text, errors.New("the units are y, w, d, h, m for minutes, and s, each at most once"))
		}
		n, err := strconv.ParseUint(rest[:digits], 10, 63)
		if err != nil || n > uint64(maxSpan/unit) || span+time.Duration(n)*unit > maxSpan {
			return 0, spanError(text, errors.New("is too long"))
		}
		span += time.Duration(n) * unit
		delete(units, letter|0x20)
		rest = rest[digits+1:]
	}
	return span, nil
}

func spanError(text string, cause error) error { return fmt.Errorf("span %q: %w", text, cause) }

// FormatSpan returns a span, which is not negative, as ParseSpan reads it, without what is less than a second.
func FormatSpan(span time.Duration) string {
	if span >= week && span%week == 0 {
		return strconv.FormatInt(int64(span/week), 10) + "w"
	}
	var b strings.Builder
	for _, u := range [...]struct {
		length time.Duration
		letter byte
	}{{day, 'd'}, {time.Hour, 'h'}, {time.Minute, 'm'}, {time.Second, 's'}} {
		if n := span / u.length; n > 0 {
			fmt.Fprintf(&b, "%d%c", n, u.letter)
		}
		span %= u.length
	}
	if b.Len() == 0 {
		return "0s"
	}
	return b.String()
}
