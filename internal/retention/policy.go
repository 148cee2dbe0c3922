// Package retention decides which snapshots a policy keeps, and says why for each of them.
//
// # The rules of a policy
//
// Each series is planned on its own, and its order is that of the sequence numbers, never of the clock. A snapshot is kept when
// at least one rule keeps it:
//
//   - Last keeps the n newest. Hourly, Daily, Weekly (ISO weeks), Monthly and Yearly keep the newest snapshot of each of the n
//     newest hours, days, ... in which there are any.
//   - Within keeps everything that is younger than the duration, measured back from the newest good snapshot, not from now: a
//     machine that is idle loses nothing. WithinHourly and so on keep the newest snapshot of every hour, day, ... in that span.
//   - Days keeps the snapshots of the last n calendar days, today included. While there is none on the first of these days, the
//     newest one from before them is kept too: it tells what the files were then, and a machine that comes back after a long
//     absence does not lose all it had.
//   - Tags keeps what carries all tags of one list.
//
// # What no policy removes
//
//   - Pinned snapshots.
//   - The newest good snapshot of a series; where none is good, its newest one.
//   - What is dated in the future.
//   - What is dated out of order: in a series, times should not decrease from one sequence number to the next, and what does not
//     lie on the longest run of good snapshots for which this holds was dated by a wrong clock. The run that ends with the newest
//     snapshot wins a tie.
//   - Everything, while the clock is earlier than the newest snapshot (ErrClock).
//
// Snapshots dated in the future or out of order take nobody's place: the rules do not see them.
//
// # Incomplete snapshots
//
// An incomplete or suspect snapshot never takes the place of a good one: the rules are applied to the good snapshots alone. It is kept
// itself while it is newer than the newest good one, since it may be all there is of recent files. An older one is kept if the
// rules, applied a second time and to all snapshots as if all were good, keep it. In a series without a good snapshot that
// second application decides alone.
//
// # Not for
//
// The package removes nothing and reads no clock.
package retention

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// Sentinels that callers branch on.
var (
	// ErrEmptyPolicy says that a policy has no rule at all, so that nothing can be planned.
	ErrEmptyPolicy = errors.New("the policy has no rule")
	// ErrClock says that the clock is earlier than the newest snapshot of a series: one of the two times is wrong.
	ErrClock = errors.New("the clock is earlier than the newest snapshot")
)

// Unlimited as a count keeps one snapshot of every bucket there is; as Last it keeps all.
const Unlimited = -1

// Policy says what to keep. Counts are numbers of snapshots, hours, days and so on; 0 turns a rule off, Unlimited takes away its
// limit. The zero value has no rule.
type Policy struct {
	Last, Hourly, Daily, Weekly, Monthly, Yearly int
	// Within and the durations after it are measured from the newest good snapshot; the zero Duration turns a rule off.
	Within, WithinHourly, WithinDaily, WithinWeekly, WithinMonthly, WithinYearly Duration
	// Tags keeps every snapshot that carries all tags of one of these lists.
	Tags [][]string
	// Days keeps every snapshot of this many calendar days, today included; 0 turns the rule off.
	Days int
}

// Empty reports whether p has no rule.
func (p Policy) Empty() bool {
	return p.counts() == [6]int{} && p.withins() == [6]Duration{} && len(p.Tags) == 0 && p.Days == 0
}

// ByAge reports whether p has a rule that lets go of snapshots as time goes by, however few there are.
func (p Policy) ByAge() bool { return p.withins() != [6]Duration{} || p.Days > 0 }

// Validate returns an error that names the first rule of p that makes no sense: a count below Unlimited, a negative number of
// days, a duration with a negative or absurdly large part, an empty list of tags or an empty tag.
func (p Policy) Validate() error {
	for i, n := range p.counts() {
		if n < Unlimited {
			return fmt.Errorf("policy: keep %s %d: want a number from 0, or -1 for unlimited", ruleNames[i], n)
		}
	}
	for i, d := range p.withins() {
		if err := d.validate(); err != nil {
			return fmt.Errorf("policy: keep %s: %w", withinName(i)+" "+d.String(), err)
		}
	}
	for _, tags := range p.Tags {
		if len(tags) == 0 || slices.Contains(tags, "") {
			return fmt.Errorf("policy: keep tags %q: a tag is empty", tags)
		}
	}
	if p.Days < 0 {
		return fmt.Errorf("policy: keep days %d: want a number from 0", p.Days)
	}
	return nil
}

// counts returns the counting rules in the order of ruleNames.
func (p Policy) counts() [6]int {
	return [6]int{p.Last, p.Hourly, p.Daily, p.Weekly, p.Monthly, p.Yearly}
}

// withins returns the durations in the order of ruleNames; the first is that of Within.
func (p Policy) withins() [6]Duration {
	return [6]Duration{p.Within, p.WithinHourly, p.WithinDaily, p.WithinWeekly, p.WithinMonthly, p.WithinYearly}
}

// ParseCount reads a count as a user writes it: a number from 0, "unlimited", or -1, which is the same.
func ParseCount(s string) (int, error) {
	if s == "unlimited" {
		return Unlimited, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < Unlimited {
		return 0, fmt.Errorf("count %q: want a number from 0, or unlimited", s)
	}
	return n, nil
}

// ParseDays reads a number of calendar days as a user writes it. It must be at least 1: today alone.
func ParseDays(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("days %q: want a number from 1", s)
	}
	return n, nil
}

// withinName names a duration of a Policy in messages, by its index in Policy.withins.
func withinName(i int) string {
	if i == 0 {
		return "within"
	}
	return "within " + ruleNames[i]
}
