package retention

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"varve"
)

// ruleNames names the counting rules of a Policy in messages, in the order of Policy.counts.
var ruleNames = [6]string{"last", "hourly", "daily", "weekly", "monthly", "yearly"}

// A rule is asked about the snapshots of one series, newest first and each once, and answers why it keeps a snapshot, or "".
type rule func(s *varve.Snapshot) string

// rules returns the rules of p, fresh for one pass. The newest good snapshot is of time newest; calendars are those of the
// location of now.
func (p Policy) rules(newest, now time.Time) []rule {
	var rules []rule
	newest = newest.In(now.Location())
	for i, n := range p.counts() {
		if n != 0 {
			rules = append(rules, eachBucket(i, n, now.Location()))
		}
	}
	for i, d := range p.withins() {
		if d != (Duration{}) {
			rules = append(rules, within(i, d, newest))
		}
	}
	for _, tags := range p.Tags {
		rules = append(rules, tagged(tags))
	}
	if p.Days > 0 {
		rules = append(rules, lastDays(p.Days, now))
	}
	return rules
}

// eachBucket keeps the newest snapshot of each of the newest n buckets of the rule with this index in ruleNames; of all where n
// is Unlimited. For "last" every snapshot is a bucket.
func eachBucket(index, n int, loc *time.Location) rule {
	previous, taken := "", 0
	return func(s *varve.Snapshot) string {
		label := strconv.Itoa(taken + 1)
		if index > 0 {
			label = bucket(ruleNames[index], s.Time.In(loc))
		}
		if label == previous || n != Unlimited && taken >= n {
			return ""
		}
		previous = label
		taken++
		return ruleNames[index] + " " + label
	}
}

// bucket names the hour, day, week, month or year of t. The hour carries its offset, since clocks show one hour twice in autumn.
func bucket(rule string, t time.Time) string {
	switch rule {
	case "hourly":
		return t.Format("2006-01-02 15h -07:00")
	case "daily":
		return t.Format(time.DateOnly)
	case "weekly":
		year, week := t.ISOWeek()
		return fmt.Sprintf("%d-W%02d", year, week)
	case "monthly":
		return t.Format("2006-01")
	default:
		return strconv.Itoa(t.Year())
	}
}

// within keeps what is younger than d before newest: everything for index 0, the newest of each bucket otherwise.
func within(index int, d Duration, newest time.Time) rule {
	start, suffix := d.Before(newest), "within "+d.String()
	each := eachBucket(index, Unlimited, newest.Location())
	return func(s *varve.Snapshot) string {
		if !s.Time.After(start) {
			return ""
		}
		if index == 0 {
			return suffix
		}
		if reason := each(s); reason != "" {
			return reason + " " + suffix
		}
		return ""
	}
}

// tagged keeps what carries all tags.
func tagged(tags []string) rule {
	reason := "tagged " + strings.Join(tags, ", ")
	return func(s *varve.Snapshot) string {
		for _, tag := range tags {
			if !slices.Contains(s.Tags, tag) {
				return ""
			}
		}
		return reason
	}
}

// lastDays keeps the snapshots of the last n calendar days, that of now included, and the newest one from before them while there
// is none on the first of them.
func lastDays(n int, now time.Time) rule {
	first := dayNumber(now) - int64(n) + 1
	settled := false
	return func(s *varve.Snapshot) string {
		day := dayNumber(s.Time.In(now.Location()))
		switch {
		case day >= first:
			settled = settled || day == first
			return fmt.Sprintf("in the last %d days", n)
		case settled:
			return ""
		}
		settled = true
		return fmt.Sprintf("newest before the last %d days", n)
	}
}

// dayNumber counts the calendar days from 1970 to the date that t shows in its location.
func dayNumber(t time.Time) int64 {
	year, month, day := t.Date()
	midnight := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	return midnight.Unix() / (24 * 60 * 60)
}
