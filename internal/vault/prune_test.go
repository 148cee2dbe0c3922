package vault

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"varve"
	"varve/internal/backend"
	"varve/internal/seal"
	"varve/internal/storetest"
)

func TestPruneFreesExactlyWhatNoSnapshotNeeds(t *testing.T) {
	s := newSite(t)
	store := s.admin()
	first := s.save(store, "a", s.blobs(1, 2, 3))
	s.save(store, "a", s.blobs(2, 3, 4))
	s.save(store, "b", storetest.Sample())
	s.forget(store, first)
	if unused, _ := s.leftOver(); unused == 0 {
		t.Fatal("nothing is there to be freed")
	}
	before := s.size(backend.Data)
	report := s.prune(store)
	s.holds()
	s.tidyUp()
	if freed := before - s.size(backend.Data); report.BytesFreed != freed || freed < 900_000 {
		t.Errorf("freed %d bytes, it says %d", freed, report.BytesFreed)
	}
	if report.Bytes != before || report.Packs == 0 || report.PacksDeleted == 0 || report.PacksRepacked == 0 || report.Snapshots != 1 ||
		report.Kept != 0 || report.More || report.BytesRepacked < 2_000_000 {
		t.Errorf("%+v", report)
	}
	if report := s.prune(store); report.PacksDeleted != 0 || report.BytesFreed != 0 {
		t.Errorf("there was something left: %+v", report)
	}
}

func TestPruneOfAVaultWithoutSnapshotsLeavesReserves(t *testing.T) {
	s := newSite(t)
	store := s.admin()
	s.forget(store, s.save(store, "a", storetest.Sample()))
	s.prune(store)
	s.holds()
	s.tidyUp()
	if n := len(s.objects(backend.Data)); n != reserves {
		t.Errorf("%d packs are left", n)
	}
	s.save(store, "a", storetest.Sample())
	s.holds()
}

func TestPacksWithoutLiveContentAreNotCopied(t *testing.T) {
	s := newSite(t)
	store := s.admin()
	first := s.save(store, "a", s.blobs(1))
	s.save(store, "a", s.blobs(2))
	s.forget(store, first)
	if report := s.prune(store); report.PacksDeleted != 2 || report.PacksRepacked != 0 {
		t.Errorf("%+v", report)
	}
	s.holds()
	s.tidyUp()
}

func TestWhatMayStayUnusedStays(t *testing.T) {
	s := newSite(t)
	store := s.admin()
	first := s.save(store, "a", s.blobs(1, 2, 3, 4))
	s.save(store, "a", s.blobs(2, 3, 4))
	s.forget(store, first)
	report, err := store.Prune(t.Context(), PruneOptions{Undo: -1, MaxUnused: 0.7})
	if err != nil || report.PacksRepacked != 0 || report.Snapshots != 1 {
		t.Errorf("%+v, error %v", report, err)
	}
	if unused, _ := s.leftOver(); unused == 0 {
		t.Error("everything was freed")
	}
	s.holds()
	if report, err = store.Prune(t.Context(), PruneOptions{Undo: -1}); err != nil || report.PacksRepacked == 0 {
		t.Errorf("as usual: %+v, error %v", report, err)
	}
	s.holds()
	s.tidyUp()
}

func TestPruneCopiesNoMoreThanItMay(t *testing.T) {
	s := newSite(t)
	store := s.admin()
	var old []varve.SnapshotID
	for i := range uint64(3) {
		old = append(old, s.save(store, "a", s.blobs(2*i, 2*i+1)))
	}
	s.save(store, "a", s.blobs(0, 2, 4))
	s.forget(store, old...)
	rounds := 0
	for more := true; more; rounds++ {
		report, err := store.Prune(t.Context(), PruneOptions{Undo: -1, MaxUnused: -1, MaxRepack: 1_500_000})
		s.must(err)
		if report.BytesRepacked > 1_500_000 || rounds > 10 {
			t.Fatalf("round %d: %+v", rounds, report)
		}
		more = report.More
		if (report.Snapshots == 0) != more {
			t.Errorf("records go with the last of their content: %+v", report)
		}
	}
	if rounds < 3 {
		t.Errorf("%d rounds", rounds)
	}
	s.holds()
	s.tidyUp()
}

func TestManySmallPacksAreJoined(t *testing.T) {
	s := newSite(t)
	store := s.admin()
	for i := range uint64(10) {
		s.save(store, "a", s.grove(3000, i))
	}
	before := len(s.objects(backend.Data))
	report := s.prune(store)
	if after := len(s.objects(backend.Data)); before < 20 || after != 2+reserves || report.PacksRepacked != int64(before-1) {
		t.Errorf("%d packs, then %d: %+v", before, after, report)
	}
	s.holds()
	s.tidyUp()
}

func TestIndexObjectsAreJoinedWhereThereAreMany(t *testing.T) {
	s := newSite(t)
	store := s.admin()
	s.save(store, "a", s.grove(2000, 1))
	for range manyIndexes {
		_, err := store.writeIndex(t.Context(), nil)
		s.must(err)
	}
	if n := len(s.objects(backend.Index)); n <= manyIndexes {
		t.Fatalf("%d index objects only", n)
	}
	s.prune(store)
	if n := len(s.objects(backend.Index)); n != 1 {
		t.Errorf("%d index objects", n)
	}
	s.holds()
	s.tidyUp()
}

func TestADryRunChangesNothingAndSaysWhatWouldBe(t *testing.T) {
	s := newSite(t)
	store := s.admin()
	first := s.save(store, "a", s.blobs(1, 2))
	s.save(store, "a", s.blobs(2))
	s.forget(store, first)
	before := s.objects("")
	would, err := store.Prune(t.Context(), PruneOptions{DryRun: true, Undo: -1, MaxUnused: -1})
	s.must(err)
	if after := s.objects(""); !slices.Equal(before, after) {
		t.Errorf("%d objects, then %d", len(before), len(after))
	}
	did := s.prune(store)
	if diff := would.BytesFreed - did.BytesFreed; diff < 0 || diff > reserveSize+50_000 {
		t.Errorf("would free %d, freed %d", would.BytesFreed, did.BytesFreed)
	}
	would.BytesFreed, did.BytesFreed = 0, 0
	if would != did {
		t.Errorf("would: %+v\ndid: %+v", would, did)
	}
	s.holds()
}

func TestWhatWasForgottenComesBackUntilItIsPruned(t *testing.T) {
	s := newSite(t)
	store := s.admin()
	id := s.save(store, "a", s.grove(100_000, 1))
	want := s.want[id]
	s.save(store, "a", s.grove(100_000, 2))
	s.forget(store, id)
	s.later(6 * 24 * time.Hour)
	report, err := store.Prune(t.Context(), PruneOptions{})
	if err != nil || report.Kept != 1 || report.Snapshots != 0 || report.PacksDeleted != 0 {
		t.Fatalf("within the undo period: %+v, error %v", report, err)
	}
	s.must(store.Unforget(t.Context(), id))
	s.want[id] = want
	s.holds()
	s.forget(store, id)
	s.later(8 * 24 * time.Hour)
	report, err = store.Prune(t.Context(), PruneOptions{})
	if err != nil || report.Kept != 0 || report.Snapshots == 0 || report.PacksDeleted == 0 {
		t.Fatalf("after the undo period: %+v, error %v", report, err)
	}
	if err := store.Unforget(t.Context(), id); !errors.Is(err, ErrPruned) {
		t.Errorf("unforget what was pruned: %v", err)
	}
	s.holds()
	s.tidyUp()
}

func TestAWrongClockDoesNotEndTheUndoPeriod(t *testing.T) {
	s := newSite(t)
	store := s.admin()
	id := s.save(store, "a", s.grove(1000, 1))
	for _, years := range []int{-10, 10} {
		opts := s.machine()
		opts.Now = func() time.Time { return s.now().AddDate(years, 0, 0) }
		f := s.fork(t)
		wrong := f.open(f.mem, s.key, opts)
		f.forget(wrong, id)
		report, err := wrong.Prune(t.Context(), PruneOptions{})
		if err != nil || report.Kept != 1 || report.PacksDeleted != 0 {
			t.Errorf("%d years: %+v, error %v", years, report, err)
		}
		if err := wrong.Unforget(t.Context(), id); err != nil {
			t.Errorf("%d years: %v", years, err)
		}
	}
}

func TestPruneWorksWithTheMaintenanceKeyAlone(t *testing.T) {
	s := newSite(t)
	store := s.admin()
	key, err := store.KeyFile(seal.MaintenanceKey, "m")
	s.must(err)
	first := s.save(store, "a", s.blobs(1, 2))
	s.save(store, "a", s.blobs(2))
	opts := s.machine()
	cleaner := s.open(s.mem, key, opts)
	s.forget(cleaner, first)
	s.prune(cleaner)
	s.holds()
	s.tidyUp()
	s.save(store, "a", s.blobs(2, 3))
	s.holds()
}

func TestPruneNeedsTheMaintenanceKey(t *testing.T) {
	s := newSite(t)
	key, err := s.admin().AddClient(t.Context(), "c")
	s.must(err)
	client := s.open(s.mem, key, s.machine())
	var needs *seal.KeyError
	for name, do := range map[string]func() error{
		"prune":  func() error { _, err := client.Prune(t.Context(), PruneOptions{}); return err },
		"repair": func() error { _, err := client.Repair(t.Context(), nil); return err },
		"stats":  func() error { _, err := client.Stats(t.Context(), StatsOptions{}); return err },
	} {
		if err := do(); !errors.As(err, &needs) || needs.Needs != seal.MaintenanceKey {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// client makes a put-only key.
func (s *site) client(admin *Store, name string) seal.KeyFile {
	s.Helper()
	key, err := admin.AddClient(context.Background(), name)
	s.must(err)
	return key
}

func TestAPutOnlyClientGoesOnAfterAPrune(t *testing.T) {
	s := newSite(t)
	admin := s.admin()
	key := s.client(admin, "c")
	client := s.open(s.mem, key, s.machine())
	first := s.save(client, "c", s.blobs(1, 2, 3))
	s.save(client, "c", s.blobs(1))
	s.forget(admin, first)
	s.prune(admin)
	s.holds()
	s.tidyUp()
	s.save(client, "c", s.blobs(1, 4))
	s.save(s.open(s.mem, key, s.machine()), "c", s.tree)
	s.holds()
}

func TestAPutOnlyClientsPacksStayWhileHalfOfThemIsUsed(t *testing.T) {
	s := newSite(t)
	admin := s.admin()
	client := s.open(s.mem, s.client(admin, "c"), s.machine())
	first := s.save(client, "c", s.blobs(1, 2, 3))
	s.save(client, "c", s.blobs(1, 2))
	s.forget(admin, first)
	report := s.prune(admin)
	if report.More || report.Snapshots != 1 {
		t.Errorf("%+v", report)
	}
	snap, err := client.Save(t.Context(), s.tree, varve.SaveOptions{Series: "c", Now: s.now})
	if err != nil || snap.Added != 0 {
		t.Errorf("an unchanged source added %d bytes, error %v", snap.Added, err)
	}
}
