package retention

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"varve"
)

// snap makes a good snapshot of series "s" whose ID is its sequence number; when is local time to the minute.
func snap(t *testing.T, seq uint64, when string) varve.Snapshot {
	t.Helper()
	at, err := time.Parse("2006-01-02 15:04", when)
	if err != nil {
		t.Fatal(err)
	}
	return varve.Snapshot{ID: varve.SnapshotID{byte(seq >> 8), byte(seq)}, Series: "s", Seq: seq, Time: at, State: varve.Complete}
}

// daily makes n good snapshots at noon of consecutive days; the last is of the day given.
func daily(t *testing.T, n int, last string) []varve.Snapshot {
	t.Helper()
	end := snap(t, 1, last+" 12:00").Time
	var list []varve.Snapshot
	for i := range n {
		s := snap(t, uint64(i+1), "2000-01-01 00:00")
		s.Time = end.AddDate(0, 0, i+1-n)
		list = append(list, s)
	}
	return list
}

func clock(t *testing.T, when string) time.Time {
	t.Helper()
	return snap(t, 0, when).Time
}

// plan fails the test on an error and on decisions that do not match the input, and returns the sequence numbers that are kept.
func plan(t testing.TB, list []varve.Snapshot, p Policy, now time.Time) (kept []uint64, reasons map[uint64]string) {
	t.Helper()
	decisions, err := Plan(list, p, now)
	if err != nil {
		t.Fatal(err)
	}
	if len(decisions) != len(list) {
		t.Fatalf("%d decisions about %d snapshots", len(decisions), len(list))
	}
	reasons = map[uint64]string{}
	for _, d := range decisions {
		if len(d.Reasons) == 0 {
			t.Errorf("no reason given for %d", d.Snapshot.Seq)
		}
		if d.Keep {
			kept = append(kept, d.Snapshot.Seq)
		}
		reasons[d.Snapshot.Seq] = strings.Join(d.Reasons, "; ")
	}
	slices.Sort(kept)
	return kept, reasons
}

func wantKept(t *testing.T, got []uint64, want ...uint64) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("kept %v, want %v", got, want)
	}
}

func seqs(from, to uint64) (list []uint64) {
	for n := from; n <= to; n++ {
		list = append(list, n)
	}
	return list
}

func TestLastKeepsTheNewest(t *testing.T) {
	kept, reasons := plan(t, daily(t, 10, "2026-11-20"), Policy{Last: 3}, clock(t, "2026-11-20 13:00"))
	wantKept(t, kept, 8, 9, 10)
	if reasons[9] != "last 2" || reasons[7] != "no rule keeps it" || !strings.Contains(reasons[10], "newest good snapshot") {
		t.Errorf("reasons %v", reasons)
	}
}

func TestBucketsKeepTheNewestSnapshotOfEachThatHasAny(t *testing.T) {
	list := []varve.Snapshot{
		snap(t, 1, "2024-05-05 10:00"), snap(t, 2, "2024-12-30 10:00"), snap(t, 3, "2025-01-02 10:00"), snap(t, 4, "2026-10-31 23:00"),
		snap(t, 5, "2026-11-01 09:00"), snap(t, 6, "2026-11-03 08:10"), snap(t, 7, "2026-11-03 08:50"), snap(t, 8, "2026-11-03 09:00"),
	}
	for _, c := range []struct {
		name string
		p    Policy
		want []uint64
	}{
		{"hourly", Policy{Hourly: 3}, []uint64{5, 7, 8}},
		{"daily", Policy{Daily: 3}, []uint64{4, 5, 8}},
		{"daily, more than there are", Policy{Daily: 100}, []uint64{1, 2, 3, 4, 5, 8}},
		{"weekly: an ISO week spans the new year", Policy{Weekly: 3}, []uint64{3, 5, 8}},
		{"monthly", Policy{Monthly: 3}, []uint64{3, 4, 8}},
		{"yearly", Policy{Yearly: 2}, []uint64{3, 8}},
		{"unlimited", Policy{Yearly: Unlimited}, []uint64{2, 3, 8}},
		{"last unlimited", Policy{Last: Unlimited}, seqs(1, 8)},
	} {
		t.Run(c.name, func(t *testing.T) {
			kept, _ := plan(t, list, c.p, clock(t, "2026-11-03 09:00"))
			wantKept(t, kept, c.want...)
		})
	}
	_, reasons := plan(t, list, Policy{Hourly: 1, Daily: 1, Weekly: 1, Monthly: 1, Yearly: 1}, clock(t, "2026-11-04 00:00"))
	want := "newest good snapshot; hourly 2026-11-03 09h +00:00; daily 2026-11-03; weekly 2026-W45; monthly 2026-11; yearly 2026"
	if reasons[8] != want {
		t.Errorf("reasons %q", reasons[8])
	}
}

func TestCalendarsAreThoseOfTheClocksLocation(t *testing.T) {
	list := []varve.Snapshot{snap(t, 1, "2026-11-02 22:30"), snap(t, 2, "2026-11-02 23:30"), snap(t, 3, "2026-11-03 10:00")}
	now := clock(t, "2026-11-03 12:00")
	kept, _ := plan(t, list, Policy{Daily: 2}, now)
	wantKept(t, kept, 2, 3)
	kept, _ = plan(t, list, Policy{Daily: 2}, now.In(time.FixedZone("", 3600)))
	wantKept(t, kept, 1, 3)
	kept, _ = plan(t, list, Policy{Days: 1}, now.In(time.FixedZone("", 3600)))
	wantKept(t, kept, 2, 3)
	kept, _ = plan(t, list, Policy{Days: 1}, now)
	wantKept(t, kept, 3)
}

func TestTheHourThatComesTwiceInAutumnIsTwoHours(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	list := []varve.Snapshot{snap(t, 1, "2026-10-25 00:30"), snap(t, 2, "2026-10-25 01:30")} // both 02:30 in Berlin
	kept, _ := plan(t, list, Policy{Hourly: 5}, clock(t, "2026-10-25 02:00").In(berlin))
	wantKept(t, kept, 1, 2)
}

func TestWithinIsMeasuredFromTheNewestGoodSnapshotNotFromNow(t *testing.T) {
	list := daily(t, 60, "2026-06-30")
	now := clock(t, "2030-01-01 00:00")
	kept, reasons := plan(t, list, Policy{Within: Duration{Days: 7}}, now)
	wantKept(t, kept, seqs(54, 60)...)
	if reasons[54] != "within 7d" {
		t.Errorf("reasons %v", reasons)
	}
	kept, reasons = plan(t, list, Policy{WithinWeekly: Duration{Days: 20}}, now)
	wantKept(t, kept, 44, 51, 58, 60) // the 14th, 21st and 28th of June are Sundays
	if reasons[51] != "weekly 2026-W25 within 20d" {
		t.Errorf("reasons %v", reasons)
	}
	kept, _ = plan(t, list, Policy{WithinMonthly: Duration{Months: 1}}, now)
	wantKept(t, kept, 30, 60) // 30 is of the 31st of May
}

func TestTagsKeepWhatCarriesAllOfOneList(t *testing.T) {
	list := daily(t, 5, "2026-11-20")
	list[0].Tags = []string{"b", "x", "a"}
	list[1].Tags = []string{"a"}
	list[2].Tags = []string{"c"}
	kept, reasons := plan(t, list, Policy{Tags: [][]string{{"a", "b"}, {"c"}}}, clock(t, "2026-11-21 00:00"))
	wantKept(t, kept, 1, 3, 5)
	if reasons[1] != "tagged a, b" {
		t.Errorf("reasons %v", reasons)
	}
}

func TestEverySeriesIsPlannedOnItsOwn(t *testing.T) {
	list := daily(t, 4, "2026-11-20")
	for _, s := range daily(t, 4, "2026-11-18") {
		s.Series, s.Seq = "other", s.Seq+100
		list = append(list, s)
	}
	kept, _ := plan(t, list, Policy{Last: 2}, clock(t, "2026-11-20 13:00"))
	wantKept(t, kept, 3, 4, 103, 104)
}

func TestPinnedSnapshotsAreKept(t *testing.T) {
	list := daily(t, 5, "2026-11-20")
	list[1].Pinned = true
	kept, reasons := plan(t, list, Policy{Last: 1}, clock(t, "2026-11-20 13:00"))
	wantKept(t, kept, 2, 5)
	if reasons[2] != "pinned" {
		t.Errorf("reasons %v", reasons)
	}
}

func TestAnEmptyPolicyPlansNothing(t *testing.T) {
	decisions, err := Plan(daily(t, 3, "2026-11-20"), Policy{}, clock(t, "2026-11-20 13:00"))
	if decisions != nil || !errors.Is(err, ErrEmptyPolicy) {
		t.Errorf("got %v, %v", decisions, err)
	}
}

func TestNoSnapshotsNeedNoDecision(t *testing.T) {
	decisions, err := Plan(nil, Policy{Last: 1}, time.Time{})
	if len(decisions) != 0 || err != nil {
		t.Errorf("got %v, %v", decisions, err)
	}
}

func TestDecisionsAreOrderedByTime(t *testing.T) {
	a, b, c := snap(t, 1, "2026-01-01 00:00"), snap(t, 2, "2026-01-03 00:00"), snap(t, 7, "2026-01-02 00:00")
	c.Series = "other"
	decisions, err := Plan([]varve.Snapshot{b, c, a}, Policy{Last: 9}, clock(t, "2026-02-01 00:00"))
	if err != nil || len(decisions) != 3 {
		t.Fatal(decisions, err)
	}
	if decisions[0].Snapshot.Seq != 1 || decisions[1].Snapshot.Seq != 7 || decisions[2].Snapshot.Seq != 2 {
		t.Errorf("got %v", decisions)
	}
}
