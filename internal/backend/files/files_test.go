package files_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"varve"
	"varve/internal/backend"
	"varve/internal/backend/backendtest"
	"varve/internal/backend/files"
	"varve/internal/disk"
	"varve/internal/disk/faultfs"
	"varve/internal/disk/memfs"
	"varve/internal/disk/osfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTheContractHoldsOnTheOperatingSystemsFiles(t *testing.T) {
	backendtest.Run(t, func(t *testing.T) varve.Backend {
		root, err := osfs.Open(t.TempDir())
		must(t, err)
		return files.Open(root, files.Options{})
	}, backendtest.Options{})
}

func TestTheContractHoldsInMemory(t *testing.T) {
	backendtest.Run(t, func(*testing.T) varve.Backend {
		return files.Open(memfs.New(memfs.Options{}).Root(), files.Options{})
	}, backendtest.Options{Big: 1 << 20})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// save puts an object and returns its name.
func save(t *testing.T, b varve.Backend, k backend.Kind, data string) string {
	t.Helper()
	name, err := backend.Save(t.Context(), b, k, []byte(data))
	must(t, err)
	return name
}

// list returns the names of all objects, sorted.
func list(t *testing.T, b varve.Backend) (names []string) {
	t.Helper()
	for o, err := range b.List(t.Context(), "") {
		must(t, err)
		names = append(names, o.Name)
	}
	slices.Sort(names)
	return names
}

// on returns a storage in a directory of the operating system.
func on(t *testing.T) (*files.Files, string) {
	t.Helper()
	dir := t.TempDir()
	root, err := osfs.Open(dir)
	must(t, err)
	b := files.Open(root, files.Options{})
	t.Cleanup(func() { b.Close() })
	return b, dir
}

func TestObjectsLieWhereTheFormatSays(t *testing.T) {
	b, dir := on(t)
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("before the first Put there is %v, error %v", entries, err)
	}
	for _, k := range backend.Kinds() {
		name := save(t, b, k, "content of "+string(k))
		path := name
		if k == backend.Data {
			path = "data/" + name[5:7] + "/" + name[5:]
		}
		got, err := os.ReadFile(filepath.Join(dir, path))
		if err != nil || string(got) != "content of "+string(k) {
			t.Errorf("%s holds %q, error %v", path, got, err)
		}
		info, err := os.Stat(filepath.Join(dir, path))
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v, error %v", path, info.Mode(), err)
		}
		for up := filepath.Dir(path); up != "."; up = filepath.Dir(up) {
			if info, err := os.Stat(filepath.Join(dir, up)); err != nil || info.Mode().Perm() != 0o700 {
				t.Errorf("%s: %v, error %v", up, info.Mode(), err)
			}
		}
	}
}

func TestAnObjectIsListedWithTheTimeOfItsFile(t *testing.T) {
	b, dir := on(t)
	save(t, b, backend.Config, "x")
	when := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	must(t, os.Chtimes(filepath.Join(dir, "config"), when, when))
	for o, err := range b.List(t.Context(), "config") {
		if err != nil || !o.Time.Equal(when) {
			t.Errorf("%v, error %v", o, err)
		}
	}
}

func TestForeignThingsAreNeitherListedNorTouched(t *testing.T) {
	b, dir := on(t)
	var want []string
	for _, k := range backend.Kinds() {
		want = append(want, save(t, b, k, "x"))
	}
	slices.Sort(want)
	hash := strings.Repeat("0a", 32)
	outside := filepath.Join(t.TempDir(), "outside")
	must(t, os.WriteFile(outside, []byte("outside"), 0o600))
	write := func(path string) {
		t.Helper()
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o700))
		must(t, os.WriteFile(filepath.Join(dir, path), []byte("foreign"), 0o600))
	}
	for _, path := range []string{
		"README", hash, "lost+found/x", "data/" + hash, "data/00/" + hash, "data/0a/" + hash[1:], "data/0a/" + strings.ToUpper(hash), "data/0A/" + hash,
		"data/0a/x", "data/0a/tmp-" + hash[:32], "data/xx/" + hash, "index/" + hash + ".old", "index/sub/" + hash, "snapshots/tmp-" + hash[:32],
		"tmp-" + hash[:32], "locks/\x1b[2J", "keys/.nfs0001",
	} {
		write(path)
	}
	must(t, os.Symlink(outside, filepath.Join(dir, "index", hash)))
	must(t, os.Mkdir(filepath.Join(dir, "keys", hash), 0o700))
	if got := list(t, b); !slices.Equal(got, want) {
		t.Errorf("listed:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, name := range []string{"index/" + hash, "keys/" + hash} {
		if _, err := b.Get(t.Context(), name, 0, -1); !errors.Is(err, disk.ErrKind) {
			t.Errorf("get %s: %v", name, err)
		}
		if err := b.Put(t.Context(), name, []byte("x")); !errors.Is(err, fs.ErrExist) {
			t.Errorf("put %s: %v", name, err)
		}
		for o := range b.List(t.Context(), name) {
			t.Errorf("listed: %v", o)
		}
	}
	if got, err := os.ReadFile(outside); err != nil || string(got) != "outside" {
		t.Errorf("outside is %q now, error %v", got, err)
	}
}

func TestADirectoryThatIsASymlinkIsRefused(t *testing.T) {
	b, dir := on(t)
	must(t, os.Symlink(t.TempDir(), filepath.Join(dir, "index")))
	if _, err := backend.Save(t.Context(), b, backend.Index, nil); !errors.Is(err, disk.ErrKind) {
		t.Errorf("put: %v", err)
	}
	if _, err := backend.Objects(t.Context(), b, backend.Index); !errors.Is(err, disk.ErrKind) {
		t.Errorf("list: %v", err)
	}
}

func TestWhatIsLongerThanAnObjectIsRefusedBeforeMemoryIsTakenForIt(t *testing.T) {
	b, dir := on(t)
	name := save(t, b, backend.Keys, "x")
	must(t, os.Truncate(filepath.Join(dir, name), 1<<40))
	if _, err := b.Get(t.Context(), name, 0, -1); !errors.Is(err, varve.ErrDamaged) {
		t.Errorf("get: %v", err)
	}
	if _, err := backend.Load(t.Context(), b, name); !errors.Is(err, varve.ErrDamaged) {
		t.Errorf("load: %v", err)
	}
	if got, err := b.Get(t.Context(), name, 1<<39, 3); err != nil || !bytes.Equal(got, make([]byte, 3)) {
		t.Errorf("a part of it: %v, error %v", got, err)
	}
	if err := b.Put(t.Context(), backend.NameOf(backend.Data, nil), make([]byte, backend.Data.MaxSize()+1)); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("put: %v", err)
	}
}

func TestAFullDiskIsToldAndLeavesNothingBehind(t *testing.T) {
	d := memfs.New(memfs.Options{Capacity: 300_000})
	b := files.Open(d.Root(), files.Options{})
	var names []string
	var err error
	for n := 0; err == nil; n++ {
		var name string
		if name, err = backend.Save(t.Context(), b, backend.Data, append([]byte(fmt.Sprint(n)), make([]byte, 20_000)...)); err == nil {
			names = append(names, name)
		}
	}
	if !errors.Is(err, disk.ErrNoSpace) || len(names) < 5 {
		t.Fatalf("after %d objects: %v", len(names), err)
	}
	slices.Sort(names)
	if got := list(t, b); !slices.Equal(got, names) {
		t.Errorf("listed: %v, want %v", got, names)
	}
	if left := tmps(t, d.Root()); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	must(t, b.Delete(t.Context(), names[0]))
	save(t, b, backend.Data, string(make([]byte, 10_000)))
}

// tmps returns the paths of all temporary files.
func tmps(t *testing.T, root disk.FS) (found []string) {
	t.Helper()
	var visit func(dir disk.FS, path string)
	visit = func(dir disk.FS, path string) {
		names, err := dir.Names()
		must(t, err)
		for _, n := range names {
			switch {
			case n.Kind == varve.Dir:
				sub, err := dir.OpenDir(n.Name)
				must(t, err)
				visit(sub, varve.Join(path, n.Name))
				must(t, sub.Close())
			case strings.HasPrefix(n.Name, "tmp-"):
				found = append(found, varve.Join(path, n.Name))
			}
		}
	}
	visit(root, "")
	slices.Sort(found)
	return found
}

// constant is randomness that repeats itself.
type constant byte

func (c constant) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(c)
	}
	return len(p), nil
}

func TestATemporaryNameThatIsTakenIsNotTakenForTheObject(t *testing.T) {
	d := memfs.New(memfs.Options{})
	w, err := d.Root().Create("tmp-"+strings.Repeat("07", 16), 0o600)
	must(t, err)
	must(t, w.Close())
	b := files.Open(d.Root(), files.Options{Random: constant(7)})
	if err := b.Put(t.Context(), "config", nil); err == nil || errors.Is(err, fs.ErrExist) {
		t.Errorf("error %v", err)
	}
}

func TestATemporaryFileThatSomebodyRemovesIsWorthAnotherAttempt(t *testing.T) {
	d := memfs.New(memfs.Options{})
	inj := &faultfs.Injector{At: 1, Filter: func(op faultfs.Op) bool { return op.Method == "FS.Rename" }}
	inj.Do = func(op faultfs.Op) { must(t, d.Root().Remove(op.Name)) }
	b := files.Open(faultfs.New(d.Root(), inj), files.Options{})
	if err := b.Put(t.Context(), "config", []byte("x")); err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist) {
		t.Errorf("error %v", err)
	}
	must(t, b.Put(t.Context(), "config", []byte("x")))
}

func TestNothingIsPutThatCouldNotBeWrittenSyncedOrClosed(t *testing.T) {
	for _, method := range []string{"FS.Create", "Writer.WriteAt", "Writer.Sync", "Writer.Close", "FS.Rename"} {
		d := memfs.New(memfs.Options{})
		inj := &faultfs.Injector{At: 1, Filter: func(op faultfs.Op) bool { return op.Method == method }, Fault: faultfs.Fault{Err: syscall.EIO}}
		b := files.Open(faultfs.New(d.Root(), inj), files.Options{})
		if err := b.Put(t.Context(), "config", []byte("x")); !errors.Is(err, syscall.EIO) {
			t.Errorf("%s: %v", method, err)
		}
		if left := tmps(t, d.Root()); len(left) > 0 || len(list(t, b)) > 0 {
			t.Errorf("%s: left %v and %v", method, left, list(t, b))
		}
		must(t, b.Put(t.Context(), "config", []byte("x")))
	}
}

func TestAContextThatEndsWhileWritingLeavesNothing(t *testing.T) {
	for _, method := range []string{"FS.Create", "Writer.WriteAt", "Writer.Sync"} {
		d := memfs.New(memfs.Options{})
		ctx, cancel := context.WithCancel(t.Context())
		inj := &faultfs.Injector{At: 1, Filter: func(op faultfs.Op) bool { return op.Method == method }, Do: func(faultfs.Op) { cancel() }}
		b := files.Open(faultfs.New(d.Root(), inj), files.Options{})
		if err := b.Put(ctx, "config", []byte("x")); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", method, err)
		}
		if left := tmps(t, d.Root()); len(left) > 0 || len(list(t, b)) > 0 {
			t.Errorf("%s: left %v and %v", method, left, list(t, b))
		}
		cancel()
	}
}

func TestPutsAtTheSameTimeAreAllDurable(t *testing.T) {
	d := memfs.New(memfs.Options{})
	b := files.Open(d.Root(), files.Options{})
	const writers = 50
	var wg sync.WaitGroup
	for n := range writers {
		wg.Go(func() {
			if _, err := backend.Save(context.Background(), b, backend.Locks, fmt.Append(nil, n)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	d.Crash(nil)
	if got := list(t, files.Open(d.Root(), files.Options{})); len(got) != writers {
		t.Errorf("%d objects survived", len(got))
	}
}
