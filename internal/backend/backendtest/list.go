package backendtest

import (
	"context"
	"errors"
	"strings"

	"varve/internal/backend"
)

var listPart = []clause{
	{"AnEmptyStorageListsNothing", emptyStorage},
	{"ListYieldsWhatBeginsWithThePrefix", prefixes},
	{"AListingMayBeBrokenOff", brokenOff},
	{"TheStorageMayBeUsedWhileItIsListed", usedWhileListed},
	{"AListingCanBeRangedOverAgain", listedAgain},
}

func emptyStorage(r *rig) {
	for _, prefix := range []string{"", "config", "data/", "index/", "snapshots/", backend.NameOf(backend.Data, nil), "data/ab"} {
		r.lists(prefix, map[string]int64{})
	}
}

func prefixes(r *rig) {
	all := r.fill()
	asked := []string{"", "config", "con", "d", "data", "data/", "index/", "k", "keys/", "snapshots/", "locks/", "x", "..", "/", "data//", "data/x",
		"data/..", "config/", "Data/", strings.Repeat("data/", 100)}
	for name := range all {
		asked = append(asked, name, name+"0", name[:len(name)-1], name[:min(7, len(name))], name[:min(8, len(name))], name[:min(6, len(name))])
	}
	for _, prefix := range asked {
		want := map[string]int64{}
		for name, size := range all {
			if strings.HasPrefix(name, prefix) {
				want[name] = size
			}
		}
		r.lists(prefix, want)
	}
}

func brokenOff(r *rig) {
	all := r.fill()
	for n := range len(all) {
		for o, err := range r.List(r.ctx, "") {
			if err != nil {
				r.Fatal(err)
			}
			if _, known := all[o.Name]; !known {
				r.Errorf("lists %s", o.Name)
			}
			if n--; n < 0 {
				break
			}
		}
	}
	r.lists("", all)
}

func usedWhileListed(r *rig) {
	r.fill()
	for o, err := range r.List(r.ctx, "") {
		if err != nil {
			r.Fatal(err)
		}
		if _, err := r.Get(r.ctx, o.Name, 0, -1); err != nil {
			r.Error(err)
		}
		for _, err := range r.List(r.ctx, o.Name) {
			if err != nil {
				r.Error(err)
			}
		}
		if err := r.Delete(r.ctx, o.Name); err != nil {
			r.Error(err)
		}
	}
	r.lists("", map[string]int64{})
}

func listedAgain(r *rig) {
	listing := r.List(r.ctx, "data/")
	for n := range 3 {
		count := 0
		for _, err := range listing {
			if err != nil {
				r.Fatal(err)
			}
			count++
		}
		if count != n {
			r.Errorf("ranged over again it yields %d objects of %d", count, n)
		}
		r.put(backend.Data, r.bytes(10))
	}
}

var contextPart = []clause{
	{"NothingIsDoneOnceTheContextHasEnded", endedBefore},
	{"AListingDoesNotEndSilentlyWithTheContext", endedWithin},
}

func endedBefore(r *rig) {
	all := r.fill()
	ended, cancel := context.WithCancel(r.ctx)
	cancel()
	data := r.bytes(10)
	if err := r.Put(ended, backend.NameOf(backend.Data, data), data); !errors.Is(err, context.Canceled) {
		r.Errorf("put: %v", err)
	}
	for name := range all {
		if _, err := r.Get(ended, name, 0, -1); !errors.Is(err, context.Canceled) {
			r.Errorf("get: %v", err)
		}
		if err := r.Delete(ended, name); !errors.Is(err, context.Canceled) {
			r.Errorf("delete: %v", err)
		}
	}
	for _, prefix := range []string{"", "data/", "config"} {
		var last error
		for _, last = range r.List(ended, prefix) {
		}
		if !errors.Is(last, context.Canceled) {
			r.Errorf("list %q: %v", prefix, last)
		}
	}
	r.lists("", all)
}

func endedWithin(r *rig) {
	all := r.fill()
	for n := range len(all) {
		ctx, cancel := context.WithCancel(r.ctx)
		count, last := 0, error(nil)
		for _, err := range r.List(ctx, "") {
			if last = err; err != nil {
				break
			}
			if count++; count > n {
				cancel()
			}
		}
		cancel()
		if last == nil && count < len(all) || last != nil && !errors.Is(last, context.Canceled) {
			r.Errorf("ended after %d of %d objects: error %v", count, len(all), last)
		}
	}
}
