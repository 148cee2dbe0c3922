package config

import (
	"strings"

	"varve/internal/retention"
)

// Count is how many snapshots a rule keeps: a number, or retention.Unlimited for "unlimited".
type Count int

// Keep says which snapshots stay: those that at least one of the rules keeps. Numbers may be "unlimited", spans are written 1y6m or 30d.
type Keep struct {
	// Last keeps the newest.
	Last Count `toml:"last"`
	// Hourly keeps the newest of each of so many hours that have any.
	Hourly Count `toml:"hourly"`
	// Daily keeps the newest of each of so many days that have any.
	Daily Count `toml:"daily"`
	// Weekly keeps the newest of each of so many weeks that have any.
	Weekly Count `toml:"weekly"`
	// Monthly keeps the newest of each of so many months that have any.
	Monthly Count `toml:"monthly"`
	// Yearly keeps the newest of each of so many years that have any.
	Yearly Count `toml:"yearly"`
	// Within keeps what is at most that much older than the newest good one.
	Within Age `toml:"within"`
	// WithinHourly keeps the newest of each hour within that span.
	WithinHourly Age `toml:"within-hourly"`
	// WithinDaily keeps the newest of each day within that span.
	WithinDaily Age `toml:"within-daily"`
	// WithinWeekly keeps the newest of each week within that span.
	WithinWeekly Age `toml:"within-weekly"`
	// WithinMonthly keeps the newest of each month within that span.
	WithinMonthly Age `toml:"within-monthly"`
	// WithinYearly keeps the newest of each year within that span.
	WithinYearly Age `toml:"within-yearly"`
	// Days keeps the last calendar days, today included, and what was there on the first of them.
	Days int `toml:"days" min:"1" max:"1000000"`
	// Tags keeps what carries one of these tags; where one of them is a list with commas, what carries all of the list.
	Tags []string `toml:"tags"`
}

// Policy returns the rules. It is empty where k was not in the file.
func (k Keep) Policy() retention.Policy {
	p := retention.Policy{
		Last: int(k.Last), Hourly: int(k.Hourly), Daily: int(k.Daily), Weekly: int(k.Weekly), Monthly: int(k.Monthly), Yearly: int(k.Yearly),
		Within: k.Within.Duration, WithinHourly: k.WithinHourly.Duration, WithinDaily: k.WithinDaily.Duration,
		WithinWeekly: k.WithinWeekly.Duration, WithinMonthly: k.WithinMonthly.Duration, WithinYearly: k.WithinYearly.Duration, Days: k.Days,
	}
	for _, tags := range k.Tags {
		p.Tags = append(p.Tags, strings.Split(tags, ","))
	}
	return p
}

// decode reads a table. It must have a rule that keeps something.
func (k *Keep) decode(d *decoder, n *node) {
	before := len(d.found)
	if d.is(n, aTable) {
		d.fields(n, k)
	}
	if len(d.found) > before {
		return
	}
	for i, tags := range k.Tags {
		d.check(n.table["tags"].items[i], checkTags(tags))
	}
	switch p := k.Policy(); {
	case len(d.found) > before:
	case p.Empty():
		d.fault(n, "keeps nothing: say at least one rule, such as daily = 7")
	default:
		d.check(n, p.Validate())
	}
}
