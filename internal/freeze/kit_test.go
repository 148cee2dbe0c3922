//go:build linux

package freeze

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"varve"
	"varve/internal/disk/osfs"
	"varve/internal/tree"
	"varve/internal/walk"
)

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// skip skips a test of a real part that is missing, or fails where nothing may be missing.
func skip(t *testing.T, reason string) {
	t.Helper()
	if os.Getenv("VARVE_TEST_STRICT") == "1" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}

// run runs a program.
func run(t *testing.T, words ...string) string {
	t.Helper()
	out, err := exec.Command(words[0], words[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v\n%s", words, err, out)
	}
	return string(out)
}

// btrfs mounts a new btrfs for the duration of the test.
func btrfs(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		skip(t, "takes root")
	}
	for _, p := range []string{"mkfs.btrfs", "btrfs", "mount"} {
		if _, err := exec.LookPath(p); err != nil {
			skip(t, p+" is missing")
		}
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	ok(t, err)
	img, mnt := filepath.Join(dir, "img"), filepath.Join(dir, "mnt")
	f, err := os.Create(img)
	ok(t, err)
	ok(t, errors.Join(f.Truncate(256<<20), f.Close(), os.Mkdir(mnt, 0o755)))
	run(t, "mkfs.btrfs", "-q", "-f", img)
	mounted(t, mnt, "-o", "loop", img)
	return mnt
}

// mounted mounts something at dir for the duration of the test.
func mounted(t *testing.T, dir string, words ...string) {
	t.Helper()
	if out, err := exec.Command("mount", append(words, dir)...).CombinedOutput(); err != nil {
		skip(t, "mount: "+string(out))
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v\n%s", err, out)
			_ = exec.Command("umount", "-l", dir).Run() // something is open after a failure
		}
	})
}

func write(t *testing.T, path, text string) {
	t.Helper()
	ok(t, os.MkdirAll(filepath.Dir(path), 0o755))
	ok(t, os.WriteFile(path, []byte(text), 0o644))
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	ok(t, err)
	return string(text)
}

func take(t *testing.T, kind Kind, o Options, paths ...string) *Frozen {
	t.Helper()
	f, err := Take(t.Context(), kind, paths, o)
	ok(t, err)
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// pictures returns the names in the directory for pictures of a subvolume.
func pictures(t *testing.T, top string) (names []string) {
	t.Helper()
	list, err := os.ReadDir(filepath.Join(top, DirName))
	if !errors.Is(err, os.ErrNotExist) {
		ok(t, err)
	}
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

// later is when a run takes place that trusts all that was written before now.
func later() time.Time { return time.Now().Add(time.Hour) }

// walked opens the sources as they are in f, as if it had been taken an hour later than it was.
func walked(t *testing.T, f *Frozen, o walk.Options, sources ...string) *walk.Source {
	t.Helper()
	top, err := f.OpenDir("/")
	ok(t, err)
	for i := range sources {
		sources[i] = sources[i][1:]
	}
	o.SkipName = DirName
	o.Now = later
	src, err := walk.New(top, sources, o)
	ok(t, err)
	return src
}

// entries returns the entries of a source by their paths relative to dir, and fails for those that could not be read.
func entries(t *testing.T, src varve.Source, dir string) map[string]varve.Entry {
	t.Helper()
	found := map[string]varve.Entry{}
	for e, err := range src.Entries(t.Context()) {
		ok(t, err)
		if e.Err != nil {
			t.Errorf("%s: %v", e.Path, e.Err)
		}
		if varve.Within(e.Path, dir[1:]) {
			found[rel("/"+e.Path, dir)] = e
		}
	}
	return found
}

// counted counts the files that are opened.
type counted struct {
	*walk.Source
	mu     sync.Mutex
	opened []string
}

func (c *counted) Open(ctx context.Context, e varve.Entry) (varve.File, error) {
	c.mu.Lock()
	c.opened = append(c.opened, e.Path)
	c.mu.Unlock()
	return c.Source.Open(ctx, e)
}

// store makes a tree.
func store(t *testing.T) *tree.Store {
	t.Helper()
	dir := t.TempDir()
	root, err := osfs.Open(dir)
	ok(t, err)
	ok(t, tree.Init(root))
	s, err := tree.Open(root, tree.Options{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid()), Privileged: os.Geteuid() == 0})
	ok(t, err)
	t.Cleanup(func() { ok(t, s.Close()) })
	return s
}

// saved saves source as it is in f, and returns the snapshot and the files that were opened.
func saved(t *testing.T, s *tree.Store, f *Frozen, source string) (varve.Snapshot, []string) {
	t.Helper()
	src := &counted{Source: walked(t, f, walk.Options{}, source)}
	snap, err := s.Save(t.Context(), src, varve.SaveOptions{Series: "x", Host: "h", Sources: []string{source}})
	ok(t, err)
	ok(t, src.Close())
	return snap, src.opened
}
