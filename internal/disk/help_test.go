package disk_test

import (
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"varve"
	"varve/internal/disk"
	"varve/internal/disk/memfs"
)

// skip skips a test of a real part that is missing, or fails where nothing may be missing.
func skip(t *testing.T, reason string) {
	t.Helper()
	if os.Getenv("VARVE_TEST_STRICT") == "1" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// grow makes the directories of paths in at, parents first.
func grow(t *testing.T, at disk.FS, paths ...string) {
	t.Helper()
	for _, path := range paths {
		e := varve.Entry{Path: path}
		dir, err := disk.OpenPath(at, e.Parent())
		ok(t, err)
		ok(t, dir.Mkdir(e.Name(), 0o755))
		if dir != at {
			ok(t, dir.Close())
		}
	}
}

// deep makes a chain of n directories called name in at.
func deep(t *testing.T, at disk.FS, name string, n int) {
	t.Helper()
	for i := range n {
		ok(t, at.Mkdir(name, 0o755))
		next, err := at.OpenDir(name)
		ok(t, err)
		if i > 0 {
			ok(t, at.Close())
		}
		at = next
	}
	ok(t, at.Close())
}

func chain(name string, n int) string { return strings.TrimSuffix(strings.Repeat(name+"/", n), "/") }

// census counts the directories that are open, and how many were opened at all.
type census struct {
	open, most, opened atomic.Int64
	mu                 sync.Mutex
	refuse             error // what OpenDir returns while more than limit are open
	limit              int64
}

// counted is a directory that counts in a census.
type counted struct {
	disk.FS
	c *census
}

func (d counted) OpenDir(name string) (disk.FS, error) {
	if d.c.refuse != nil && d.c.open.Load() >= d.c.limit {
		return nil, d.c.refuse
	}
	f, err := d.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	d.c.mu.Lock()
	defer d.c.mu.Unlock()
	d.c.opened.Add(1)
	d.c.most.Store(max(d.c.most.Load(), d.c.open.Add(1)))
	return counted{f, d.c}, nil
}

func (d counted) Close() error {
	d.c.open.Add(-1)
	return d.FS.Close()
}

// memory returns an empty directory on a disk in memory, and what counts its use.
func memory(t *testing.T) (disk.FS, *census) {
	t.Helper()
	c := &census{}
	c.open.Add(1)
	return counted{memfs.New(memfs.Options{}).Root(), c}, c
}
