package retention

import (
	"errors"
	"strings"
	"testing"
	"time"

	"varve"
)

func TestForgetKeepsTheLastGoodSnapshot(t *testing.T) {
	list := daily(t, 3, "2026-01-03")
	list[2].State = varve.Incomplete
	kept, reasons := plan(t, list, Policy{Tags: [][]string{{"none has it"}}}, clock(t, "2026-11-20 00:00"))
	wantKept(t, kept, 2, 3)
	if reasons[2] != "newest good snapshot" || reasons[3] != "incomplete, but newer than the newest good snapshot" {
		t.Errorf("reasons %v", reasons)
	}
}

func TestASeriesWithoutGoodSnapshotsIsThinnedAndKeepsItsNewest(t *testing.T) {
	list := daily(t, 6, "2026-01-06")
	for i := range list {
		list[i].State = varve.Incomplete
	}
	now := clock(t, "2026-11-20 00:00")
	kept, _ := plan(t, list, Policy{Tags: [][]string{{"none has it"}}}, now)
	wantKept(t, kept, 6)
	kept, _ = plan(t, list, Policy{Last: 3}, now)
	wantKept(t, kept, 4, 5, 6)
}

func TestIncompleteSnapshotsTakeNoPlaceOfGoodOnes(t *testing.T) {
	list := daily(t, 8, "2026-01-08")
	for _, i := range []int{2, 4, 5, 7} { // 3, 5, 6 and 8
		list[i].State = varve.Incomplete
	}
	kept, reasons := plan(t, list, Policy{Last: 3}, clock(t, "2026-01-09 00:00"))
	wantKept(t, kept, 2, 4, 6, 7, 8) // good: 7, 4, 2; the newest three of all: 8, 7, 6
	if reasons[5] != "incomplete, and no rule keeps it" || reasons[6] != "last 3" {
		t.Errorf("reasons %v", reasons)
	}
}

func TestSuspectSnapshotsTakeNoPlaceOfGoodOnes(t *testing.T) {
	list := daily(t, 6, "2026-01-06")
	list[3].State, list[4].State = varve.Suspect, varve.Suspect
	kept, reasons := plan(t, list, Policy{Last: 2}, clock(t, "2026-01-07 00:00"))
	wantKept(t, kept, 3, 5, 6) // good: 6, 3; the newest two of all: 6, 5
	if reasons[4] != "suspect, and no rule keeps it" {
		t.Errorf("reasons %v", reasons)
	}
}

func TestNothingIsRemovedWhileTheNewestSnapshotsAreSuspect(t *testing.T) {
	policies := []Policy{{Last: 1}, {Days: 2}, {Daily: 2, Tags: [][]string{{"none has it"}}}, {Within: Duration{Hours: 1}}}
	list := daily(t, 60, "2026-03-01")
	for i := 10; i < 60; i++ {
		list[i].State = varve.Suspect
		if i%7 == 0 {
			list[i].State = varve.Incomplete
		}
		for _, p := range policies {
			kept, reasons := plan(t, list[:i+1], p, list[i].Time.Add(time.Hour))
			if len(kept) != i+1 || !strings.Contains(reasons[1], "suspect") {
				t.Fatalf("%+v after %d days kept %v, %v", p, i-9, kept, reasons[1])
			}
		}
	}
	list[59].State = varve.Complete
	for _, p := range policies {
		if kept, _ := plan(t, list, p, list[59].Time.Add(time.Hour)); len(kept) == len(list) {
			t.Errorf("%+v removes nothing although the newest is good", p)
		}
	}
}

func TestPlanRefusesAClockEarlierThanTheNewestSnapshot(t *testing.T) {
	list := daily(t, 3, "2026-11-20")
	now := clock(t, "1970-01-01 00:05")
	decisions, err := Plan(list, Policy{Last: 1}, now)
	if decisions != nil || !errors.Is(err, ErrClock) {
		t.Fatalf("got %v, %v", decisions, err)
	}
	for _, word := range []string{`"s"`, "2026-11-20T12:00:00Z", "1970-01-01T00:05:00Z"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%v does not name %s", err, word)
		}
	}
	if _, err := Plan(list, Policy{Last: 1}, list[2].Time); err != nil {
		t.Errorf("a clock equal to the newest time: %v", err)
	}
}

func TestOneSeriesAheadOfTheClockStopsThePlanOfAll(t *testing.T) {
	list := daily(t, 3, "2026-11-20")
	ahead := snap(t, 1, "2036-01-01 00:00")
	ahead.Series = "ahead"
	if got, err := Plan(append(list, ahead), Policy{Last: 1}, clock(t, "2026-12-01 00:00")); got != nil || !errors.Is(err, ErrClock) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestSnapshotsDatedInTheFutureDisplaceNothing(t *testing.T) {
	list := []varve.Snapshot{snap(t, 1, "2026-01-01 00:00"), snap(t, 2, "2036-01-01 00:00"), snap(t, 3, "2036-01-02 00:00"),
		snap(t, 4, "2036-01-03 00:00"), snap(t, 5, "2026-01-02 00:00"), snap(t, 6, "2026-01-03 00:00")}
	kept, reasons := plan(t, list, Policy{Last: 2}, clock(t, "2026-02-01 00:00"))
	wantKept(t, kept, 2, 3, 4, 5, 6)
	if reasons[3] != "dated in the future" || reasons[5] != "last 2" {
		t.Errorf("reasons %v", reasons)
	}
}

func TestSnapshotsDatedOutOfOrderDisplaceNothing(t *testing.T) {
	for _, c := range []struct {
		name     string
		times    [3]string
		misdated uint64
	}{
		{"too late", [3]string{"2026-01-01 00:00", "2036-01-01 00:00", "2026-02-01 00:00"}, 2},
		{"too early", [3]string{"2026-01-01 00:00", "1970-01-01 00:00", "2026-02-01 00:00"}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			var list []varve.Snapshot
			for i, when := range c.times {
				list = append(list, snap(t, uint64(i+1), when))
			}
			kept, reasons := plan(t, list, Policy{Daily: 1}, clock(t, "2040-01-01 00:00"))
			wantKept(t, kept, 2, 3)
			if reasons[c.misdated] != "dated out of order" {
				t.Errorf("reasons %v", reasons)
			}
		})
	}
}

func TestTheNewestSnapshotIsTrustedOverAnEquallyLongOldRun(t *testing.T) {
	list := []varve.Snapshot{snap(t, 1, "2030-01-01 00:00"), snap(t, 2, "2030-01-02 00:00"), snap(t, 3, "2026-01-01 00:00"),
		snap(t, 4, "2026-01-02 00:00")}
	kept, reasons := plan(t, list, Policy{Last: 1}, clock(t, "2040-01-01 00:00"))
	wantKept(t, kept, 1, 2, 4)
	if reasons[1] != "dated out of order" || reasons[3] != "no rule keeps it" {
		t.Errorf("reasons %v", reasons)
	}
}

func TestAnIncompleteSnapshotDoesNotDecideWhichTimesAreWrong(t *testing.T) {
	list := []varve.Snapshot{snap(t, 1, "2026-01-01 00:00"), snap(t, 2, "2020-01-01 00:00"), snap(t, 3, "2020-01-02 00:00"),
		snap(t, 4, "2026-01-02 00:00")}
	list[1].State, list[2].State = varve.Incomplete, varve.Incomplete
	kept, reasons := plan(t, list, Policy{Last: 1}, clock(t, "2026-02-01 00:00"))
	wantKept(t, kept, 2, 3, 4)
	if reasons[2] != "dated out of order" || reasons[1] != "no rule keeps it" {
		t.Errorf("reasons %v", reasons)
	}
}

func TestSeed_H1_KeepDaysCountsCalendarDaysWithToday(t *testing.T) {
	list := daily(t, 45, "2026-11-20")
	kept, reasons := plan(t, list, Policy{Days: 30}, clock(t, "2026-11-20 23:59"))
	wantKept(t, kept, seqs(16, 45)...)
	if reasons[16] != "in the last 30 days" {
		t.Errorf("reasons %v", reasons)
	}
	for _, s := range []string{"", "0", "-1", "x", "30d", "1.5"} {
		if n, err := ParseDays(s); err == nil {
			t.Errorf("%q days: got %d", s, n)
		}
	}
	if n, err := ParseDays("30"); n != 30 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
}

func TestSeed_H7_ExpiryKeepsEverySnapshotOfADayInTheWindow(t *testing.T) {
	list := []varve.Snapshot{snap(t, 1, "2026-11-17 23:59"), snap(t, 2, "2026-11-18 00:00"), snap(t, 3, "2026-11-18 18:00"),
		snap(t, 4, "2026-11-20 01:00"), snap(t, 5, "2026-11-20 02:00")}
	kept, _ := plan(t, list, Policy{Days: 3}, clock(t, "2026-11-20 02:01"))
	wantKept(t, kept, 2, 3, 4, 5)
}

func TestSeed_HF5_AMissedExpiryDayIsCaughtUp(t *testing.T) {
	list := daily(t, 60, "2026-11-20")
	kept, _ := plan(t, append(list[:20:20], list[23:]...), Policy{Days: 30}, clock(t, "2026-11-20 13:00"))
	wantKept(t, kept, seqs(31, 60)...)
}

func TestSeed_HF9_NoPolicyRemovesTheBackupJustMade(t *testing.T) {
	list := daily(t, 1, "2026-11-20")
	if _, err := Plan(list, Policy{Days: 0}, list[0].Time); !errors.Is(err, ErrEmptyPolicy) {
		t.Errorf("zero days: %v", err)
	}
	if _, err := Plan(list, Policy{Days: -1}, list[0].Time); err == nil {
		t.Error("a negative number of days was accepted")
	}
	kept, _ := plan(t, list, Policy{Days: 1}, list[0].Time.AddDate(1, 0, 0))
	wantKept(t, kept, 1)
}

func TestSeed_A7_ALongAbsenceLeavesOldHistory(t *testing.T) {
	list := append(daily(t, 30, "2026-06-01"), snap(t, 31, "2026-11-20 12:00"))
	kept, reasons := plan(t, list, Policy{Days: 30}, clock(t, "2026-11-20 12:05"))
	wantKept(t, kept, 30, 31)
	if reasons[30] != "newest before the last 30 days" {
		t.Errorf("reasons %v", reasons)
	}
}

func TestSeed_A7_AClockIn1970RemovesNothing(t *testing.T) {
	old := daily(t, 30, "2026-06-01")
	boot := time.Date(1970, 1, 1, 0, 5, 0, 0, time.UTC)
	if got, err := Plan(old, Policy{Days: 1}, boot); got != nil || !errors.Is(err, ErrClock) {
		t.Errorf("before the first backup: got %v, %v", got, err)
	}
	fresh := snap(t, 31, "1970-01-01 00:06")
	kept, _ := plan(t, append(old, fresh), Policy{Days: 1, Last: 1, Within: Duration{Hours: 1}}, boot.Add(time.Hour))
	wantKept(t, kept, seqs(1, 31)...)
}
