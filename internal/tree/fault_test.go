package tree_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"varve"
	"varve/internal/disk/faultfs"
	"varve/internal/disk/memfs"
	"varve/internal/storetest"
)

func TestWhateverFailsARunFailsOrItsSnapshotIsIdentical(t *testing.T) {
	for _, st := range allStories() {
		t.Run(st.name, func(t *testing.T) {
			t.Parallel()
			points, step := 0, st.stride()
			for i, kind := range faultfs.Kinds() {
				counter := kind.At(0)
				if _, err := st.play(t, counter); err != nil {
					t.Fatal(err)
				}
				for at := 1 + i%step; at <= counter.Count() && !t.Failed(); at += step {
					st.fail(t, kind, at, (at/step+i)%2 == 0)
					points++
				}
			}
			t.Logf("%d faults", points)
		})
	}
}

// stride says that every so many-th of the calls fails, another one for every kind of fault; all do where nothing may be skipped.
func (st *story) stride() int {
	switch {
	case testing.Short():
		return st.pace(7)
	case os.Getenv("VARVE_TEST_STRICT") == "1":
		return 1
	}
	return st.pace(3)
}

// fail plays the story with one fault. What was acknowledged survives even a power cut right after it, and the next run after the
// fault succeeds and survives one too.
func (st *story) fail(t *testing.T, kind faultfs.Kind, at int, crash bool) {
	inj := kind.At(at)
	b, err := st.play(t, inj)
	if crash {
		b.disk.Crash(nil)
	} else {
		b.disk.Kill()
	}
	b.sound(st.listable(b)...)
	st.next(b)
	b.disk.Crash(nil)
	b.sound()
	if t.Failed() {
		t.Logf("%s at call %d, %+v (the run said: %v), crash: %v", kind.Name, at, struck(inj), err, crash)
	}
}

// struck returns the call that inj struck; none where the run made fewer calls than the one that was counted.
func struck(inj *faultfs.Injector) (op faultfs.Op) {
	if ops := inj.Ops(); inj.At <= len(ops) {
		op = ops[inj.At-1]
	}
	return op
}

func TestWhateverFailsVerifyFindsItOrIsRightAndChangesNothing(t *testing.T) {
	b := newBed(t, memfs.Options{})
	b.save(small())
	b.save(moved())
	verify := func(inj *faultfs.Injector) (int64, error) {
		s, err := b.open(inj)
		if err != nil {
			return 0, err
		}
		defer s.Close()
		r, err := s.Verify(context.Background(), varve.VerifyOptions{})
		if err == nil && r.Damage == 0 && r.Snapshots != 2 {
			t.Errorf("%d of 2 snapshots were checked", r.Snapshots)
		}
		return r.Damage, err
	}
	for _, kind := range faultfs.Kinds() {
		counter := kind.At(0)
		if n, err := verify(counter); n != 0 || err != nil {
			t.Fatalf("%d findings, error %v", n, err)
		}
		for at := 1; at <= counter.Count(); at++ {
			inj := kind.At(at)
			if n, err := verify(inj); n == 0 && err == nil && mustNotice(kind, inj.Ops()[at-1]) {
				t.Errorf("%s at call %d, %+v, goes unseen", kind.Name, at, inj.Ops()[at-1])
			}
		}
	}
	if n := writes(b); n != 0 {
		t.Errorf("Verify makes %d calls that change something", n)
	}
	b.sound()
}

// mustNotice reports whether a check that could not make the call op is not whole. One that was half made can be continued.
func mustNotice(kind faultfs.Kind, op faultfs.Op) bool {
	if kind.Fault.Effect != faultfs.Nothing {
		return false
	}
	switch op.Method {
	case "Reader.ReadAt", "FS.Open", "FS.Names", "FS.Lookup", "FS.Xattrs":
		return true
	}
	return false
}

// writes returns how many calls of a Verify and of reading everything change something.
func writes(b *bed) int {
	inj := &faultfs.Injector{Filter: faultfs.Writes}
	s, err := b.open(inj)
	must(b.T, err)
	defer s.Close()
	b.verifies(s)
	for i, snap := range b.snaps {
		b.holds(s, snap.ID, [][]varve.Entry{b.states[i]})
	}
	return inj.Count()
}

func TestWhateverFailsAViewSaysSoOrIsIdentical(t *testing.T) {
	b := newBed(t, memfs.Options{})
	id := b.save(moved()).ID
	read := func(inj *faultfs.Injector) ([]string, error) {
		s, err := b.open(inj)
		if err != nil {
			return nil, err
		}
		defer s.Close()
		v, err := s.View(context.Background(), id)
		if err != nil {
			return nil, err
		}
		defer v.Close()
		return storetest.Differences(v, b.states[0], varve.Entry{}), nil
	}
	for _, kind := range faultfs.Kinds() {
		counter := kind.At(0)
		if d, err := read(counter); err != nil || len(d) > 0 {
			t.Fatal(d, err)
		}
		for at := 1; at <= counter.Count(); at++ {
			inj := kind.At(at)
			d, err := read(inj)
			op := inj.Ops()[at-1]
			if err == nil && len(d) == 0 && mustNotice(kind, op) {
				t.Errorf("%s at call %d, %+v, goes unseen", kind.Name, at, op)
			}
		}
	}
}

func TestAFailedSyncIsNeverRepeatedOnTheSameFiles(t *testing.T) {
	for _, method := range []string{"FS.SyncAll", "Writer.Sync", "FS.Sync"} {
		for at := 1; ; at++ {
			st := stories()[1]
			inj := &faultfs.Injector{At: at, Fault: faultfs.Kinds()[0].Fault,
				Filter: func(op faultfs.Op) bool { return op.Method == method }}
			b, err := st.play(t, inj)
			if inj.Count() < at {
				break
			}
			t.Run(fmt.Sprintf("%s %d", method, at), func(t *testing.T) {
				b.T = t
				if err == nil {
					b.disk.Crash(nil)
					b.sound()
				}
				b.save(moved())
				b.disk.Crash(nil)
				b.sound(moved().Want())
			})
		}
	}
}

func TestAFlushThatFailsMidwayIsNotBuiltOn(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 150 MB")
	}
	src := garden(12_000) // the manifest is long enough to be written before the end
	half := storetest.Text(1 << 20)
	src.Dir("zz")
	for i := range 70 {
		src.File(fmt.Sprintf("zz/big %d", i), fmt.Sprint(i)+half+half)
	}
	b := newBed(t, memfs.Options{})
	s, err := b.open(&faultfs.Injector{At: 1, Fault: faultfs.Kinds()[0].Fault,
		Filter: func(op faultfs.Op) bool { return op.Method == "FS.SyncAll" }})
	must(t, err)
	if b.trySave(s, src) == nil {
		t.Fatal("a save whose sync failed succeeded")
	}
	must(t, s.Close())
	b.save(src)
	b.disk.Crash(nil)
	b.sound()
}
