package job

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"varve"
	"varve/internal/config"
	"varve/internal/history"
	"varve/internal/vault"
)

func TestNothingIsRemovedForWeeksWhileSnapshotsAreSuspect(t *testing.T) {
	for keep, nights := range map[string]int{"last = 1": 3, "days = 2": 21, "daily = 2": 3, "within = \"2d\"": 3} {
		b := newBed(t, strings.Replace(twoStores, "last = 2", keep, 1))
		b.config.Store("usb").MaxSize = 1 // and there is too little room, too
		asked := 0
		b.open = usedPerSnapshot(1, &asked)
		for i := range 12 {
			b.write(fmt.Sprintf("src/f%02d", i), fmt.Sprintf("content %d", i))
		}
		b.run()
		b.run()
		before := len(b.list("usb"))
		for night := range nights {
			for i := range 12 {
				b.write(fmt.Sprintf("src/f%02d", i), fmt.Sprintf("scrambled %d %d", night, i))
			}
			if r := b.run(); r.Result != history.Suspect || len(r.Stores[0].Forgotten) > 0 {
				t.Fatalf("%s, night %d: %s, %v, %d are gone", keep, night, r.Result, r.Err, len(r.Stores[0].Forgotten))
			}
		}
		if after := b.list("usb"); len(after) != before+nights {
			t.Fatalf("%s: %d snapshots, want %d", keep, len(after), before+nights)
		}
		b.now = b.now.Add(24 * time.Hour)
		r := Run(t.Context(), b.config.Job("home"), How{Accept: true}, b.deps)
		if r.Result != history.Success || r.Stores[0].Spared == nil || len(b.list("usb")) != before+nights+1 {
			t.Errorf("%s: the run that was accepted: %s, %v, %d snapshots", keep, r.Result, r.Err, len(b.list("usb")))
		}
		if r := b.run(); r.Result != history.Success || len(r.Stores[0].Forgotten) == 0 {
			t.Errorf("%s: the run after it: %s, %v, nothing is removed", keep, r.Result, r.Err)
		}
	}
}

func TestAVaultIsNotPrunedWhileSnapshotsOfItsJobsAreSuspect(t *testing.T) {
	b := newBed(t, twoStores+"[job.other]\nsources = [\"/src\"]\nstores = [\"usb\"]\n")
	b.config.Store("usb").Prune.Every = 1
	differs := varve.Difference{Files: 100}
	pruned, states := 0, map[varve.SnapshotID]varve.State{}
	b.open = func(s *config.Store, p *Place) (*Place, error) {
		p.Store = &stained{Store: p.Store, differs: differs, states: states}
		p.Prune = func(context.Context, vault.PruneOptions) (r vault.PruneReport, err error) {
			pruned++
			return r, nil
		}
		return p, nil
	}
	run := func(name string, changed int64, want bool) {
		t.Helper()
		differs = varve.Difference{Files: 100, Before: 100, Changed: changed}
		b.now = b.now.Add(24 * time.Hour)
		before := pruned
		r := Run(t.Context(), b.config.Job(name), How{}, b.deps)
		told := strings.Contains(strings.Join(r.Notes, "\n"), "not pruned while")
		if pruned > before != want || told == want {
			t.Errorf("%s: %s, pruned %d times, %q, %v", name, r.Result, pruned-before, r.Notes, r.Err)
		}
	}
	Run(t.Context(), b.config.Job("other"), How{}, b.deps) // begins to count
	run("home", 0, true)
	run("home", 90, false)
	run("other", 0, false)
	run("home", 0, true)
	run("other", 0, true)
}

func TestARestoreIsRehearsedAsSoonAsThereIsAGoodSnapshot(t *testing.T) {
	b := newBed(t, twoStores)
	b.config.Stores[0].Drill.Every = config.Every(72 * time.Hour)
	dir := mustDir(t, b, "src")
	must(t, errors.Join(dir.Remove("a"), dir.Remove("b")))
	if r := b.run(); r.Result != history.Suspect || r.Stores[0].Drill != nil {
		t.Fatalf("without files: %s, %+v", r.Result, r.Stores[0].Drill)
	}
	b.write("src/a", "alpha")
	var drilled []int
	for i := range 8 {
		if r := b.run(); r.Err != nil {
			t.Fatal(r.Err)
		} else if r.Stores[0].Drill != nil {
			drilled = append(drilled, i)
		}
	}
	if fmt.Sprint(drilled) != "[0 3 6]" {
		t.Errorf("rehearsed in the runs %d", drilled)
	}
	if l := Status(b.deps, nil)[0]; l.Proven == nil || l.Level != Good {
		t.Errorf("%+v", l)
	}
}

func TestStatusTellsHowFarAStoreThatIsAwayIsBehind(t *testing.T) {
	b := newBed(t, strings.Replace(twoStores, `place = "/box"`, "place = \"/box\"\nmounted = \"/box\"\nkeep = { last = 3 }", 1))
	want := func(usb, box int) {
		t.Helper()
		if l := Status(b.deps, nil); l[0].Missing != usb || l[1].Missing != box {
			t.Errorf("behind by %d and %d, want %d and %d", l[0].Missing, l[1].Missing, usb, box)
		}
	}
	want(-1, -1)
	b.mounted["/box"] = true
	b.run()
	want(0, 0)
	b.mounted["/box"] = false
	b.run()
	b.run()
	want(0, 2)
	for range 3 {
		b.run()
	}
	want(0, 3) // it would keep no more
	b.mounted["/box"] = true
	b.run()
	want(0, 0)
}

func TestRunsRememberWhatVanishedAndChangedMeanwhile(t *testing.T) {
	b := newBed(t, twoStores)
	b.open = func(s *config.Store, p *Place) (*Place, error) {
		p.Store = &restless{p.Store}
		return p, nil
	}
	b.run()
	h := b.job()
	if last := h.Last(); last.Vanished != 2 || last.Changed != 3 {
		t.Errorf("%+v", last)
	}
}

// restless is a store whose snapshots are all of files that somebody works on.
type restless struct{ varve.Store }

func (s *restless) Save(ctx context.Context, src varve.Source, o varve.SaveOptions) (varve.Snapshot, error) {
	snap, err := s.Store.Save(ctx, src, o)
	for range 2 {
		snap.Miss(&varve.Entry{Err: fs.ErrNotExist})
	}
	snap.Changed = 3
	return snap, err
}
