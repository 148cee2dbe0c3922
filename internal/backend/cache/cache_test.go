package cache_test

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"varve"
	"varve/internal/backend"
	"varve/internal/backend/backendtest"
	"varve/internal/backend/cache"
	"varve/internal/backend/faulty"
	"varve/internal/backend/mem"
	"varve/internal/disk"
	"varve/internal/disk/faultfs"
	"varve/internal/disk/memfs"
	"varve/internal/disk/osfs"
)

func TestTheContractHolds(t *testing.T) {
	for what, open := range map[string]func(*testing.T) disk.FS{
		"in memory": func(*testing.T) disk.FS { return memfs.New(memfs.Options{}).Root() },
		"on disk": func(t *testing.T) disk.FS {
			f, err := osfs.Open(t.TempDir())
			must(t, err)
			return f
		},
		"on a full disk": func(*testing.T) disk.FS { return memfs.New(memfs.Options{Capacity: 50_000}).Root() },
		"on a broken disk": func(*testing.T) disk.FS {
			return faultfs.New(memfs.New(memfs.Options{}).Root(), &faultfs.Injector{At: 1, Sticky: true, Fault: faultfs.Fault{Err: errors.New("broken")}})
		},
	} {
		for name, opts := range map[string]cache.Options{"": {}, ", hardly any room": {Limit: 5000}, ", short ranges only": {MaxRange: 15}} {
			t.Run(what+name, func(t *testing.T) {
				backendtest.Run(t, func(t *testing.T) varve.Backend {
					return cache.New(mem.New(mem.Options{}), open(t), opts)
				}, backendtest.Options{Big: 1 << 16})
			})
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// rig is a storage with a cache, and a look behind it.
type rig struct {
	*testing.T
	far  *mem.Mem
	disk *memfs.Disk
	now  time.Time
	*cache.Cache
}

func newRig(t *testing.T, opts cache.Options) *rig {
	r := &rig{T: t, far: mem.New(mem.Options{Record: true}), disk: memfs.New(memfs.Options{}), now: time.Unix(1_700_000_000, 0)}
	opts.Now = func() time.Time { return r.now }
	r.Cache = cache.New(r.far, r.disk.Root(), opts)
	return r
}

func (r *rig) put(k backend.Kind, data string) string {
	r.Helper()
	name, err := backend.Save(r.Context(), r.far, k, []byte(data))
	must(r.T, err)
	return name
}

// get gets and returns how often the storage was asked.
func (r *rig) get(name string, off, n int64, want string) int {
	r.Helper()
	before := r.far.Count()
	got, err := r.Get(r.Context(), name, off, n)
	if err != nil || string(got) != want {
		r.Errorf("%d bytes of %s from %d on: %q, error %v, want %q", n, name[:8], off, got, err, want)
	}
	return r.far.Count() - before
}

// files returns the paths of all files in the cache.
func (r *rig) files() (paths []string) {
	r.Helper()
	root := r.disk.Root()
	dirs, err := root.Names()
	must(r.T, err)
	for _, d := range dirs {
		sub, err := root.OpenDir(d.Name)
		must(r.T, err)
		names, err := sub.Names()
		must(r.T, err)
		for _, n := range names {
			paths = append(paths, filepath.Join(d.Name, n.Name))
		}
	}
	slices.Sort(paths)
	return paths
}

func TestWhatWasGotOnceDoesNotComeFromFarAgain(t *testing.T) {
	r := newRig(t, cache.Options{})
	for _, k := range []backend.Kind{backend.Index, backend.Snapshots, backend.Keys} {
		name := r.put(k, "0123456789")
		if n := r.get(name, 0, -1, "0123456789"); n != 1 {
			t.Errorf("%s: asked %d times for what was not known", k, n)
		}
		n := r.get(name, 0, -1, "0123456789") + r.get(name, 2, 3, "234") + r.get(name, 8, 100, "89") + r.get(name, 50, 1, "") + r.get(name, 0, 0, "")
		if n != 0 {
			t.Errorf("%s: asked %d times for what was known", k, n)
		}
	}
	name := r.put(backend.Data, "0123456789")
	if n := r.get(name, 2, 3, "234") + r.get(name, 3, 3, "345"); n != 2 {
		t.Errorf("asked %d times for two ranges", n)
	}
	if n := r.get(name, 2, 3, "234") + r.get(name, 3, 3, "345"); n != 0 {
		t.Errorf("asked %d times for ranges that were known", n)
	}
}

func TestALoadWithABoundIsKeptAsAWhole(t *testing.T) {
	r := newRig(t, cache.Options{})
	name := r.put(backend.Index, "0123456789")
	_, err := backend.Load(t.Context(), r, name)
	must(t, err)
	if n := r.get(name, 5, 2, "56"); n != 0 {
		t.Errorf("asked %d times", n)
	}
}

func TestConfigAndLocksAndWholePacksAreNotKept(t *testing.T) {
	r := newRig(t, cache.Options{MaxRange: 5})
	for _, k := range []backend.Kind{backend.Config, backend.Locks, backend.Data} {
		name := r.put(k, "0123456789")
		for range 2 {
			if n := r.get(name, 0, -1, "0123456789") + r.get(name, 0, 6, "012345"); n != 2 {
				t.Errorf("%s: asked %d times", k, n)
			}
		}
	}
	if files := r.files(); len(files) > 0 {
		t.Errorf("kept: %v", files)
	}
}

func TestACacheDoesNotProveThatSomethingIsThere(t *testing.T) {
	r := newRig(t, cache.Options{})
	name := r.put(backend.Snapshots, "0123456789")
	r.get(name, 0, -1, "0123456789")
	r.far.Set(name, nil)
	for o := range r.List(t.Context(), "") {
		t.Errorf("listed: %v", o)
	}
	if err := r.Delete(t.Context(), name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("delete: %v", err)
	}
	must(t, r.Put(t.Context(), name, []byte("0123456789")))
	if got, err := r.far.Get(t.Context(), name, 0, -1); err != nil || len(got) != 10 {
		t.Errorf("put did not reach the storage: %v", err)
	}
}

func TestWhatWasPutOrDeletedIsNotKept(t *testing.T) {
	r := newRig(t, cache.Options{})
	name := backend.NameOf(backend.Keys, []byte("secret"))
	must(t, r.Put(t.Context(), name, []byte("secret")))
	if files := r.files(); len(files) > 0 {
		t.Errorf("kept after Put: %v", files)
	}
	r.get(name, 0, -1, "secret")
	must(t, r.Delete(t.Context(), name))
	if _, err := r.Get(t.Context(), name, 0, -1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("get after Delete: %v", err)
	}
}

func TestPartsOfAWholeAndShortRangesAreNotKept(t *testing.T) {
	r := newRig(t, cache.Options{})
	index, pack := r.put(backend.Index, "0123456789"), r.put(backend.Data, "0123456789")
	for _, c := range []struct {
		name   string
		off, n int64
		want   string
	}{{index, 0, 3, "012"}, {index, 5, -1, "56789"}, {pack, 5, 10, "56789"}, {pack, 50, 10, ""}} {
		r.get(c.name, c.off, c.n, c.want)
		if files := r.files(); len(files) > 0 {
			t.Errorf("kept of %d bytes from %d on: %v", c.n, c.off, files)
		}
	}
}

func TestWhatComesDamagedIsNotKept(t *testing.T) {
	for _, effect := range []faulty.Effect{faulty.Half, faulty.Flipped, faulty.Nothing} {
		far := mem.New(mem.Options{})
		index, err := backend.Save(t.Context(), far, backend.Index, []byte("0123456789"))
		must(t, err)
		c := cache.New(faulty.New(far, &faulty.Injector{At: 1, Fault: faulty.Fault{Effect: effect}}), memfs.New(memfs.Options{}).Root(), cache.Options{})
		if got, err := c.Get(t.Context(), index, 0, -1); err != nil || string(got) == "0123456789" {
			t.Fatalf("the fault did not strike: %q, error %v", got, err)
		}
		if got, err := c.Get(t.Context(), index, 0, -1); err != nil || string(got) != "0123456789" {
			t.Errorf("effect %d: %q, error %v", effect, got, err)
		}
	}
	// A range that is too short is not kept; one with wrong bytes cannot be told, and goes when its reader says so.
	for _, effect := range []faulty.Effect{faulty.Half, faulty.Flipped} {
		far := mem.New(mem.Options{})
		pack, err := backend.Save(t.Context(), far, backend.Data, []byte("0123456789"))
		must(t, err)
		c := cache.New(faulty.New(far, &faulty.Injector{At: 1, Fault: faulty.Fault{Effect: effect}}), memfs.New(memfs.Options{}).Root(), cache.Options{})
		_, err = c.Get(t.Context(), pack, 0, 4)
		must(t, err)
		if effect == faulty.Flipped {
			c.Drop(pack, 0, 4)
		}
		if got, err := c.Get(t.Context(), pack, 0, 4); err != nil || string(got) != "0123" {
			t.Errorf("effect %d: %q, error %v", effect, got, err)
		}
	}
}

// spoil replaces a file in the cache.
func (r *rig) spoil(path string, data []byte) {
	r.Helper()
	dir, err := r.disk.Root().OpenDir(filepath.Dir(path))
	must(r.T, err)
	must(r.T, dir.Remove(filepath.Base(path)))
	w, err := dir.Create(filepath.Base(path), 0o600)
	must(r.T, err)
	_, err = w.WriteAt(data, 0)
	must(r.T, err)
	must(r.T, w.Close())
}

func (r *rig) read(path string) []byte {
	r.Helper()
	dir, err := r.disk.Root().OpenDir(filepath.Dir(path))
	must(r.T, err)
	f, err := dir.Open(filepath.Base(path))
	must(r.T, err)
	info, err := f.Info()
	must(r.T, err)
	data := make([]byte, info.Size)
	_, err = f.ReadAt(data, 0)
	must(r.T, err)
	return data
}

func TestEveryDamageOfTheCacheIsFound(t *testing.T) {
	r := newRig(t, cache.Options{})
	for _, k := range []backend.Kind{backend.Index, backend.Data} {
		name := r.put(k, "0123456789")
		get := func() int { return r.get(name, 0, 10, "0123456789") }
		old := r.files()
		get()
		path := slices.DeleteFunc(r.files(), func(p string) bool { return slices.Contains(old, p) })[0]
		right := r.read(path)
		damages := [][]byte{{}, append(slices.Clone(right), 0), make([]byte, len(right)), []byte("x")}
		for n := range right {
			flipped := slices.Clone(right)
			flipped[n] ^= 1 << (n % 8)
			damages = append(damages, flipped, right[:n])
		}
		for _, d := range damages {
			r.spoil(path, d)
			if n := get(); n != 1 {
				t.Errorf("%s: asked %d times instead of using what is damaged", k, n)
			}
			if n := get(); n != 0 {
				t.Errorf("%s: asked %d times after it was kept anew", k, n)
			}
		}
	}
}

func TestAnItemIsNotTakenForAnother(t *testing.T) {
	r := newRig(t, cache.Options{})
	name := r.put(backend.Data, "0123456789")
	r.get(name, 0, 3, "012")
	one := r.files()
	r.get(name, 3, 3, "345")
	two := slices.DeleteFunc(r.files(), func(p string) bool { return p == one[0] })
	r.spoil(two[0], r.read(one[0]))
	if n := r.get(name, 3, 3, "345"); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

// size returns how many bytes the files in the cache have.
func (r *rig) size() (total int) {
	r.Helper()
	for _, path := range r.files() {
		total += len(r.read(path))
	}
	return total
}

func TestTheLimitIsKeptAndTheOldestGoesFirst(t *testing.T) {
	const limit = 100_000
	r := newRig(t, cache.Options{Limit: limit})
	var names []string
	for n := range 50 {
		r.now = r.now.Add(time.Hour)
		names = append(names, r.put(backend.Index, strings.Repeat(string(rune('0'+n)), 4000)))
		r.get(names[n], 0, 1, names0(n))
		r.get(names[n], 0, -1, strings.Repeat(string(rune('0'+n)), 4000))
		r.get(names[0], 0, 1, "0") // always in use
		if size := r.size(); size > limit+limit/8 {
			t.Fatalf("%d bytes are kept after %d objects", size, n+1)
		}
	}
	if n := r.get(names[0], 0, 1, "0"); n != 0 {
		t.Error("what was in use all the time is gone")
	}
	if n := r.get(names[49], 0, 1, names0(49)); n != 0 {
		t.Error("what was got last is gone")
	}
	if n := r.get(names[1], 0, 1, names0(1)); n != 1 {
		t.Error("what was used first is still there")
	}
	if size := r.size(); size < limit/2 {
		t.Errorf("only %d bytes are kept", size)
	}
}

func names0(n int) string { return string(rune('0' + n)) }

func TestWhatOthersLeftCountsAndForeignFilesAreNotTouched(t *testing.T) {
	r := newRig(t, cache.Options{Limit: 20_000})
	root := r.disk.Root()
	must(t, root.Mkdir("00", 0o700))
	sub, err := root.OpenDir("00")
	must(t, err)
	for n, name := range []string{"tmp-" + strings.Repeat("0a", 16), strings.Repeat("0", 64), "README", "tmp-x"} {
		w, err := sub.Create(name, 0o600)
		must(t, err)
		must(t, w.Truncate(int64(10_000+n)))
		must(t, w.Close())
	}
	r.now = r.now.Add(time.Hour)
	name := r.put(backend.Keys, "key")
	r.get(name, 0, -1, "key")
	var left []string
	for _, path := range r.files() {
		if strings.HasPrefix(path, "00/") {
			left = append(left, path)
		}
	}
	if !slices.Equal(left, []string{"00/" + strings.Repeat("0", 64), "00/README", "00/tmp-x"}) {
		t.Errorf("left: %v", left)
	}
}

func TestAFailingCacheNeverFailsAnOperation(t *testing.T) {
	for _, kind := range faultfs.Kinds() {
		for n := 1; ; n++ {
			far := mem.New(mem.Options{})
			inj := kind.At(n)
			c := cache.New(far, faultfs.New(memfs.New(memfs.Options{}).Root(), inj), cache.Options{Limit: 9000})
			for i := range 2 {
				data := strings.Repeat(string(rune('a'+i)), 5000)
				for _, k := range []backend.Kind{backend.Index, backend.Data} {
					name, err := backend.Save(t.Context(), c, k, []byte(data))
					must(t, err)
					for range 2 {
						if got, err := c.Get(t.Context(), name, 0, 5000); err != nil || string(got) != data {
							t.Errorf("%s at %d: %d bytes, error %v", kind.Name, n, len(got), err)
						}
					}
				}
			}
			if inj.Count() < n {
				break
			}
		}
	}
}

func TestSeveralProcessesShareOneDirectory(t *testing.T) {
	far := mem.New(mem.Options{})
	var names []string
	for n := range 30 {
		for _, k := range []backend.Kind{backend.Index, backend.Data} {
			name, err := backend.Save(t.Context(), far, k, []byte(strings.Repeat(names0(n), 3000)))
			must(t, err)
			names = append(names, name)
		}
	}
	dir := t.TempDir()
	var wg sync.WaitGroup
	for seed := range uint64(4) {
		root, err := osfs.Open(dir)
		must(t, err)
		c := cache.New(far, root, cache.Options{Limit: 100_000})
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(seed, 0))
			for range 100 {
				i := rng.IntN(len(names))
				got, err := c.Get(context.Background(), names[i], 0, 3000)
				if err != nil || string(got) != strings.Repeat(names0(i/2), 3000) {
					t.Errorf("%d bytes of object %d, error %v", len(got), i, err)
				}
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	left, err := filepath.Glob(filepath.Join(dir, "*", "tmp-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("temporary files are left: %v, error %v", left, err)
	}
}
