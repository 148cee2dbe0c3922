package job

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"varve"
	"varve/internal/config"
	"varve/internal/disk"
	"varve/internal/history"
	"varve/internal/schedule"
	"varve/internal/vault"
)

// past fills the stores with five daily snapshots that the policy would thin out.
func past(t *testing.T, b *bed) {
	t.Helper()
	policy := b.config.Stores[0].Keep
	b.config.Stores[0].Keep.Last = 100
	for i := range 5 {
		b.want(b.run(), history.Success, i+1, i+1)
	}
	b.config.Stores[0].Keep = policy
}

func TestAWrongClockDeletesNothingAndTheNextRunRecovers(t *testing.T) {
	for name, wrong := range map[string]time.Time{"1970": time.Unix(60, 0).UTC(), "2038": time.Date(2038, 1, 19, 3, 14, 7, 0, time.UTC),
		"a year ahead": time.Date(2027, 11, 20, 0, 0, 0, 0, time.UTC), "seven months ahead": time.Date(2027, 6, 27, 0, 0, 0, 0, time.UTC),
		"two years ahead": time.Date(2028, 11, 20, 0, 0, 0, 0, time.UTC), "a month behind": time.Date(2026, 10, 20, 0, 0, 0, 0, time.UTC)} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, twoStores)
			b.deps.Built = time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)
			past(t, b)
			before, right := b.list("usb"), b.now
			b.now = wrong
			for i := range 2 {
				r := b.run()
				b.want(r, history.Success, 6+i, 6+i)
				if n := strings.Count(r.Err.Error(), ErrClock.Error()); n != 1 || !errors.Is(r.Stores[0].Spared, ErrClock) {
					t.Errorf("told %d times: %v, %v", n, r.Err, r.Stores[0].Spared)
				}
			}
			b.now = right
			r := b.run()
			if r.Result != history.Success || r.Err != nil || len(r.Stores[0].Forgotten) > 5 {
				t.Errorf("%s, %v, %d", r.Result, r.Err, len(r.Stores[0].Forgotten))
			}
			if got := b.events[len(b.events)-1]; got != "recovered" {
				t.Errorf("the last event was %s", got)
			}
			// Whatever the policy takes later, the newest of the time before stays.
			for range 2 {
				r = b.run()
			}
			if left := b.list("usb"); r.Err != nil || newestGood(left, "host:home") == nil || len(left) < 2 || len(before) != 5 {
				t.Errorf("%v, %d snapshots left", r.Err, len(left))
			}
		})
	}
}

func TestAJumpThatLooksLikeAPauseRemovesNothingByAgeForAWeek(t *testing.T) {
	const day = 24 * time.Hour
	begun := func(keep string) *bed {
		b := newBed(t, strings.Replace(twoStores, "last = 2", keep, 1))
		for i := range 4 {
			b.want(b.run(), history.Success, i+1, i+1)
		}
		b.now = b.now.Add(100 * day)
		return b
	}
	for _, keep := range []string{`within = "30d"`, `days = 30`} {
		b := begun(keep)
		for i := range 2 {
			r := b.run()
			b.want(r, history.Success, 5+i, 5+i)
			if r.Err != nil || r.Stores[0].Spared == nil || !strings.Contains(strings.Join(r.Notes, "\n"), "long pause") {
				t.Errorf("%s: %v, %q", keep, r.Err, r.Notes)
			}
		}
		b.now = b.now.Add(-100 * day) // somebody has noticed
		for i := range 3 {
			if r := b.run(); r.Result != history.Success || len(b.list("usb")) != 7+i {
				t.Fatalf("%s: %s, %v, %d are left", keep, r.Result, r.Err, len(b.list("usb")))
			}
		}
		b = begun(keep)
		b.run()
		b.now = b.now.Add(7 * day) // it was a pause
		b.run()
		if n := len(b.list("usb")); n > 3 {
			t.Errorf("%s: %d are left", keep, n)
		}
	}
	b := begun("daily = 4") // of which no age says what goes
	if r := b.run(); r.Err != nil || len(r.Stores[0].Forgotten) != 1 {
		t.Errorf("%v, %+v", r.Err, r.Stores[0])
	}
}

func TestAfterALongPauseAVaultIsNotPrunedForAWhile(t *testing.T) {
	b := newBed(t, twoStores)
	pruned := 0
	b.open = func(s *config.Store, p *Place) (*Place, error) {
		p.Prune = func(context.Context, vault.PruneOptions) (vault.PruneReport, error) {
			pruned++
			return vault.PruneReport{}, nil
		}
		return p, nil
	}
	b.config.Stores[0].Prune.Every, b.config.Stores[1].Prune.Every = config.Every(24*time.Hour), 0
	for range 3 {
		b.run()
	}
	before := pruned
	b.now = b.now.Add(60 * 24 * time.Hour)
	for range 2 {
		b.run()
	}
	if pruned != before || before == 0 {
		t.Errorf("pruned %d times, then %d", before, pruned-before)
	}
	b.now = b.now.Add(6 * 24 * time.Hour)
	if b.run(); pruned == before {
		t.Error("it is never pruned again")
	}
}

func TestAClockAheadForLongStillDeletesNothingByAge(t *testing.T) {
	b := newBed(t, twoStores)
	b.deps.Built = time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)
	past(t, b)
	b.now = time.Date(2038, 1, 19, 0, 0, 0, 0, time.UTC)
	for range 12 {
		if r := b.run(); r.Result != history.Success || len(r.Stores[0].Forgotten) > 0 {
			t.Fatalf("%s, %v forgotten", r.Result, r.Stores[0].Forgotten)
		}
	}
}

func TestTheBudgetSpreadsDeletionsOverRuns(t *testing.T) {
	b := newBed(t, twoStores)
	past(t, b)
	b.config.Stores[0].Deletions = 2
	r := b.run()
	if n := len(r.Stores[0].Forgotten); n != 2 || r.Stores[0].More != 2 {
		t.Errorf("%d forgotten, %d to go", n, r.Stores[0].More)
	}
	b.run()
	b.want(b.run(), history.Success, 2, 8)
}

func TestAStoreThatIsTooLargeLosesItsOldestSnapshots(t *testing.T) {
	b := newBed(t, twoStores)
	past(t, b)
	b.config.Stores[0].Keep.Last = 100
	b.config.Stores[0].MaxSize = 30
	measured := 0
	b.open = usedPerSnapshot(10, &measured)
	r := b.run()
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	if left := b.list("usb"); len(left) != 3 || left[2].ID != r.Snapshot.ID || measured == 0 {
		t.Errorf("%d left", len(left))
	}
	contains(t, strings.Join(r.Notes, "\n"), "3 snapshots of host:home went that keep would have kept")
	// The last good one stays, however small the limit; then nothing at all goes.
	b.config.Stores[0].MaxSize = 5
	if r = b.run(); !errors.Is(r.Err, ErrRoom) || len(r.Stores[0].Forgotten) > 0 || r.Result != history.Success {
		t.Errorf("%v, %d", r.Err, len(r.Stores[0].Forgotten))
	}
}

func TestFilesOfATreeAreCountedOnce(t *testing.T) {
	b := newBed(t, twoStores)
	b.write("src/large", string(make([]byte, 1<<20)))
	b.run()
	b.write("src/other", string(make([]byte, 1<<19)))
	b.run()
	p, err := b.openStore(t.Context(), b.config.Store("usb"), false)
	must(t, err)
	defer p.Close()
	all, err := p.Used(t.Context(), nil)
	must(t, err)
	list := b.list("usb")
	without, err := p.Used(t.Context(), []varve.SnapshotID{list[1].ID})
	must(t, err)
	if gone := all.Bytes - without.Bytes; all.Bytes < 3<<19 || all.Bytes > 2<<20 || gone < 1<<19 || gone > 3<<18 {
		t.Errorf("%d, without the second %d", all, without)
	}
}

func TestWhatWaitsToBePrunedIsNotMadeRoomForTwice(t *testing.T) {
	b := newBed(t, twoStores)
	past(t, b)
	s := b.config.Stores[0]
	s.Keep.Last, s.KeepFree.Bytes = 100, 30
	free, idle := int64(0), int64(30)
	b.open = func(_ *config.Store, p *Place) (*Place, error) {
		p.Space = func(context.Context) (disk.Space, error) { return disk.Space{Total: 1000, Free: free}, nil }
		p.Used = func(ctx context.Context, without []varve.SnapshotID) (Usage, error) {
			list, err := p.Store.Snapshots(ctx)
			return Usage{Bytes: 10 * int64(len(list)-len(without)), Idle: idle}, err
		}
		return p, nil
	}
	if r := b.run(); r.Err != nil || len(r.Stores[0].Forgotten) > 1 { // pruning leaves a part of it
		t.Errorf("%v, %d", r.Err, len(r.Stores[0].Forgotten))
	}
	free, idle = 10, 0
	if r := b.run(); r.Err != nil || len(r.Stores[0].Forgotten) != 2 {
		t.Errorf("%v, %d", r.Err, len(r.Stores[0].Forgotten))
	}
	free = 30
	if r := b.run(); r.Err != nil || len(r.Stores[0].Forgotten) != 0 {
		t.Errorf("%v, %d", r.Err, len(r.Stores[0].Forgotten))
	}
}

func TestAClockThatIsSetDuringARunDeletesNothing(t *testing.T) {
	for name, by := range map[string]time.Duration{"a year ahead": 365 * 24 * time.Hour, "two days back": -48 * time.Hour} {
		b := newBed(t, twoStores)
		past(t, b)
		before := b.list("usb")
		b.open = func(_ *config.Store, p *Place) (*Place, error) {
			p.Store = &setting{p.Store, b, by}
			return p, nil
		}
		r := b.run()
		if !errors.Is(r.Err, ErrClock) || len(r.Stores[0].Forgotten) > 0 || len(b.list("usb")) != len(before)+1 {
			t.Errorf("%s: %v, %d forgotten", name, r.Err, len(r.Stores[0].Forgotten))
		}
	}
}

// setting is a store that is copied to or saved in while somebody sets the clock.
type setting struct {
	varve.Store
	bed *bed
	by  time.Duration
}

func (s *setting) Save(ctx context.Context, src varve.Source, o varve.SaveOptions) (varve.Snapshot, error) {
	snap, err := s.Store.Save(ctx, src, o)
	s.bed.now = s.bed.now.Add(s.by)
	s.by = 0
	return snap, err
}

func TestAClockThatMovedOnOtherwiseThanTimeIsNotBelieved(t *testing.T) {
	begin := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		wall, steady time.Duration
		ok           bool
	}{{time.Hour, time.Hour, true}, {9 * time.Hour, time.Hour, true}, {72 * time.Hour, time.Hour, false}, {-time.Hour, time.Hour, true},
		{-23 * time.Hour, 72 * time.Hour, false}, {72 * time.Hour, 72 * time.Hour, true}} {
		if err := (clock{now: begin}).strayed(begin.Add(c.wall), c.steady); (err == nil) != c.ok {
			t.Errorf("%s on the wall in %s: %v", c.wall, c.steady, err)
		}
	}
}

func TestHowLongAJobMayRestIsTakenFromItsScheduleAndItsRuns(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for text, days := range map[string]int{"never": 183, "daily 02:30": 183, "every 100d": 300, "every 300d": 400} {
		plan, err := schedule.Parse(text)
		must(t, err)
		if got := signsOf(&history.Job{}, plan, now).leap; got != time.Duration(days)*24*time.Hour {
			t.Errorf("%s: %s", text, got)
		}
	}
	var h history.Job
	for _, day := range []int{-400, -300, -299, 400, -30} { // once it was ahead
		h.Runs = append(h.Runs, history.Run{Begin: now.AddDate(0, 0, day)})
	}
	if got := signsOf(&h, schedule.Schedule{}, now).leap; got != 300*24*time.Hour {
		t.Errorf("%s", got)
	}
}

func TestACheckThatIsImpossibleDoesNotTakeDamageBack(t *testing.T) {
	found := &history.Verify{Damage: 3}
	if v := known(history.Verify{Error: "lost"}, found); v.Damage != 3 {
		t.Errorf("%+v", v)
	}
	if v := known(history.Verify{}, found); v.Damage != 0 {
		t.Errorf("%+v", v)
	}
}
