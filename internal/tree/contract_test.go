package tree_test

import (
	"testing"

	"varve"
	"varve/internal/disk"
	"varve/internal/disk/memfs"
	"varve/internal/disk/osfs"
	"varve/internal/storetest"
	"varve/internal/tree"
)

// place is where one store lies.
type place struct {
	open func() (disk.FS, error)
	opts tree.Options
}

// Open opens the store, making it the first time.
func (p place) Open() (varve.Store, error) {
	root, err := p.open()
	if err != nil {
		return nil, err
	}
	if names, err := root.Names(); err != nil {
		return nil, err
	} else if len(names) == 0 {
		if err := tree.Init(root); err != nil {
			return nil, err
		}
	}
	return tree.Open(root, p.opts)
}

func TestATreeStoreIsAStore(t *testing.T) {
	for name, opts := range map[string]memfs.Options{
		"root":         {},
		"unprivileged": {UID: 1000, GID: 1000},
		"few links":    {MaxLinks: 2, Reflinks: true},
		"little kept":  {NoXattrs: true, NoFlags: true, NoHoles: true},
		"no links":     {NoLinks: true},
		"nothing kept": {UID: 1000, GID: 1000, NoLinks: true, NoXattrs: true, NoFlags: true, NoHoles: true},
	} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && name != "root" && name != "nothing kept" {
				t.Skip("the extremes have to do")
			}
			storetest.Run(t, func(t *testing.T) storetest.Storage { return inMemory(opts, tree.Options{}) })
		})
	}
	t.Run("far away", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) storetest.Storage { return inMemory(memfs.Options{}, tree.Options{Far: true}) })
	})
	t.Run("day names, one worker", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) storetest.Storage {
			return inMemory(memfs.Options{}, tree.Options{DayNames: true, Workers: 1})
		})
	})
}

// inMemory is the place of a store in memory, used by the user that opts name.
func inMemory(opts memfs.Options, use tree.Options) place {
	d := memfs.New(opts)
	use.UID, use.GID, use.Privileged = opts.UID, opts.GID, opts.UID == 0
	return place{func() (disk.FS, error) { return d.Root(), nil }, use}
}

func TestATreeStoreOnARealDiskIsAStore(t *testing.T) {
	needRoot(t)
	if testing.Short() {
		t.Skip("waits for the disk at every snapshot")
	}
	storetest.Run(t, func(t *testing.T) storetest.Storage {
		dir := t.TempDir()
		return place{func() (disk.FS, error) { return osfs.Open(dir) }, tree.Options{Privileged: true}}
	})
}
