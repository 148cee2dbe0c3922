package retention

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"varve"
)

// Decision says what becomes of one snapshot.
type Decision struct {
	Snapshot varve.Snapshot
	Keep     bool
	// Reasons say why, for people; at least one, whether the snapshot is kept or removed.
	Reasons []string
}

// Plan decides about every snapshot, each series on its own, and returns the decisions ordered by Time, then Series, then Seq. The
// order of snapshots does not matter. Of a series whose newest snapshots are suspect all are kept. Hours, days and so on are those of the
// location of now.
//
// Nothing is planned and the error matches ErrEmptyPolicy where p has no rule, ErrClock where now is earlier than the time of the
// newest snapshot of a series, by sequence; other errors are those of Policy.Validate.
func Plan(snapshots []varve.Snapshot, p Policy, now time.Time) ([]Decision, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	if p.Empty() {
		return nil, fmt.Errorf("plan retention: %w", ErrEmptyPolicy)
	}
	series := map[string][]varve.Snapshot{}
	for _, s := range snapshots {
		series[s.Series] = append(series[s.Series], s)
	}
	decisions := make([]Decision, 0, len(snapshots))
	for _, name := range slices.Sorted(maps.Keys(series)) {
		list := series[name]
		slices.SortFunc(list, bySeq)
		if newest := list[len(list)-1].Time; now.Before(newest) {
			return nil, fmt.Errorf("plan retention of series %q: newest snapshot %s, clock %s: %w", name,
				newest.In(now.Location()).Format(time.RFC3339), now.Format(time.RFC3339), ErrClock)
		}
		decisions = append(decisions, p.decide(list, now)...)
	}
	slices.SortFunc(decisions, byTime)
	return decisions, nil
}

// decide plans one series, which is in the order of its sequence and not empty.
func (p Policy) decide(list []varve.Snapshot, now time.Time) []Decision {
	reasons := make([][]string, len(list))
	counted := trusted(list, now, reasons)
	good := slices.DeleteFunc(slices.Clone(counted), func(i int) bool { return !list[i].State.Good() })
	newest := counted[len(counted)-1]
	if len(good) > 0 {
		newest = good[len(good)-1]
	}
	apply := func(indices []int, wanted func(i int) bool) {
		rules := p.rules(list[newest].Time, now)
		for _, i := range slices.Backward(indices) {
			for _, r := range rules {
				if reason := r(&list[i]); reason != "" && wanted(i) {
					reasons[i] = append(reasons[i], reason)
				}
			}
		}
	}
	floor(list, good, counted, reasons)
	apply(good, func(int) bool { return true })
	apply(counted, func(i int) bool { return !list[i].State.Good() })
	if alarming(list, good) {
		pause(reasons)
	}
	return conclude(list, reasons)
}

// alarming reports whether a snapshot since the newest good one is suspect. Nobody knows then which of the older ones will be needed.
func alarming(list []varve.Snapshot, good []int) bool {
	if len(good) > 0 {
		list = list[good[len(good)-1]:]
	}
	return slices.ContainsFunc(list, func(s varve.Snapshot) bool { return s.State == varve.Suspect })
}

// pause keeps what no rule keeps: time alone must not remove what was saved before something went wrong.
func pause(reasons [][]string) {
	for i := range reasons {
		if len(reasons[i]) == 0 {
			reasons[i] = []string{"kept until a snapshot is good again: the newest ones are suspect"}
		}
	}
}

// floor gives reasons to keep what no policy removes from among the counted snapshots, good ones and others.
func floor(list []varve.Snapshot, good, counted []int, reasons [][]string) {
	if len(good) == 0 {
		newest := counted[len(counted)-1]
		reasons[newest] = append(reasons[newest], "newest snapshot, and none is good")
		return
	}
	newest := good[len(good)-1]
	reasons[newest] = append(reasons[newest], "newest good snapshot")
	// Only the newest of those after it: a source that is never quite complete must not fill the store.
	if last := counted[len(counted)-1]; last > newest {
		reasons[last] = append(reasons[last], flawOf(list[last].State)+", but newer than the newest good snapshot")
	}
}

// conclude makes the decisions: what has a reason, or is pinned, is kept.
func conclude(list []varve.Snapshot, reasons [][]string) []Decision {
	decisions := make([]Decision, len(list))
	for i, s := range list {
		why := reasons[i]
		if s.Pinned {
			why = append([]string{"pinned"}, why...)
		}
		keep := len(why) > 0
		switch {
		case keep:
		case s.State.Good():
			why = []string{"no rule keeps it"}
		default:
			why = []string{flawOf(s.State) + ", and no rule keeps it"}
		}
		decisions[i] = Decision{Snapshot: s, Keep: keep, Reasons: why}
	}
	return decisions
}

// flawOf says why a snapshot in state s is not good. What a damaged or foreign store calls it is not passed on.
func flawOf(s varve.State) string {
	if s == varve.Suspect {
		return string(varve.Suspect)
	}
	return string(varve.Incomplete)
}

func bySeq(a, b varve.Snapshot) int {
	return cmp.Or(cmp.Compare(a.Seq, b.Seq), a.Time.Compare(b.Time), slices.Compare(a.ID[:], b.ID[:]))
}

func byTime(a, b Decision) int {
	return cmp.Or(a.Snapshot.Time.Compare(b.Snapshot.Time), cmp.Compare(a.Snapshot.Series, b.Snapshot.Series),
		bySeq(a.Snapshot, b.Snapshot))
}
