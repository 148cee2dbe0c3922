package tree_test

import (
	"testing"

	"varve/internal/disk/faultfs"
	"varve/internal/disk/memfs"
)

func TestWhatIsForgottenDuringACheckIsNoDamage(t *testing.T) {
	for victim := range 2 {
		for at, struck := 1, true; struck; at++ {
			b := newBed(t, memfs.Options{})
			for range 2 { // which share all files
				b.save(small())
			}
			inj := &faultfs.Injector{At: at, Do: func(faultfs.Op) {
				other := b.store()
				must(t, other.Forget(t.Context(), b.snaps[victim].ID))
				must(t, other.Close())
			}}
			s, err := b.open(inj)
			must(t, err)
			for _, finding := range damage(t, s) {
				t.Errorf("snapshot %d goes before call %d, %+v: %s", victim, at, inj.Ops()[at-1], finding)
			}
			must(t, s.Close())
			struck = inj.Count() >= at
		}
	}
}
