package tree

import (
	"context"
	"errors"

	"varve"
	"varve/internal/disk"
)

// Occupied returns how many bytes the snapshots of a series take up, or those of all series where it is empty: the content that came into
// the store with each of them, its manifest, dirWeight for each of its directories, and likewise what interrupted runs have left. Snapshots
// that are damaged do not count. It needs no lease; what changes meanwhile counts in the one way or the other.
func (s *Store) Occupied(ctx context.Context, series string) (int64, error) {
	all, err := s.Snapshots(ctx)
	if err != nil && !errors.Is(err, varve.ErrDamaged) {
		return 0, err
	}
	w := weighing{ctx: ctx, store: s, shared: map[varve.Stamp]uint64{}}
	err = s.within(manifestsDir, func(dir disk.FS) error {
		for i := range all {
			if snap := &all[i]; series == "" || snap.Series == series {
				if err := w.snapshot(dir, snap); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err == nil {
		err = w.leftovers(series)
	}
	return w.sum, err
}

const (
	// dirWeight is what a directory takes up at least on most file systems, in bytes.
	dirWeight = 4 << 10
	// maxShared is how many inodes with several names are remembered.
	maxShared = 1 << 20
)

// weighing adds up what takes up room.
type weighing struct {
	ctx    context.Context
	store  *Store
	sum    int64
	shared map[varve.Stamp]uint64 // how many names were met of inodes that have more
}

// snapshot adds a snapshot, whose manifest is in dir.
func (w *weighing) snapshot(dir disk.FS, snap *varve.Snapshot) error {
	info, err := dir.Lookup(snap.ID.String())
	if err != nil {
		return gone(err) // it was forgotten meanwhile
	}
	w.sum += snap.Added + snap.Beside + dirWeight*snap.Dirs + info.Size
	return nil
}

// leftovers adds what interrupted runs have left, and what others are at work on.
func (w *weighing) leftovers(series string) error {
	return w.store.within(partialDir, func(all disk.FS) error {
		names, err := w.names(all, series)
		for _, name := range names {
			if err == nil {
				err = w.partial(all, name)
			}
		}
		return err
	})
}

// names returns the names of the partials of a series, or of all.
func (w *weighing) names(all disk.FS, series string) (list []string, err error) {
	if series != "" {
		return w.store.leftovers(series)
	}
	names, err := all.Names()
	for _, n := range names {
		list = append(list, n.Name)
	}
	return list, err
}

// partial adds everything in a partial that no snapshot shares.
func (w *weighing) partial(all disk.FS, name string) error {
	top, err := all.OpenDir(name)
	if err != nil {
		return gone(err)
	}
	held := disk.NewHeld(top, w.store.descriptors())
	todo := []string{""}
	for len(todo) > 0 && err == nil {
		if err = w.ctx.Err(); err == nil {
			last := len(todo) - 1
			path := todo[last]
			todo, err = w.dir(held, path, todo[:last])
		}
	}
	return errors.Join(err, held.Close())
}

// dir adds what lies in a directory, and appends the directories in it to todo.
func (w *weighing) dir(held *disk.Held, path string, todo []string) ([]string, error) {
	dir := held.At(path)
	at, err := dir.Use()
	if err != nil {
		return todo, gone(err)
	}
	defer dir.Done()
	names, err := at.Names()
	if err != nil {
		return todo, gone(err)
	}
	for _, n := range names {
		info, err := at.Lookup(n.Name)
		switch {
		case gone(err) != nil:
			return todo, err
		case err != nil:
		case info.Kind == varve.Dir:
			w.sum += dirWeight + xattrsOf(at, n.Name)
			todo = append(todo, varve.Join(path, n.Name))
		default:
			w.sum += w.object(at, n.Name, &info)
		}
	}
	return todo, nil
}

// xattrsOf returns how many bytes the extended attributes of an object have; none where it has gone.
func xattrsOf(at disk.FS, name string) int64 {
	xattrs, err := at.Xattrs(name)
	if err != nil {
		return 0
	}
	return xattrBytes(xattrs)
}

func xattrBytes(xattrs []varve.Xattr) (n int64) {
	for i := range xattrs {
		n += int64(len(xattrs[i].Name) + len(xattrs[i].Value))
	}
	return n
}

// beside returns what j counts for Snapshot.Beside.
func (v *save) beside(j *job) int64 {
	if v.staged != nil || j.old || j.entry.SameAs != "" {
		return 0
	}
	return j.resumed + xattrBytes(j.entry.Xattrs)
}

// object returns what one name of an object that is no directory adds: all of it where this is the last of its names, and none lies
// elsewhere. Where too many have several, each of these adds its share.
func (w *weighing) object(at disk.FS, name string, info *disk.Info) int64 {
	key := varve.Stamp{Dev: info.Stamp.Dev, Ino: info.Stamp.Ino}
	share := int64(1)
	if info.Links > 1 {
		met := w.shared[key] + 1
		switch {
		case met == info.Links:
			delete(w.shared, key)
		case met == 1 && len(w.shared) >= maxShared:
			share = int64(min(info.Links, 1<<32))
		default:
			w.shared[key] = met
			return 0
		}
	}
	return (min(info.Size, info.Allocated) + xattrsOf(at, name)) / share
}
