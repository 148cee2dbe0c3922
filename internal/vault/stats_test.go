package vault

import (
	"errors"
	"testing"

	"varve"
	"varve/internal/backend"
)

func TestStatsCountWhatIsSharedAndWhatIsNot(t *testing.T) {
	s := newSite(t)
	store := s.admin()
	s.save(store, "a", s.grove(100_000, 1, 2))
	second := s.save(store, "a", s.grove(100_000, 1, 2, 3))
	s.save(store, "b", s.grove(100_000, 3, 4, 5))
	stats, err := s.admin().Stats(t.Context(), StatsOptions{Forget: []varve.SnapshotID{second}})
	s.must(err)
	if stats.Snapshots != 3 || stats.LogicalBytes != 800_000 || stats.UniqueBytes != 500_000 || stats.Deduplication != 1.6 {
		t.Errorf("%+v", stats)
	}
	if stats.Packs != int64(len(s.objects(backend.Data))) || stats.StoredBytes != s.size(backend.Data) || stats.IndexBytes != s.size(backend.Index) {
		t.Errorf("%+v", stats)
	}
	if stats.Compression < 0.99 || stats.Compression > 1.01 {
		t.Errorf("noise is compressed 1:%f", stats.Compression)
	}
	near := func(what string, got, want int64) {
		if got < want || got > want+5_000 {
			t.Errorf("%s: %d, not about %d", what, got, want)
		}
	}
	if len(stats.Series) != 2 {
		t.Fatalf("%+v", stats.Series)
	}
	for i, want := range []SeriesStats{{"a", 2, 300_000, 200_000}, {"b", 1, 300_000, 200_000}} {
		got := stats.Series[i]
		near("stored for "+got.Series+" alone", got.Stored, want.Stored)
		got.Stored = want.Stored
		if got != want {
			t.Errorf("%+v, not %+v", got, want)
		}
	}
	near("freed, all content being shared", stats.Freed, 0)
	first := s.save(store, "c", s.grove(100_000, 7))
	stats, err = store.Stats(t.Context(), StatsOptions{Forget: []varve.SnapshotID{first}})
	s.must(err)
	near("freed", stats.Freed, 100_000)
	if _, err := store.Stats(t.Context(), StatsOptions{Forget: []varve.SnapshotID{{1}}}); !errors.Is(err, varve.ErrNoSnapshot) {
		t.Error(err)
	}
}

func TestStatsOfAnEmptyVaultAreZero(t *testing.T) {
	s := newSite(t)
	stats, err := s.admin().Stats(t.Context(), StatsOptions{})
	if err != nil || stats.Snapshots != 0 || stats.Deduplication != 0 || stats.Compression != 0 || stats.UniqueBytes != 0 {
		t.Errorf("%+v, error %v", stats, err)
	}
}
