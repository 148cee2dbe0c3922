package walk_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"varve"
	"varve/internal/disk"
	"varve/internal/disk/memfs"
	"varve/internal/walk"
)

// unsettled is a directory on a file system that cannot be written out.
type unsettled struct{ disk.FS }

func (d unsettled) OpenDir(name string) (disk.FS, error) {
	f, err := d.FS.OpenDir(name)
	return unsettled{f}, err
}

func (d unsettled) SyncAll() error { return errors.New("no such call") }

// counting counts how often its file system is written out.
type counting struct {
	disk.FS
	n *int
}

func (d counting) OpenDir(name string) (disk.FS, error) {
	f, err := d.FS.OpenDir(name)
	return counting{f, d.n}, err
}

func (d counting) SyncAll() error {
	*d.n++
	return d.FS.SyncAll()
}

// aged is a tree of files that changed so many seconds ago.
func aged(t *testing.T, now time.Time, ages map[string]int64) disk.FS {
	t.Helper()
	var clock varve.Time
	d := memfs.New(memfs.Options{Clock: func() varve.Time { return clock }})
	for name, age := range ages {
		clock = varve.TimeOf(now.Add(-time.Duration(age) * time.Second))
		build(t, d.Root(), name)
	}
	return d.Root()
}

func TestStampsAreTrustedSoonOnlyWhereTheFileSystemWasWrittenOut(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	ages := map[string]int64{"new": 0, "two": 2, "four": 4, "minute": 60, "three-minutes": 180}
	for _, tt := range []struct {
		name    string
		at      disk.FS
		trusted map[string]bool
	}{
		{"written out", aged(t, now, ages), map[string]bool{"four": true, "minute": true, "three-minutes": true}},
		{"not written out", unsettled{aged(t, now, ages)}, map[string]bool{"three-minutes": true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clock := now
			s := start(t, tt.at, []string{""}, walk.Options{Now: func() time.Time { return clock }})
			list := collect(t, s)
			for name := range ages {
				e := entry(t, list, name)
				f, err := s.Open(context.Background(), e)
				ok(t, err)
				opened, err := f.Entry()
				ok(t, errors.Join(err, f.Close()))
				for _, stamp := range []varve.Stamp{e.Stamp, opened.Stamp} {
					if (stamp != varve.Stamp{}) != tt.trusted[name] {
						t.Errorf("%s: stamp %v, want one: %v", name, stamp, tt.trusted[name])
					}
				}
			}
		})
	}
}

func TestALongWalkTrustsNothingThatChangedSinceItBegan(t *testing.T) {
	clock := time.Unix(1_800_000_000, 0)
	s := start(t, aged(t, clock, map[string]int64{"a": 1, "b": 1}), []string{""}, walk.Options{Now: func() time.Time { return clock }, Workers: 1})
	for e, err := range s.Entries(context.Background()) {
		ok(t, err)
		if (e.Stamp != varve.Stamp{}) {
			t.Errorf("%q, which changed a second before the walk, has the stamp %v", e.Path, e.Stamp)
		}
	}
	for _, e := range collect(t, s) {
		if e.Kind == varve.Regular {
			clock = clock.Add(time.Hour)
			f, err := s.Open(context.Background(), e)
			ok(t, err)
			if opened, err := f.Entry(); err != nil || opened.Stamp != (varve.Stamp{}) {
				t.Errorf("%q, opened an hour later, has the stamp %v, %v", e.Path, opened.Stamp, err)
			}
			ok(t, f.Close())
		}
	}
}

func TestEveryFileSystemOfASourceIsWrittenOutOnce(t *testing.T) {
	n := 0
	s := start(t, counting{memory(t, "a/b/f", "c", "d/e").Root(), &n}, []string{"a/b", "c", "d/e", "a"}, walk.Options{})
	if collect(t, s); n != 1 {
		t.Errorf("written out %d times, want once", n)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for range s.Entries(ctx) {
	}
	if n != 1 {
		t.Error("a walk that was cancelled before it began writes out file systems")
	}
}
