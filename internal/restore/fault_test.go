package restore_test

import (
	"slices"
	"testing"

	"varve"
	"varve/internal/disk/faultfs"
	"varve/internal/disk/memfs"
	"varve/internal/restore"
	"varve/internal/storetest"
)

// starts are the trees that lie in a target beforehand.
func starts() map[string]func() *storetest.Tree {
	return map[string]func() *storetest.Tree{"empty": storetest.NewTree, "other": other, "same": small}
}

func TestWhereverARestoreIsKilledTheNextOneIsIdentical(t *testing.T) {
	for name, have := range starts() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			points := 0
			n := ops(t, have, &faultfs.Injector{})
			for at := 1; at <= n && !t.Failed(); at++ {
				for _, effect := range []faultfs.Effect{faultfs.Nothing, faultfs.Half, faultfs.Whole} {
					for _, end := range []func(*memfs.Disk){(*memfs.Disk).Kill, func(d *memfs.Disk) { d.Crash(nil) }} {
						d := holding(t, have(), memfs.Options{})
						inj := &faultfs.Injector{At: at, Fault: faultfs.Kill(effect)}
						if o := run(d, inj); o.exact() && !closing(inj, at) {
							t.Error("a killed run claims to have succeeded")
						}
						end(d)
						fully(t, d, small(), restore.Options{Delete: true})
						identical(t, d, small())
						if points++; t.Failed() {
							t.Fatalf("killed at call %d, %+v, with effect %d", at, inj.Ops()[at-1], effect)
						}
					}
				}
			}
			t.Logf("%d operations, %d deaths", n, points)
		})
	}
}

// closing reports whether the call numbered at, and all after it, give up handles only.
func closing(inj *faultfs.Injector, at int) bool {
	return !slices.ContainsFunc(inj.Ops()[at-1:], func(op faultfs.Op) bool { return op.Method != "FS.Close" })
}

// run restores small with Delete onto a disk that fails as inj has it.
func run(d *memfs.Disk, inj *faultfs.Injector) *outcome {
	return into(faultfs.New(d.Root(), inj), small(), restore.Options{Delete: true, Sync: true, Workers: 1})
}

// ops returns how many of the calls of a run concern inj.
func ops(t *testing.T, have func() *storetest.Tree, inj *faultfs.Injector) int {
	t.Helper()
	if o := run(holding(t, have(), memfs.Options{}), inj); !o.exact() {
		t.Fatalf("%v, %+v", o.err, o.events)
	}
	return inj.Count()
}

func TestWhateverFailsARestoreSaysSoOrIsIdentical(t *testing.T) {
	for name, have := range starts() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			points, step := 0, 1
			if testing.Short() {
				step = 7
			}
			for i, kind := range faultfs.Kinds() {
				n := ops(t, have, kind.At(0))
				for at := 1 + i%step; at <= n && !t.Failed(); at += step {
					d := holding(t, have(), memfs.Options{})
					inj := kind.At(at)
					o := run(d, inj)
					d.Crash(nil)
					if o.exact() {
						identical(t, d, small())
					}
					fully(t, d, small(), restore.Options{Delete: true})
					identical(t, d, small())
					if points++; t.Failed() {
						t.Fatalf("%s at call %d, %+v: %v, %+v", kind.Name, at, inj.Ops()[at-1], o.err, o.Report)
					}
				}
			}
			t.Logf("%d faults", points)
		})
	}
}

func TestAFullTargetIsToldAndWhatWasThereIsWholeOrNew(t *testing.T) {
	d := holding(t, other(), memfs.Options{Capacity: 60 << 10})
	big := other()
	big.Write("dir/renamed/other", storetest.Text(100_000))
	big.Write("dir/link", "new")
	o := into(d.Root(), big, restore.Options{Workers: 1})
	if want := []string{"dir/renamed/other"}; o.err != nil || !slices.Equal(o.failed(), want) {
		t.Fatalf("%v, failed are %q, want %q", o.err, o.failed(), want)
	}
	want := other()
	want.Write("dir/link", "new")
	ignore := func(e varve.Entry) bool { return e.Path == "dir/link" || e.Path == "dir/renamed" }
	entries := slices.DeleteFunc(want.Want(), ignore)
	faults := unlike(t, d.Root(), entries)
	if len(faults) != 2 { // the two left out of the comparison
		t.Error(faults)
	}
}
