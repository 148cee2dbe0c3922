package job

import (
	"slices"
	"testing"

	"varve"
	"varve/internal/disk/faultfs"
	"varve/internal/history"
)

// killed runs the job until it is killed at the n-th call on a disk; what was not durable is lost where the power went, too. It reports
// whether the run came to an end before.
func killed(b *bed, n int, power bool) (ended bool) {
	b.Helper()
	b.inj = &faultfs.Injector{At: n, Fault: faultfs.Kill(faultfs.Nothing)}
	if b.tryBoot() == nil {
		b.run()
	}
	ended = b.inj.Count() < n
	b.inj = nil
	if power || !ended {
		b.disk.Crash(func() bool { return !power })
	}
	b.boot()
	b.events, b.warned = nil, nil
	return ended
}

func TestAfterAKillAnywhereTheNextRunRecovers(t *testing.T) {
	step := 97 // every one of them is sound, and takes too long
	for _, power := range []bool{false, true} {
		for n, ended := 1, false; !ended; n += step {
			b := newBed(t, twoStores)
			for range 3 {
				b.run()
			}
			must(t, b.deps.History.Close())
			usb, box := b.list("usb"), b.list("box")
			b.write("src/b", "another beta")
			must(t, mustDir(t, b, "").SyncAll())
			ended = killed(b, n, power)
			if left := b.list("usb"); newestGood(left, "host:home").Seq < usb[1].Seq || len(left) < 2 {
				t.Fatalf("killed at %d: %d snapshots left", n, len(left))
			}
			if left := b.list("box"); len(left) < 3 || !sameIDs(left[:3], box) {
				t.Fatalf("killed at %d: the other store lost a snapshot", n)
			}
			r := b.run()
			if r.Result != history.Success || r.Err != nil {
				t.Fatalf("killed at %d: the next run: %s, %v", n, r.Result, r.Err)
			}
			left := b.list("usb")
			if len(left) != 2 || left[1].ID != r.Snapshot.ID || !slices.ContainsFunc(b.list("box"), func(s varve.Snapshot) bool { return s.Origin == r.Snapshot.ID }) {
				t.Fatalf("killed at %d: %d snapshots", n, len(left))
			}
			if h := b.job(); h.Last().Result != history.Success || slices.ContainsFunc(h.Runs, func(r history.Run) bool { return r.Result == history.Running }) {
				t.Fatalf("killed at %d: %+v", n, h.Runs)
			}
		}
	}
}
