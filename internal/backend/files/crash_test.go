package files_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"syscall"
	"testing"

	"varve"
	"varve/internal/backend"
	"varve/internal/backend/files"
	"varve/internal/backend/retry"
	"varve/internal/disk/faultfs"
	"varve/internal/disk/memfs"
)

// told is what a storage said of the objects that it was given.
type told struct {
	acknowledged map[string]string // it said that these are there
	attempted    map[string]string // these it was given
	deleted      map[string]bool   // these may be there or not
}

// work puts and deletes objects of every kind, and notes what the storage said. After an error it goes on.
func work(t *testing.T, b varve.Backend, said *told) {
	t.Helper()
	put := func(k backend.Kind, data string) string {
		name := backend.NameOf(k, []byte(data))
		said.attempted[name] = data
		if _, err := backend.Save(t.Context(), b, k, []byte(data)); err == nil || k == backend.Config && errors.Is(err, fs.ErrExist) {
			said.acknowledged[name] = data
			delete(said.deleted, name)
		}
		return name
	}
	remove := func(name string) {
		delete(said.acknowledged, name)
		said.deleted[name] = true
		_ = backend.Remove(t.Context(), b, name)
	}
	put(backend.Config, "config")
	one := put(backend.Data, "one")
	put(backend.Data, "two, and a little more")
	put(backend.Index, "where they are")
	put(backend.Data, "two, and a little more") // again
	lock := put(backend.Locks, "condemned")
	remove(one)
	remove(lock)
	put(backend.Snapshots, string(make([]byte, 10_000)))
	put(backend.Data, "one") // once more
}

func newTold() *told {
	return &told{map[string]string{}, map[string]string{}, map[string]bool{}}
}

// judge looks at what a new process finds on the disk.
func judge(t *testing.T, where string, d *memfs.Disk, said *told) {
	t.Helper()
	b := files.Open(d.Root(), files.Options{})
	there := map[string]bool{}
	for _, name := range list(t, b) {
		got, err := b.Get(t.Context(), name, 0, -1)
		if err != nil || string(got) != said.attempted[name] {
			t.Errorf("%s: %s is listed and holds %d bytes that were not put, error %v", where, name, len(got), err)
		}
		there[name] = true
	}
	for name := range said.acknowledged {
		if !there[name] {
			t.Errorf("%s: %s was said to be there", where, name)
		}
	}
	if left := tmps(t, d.Root()); len(left) > 0 {
		if n, err := b.CleanUp(t.Context(), -1); n != len(left) || err != nil {
			t.Errorf("%s: %d of %v cleaned up, error %v", where, n, left, err)
		}
	}
	again := newTold()
	work(t, b, again)
	if len(again.acknowledged) != 5 {
		t.Errorf("%s: the next process is told of %d objects", where, len(again.acknowledged))
	}
}

// crashes are the ways in which the power may go.
func crashes(seed uint64) map[string]func() bool {
	rng := rand.New(rand.NewPCG(seed, 0))
	return map[string]func() bool{
		"nothing more survived": nil,
		"everything survived":   func() bool { return true },
		"some of it survived":   func() bool { return rng.IntN(2) == 0 },
	}
}

func TestAfterAnyCrashEveryListedObjectIsWholeAndEveryAcknowledgedOneIsThere(t *testing.T) {
	for _, effect := range []faultfs.Effect{faultfs.Half, faultfs.Whole} {
		for n, over := 1, false; !over; n++ {
			for how, keep := range crashes(uint64(n)) {
				d := memfs.New(memfs.Options{})
				inj := &faultfs.Injector{At: n, Fault: faultfs.Kill(effect)}
				said := newTold()
				work(t, files.Open(faultfs.New(d.Root(), inj), files.Options{}), said)
				over = inj.Count() < n
				d.Crash(keep)
				judge(t, fmt.Sprintf("killed at call %d, effect %d, %s", n, effect, how), d, said)
			}
		}
	}
}

func TestAfterAnyFaultAndACrashTheSameHolds(t *testing.T) {
	for _, kind := range faultfs.Kinds() {
		if errors.Is(kind.Fault.Err, faultfs.ErrKilled) {
			continue
		}
		for n := 1; ; n++ {
			d := memfs.New(memfs.Options{})
			inj := kind.At(n)
			b := retry.New(files.Open(faultfs.New(d.Root(), inj), files.Options{}), retry.Options{Attempts: 2, First: 1, Max: 1})
			said := newTold()
			work(t, b, said)
			if inj.Count() < n {
				break
			}
			d.Crash(nil)
			judge(t, fmt.Sprintf("%s at call %d", kind.Name, n), d, said)
		}
	}
}

func TestAnObjectThatAnotherProcessHasNotMadeDurableIsSyncedBeforeItIsCalledThere(t *testing.T) {
	d := memfs.New(memfs.Options{})
	inj := &faultfs.Injector{
		At: 1, Filter: func(op faultfs.Op) bool { return op.Method == "FS.Sync" && op.Name == "snapshots" }, Fault: faultfs.Kill(faultfs.Nothing),
	}
	first := files.Open(faultfs.New(d.Root(), inj), files.Options{})
	data := []byte("root")
	name, err := backend.Save(t.Context(), first, backend.Snapshots, data)
	if !errors.Is(err, faultfs.ErrKilled) {
		t.Fatal(err)
	}
	second := files.Open(d.Root(), files.Options{})
	if err := second.Put(t.Context(), name, data); !errors.Is(err, fs.ErrExist) {
		t.Fatal(err)
	}
	d.Crash(nil)
	if got := list(t, files.Open(d.Root(), files.Options{})); len(got) != 1 {
		t.Errorf("after the crash there is %v", got)
	}
}

func TestNothingIsPutIntoADirectoryThatCouldNotBeSynced(t *testing.T) {
	d := memfs.New(memfs.Options{})
	inj := &faultfs.Injector{
		At: 1, Filter: func(op faultfs.Op) bool { return op.Method == "FS.Sync" && op.Name == "locks" }, Fault: faultfs.Fault{Err: syscall.EIO},
	}
	b := files.Open(faultfs.New(d.Root(), inj), files.Options{})
	for _, data := range []string{"1", "1", "2"} {
		if err := b.Put(t.Context(), backend.NameOf(backend.Locks, []byte(data)), []byte(data)); !errors.Is(err, syscall.EIO) || errors.Is(err, fs.ErrExist) {
			t.Errorf("put %s: %v", data, err)
		}
	}
	if inj.Count() != 1 {
		t.Errorf("it was synced %d times", inj.Count())
	}
	if got := list(t, b); len(got) != 1 {
		t.Errorf("there is %v", got)
	}
	save(t, b, backend.Keys, "elsewhere")
}
