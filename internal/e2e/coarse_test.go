//go:build linux

package e2e

import (
	"fmt"
	"os"
	"testing"

	"varve"
)

// fine makes a tree whose times have nanoseconds, most of them after a first pair that has none.
func fine(t *testing.T, dir string) {
	t.Helper()
	for i := range 20 {
		sub := fmt.Sprintf("%s/%d", dir, i%4)
		path := fmt.Sprintf("%s/file-%d", sub, i)
		text(t, path, fmt.Sprint("content ", i))
		if err := os.Symlink("x", fmt.Sprintf("%s/link-%d", sub, i)); err != nil {
			t.Fatal(err)
		}
		e := varve.Entry{MTime: varve.Time{Sec: 1_600_000_000, Nsec: []int32{0, 100, 500_000_000, 123_456_789}[i/4%4]}}
		for _, name := range []string{fmt.Sprint("file-", i), fmt.Sprint("link-", i)} {
			at := open(t, sub)
			ok(t, at.Set(name, &e, varve.MTime))
			ok(t, at.Close())
		}
	}
	for i := range 4 {
		when(t, fmt.Sprintf("%s/%d", dir, i), 1_500_000_000)
	}
}

func TestAStoreOfWholeSecondsLosesNoNanoseconds(t *testing.T) {
	from, to := volume(t, "ext4"), volumeBy(t, []string{"mkfs.ext4", "-q", "-F", "-I", "128", "-i", "4096"})
	source := from + "/source"
	fine(t, source)
	store := openStore(t, to+"/store")
	first, events := backup(t, store, source)
	lost := 0
	for _, e := range events {
		if e.Kind != varve.Unkept || e.Aspect != varve.MTime {
			t.Errorf("backup: /%s: event %d, %v, %v", e.Path, e.Kind, e.Aspect, e.Err)
		}
		lost++
	}
	if lost < 2*15+4 {
		t.Errorf("%d times are said not to be kept, want all with nanoseconds", lost)
	}
	verified(t, store)
	second, _ := backup(t, store, source)
	verified(t, store)
	for i := range 20 {
		path := fmt.Sprintf("%s/%d/file-%d", source, i%4, i)
		a, err := os.Stat(within(to+"/store", first, path))
		ok(t, err)
		b, err := os.Stat(within(to+"/store", second, path))
		ok(t, err)
		if !os.SameFile(a, b) {
			t.Errorf("the unchanged %s is not linked", path)
		}
	}
	for _, snap := range []varve.Snapshot{first, second} {
		target := fmt.Sprintf("%s/restored-%d", from, snap.Seq)
		exact(t, restored(t, store, snap.ID, source, target))
		alike(t, source, target, true)
	}
	exact(t, restored(t, store, first.ID, source, to+"/restored")) // where times are coarse nothing else is lacking
	ok(t, store.Close())
}
