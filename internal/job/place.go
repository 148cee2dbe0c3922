package job

import (
	"context"
	"errors"

	"varve"
	"varve/internal/disk"
	"varve/internal/disk/osfs"
	"varve/internal/location"
	"varve/internal/vault"
)

// Place is a store, opened for a run. Functions that are nil are what the store does not have.
type Place struct {
	Store varve.Store
	// Path names the store in messages.
	Path string
	// Skip are the directories of this machine that no snapshot may hold.
	Skip []varve.Stamp
	// Prune frees the space of what was forgotten, in a vault.
	Prune func(ctx context.Context, o vault.PruneOptions) (vault.PruneReport, error)
	// Space returns the room where the store is.
	Space func(ctx context.Context) (disk.Space, error)
	// Used returns how much the store takes, or would without some snapshots once that has been freed. It may take long.
	Used func(ctx context.Context, without []varve.SnapshotID) (Usage, error)
	// Packed returns how many bytes the packs of a vault take, which one listing tells.
	Packed func(ctx context.Context) (int64, error)
	// Close closes the store.
	Close func() error
}

// Usage is how much a store takes.
type Usage struct {
	// Bytes is what its snapshots need, Idle what pruning would free besides, both in bytes.
	Bytes, Idle int64
}

// OpenPlace opens the store that spec names, as location.Open does.
func OpenPlace(ctx context.Context, spec string, o location.Options) (*Place, error) {
	at, err := location.Open(ctx, spec, o)
	if err != nil {
		return nil, err
	}
	p := &Place{Store: at.Store, Path: at.Path, Skip: at.Skip, Close: at.Close}
	if at.Spec.Scheme != location.SSH {
		p.Space = func(ctx context.Context) (disk.Space, error) { return space(ctx, spec, o) }
	}
	switch {
	case at.Vault != nil:
		p.Prune = func(ctx context.Context, how vault.PruneOptions) (vault.PruneReport, error) {
			r, err := at.Vault.Prune(ctx, how)
			if err == nil && !how.DryRun {
				_, err = at.CleanUp(ctx)
			}
			return r, err
		}
		p.Packed = func(ctx context.Context) (int64, error) {
			_, bytes, err := at.Vault.Packs(ctx)
			return bytes, err
		}
		p.Used = func(ctx context.Context, without []varve.SnapshotID) (Usage, error) {
			return vaultUse(ctx, at.Vault, without)
		}
	case at.Tree != nil && !at.Far():
		p.Used = func(ctx context.Context, without []varve.SnapshotID) (Usage, error) {
			return treeUse(ctx, at, o, without)
		}
	}
	return p, nil
}

// space returns the room on the disk of a place.
func space(ctx context.Context, spec string, o location.Options) (s disk.Space, err error) {
	t, err := location.Into(ctx, spec, o, true)
	if err != nil {
		return s, err
	}
	s, err = t.Dir.Space()
	return s, errors.Join(err, t.Dir.Close(), t.Close())
}

// vaultUse returns what the snapshots of a vault need in packs.
func vaultUse(ctx context.Context, v *vault.Store, without []varve.SnapshotID) (Usage, error) {
	stats, err := v.Stats(ctx, vault.StatsOptions{Forget: without})
	if err != nil {
		return Usage{}, err
	}
	needed := int64(0)
	if stats.Compression > 0 {
		needed = min(int64(float64(stats.UniqueBytes)/stats.Compression), stats.StoredBytes)
	}
	return Usage{Bytes: max(needed-stats.Freed, 0), Idle: stats.StoredBytes - needed}, nil
}

// treeUse returns what the files of a tree take.
func treeUse(ctx context.Context, at *location.Place, o location.Options, without []varve.SnapshotID) (Usage, error) {
	open := o.OpenDir
	if open == nil {
		open = osfs.Open
	}
	all, err := at.Store.Snapshots(ctx)
	if err != nil {
		return Usage{}, err
	}
	u := &usage{ctx: ctx, met: map[inode]bool{}, skip: map[string]bool{}}
	for _, s := range all {
		for _, id := range without {
			if s.ID == id && s.Location != "" {
				u.skip[s.Location] = true
			}
		}
	}
	dir, err := open(at.Path)
	if err != nil {
		return Usage{}, err
	}
	err = u.add(dir, "")
	return Usage{Bytes: u.bytes}, errors.Join(err, dir.Close())
}

// inode names an object on a machine.
type inode struct{ dev, ino uint64 }

// usage adds up what the objects in a directory take, each once.
type usage struct {
	ctx   context.Context
	met   map[inode]bool // those with several links
	skip  map[string]bool
	bytes int64
}

func (u *usage) add(dir disk.FS, path string) error {
	names, err := dir.Names()
	for _, n := range names {
		if err == nil {
			err = u.ctx.Err()
		}
		if err != nil {
			break
		}
		if at := varve.Join(path, n.Name); !u.skip[at] {
			err = u.one(dir, n.Name, at)
		}
	}
	return err
}

func (u *usage) one(dir disk.FS, name, path string) error {
	info, err := dir.Lookup(name)
	if err != nil {
		return vanished(err)
	}
	if info.Kind != varve.Dir {
		id := inode{info.Stamp.Dev, info.Stamp.Ino}
		if info.Links > 1 {
			if u.met[id] {
				return nil
			}
			u.met[id] = true
		}
		u.bytes += info.Allocated
		return nil
	}
	u.bytes += info.Allocated
	sub, err := dir.OpenDir(name)
	if err != nil {
		return vanished(err)
	}
	return errors.Join(u.add(sub, path), sub.Close())
}
