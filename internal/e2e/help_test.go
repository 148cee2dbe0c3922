//go:build linux

package e2e

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"varve"
	"varve/internal/disk"
	"varve/internal/disk/osfs"
	"varve/internal/part"
	"varve/internal/restore"
	"varve/internal/tree"
	"varve/internal/walk"
)

// skip skips a test of a real part that is missing, or fails where nothing may be missing.
func skip(t *testing.T, reason string) {
	t.Helper()
	if os.Getenv("VARVE_TEST_STRICT") == "1" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}

// need skips the test unless it is run by root and the programs are there.
func need(t *testing.T, programs ...string) {
	t.Helper()
	if os.Geteuid() != 0 {
		skip(t, "takes root")
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			skip(t, p+" is missing")
		}
	}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// run runs a program and returns what it prints; in dir, where that is not empty.
func run(t *testing.T, dir string, args ...string) string {
	t.Helper()
	c := exec.Command(args[0], args[1:]...)
	c.Dir = dir
	c.Env = append(os.Environ(), "LC_ALL=C")
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v\n%s", args, err, out)
	}
	return string(out)
}

// fileSystems are those that are tested.
var fileSystems = map[string][]string{
	"ext4":  {"mkfs.ext4", "-q", "-F", "-i", "4096"},
	"xfs":   {"mkfs.xfs", "-q", "-f"},
	"btrfs": {"mkfs.btrfs", "-q", "-f"},
}

// volume mounts a new file system of this kind for the duration of the test.
func volume(t *testing.T, kind string) string {
	t.Helper()
	return volumeBy(t, fileSystems[kind])
}

// volumeBy mounts a new file system that this command makes.
func volumeBy(t *testing.T, mkfs []string) string {
	t.Helper()
	need(t, mkfs[0], "mount")
	dir := t.TempDir()
	img, mnt := filepath.Join(dir, "img"), filepath.Join(dir, "mnt")
	f, err := os.Create(img)
	ok(t, err)
	ok(t, errors.Join(f.Truncate(512<<20), f.Close()))
	ok(t, os.Mkdir(mnt, 0o755))
	run(t, "", append(slices.Clone(mkfs), img)...)
	if out, err := exec.Command("mount", "-o", "loop", img, mnt).CombinedOutput(); err != nil {
		skip(t, "mount: "+string(out))
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", mnt).CombinedOutput(); err != nil {
			t.Errorf("umount: %v\n%s", err, out)
			_ = exec.Command("umount", "-l", mnt).Run() // something is open after a failure
		}
	})
	return mnt
}

func open(t testing.TB, dir string) disk.FS {
	t.Helper()
	f, err := osfs.Open(dir)
	ok(t, err)
	return f
}

// privileges are those of the process.
func privileges() tree.Options {
	return tree.Options{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid()), Privileged: os.Geteuid() == 0}
}

// openStore opens the store in dir, making one where there is nothing.
func openStore(t testing.TB, dir string) *tree.Store {
	t.Helper()
	if err := os.Mkdir(dir, 0o755); err == nil {
		root := open(t, dir)
		ok(t, tree.Init(root))
		ok(t, root.Close())
	}
	s, err := tree.Open(open(t, dir), privileges())
	ok(t, err)
	return s
}

// backup saves source, an absolute path, in the store in dir, and returns the snapshot and all events but those of progress.
func backup(t testing.TB, store *tree.Store, source string) (varve.Snapshot, []varve.Event) {
	t.Helper()
	src, err := walk.New(open(t, "/"), []string{source[1:]}, walk.Options{})
	ok(t, err)
	var mu sync.Mutex
	var events []varve.Event
	snap, err := store.Save(context.Background(), src, varve.SaveOptions{
		Series: "e2e", Host: "here", Sources: []string{source},
		Progress: func(e varve.Event) {
			mu.Lock()
			defer mu.Unlock()
			if e.Kind != varve.Done && e.Kind != varve.Partly {
				events = append(events, e)
			}
		},
	})
	ok(t, err)
	ok(t, src.Close())
	return snap, events
}

// verified checks that every snapshot is what was stored.
func verified(t testing.TB, store *tree.Store) {
	t.Helper()
	r, err := store.Verify(context.Background(), varve.VerifyOptions{Progress: func(e varve.Event) {
		if e.Kind == varve.Damage {
			t.Errorf("verify: %s: %v", e.Path, e.Err)
		}
	}})
	ok(t, err)
	if r.Damage > 0 {
		t.Errorf("verify finds %d damages", r.Damage)
	}
}

// restored puts what a snapshot has of source into dir, which it makes, and returns the events of what was not done as asked.
func restored(t testing.TB, store *tree.Store, id varve.SnapshotID, source, dir string) []restore.Event {
	t.Helper()
	ok(t, os.Mkdir(dir, 0o700))
	view, err := store.View(context.Background(), id)
	ok(t, err)
	src, _, err := part.Of(context.Background(), view, source[1:])
	ok(t, err)
	var events []restore.Event
	p := privileges()
	_, err = restore.Run(context.Background(), src, open(t, dir), restore.Options{
		UID: p.UID, GID: p.GID, Privileged: p.Privileged,
		Progress: func(e restore.Event) {
			if e.Action == restore.Failed || e.Action == restore.Unkept {
				events = append(events, e)
			}
		},
	})
	ok(t, err)
	ok(t, view.Close())
	return events
}

// within returns where a snapshot keeps source as plain files.
func within(store string, snap varve.Snapshot, source string) string {
	return filepath.Join(store, snap.Location, source)
}

// quiet fails for every event.
func quiet(t testing.TB, events []varve.Event) {
	t.Helper()
	for _, e := range events {
		t.Errorf("backup: /%s: event %d, %v, %v", e.Path, e.Kind, e.Aspect, e.Err)
	}
}

// exact fails for every event.
func exact(t testing.TB, events []restore.Event) {
	t.Helper()
	for _, e := range events {
		t.Errorf("restore: %s: %v, %v, %v", short(e.Path), e.Action, e.Aspect, e.Err)
	}
}

func short(s string) string {
	if len(s) > 200 {
		return s[:100] + "..." + s[len(s)-100:]
	}
	return strings.ToValidUTF8(s, "?")
}
