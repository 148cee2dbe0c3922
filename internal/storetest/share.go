package storetest

import (
	"context"
	"errors"
	"sync"
	"time"

	"varve"
)

var sharePart = []clause{
	{"a snapshot is a source again", copies},
	{"a copy of a copy adds nothing the second time", copiesAgain},
	{"two writers of one series: the second is told that it is busy", busy},
	{"after a save that failed the series is free", freeAgain},
	{"several series are saved at the same time", together},
	{"a snapshot that is read may be forgotten meanwhile", readWhileForgotten},
}

func copies(r *rig) {
	tree := Sample()
	first := r.view(r.save(tree, "s").ID)
	defer first.Close()
	o := r.other()
	snap := o.save(first, "copy")
	o.counts(snap, varve.Complete, 0, 0, 0)
	o.holds(snap.ID, tree)
	o.verify()
	must(r.T, o.store.Close())
}

func copiesAgain(r *rig) {
	tree := forest()
	o := r.other()
	for _, added := range []int64{tree.Size(), 0} {
		v := r.view(r.save(tree, "s").ID)
		snap := o.save(v, "copy")
		same(r.T, "bytes added", snap.Added, added)
		o.holds(snap.ID, tree)
		must(r.T, v.Close())
		if added > 0 {
			tree.Move("dir 1", "moved")
		}
	}
	o.verify()
	must(r.T, o.store.Close())
}

func busy(r *rig) {
	outer, inner := wood(), wood()
	tried := false
	outer.Watch = func(n int) error {
		if n != 5 || tried {
			return nil
		}
		tried = true
		opts := r.options("s")
		opts.Progress = nil
		if _, err := r.store.Save(context.Background(), inner, opts); !errors.Is(err, varve.ErrBusy) {
			r.Errorf("the second writer: %v", err)
		}
		_, err := r.store.Save(context.Background(), inner, varve.SaveOptions{Series: "other", Now: r.clock})
		return err
	}
	snap := r.save(outer, "s")
	same(r.T, "tried", tried, true)
	r.holds(snap.ID, outer)
	same(r.T, "snapshots", len(r.list()), 2)
}

func freeAgain(r *rig) {
	tree := wood()
	tree.Watch = func(n int) error { return errSource }
	r.refuse(context.Background(), tree, "s")
	tree.Watch = nil
	r.holds(r.save(tree, "s").ID, tree)
}

func together(r *rig) {
	series := []string{"a", "b", "c", "d"}
	trees := make([]*Tree, len(series))
	ids := make([]varve.SnapshotID, len(series))
	begin := r.now
	var wg sync.WaitGroup
	for i, name := range series {
		trees[i] = forest()
		wg.Go(func() {
			now := begin.Add(tick)
			opts := varve.SaveOptions{Series: name, Host: "host"}
			opts.Now = func() time.Time { return now }
			snap, err := r.store.Save(context.Background(), trees[i], opts)
			if err != nil {
				r.Error(err)
			}
			ids[i] = snap.ID
		})
	}
	wg.Wait()
	for i, id := range ids {
		r.holds(id, trees[i])
	}
}

// readWhileForgotten asks that what is read of a forgotten snapshot is right or an error.
func readWhileForgotten(r *rig) {
	snaps, states := r.history("s", 2)
	v := r.view(snaps[0].ID)
	defer v.Close()
	r.forget(snaps[0].ID)
	for _, e := range states[0].Want() {
		if e.Kind != varve.Regular {
			continue
		}
		if f, err := v.Open(context.Background(), e); err == nil {
			must(r.T, f.Close())
			got := e
			if fault := read(v, &got); fault == "" && got.Digest != e.Digest {
				r.Errorf("/%s has other content", e.Path)
			}
		}
	}
}
