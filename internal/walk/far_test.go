package walk_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"varve"
	"varve/internal/compare"
	"varve/internal/disk"
	"varve/internal/disk/farfs"
	"varve/internal/disk/memfs"
	"varve/internal/tree"
	"varve/internal/walk"
)

// bushes returns a tree of n directories, ten of them in each that is not at the bottom, with ten objects in each.
func bushes(t testing.TB, n int) disk.FS {
	t.Helper()
	var specs []string
	dirs := []string{"top"}
	for i := 0; len(specs) < 10*n; i++ {
		dir := dirs[i]
		for j := range 9 {
			specs = append(specs, fmt.Sprintf("%s/file%d", dir, j))
		}
		specs = append(specs, dir+"/link -> file0")
		for j := range 10 {
			dirs = append(dirs, fmt.Sprintf("%s/dir%d", dir, j))
		}
	}
	return memory(t, specs...).Root()
}

func TestAFarTreeIsWalkedInTheTimeOfAFewDirectories(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tree := bushes(t, 300)
		var line farfs.Line
		line.RoundTrip = 20 * time.Millisecond
		near, err := walk.New(tree, []string{"top"}, walk.Options{})
		ok(t, err)
		expected := collect(t, near)
		far, err := walk.New(farfs.New(tree, &line), []string{"top"}, walk.Options{Far: true})
		ok(t, err)
		begin, before := time.Now(), line.Requests()
		list := collect(t, far)
		took := time.Since(begin)
		if got, want := paths(list), paths(expected); !slices.Equal(got, want) || len(got) < 3000 {
			t.Errorf("%d entries, from near %d", len(got), len(want))
		}
		// One after the other the directories would take three round trips each, 18 s.
		if took > 2*time.Second {
			t.Errorf("the walk took %v", took)
		}
		for method, n := range line.Requests() {
			if n -= before[method]; method == "FS.Names" && n != 300 || method != "FS.Names" && n > 5 {
				t.Errorf("%d requests %s", n, method)
			}
		}
		ok(t, far.Close()) // and near with it, which has the same root
	})
}

func TestWhatIsNeededLateOnAFarDiskDoesNotKeepTheRestWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := memfs.New(memfs.Options{})
		mkdir := func(path string) disk.FS {
			at := d.Root()
			for name := range strings.SplitSeq(path, "/") {
				if err := at.Mkdir(name, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
					t.Fatal(err)
				}
				var err error
				at, err = at.OpenDir(name)
				ok(t, err)
			}
			return at
		}
		for i := range 500 { // deeper than the rest, so that it is known later, and needed before
			mkdir(fmt.Sprintf("a/b/c/d/%03d", i))
		}
		for i := range 300 {
			at := mkdir(fmt.Sprintf("z/%03d", i))
			for j := range 100 {
				ok(t, at.Symlink(fmt.Sprint(j), "x"))
			}
		}
		line := farfs.Line{RoundTrip: 20 * time.Millisecond}
		s := start(t, farfs.New(d.Root(), &line), []string{""}, walk.Options{Far: true})
		begin := time.Now()
		if n := len(collect(t, s)); n != 30_806 {
			t.Errorf("%d entries", n)
		}
		// One after the other the small directories would take 30 s.
		if took := time.Since(begin); took > 3*time.Second {
			t.Errorf("the walk took %v", took)
		}
	})
}

func TestAHugeFarDirectoryIsWalkedInParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := memfs.New(memfs.Options{})
		for i := range 2000 {
			ok(t, d.Root().Mkdir(fmt.Sprintf("dir%04d", i), 0o755))
		}
		line := farfs.Line{RoundTrip: 20 * time.Millisecond}
		s := start(t, farfs.New(d.Root(), &line), []string{""}, walk.Options{Far: true})
		begin := time.Now()
		if n := len(collect(t, s)); n != 2001 {
			t.Errorf("%d entries", n)
		}
		if took := time.Since(begin); took > 5*time.Second { // one after the other 120 s
			t.Errorf("the walk took %v", took)
		}
	})
}

func TestFarFilesAreTrustedByTheirTimeUnlessTheyAreYoung(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	ages := map[string]int64{"future": -7200, "new": 0, "minute": 60, "five": 300, "hour": 3600, "old": 4000}
	for _, tt := range []struct {
		name    string
		lag     time.Duration
		trusted map[string]bool
	}{
		{"a clock that nobody knows", 0, map[string]bool{"old": true}},
		{"a clock that is nearly right", time.Second, map[string]bool{"five": true, "hour": true, "old": true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clock := now
			var line farfs.Line
			s := start(t, farfs.New(aged(t, now, ages), &line), []string{""},
				walk.Options{Far: true, Lag: tt.lag, Now: func() time.Time { return clock }})
			list := collect(t, s)
			clock = clock.Add(24 * time.Hour) // a file that is opened late has not become older
			for name := range ages {
				e := entry(t, list, name)
				f, err := s.Open(t.Context(), e)
				ok(t, err)
				opened, err := f.Entry()
				ok(t, errors.Join(err, f.Close()))
				want := varve.Stamp{}
				if tt.trusted[name] {
					want = compare.FarStamp(e.MTime)
				}
				if e.Stamp != want || opened.Stamp != want {
					t.Errorf("%s: stamps %v and %v, want %v", name, e.Stamp, opened.Stamp, want)
				}
			}
			if n := line.Requests()["FS.SyncAll"]; n > 0 {
				t.Errorf("the far machine was told %d times to write out what it has", n)
			}
		})
	}
}

func TestAFarFileIsReadAgainAfterAChangeInTheSecondItWasRead(t *testing.T) {
	var clock time.Time
	d := memfs.New(memfs.Options{Clock: func() varve.Time { return varve.TimeOf(clock) }})
	now := func() time.Time { return clock }
	look := func() varve.Entry {
		var line farfs.Line
		s := start(t, farfs.New(d.Root(), &line), []string{""}, walk.Options{Far: true, Lag: time.Second, Now: now})
		return entry(t, collect(t, s), "file")
	}
	clock = time.Unix(1_800_000_000, 100)
	build(t, d.Root(), "file=before")
	first := look()
	clock = clock.Add(time.Millisecond)
	ok(t, d.Root().Remove("file"))
	build(t, d.Root(), "file=after!")
	clock = clock.Add(24 * time.Hour)
	second := look()
	if first.MTime != second.MTime || first.Size != second.Size {
		t.Fatalf("%+v does not look like %+v", second, first)
	}
	if compare.Unchanged(&first, &second) {
		t.Error("the second content counts as the first")
	}
	clock = clock.Add(24 * time.Hour)
	if third := look(); !compare.Unchanged(&second, &third) {
		t.Error("a file that did not change counts as changed")
	}
}

func TestAWalkWhoseDiskIsLostDoesNotEndWell(t *testing.T) {
	tree := bushes(t, 20)
	defer tree.Close()
	lost := fmt.Errorf("read directory: %w", disk.ErrLost)
	for at := int64(1); ; at++ {
		var n atomic.Int64
		var line farfs.Line
		s := start(t, keep{farfs.New(tree, &line)}, []string{""}, walk.Options{Far: true, Workers: 1})
		line.Cut = func(string) error {
			if n.Add(1) >= at {
				return lost
			}
			return nil
		}
		var last error
		for e, err := range s.Entries(t.Context()) {
			if e.Err != nil {
				t.Errorf("lost at request %d: %q is yielded with %v", at, e.Path, e.Err)
			}
			last = err
		}
		reached := n.Load() >= at
		if reached != errors.Is(last, disk.ErrLost) {
			t.Errorf("lost at request %d, %v: the walk ends with %v", at, reached, last)
		}
		if !reached || t.Failed() {
			break
		}
	}
}

// keep leaves the directory open that others use, too.
type keep struct{ disk.FS }

func (keep) Close() error { return nil }

func TestAFileOfALostDiskIsNotUnreadableByItself(t *testing.T) {
	var line farfs.Line
	s := start(t, farfs.New(memory(t, "file").Root(), &line), []string{""}, walk.Options{Far: true})
	e := entry(t, collect(t, s), "file")
	line.Cut = func(string) error { return disk.ErrLost }
	if _, err := s.Open(context.Background(), e); !errors.Is(err, disk.ErrLost) || errors.Is(err, varve.ErrUnreadable) {
		t.Errorf("Open says %v", err)
	}
}

func TestAFarDirectoryThatCannotBeReadIsToldInThePlaceOfItsListing(t *testing.T) {
	d := memfs.New(memfs.Options{UID: 1, GID: 1})
	build(t, d.Root(), "a/", "b/", "closed/", "file")
	ok(t, d.Root().Set("closed", &varve.Entry{Kind: varve.Dir, Mode: 0}, varve.Mode))
	var line farfs.Line
	s := start(t, farfs.New(d.Root(), &line), []string{""}, walk.Options{Far: true})
	list := collect(t, s)
	want(t, list, "a/", "b/", "closed/", "file", "closed!")
	if e := list[len(list)-1]; !errors.Is(e.Err, fs.ErrPermission) {
		t.Errorf("the error is %v", e.Err)
	}
}

func TestAStoreWithoutAnInodeNumberLeavesOutNothing(t *testing.T) {
	var line farfs.Line
	s := start(t, farfs.New(memory(t, "a/f", "b/f").Root(), &line), []string{""}, walk.Options{Far: true, Skip: []varve.Stamp{{}}})
	want(t, collect(t, s), "a/", "b/", "a/f", "b/f")
}

func TestNobodyLooksForHolesInFarFiles(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	var line farfs.Line
	s := start(t, farfs.New(aged(t, now, map[string]int64{"new": 0}), &line), []string{""},
		walk.Options{Far: true, Now: func() time.Time { return now }})
	f, err := s.Open(t.Context(), entry(t, collect(t, s), "new"))
	ok(t, err)
	e, err := f.Entry()
	if ok(t, errors.Join(err, f.Close())); len(e.Holes) > 0 || line.Requests()["Reader.ReadAt"] > 0 {
		t.Errorf("holes %v, %d reads", e.Holes, line.Requests()["Reader.ReadAt"])
	}
}

// ids are bytes that never come twice.
type ids struct{ n byte }

func (r *ids) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = r.n
	}
	r.n++
	return len(p), nil
}

func TestASecondBackupOpensOnlyTheFarFilesThatChangedOrAreYoung(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	var clock varve.Time
	source := memfs.New(memfs.Options{Clock: func() varve.Time { return clock }})
	clock = varve.TimeOf(now.Add(-24 * time.Hour))
	build(t, source.Root(), "a/old", "a/changed", "b/old")
	clock = varve.TimeOf(now.Add(-time.Minute))
	build(t, source.Root(), "b/young")

	target := memfs.New(memfs.Options{})
	ok(t, tree.Init(target.Root()))
	store, err := tree.Open(target.Root(), tree.Options{Random: &ids{}, Privileged: true})
	ok(t, err)
	defer store.Close()
	save := func(opened int) {
		t.Helper()
		var line farfs.Line
		s, err := walk.New(farfs.New(source.Root(), &line), []string{""}, walk.Options{Far: true, Now: func() time.Time { return now }})
		ok(t, err)
		snap, err := store.Save(t.Context(), s, varve.SaveOptions{Series: "far", Ahead: 16, Now: func() time.Time { return now }})
		if ok(t, errors.Join(err, s.Close())); snap.Files != 4 || snap.State != varve.Complete {
			t.Errorf("saved %+v", snap)
		}
		if n := line.Requests()["FS.Open"]; n != opened {
			t.Errorf("%d files were opened, want %d", n, opened)
		}
	}
	save(4)
	now = now.Add(24 * time.Hour)
	clock = varve.TimeOf(now.Add(-3 * time.Hour))
	ok(t, dirAt(t, source.Root(), "a").Remove("changed"))
	build(t, source.Root(), "a/changed")
	save(2)
	save(0)
}
