//go:build linux

package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"varve"
	"varve/internal/disk"
)

// island writes text at an offset of a sparse file.
func island(t *testing.T, f *os.File, off int64, text string) {
	t.Helper()
	_, err := f.WriteAt([]byte(text), off)
	ok(t, err)
}

func TestATerabyteOfHolesTakesSecondsBothWays(t *testing.T) {
	const size = 1 << 40
	mnt := volume(t, "xfs") // ext4 with small blocks holds no such files
	ok(t, os.Mkdir(mnt+"/source", 0o755))
	f, err := os.Create(mnt + "/source/sparse")
	ok(t, err)
	first, second := strings.Repeat("first ", 20_000), strings.Repeat("second ", 30_000)
	island(t, f, 300<<30+12345, first)
	island(t, f, 1000<<30+54321, second)
	ok(t, errors.Join(f.Truncate(size), f.Close()))
	store := openStore(t, mnt+"/store")
	begin := time.Now()
	snap, events := backup(t, store, mnt+"/source")
	quiet(t, events)
	saved := time.Since(begin)
	exact(t, restored(t, store, snap.ID, mnt+"/source", mnt+"/restored"))
	back := time.Since(begin) - saved
	if saved > time.Minute || back > time.Minute {
		t.Errorf("backup took %v, restore %v; each may take a minute", saved, back)
	}
	verified(t, store)
	ok(t, store.Close())
	for _, path := range []string{mnt + "/restored/sparse", within(mnt+"/store", snap, mnt+"/source/sparse")} {
		a, err := dataMap(mnt + "/source/sparse")
		ok(t, err)
		b, err := dataMap(path)
		ok(t, err)
		if len(b) == 0 || !covered(b, a) {
			t.Errorf("%s has data at %v, want %v", path, b, a)
		}
		f, err := os.Open(path)
		ok(t, err)
		got := make([]byte, len(second))
		_, err = f.ReadAt(got, 1000<<30+54321)
		ok(t, err)
		info, err := f.Stat()
		ok(t, errors.Join(err, f.Close()))
		if string(got) != second || info.Size() != size {
			t.Errorf("%s: wrong content, or %d bytes", path, info.Size())
		}
	}
}

func TestMoreHardLinksThanAFileSystemTakes(t *testing.T) {
	if testing.Short() {
		t.Skip("many files")
	}
	const names, most = 100_000, 65_000 // of ext4
	from, to := volume(t, "xfs"), volume(t, "ext4")
	source := from + "/source"
	text(t, source+"/0/000000", "content")
	for i := 1; i < names; i++ {
		dir := fmt.Sprintf("%s/%d", source, i/10_000)
		if i%10_000 == 0 {
			ok(t, os.Mkdir(dir, 0o755))
		}
		ok(t, os.Link(source+"/0/000000", fmt.Sprintf("%s/%06d", dir, i)))
	}
	store := openStore(t, to+"/store")
	snap, events := backup(t, store, source)
	for _, e := range events {
		if e.Kind != varve.Unkept || e.Aspect != varve.HardLink {
			t.Fatalf("backup: %s: event %d, %v, %v", e.Path, e.Kind, e.Aspect, e.Err)
		}
	}
	if len(events) < names-most || snap.State != varve.Complete || snap.Files != names {
		t.Errorf("%d events, %s, %d files", len(events), snap.State, snap.Files)
	}
	verified(t, store)
	exact(t, restored(t, store, snap.ID, source, from+"/restored"))
	byRsync(t, source, from+"/restored")
	ok(t, store.Close())
}

func TestAHugeDirectoryComesBackExactly(t *testing.T) {
	files := 100_000
	if testing.Short() {
		files = 5_000
	}
	mnt := volume(t, "xfs") // it does not run out of inodes
	source := mnt + "/source"
	ok(t, os.Mkdir(source, 0o755))
	for i := range files / 2 {
		ok(t, os.WriteFile(fmt.Sprintf("%s/%d", source, i), nil, 0o600))
		ok(t, os.Link(fmt.Sprintf("%s/%d", source, i), fmt.Sprintf("%s/link-%d", source, i)))
	}
	store := openStore(t, mnt+"/store")
	snap, events := backup(t, store, source)
	quiet(t, events)
	verified(t, store)
	exact(t, restored(t, store, snap.ID, source, mnt+"/restored"))
	byRsync(t, source, mnt+"/restored")
	ok(t, store.Close())
}

func TestDeepTreesComeBackExactly(t *testing.T) {
	depth := 10_000
	if testing.Short() {
		depth = 3_000
	}
	dir := t.TempDir()
	ok(t, os.Mkdir(dir+"/source", 0o755))
	at := open(t, dir+"/source")
	for i := range depth {
		ok(t, at.Mkdir("d", 0o750))
		next, err := at.OpenDir("d")
		ok(t, errors.Join(err, at.Close()))
		at = next
		if i%1000 == 999 {
			f, err := at.Create("file", 0o640)
			ok(t, err)
			_, err = f.WriteAt([]byte("content"), 0)
			ok(t, errors.Join(err, f.Close()))
		}
	}
	ok(t, at.Close())
	defer clean(t, dir)
	store := openStore(t, dir+"/store")
	snap, events := backup(t, store, dir+"/source")
	quiet(t, events)
	if snap.Files != int64(depth/1000) {
		t.Errorf("the snapshot has %d files", snap.Files)
	}
	exact(t, restored(t, store, snap.ID, dir+"/source", dir+"/restored"))
	verified(t, store)
	if got := depthOf(t, dir+"/restored"); got != depth {
		t.Errorf("the restored tree has a depth of %d, want %d", got, depth)
	}
	ok(t, store.Forget(t.Context(), snap.ID))
	ok(t, store.Close())
}

// depthOf returns how many directories lie in one another below dir.
func depthOf(t *testing.T, dir string) int {
	t.Helper()
	at := open(t, dir)
	for n := 0; ; n++ {
		next, err := at.OpenDir("d")
		if err != nil {
			ok(t, at.Close())
			return n
		}
		ok(t, at.Close())
		at = next
	}
}

// clean removes what os.RemoveAll cannot.
func clean(t *testing.T, dir string) {
	t.Helper()
	up := open(t, filepath.Dir(dir))
	if err := disk.RemoveAll(up, filepath.Base(dir), 2); err != nil {
		t.Error(err)
	}
	ok(t, up.Close())
}
