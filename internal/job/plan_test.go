package job

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"varve"
	"varve/internal/history"
	"varve/internal/retention"
	"varve/internal/schedule"
)

// drawList draws the snapshots of a store, with clocks that jump, and returns them with a time that may be wrong, too.
func drawList(t *rapid.T) ([]varve.Snapshot, time.Time) {
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	clock := begin
	var list []varve.Snapshot
	seqs := map[string]uint64{}
	for i := range rapid.IntRange(0, 40).Draw(t, "snapshots") {
		s := varve.Snapshot{Series: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "series"), Time: clock,
			State:  rapid.SampledFrom([]varve.State{varve.Complete, varve.Complete, varve.Complete, varve.Incomplete, varve.Suspect}).Draw(t, "state"),
			Pinned: rapid.IntRange(0, 9).Draw(t, "pin") == 0, Bytes: rapid.Int64Range(0, 100).Draw(t, "bytes")}
		binary.BigEndian.PutUint64(s.ID[:], uint64(i)+1)
		seqs[s.Series]++
		s.Seq = seqs[s.Series]
		list = append(list, s)
		clock = clock.Add(time.Duration(rapid.IntRange(0, 60).Draw(t, "hours")) * time.Hour)
		if rapid.IntRange(0, 14).Draw(t, "jump") == 0 {
			clock = rapid.SampledFrom([]time.Time{time.Unix(0, 0), time.Date(2038, 1, 19, 0, 0, 0, 0, time.UTC), begin, clock}).Draw(t, "to").UTC()
		}
	}
	now := rapid.SampledFrom([]time.Time{clock, clock, clock, time.Unix(0, 0).UTC(), time.Date(2038, 2, 1, 0, 0, 0, 0, time.UTC)}).Draw(t, "now")
	return list, now
}

// sound checks what holds for every plan.
func sound(t *rapid.T, list, going []varve.Snapshot, budget int) {
	if len(going) > budget {
		t.Fatalf("%d go, the budget is %d", len(going), budget)
	}
	if err := checkRemoval(list, going, budget); err != nil {
		t.Fatal(err)
	}
	gone := map[varve.SnapshotID]bool{}
	for _, s := range going {
		gone[s.ID] = true
	}
	good := map[string][2]int{}
	for _, s := range list {
		n := good[s.Series]
		if s.State.Good() {
			n[0]++
			if !gone[s.ID] {
				n[1]++
			}
		}
		good[s.Series] = n
		if gone[s.ID] && (s.Pinned || alarming(list, s.Series)) {
			t.Fatalf("%v goes", s)
		}
	}
	for series, n := range good {
		if n[0] > 0 && n[1] == 0 {
			t.Fatalf("series %s lost its last good snapshot", series)
		}
	}
}

func TestNoPlanTakesTheLastGoodSnapshotOrMoreThanItMay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list, now := drawList(t)
		budget := rapid.IntRange(0, 8).Draw(t, "budget")
		policy := retention.Policy{Last: rapid.IntRange(0, 3).Draw(t, "last"), Daily: rapid.IntRange(0, 3).Draw(t, "daily"),
			Days: rapid.IntRange(0, 3).Draw(t, "days")}
		plan, err := planRemoval(list, "a", policy, now, budget)
		if err != nil {
			if !errors.Is(err, retention.ErrClock) || len(plan.snapshots) > 0 {
				t.Fatal(err)
			}
			return
		}
		sound(t, list, plan.snapshots, budget)
		for _, s := range plan.snapshots {
			if s.Series != "a" {
				t.Fatal("another series loses a snapshot")
			}
		}
		shuffled := rapid.Permutation(list).Draw(t, "order")
		again, err := planRemoval(shuffled, "a", policy, now, budget)
		if err != nil || !sameIDs(plan.snapshots, again.snapshots) || plan.more != again.more {
			t.Fatalf("planned twice: %v, %v, %v", plan, again, err)
		}
	})
}

func TestRoomIsMadeWithTheOldestAndNoMoreThanIsNeeded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list, now := drawList(t)
		budget := rapid.IntRange(0, 8).Draw(t, "budget")
		limit := rapid.Int64Range(0, 2000).Draw(t, "limit")
		enough := func(without []varve.Snapshot) (bool, error) {
			var used int64
			for _, s := range list {
				used += s.Bytes
			}
			for _, s := range without {
				used -= s.Bytes
			}
			return used <= limit, nil
		}
		plan, err := planRoom(list, []string{"a", "b"}, now, budget, enough)
		if err != nil {
			if !errors.Is(err, retention.ErrClock) && !errors.Is(err, ErrRoom) || len(plan.snapshots) > 0 {
				t.Fatal(err)
			}
			return
		}
		sound(t, list, plan.snapshots, budget)
		n := len(plan.snapshots)
		if ok, _ := enough(plan.snapshots); !ok && plan.more == 0 {
			t.Fatal("it is not enough, and nothing is left for the next run")
		}
		if n > 0 {
			if ok, _ := enough(plan.snapshots[:n-1]); ok {
				t.Fatal("less would have been enough")
			}
		}
		if !slices.IsSortedFunc(plan.snapshots, func(a, b varve.Snapshot) int { return a.Time.Compare(b.Time) }) {
			t.Fatal("not the oldest first")
		}
	})
}

func TestWhatOthersTakeIsNotPaidForWithSnapshots(t *testing.T) {
	now := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	var list []varve.Snapshot
	for i := range 5 {
		list = append(list, varve.Snapshot{ID: varve.SnapshotID{byte(i + 1)}, Series: "a", Seq: uint64(i + 1), State: varve.Complete,
			Time: now.Add(time.Duration(i-9) * time.Hour)})
	}
	plan, err := planRoom(list, []string{"a"}, now, 20, func([]varve.Snapshot) (bool, error) { return false, nil })
	if !errors.Is(err, ErrRoom) || len(plan.snapshots) > 0 {
		t.Errorf("%v, %v", plan, err)
	}
}

func TestAPlanThatWouldTakeTooMuchIsNotCarriedOut(t *testing.T) {
	s := func(id byte, state varve.State, pinned bool) varve.Snapshot {
		return varve.Snapshot{ID: varve.SnapshotID{id}, Seq: uint64(id), Series: "a", State: state, Pinned: pinned}
	}
	list := []varve.Snapshot{s(1, varve.Complete, true), s(2, varve.Complete, false), s(3, varve.Complete, false), s(4, varve.Suspect, false)}
	for name, going := range map[string][]varve.Snapshot{"pinned": list[:1], "last": list[2:3], "many": list[1:4]} {
		if checkRemoval(list, going, 2) == nil {
			t.Errorf("%s: nothing was said", name)
		}
	}
	if err := checkRemoval(list, list[1:2], 2); err != nil {
		t.Error(err)
	}
}

func TestACopyGoesOnWhereTheOtherStoreIs(t *testing.T) {
	now := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	var from []varve.Snapshot
	for i := range 9 {
		from = append(from, varve.Snapshot{ID: varve.SnapshotID{byte(i + 1)}, Series: "a", Seq: uint64(i + 1), State: varve.Complete,
			Time: now.AddDate(0, 0, i-9)})
	}
	copied := func(i int) varve.Snapshot {
		c := from[i]
		c.Origin, c.ID, c.Seq = c.ID, varve.SnapshotID{0xff, byte(i)}, 1
		return c
	}
	for _, c := range []struct {
		name   string
		held   []varve.Snapshot
		policy retention.Policy
		want   []varve.Snapshot
	}{
		{"nothing there, no policy", nil, retention.Policy{}, from},
		{"nothing there", nil, retention.Policy{Daily: 3}, from[6:]},
		{"goes on", []varve.Snapshot{copied(4)}, retention.Policy{}, from[5:]},
		{"was away for long", []varve.Snapshot{copied(1)}, retention.Policy{Last: 2}, from[7:]},
		{"all there", []varve.Snapshot{copied(8)}, retention.Policy{Last: 1}, nil},
		{"what they had in common is gone", []varve.Snapshot{{ID: varve.SnapshotID{9, 9}, Series: "a", Time: from[5].Time.Add(time.Hour)}},
			retention.Policy{}, from[6:]},
	} {
		if got := missing(from, c.held, "a", c.policy, now); !sameIDs(got, c.want) {
			t.Errorf("%s: %d snapshots", c.name, len(got))
		}
	}
}

func TestAClockThatCannotBeRightIsNotBelieved(t *testing.T) {
	built := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for text, ok := range map[string]bool{"1970-01-01": false, "2026-10-30": false, "2026-10-31": true, "2030-01-01": true, "2038-01-19": false} {
		now, err := time.Parse(time.DateOnly, text)
		must(t, err)
		if err := (clock{now, built}).plausible(); (err == nil) != ok || err != nil && !errors.Is(err, ErrClock) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestAClockThatLeaptIsBelievedAfterAWhile(t *testing.T) {
	var h history.Job
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	run := func(years, days int, believed, wantRight bool) {
		t.Helper()
		now = now.AddDate(years, 0, days)
		right, err := (clock{now: now}).leapt(&h, signsOf(&h, schedule.Schedule{}, now))
		if (err == nil) != believed || right != wantRight {
			t.Errorf("%s: set right %v, %v", now, right, err)
		}
		h.Start(now)
		h.Finish(history.Run{Begin: now, Result: history.Success, Doubt: err != nil})
	}
	run(0, 0, true, false)
	run(0, 100, true, false)
	run(0, 180, true, false)
	run(2, 0, false, false)
	run(0, 1, false, false)
	run(0, 5, false, false)
	run(0, 1, true, false) // a week later
	run(5, 0, false, false)
	run(-5, 1, true, true) // it was set right
	run(5, 0, false, false)
	run(0, 1, false, false)
	run(-5, 1, true, true)
	run(-56, 0, false, false)
	run(0, 1, false, false)
	run(56, 1, true, true)
	run(0, -90, false, false) // it had been ahead, and nobody noticed
	run(0, 1, false, false)
	run(0, 7, true, false)
	run(0, 1, true, false)
}
