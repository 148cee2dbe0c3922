package retention

import (
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"varve"
)

var testNow = time.Date(2026, 11, 20, 12, 0, 0, 0, time.FixedZone("", 3600))

// drawSnapshots draws up to three series. Times lie before testNow; in order along each series unless disorder is set.
func drawSnapshots(t *rapid.T, disorder bool) []varve.Snapshot {
	var list []varve.Snapshot
	for _, series := range []string{"a", "b", "c"}[:rapid.IntRange(1, 3).Draw(t, "series")] {
		ages := rapid.SliceOfN(rapid.IntRange(0, 24*900), 0, 40).Draw(t, "hours ago")
		if !disorder || rapid.Bool().Draw(t, "in order") {
			slices.Sort(ages)
			slices.Reverse(ages)
		}
		for i, age := range ages {
			s := varve.Snapshot{Series: series, Seq: uint64(2*i + 2), Time: testNow.Add(-time.Duration(age) * time.Hour)}
			s.ID = varve.SnapshotID{series[0], byte(i)}
			s.State = rapid.SampledFrom([]varve.State{varve.Complete, varve.Complete, varve.Complete, varve.Incomplete, varve.Suspect}).Draw(t, "state")
			s.Pinned = rapid.IntRange(0, 9).Draw(t, "pin") == 0
			s.Tags = rapid.SampledFrom([][]string{nil, nil, nil, {"x"}, {"x", "y"}}).Draw(t, "tags")
			list = append(list, s)
		}
	}
	return list
}

// drawPolicy draws a policy that has a rule.
func drawPolicy(t *rapid.T) Policy {
	count := rapid.SampledFrom([]int{0, 0, 0, 1, 2, 3, 10, Unlimited})
	span := rapid.SampledFrom([]Duration{{}, {}, {}, {Hours: 5}, {Days: 10}, {Weeks: 3}, {Months: 5, Days: 1}, {Years: 1}})
	p := Policy{
		Last: count.Draw(t, "last"), Hourly: count.Draw(t, "hourly"), Daily: count.Draw(t, "daily"), Weekly: count.Draw(t, "weekly"),
		Monthly: count.Draw(t, "monthly"), Yearly: count.Draw(t, "yearly"),
		Within: span.Draw(t, "within"), WithinHourly: span.Draw(t, "within hourly"), WithinDaily: span.Draw(t, "within daily"),
		WithinWeekly: span.Draw(t, "within weekly"), WithinMonthly: span.Draw(t, "within monthly"),
		WithinYearly: span.Draw(t, "within yearly"),
		Tags:         rapid.SampledFrom([][][]string{nil, nil, {{"x", "y"}}, {{"x"}, {"z"}}}).Draw(t, "tag lists"),
		Days:         rapid.SampledFrom([]int{0, 0, 1, 2, 30, 400}).Draw(t, "days"),
	}
	if p.Empty() {
		p.Last = 1
	}
	return p
}

// keptIDs fails the test on an error and returns what is kept.
func keptIDs(t *rapid.T, list []varve.Snapshot, p Policy) map[varve.SnapshotID]bool {
	decisions, err := Plan(list, p, testNow)
	if err != nil {
		t.Fatal(err)
	}
	kept := map[varve.SnapshotID]bool{}
	for _, d := range decisions {
		if len(d.Reasons) == 0 {
			t.Fatalf("no reason for %v", d.Snapshot)
		}
		if d.Keep {
			kept[d.Snapshot.ID] = true
		}
	}
	return kept
}

func requireSuperset(t *rapid.T, list []varve.Snapshot, more, less map[varve.SnapshotID]bool) {
	for _, s := range list {
		if less[s.ID] && !more[s.ID] {
			t.Fatalf("no longer kept: %s %d of %s, %s", s.Series, s.Seq, s.Time, s.State)
		}
	}
}

func TestTheOrderOfTheInputDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list, p := drawSnapshots(t, true), drawPolicy(t)
		shuffled := rapid.Permutation(list).Draw(t, "shuffled")
		a, errA := Plan(list, p, testNow)
		b, errB := Plan(shuffled, p, testNow)
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		same := func(a, b Decision) bool {
			return a.Snapshot.ID == b.Snapshot.ID && a.Keep == b.Keep && slices.Equal(a.Reasons, b.Reasons)
		}
		if !slices.EqualFunc(a, b, same) {
			t.Fatalf("%v\n%v", a, b)
		}
	})
}

func TestTheFloorHoldsUnderEveryPolicy(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := drawSnapshots(t, true)
		kept := keptIDs(t, list, drawPolicy(t))
		newest, newestGood := map[string]varve.Snapshot{}, map[string]varve.Snapshot{}
		for _, s := range list {
			newest[s.Series] = s
			if s.State.Good() {
				newestGood[s.Series] = s
			}
			if s.Pinned && !kept[s.ID] {
				t.Fatalf("removed a pinned snapshot: %v", s)
			}
		}
		for series, s := range newest {
			if good, ok := newestGood[series]; ok {
				s = good
			}
			if !kept[s.ID] {
				t.Fatalf("removed the last good snapshot of %s: %v", series, s)
			}
		}
	})
}

func TestASnapshotDatedInTheFutureRemovesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list, p := drawSnapshots(t, true), drawPolicy(t)
		before := keptIDs(t, list, p)
		future := varve.Snapshot{ID: varve.SnapshotID{'f'}, Series: "a", Seq: uint64(2*rapid.IntRange(0, 45).Draw(t, "seq") + 1)}
		future.Time = testNow.Add(time.Duration(rapid.IntRange(1, 1<<40).Draw(t, "ahead")))
		future.State = rapid.SampledFrom([]varve.State{varve.Complete, varve.Incomplete, varve.Suspect}).Draw(t, "state")
		list = append(list, future)
		if _, err := Plan(list, p, testNow); errors.Is(err, ErrClock) {
			return
		}
		after := keptIDs(t, list, p)
		requireSuperset(t, list, after, before)
		if !after[future.ID] {
			t.Fatal("removed the snapshot dated in the future")
		}
	})
}

func TestAnIncompleteOrSuspectSnapshotRemovesNoGoodOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list, p := drawSnapshots(t, true), drawPolicy(t)
		before := keptIDs(t, list, p)
		added := varve.Snapshot{ID: varve.SnapshotID{'i'}, Series: "a", Seq: uint64(2*rapid.IntRange(0, 45).Draw(t, "seq") + 1)}
		added.Time = testNow.Add(-time.Duration(rapid.IntRange(0, 24*900).Draw(t, "hours ago")) * time.Hour)
		added.State = rapid.SampledFrom([]varve.State{varve.Incomplete, varve.Suspect}).Draw(t, "its state")
		good := slices.DeleteFunc(slices.Clone(list), func(s varve.Snapshot) bool { return !s.State.Good() })
		requireSuperset(t, good, keptIDs(t, append(list, added), p), before)
	})
}

func TestPlanningWhatWasKeptRemovesNothingMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list, p := drawSnapshots(t, false), drawPolicy(t)
		kept := keptIDs(t, list, p)
		rest := slices.DeleteFunc(list, func(s varve.Snapshot) bool { return !kept[s.ID] })
		requireSuperset(t, rest, keptIDs(t, rest, p), kept)
	})
}

func TestLargerNumbersKeepAtLeastAsMuch(t *testing.T) {
	more := func(t *rapid.T, n int) int {
		if n == Unlimited {
			return n
		}
		return n + rapid.IntRange(0, 3).Draw(t, "more")
	}
	rapid.Check(t, func(t *rapid.T) {
		list, p := drawSnapshots(t, true), drawPolicy(t)
		large := p
		for _, n := range []*int{&large.Last, &large.Hourly, &large.Daily, &large.Weekly, &large.Monthly, &large.Yearly, &large.Days,
			&large.Within.Days, &large.WithinDaily.Hours, &large.WithinYearly.Months} {
			*n = more(t, *n)
		}
		large.Tags = append(slices.Clone(p.Tags), []string{"x"})
		requireSuperset(t, list, keptIDs(t, list, large), keptIDs(t, list, p))
	})
}
