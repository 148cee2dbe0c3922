package backendtest

import (
	"errors"
	"io/fs"
	"math"
	"strings"

	"varve/internal/backend"
)

var objectPart = []clause{
	{"WhatWasPutComesBack", comesBack},
	{"AnEmptyObjectIsAnObject", emptyObject},
	{"ALongObjectComesBack", longObject},
	{"RangesEndWhereTheObjectEnds", ranges},
	{"ANegativeOffsetIsRefused", negativeOffset},
	{"WhatIsAbsentIsToldAsAbsent", absence},
	{"PutNeverReplaces", neverReplaces},
	{"DeletedObjectsAreGoneAndCanBePutAgain", deletes},
	{"NamesThatAreNoneAreRefused", badNames},
	{"TheCallerMayReuseWhatItPutAndGot", independence},
	{"SaveAndLoadAgree", saveAndLoad},
}

func comesBack(r *rig) {
	for _, k := range backend.Kinds() {
		data := r.bytes(1000)
		r.holds(r.put(k, data), data)
	}
}

func emptyObject(r *rig) {
	name := r.put(backend.Locks, nil)
	r.holds(name, nil)
	if got := r.list(name); len(got) != 1 || got[name] != 0 {
		r.Errorf("listed: %v", got)
	}
	if err := r.Put(r.ctx, name, nil); !errors.Is(err, fs.ErrExist) {
		r.Errorf("put again: %v", err)
	}
}

func longObject(r *rig) {
	data := r.bytes(r.opts.Big)
	name := r.put(backend.Data, data)
	r.holds(name, data)
	if got := r.list("data/")[name]; got != int64(r.opts.Big) {
		r.Errorf("listed with %d bytes", got)
	}
	end, err := r.Get(r.ctx, name, int64(r.opts.Big)-10, 10)
	if err != nil || string(end) != string(data[r.opts.Big-10:]) {
		r.Errorf("its end: %x, error %v", end, err)
	}
}

func ranges(r *rig) {
	data := r.bytes(1000)
	for _, name := range []string{r.put(backend.Data, data), r.put(backend.Index, data), r.put(backend.Config, data)} {
		for range 2 { // what keeps what it got has it the second time
			for _, c := range []struct{ off, n, from, to int64 }{
				{0, -1, 0, 1000}, {0, 1000, 0, 1000}, {0, 1001, 0, 1000}, {0, math.MaxInt64, 0, 1000}, {0, 1, 0, 1}, {0, 0, 0, 0},
				{10, 20, 10, 30}, {10, -1, 10, 1000}, {10, -5, 10, 1000}, {999, 1, 999, 1000}, {999, 2, 999, 1000}, {990, math.MaxInt64, 990, 1000},
				{1000, 0, 0, 0}, {1000, 1, 0, 0}, {1000, -1, 0, 0}, {1001, 1, 0, 0}, {math.MaxInt64, math.MaxInt64, 0, 0}, {5000, -1, 0, 0},
			} {
				got, err := r.Get(r.ctx, name, c.off, c.n)
				if err != nil || string(got) != string(data[c.from:c.to]) {
					r.Errorf("%s: %d bytes from %d on: got %d bytes, error %v", name[:6], c.n, c.off, len(got), err)
				}
			}
		}
	}
}

func negativeOffset(r *rig) {
	name := r.put(backend.Data, r.bytes(100))
	for _, n := range []int64{-1, 0, 10} {
		if data, err := r.Get(r.ctx, name, -1, n); !errors.Is(err, fs.ErrInvalid) || data != nil {
			r.Errorf("%d bytes from -1 on: %v, error %v", n, data, err)
		}
	}
}

func absence(r *rig) {
	for _, k := range backend.Kinds() {
		name := backend.NameOf(k, r.bytes(10))
		for _, n := range []int64{-1, 0, 10} {
			if _, err := r.Get(r.ctx, name, 0, n); !errors.Is(err, fs.ErrNotExist) {
				r.Errorf("get %s: %v", name, err)
			}
		}
		if err := r.Delete(r.ctx, name); !errors.Is(err, fs.ErrNotExist) {
			r.Errorf("delete %s: %v", name, err)
		}
	}
}

func neverReplaces(r *rig) {
	first, second := r.bytes(100), r.bytes(200)
	r.put(backend.Config, first)
	for range 2 {
		if err := r.Put(r.ctx, "config", second); !errors.Is(err, fs.ErrExist) {
			r.Errorf("put over another: %v", err)
		}
	}
	r.holds("config", first)
	r.lists("", map[string]int64{"config": 100})
}

func deletes(r *rig) {
	for _, k := range backend.Kinds() {
		data, other := r.bytes(100), r.bytes(50)
		name := r.put(k, data)
		if k != backend.Config {
			r.put(k, other)
		}
		if err := r.Delete(r.ctx, name); err != nil {
			r.Fatal(err)
		}
		if _, listed := r.list(k.Prefix())[name]; listed {
			r.Errorf("%s is listed after it was deleted", name)
		}
		if err := r.Delete(r.ctx, name); !errors.Is(err, fs.ErrNotExist) {
			r.Errorf("deleted again: %v", err)
		}
		if err := r.Put(r.ctx, name, data); err != nil {
			r.Errorf("put again: %v", err)
		}
		r.holds(name, data)
	}
}

func badNames(r *rig) {
	hash := strings.Repeat("0a", 32)
	for _, name := range []string{
		"", ".", "..", "/", "config/", "/config", "CONFIG", "config2", "data", "data/", "data/" + hash[1:], "data/" + hash + "0", "data//" + hash,
		"data/0a/" + hash, "data/" + strings.ToUpper(hash), "data/" + hash + "\n", "data/" + hash[:63] + "g", "data/../" + hash[:61], "../data/" + hash,
		"other/" + hash, hash, "data\x00/" + hash, "data/" + hash[:63] + "\x00", "index/../config", "tmp-" + hash[:32], "data/tmp-" + hash[:32],
		"Data/" + hash, " data/" + hash,
	} {
		if err := r.Put(r.ctx, name, []byte("x")); !errors.Is(err, backend.ErrName) {
			r.Errorf("put %q: %v", name, err)
		}
		if _, err := r.Get(r.ctx, name, 0, -1); !errors.Is(err, backend.ErrName) {
			r.Errorf("get %q: %v", name, err)
		}
		if err := r.Delete(r.ctx, name); !errors.Is(err, backend.ErrName) {
			r.Errorf("delete %q: %v", name, err)
		}
	}
	r.lists("", map[string]int64{})
}

func independence(r *rig) {
	for _, k := range []backend.Kind{backend.Data, backend.Snapshots} {
		data := r.bytes(100)
		mine := append([]byte{}, data...)
		name := r.put(k, mine)
		clear(mine)
		r.holds(name, data)
		for range 2 {
			got, err := r.Get(r.ctx, name, 0, 50)
			if err != nil {
				r.Fatal(err)
			}
			clear(got)
			_ = append(got, mine[:10]...)
		}
		r.holds(name, data)
	}
}

func saveAndLoad(r *rig) {
	for _, k := range backend.Kinds() {
		data := r.bytes(1000)
		name, err := backend.Save(r.ctx, r, k, data)
		if err != nil {
			r.Fatal(err)
		}
		again, err := backend.Save(r.ctx, r, k, data)
		if again != name || (k == backend.Config) != errors.Is(err, fs.ErrExist) || (k != backend.Config && err != nil) {
			r.Errorf("saved again as %s, error %v", again, err)
		}
		got, err := backend.Load(r.ctx, r, name)
		if err != nil || string(got) != string(data) {
			r.Errorf("loaded %d bytes, error %v", len(got), err)
		}
		objects, err := backend.Objects(r.ctx, r, k)
		if err != nil || len(objects) != 1 || objects[0].Name != name || objects[0].Size != 1000 {
			r.Errorf("objects: %v, error %v", objects, err)
		}
	}
}
