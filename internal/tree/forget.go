package tree

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"varve"
	"varve/internal/disk"
	"varve/internal/place"
)

// splitLocation returns the series' directory and the snapshot's name.
func splitLocation(location string) (series, name string) {
	series, name, _ = strings.Cut(location, "/")
	return series, name
}

// Forget removes snapshots: each is first moved into the trash, from which moment it is no snapshot any more, then its manifest
// goes, then its files. Files that other snapshots share stay. Also without ids, it finishes what removals and adoptions that were
// interrupted have left, these in series that nobody writes to.
func (s *Store) Forget(ctx context.Context, ids ...varve.SnapshotID) error {
	incomplete := s.completeAll(ctx) // which is no reason to keep what is to go
	all, err := s.Snapshots(ctx)
	if err != nil && !errors.Is(err, varve.ErrDamaged) {
		return fmt.Errorf("forget: %w", err)
	}
	var todo []varve.Snapshot
	for _, id := range ids {
		i := slices.IndexFunc(all, func(snap varve.Snapshot) bool { return snap.ID == id })
		if i >= 0 {
			todo = append(todo, all[i])
		} else if err := s.forgetDamaged(id); err != nil {
			return fmt.Errorf("forget %s: %w", id.Short(), err)
		}
	}
	slices.SortStableFunc(todo, func(a, b varve.Snapshot) int { return cmp.Compare(a.Series, b.Series) })
	for len(todo) > 0 {
		n := 1
		for n < len(todo) && todo[n].Series == todo[0].Series {
			n++
		}
		if err := s.forgetOf(ctx, todo[:n]); err != nil {
			return fmt.Errorf("forget: %w", err)
		}
		todo = todo[n:]
	}
	if err := errors.Join(s.emptyTrash(ctx, true), s.pointAll(ctx), incomplete); err != nil {
		return fmt.Errorf("forget: finish what was interrupted: %w", err)
	}
	return nil
}

// forgetDamaged removes what is left of a snapshot that cannot be listed: a manifest that cannot be read, or whose directory is
// missing. A directory that only the unreadable manifest knew stays; Verify names it.
func (s *Store) forgetDamaged(id varve.SnapshotID) error {
	if s.underWay(id.String()) {
		return fmt.Errorf("being made or removed: %w", varve.ErrNoSnapshot)
	}
	return s.within(manifestsDir, func(dir disk.FS) error {
		_, err := s.readRecord(dir, id.String())
		if err == nil || errors.Is(err, varve.ErrNoSnapshot) || !errors.Is(err, varve.ErrDamaged) {
			return cmp.Or(err, varve.ErrNoSnapshot)
		}
		return errors.Join(dir.Remove(id.String()), dir.Sync())
	})
}

// pointAll makes every latest name the newest snapshot of its series, where a removal that was interrupted has left it behind. A
// series that somebody writes to is left to him.
func (s *Store) pointAll(ctx context.Context) error {
	all, err := s.Snapshots(ctx)
	if err != nil && !errors.Is(err, varve.ErrDamaged) {
		return err
	}
	newest := map[string]*varve.Snapshot{}
	for i := range all {
		if a := &all[i]; newest[a.Series] == nil || a.Seq > newest[a.Series].Seq {
			newest[a.Series] = a
		}
	}
	for _, series := range slices.Sorted(maps.Keys(newest)) {
		if err := s.repoint(ctx, newest[series]); err != nil && !errors.Is(err, varve.ErrBusy) {
			return err
		}
	}
	return nil
}

// repoint makes latest name snap, the newest of its series, or what is the newest once the lease is held.
func (s *Store) repoint(ctx context.Context, snap *varve.Snapshot) (err error) {
	dir, err := s.root.OpenDir(seriesDir(snap.Series))
	if err != nil {
		return gone(err)
	}
	defer dir.Close()
	_, name := splitLocation(snap.Location)
	if info, err := dir.Lookup(latestLink); err == nil && info.Target == name {
		return nil
	}
	lease, err := s.lock(ctx, snap.Series)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lease.Close()) }()
	newest, err := s.newestOf(ctx, snap.Series)
	if err != nil || newest == nil {
		return err
	}
	return s.settleLatest(snap.Series, dir, *newest)
}

// gone turns the absence of something into success.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// forgetOf removes snapshots of one series.
func (s *Store) forgetOf(ctx context.Context, snaps []varve.Snapshot) (err error) {
	series := snaps[0].Series
	lease, err := s.lock(ctx, series)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lease.Close()) }()
	dir, err := s.root.OpenDir(seriesDir(series))
	if err != nil {
		return gone(err)
	}
	defer dir.Close()
	for _, snap := range snaps {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.forget(dir, snap.ID); err != nil {
			return fmt.Errorf("snapshot %s: %w", snap.ID.Short(), err)
		}
	}
	if err := s.dropLeftovers(series); err != nil {
		return err
	}
	left, err := s.newestOf(ctx, series)
	if err != nil {
		return err
	}
	if left != nil {
		return s.settleLatest(series, dir, *left)
	}
	return s.dropSeries(series, dir)
}

// dropLeftovers removes what interrupted runs of a series left: they may be what fills the disk, and would keep the content of what
// is forgotten.
func (s *Store) dropLeftovers(series string) error {
	names, err := s.leftovers(series)
	if err != nil || len(names) == 0 {
		return err
	}
	return s.removePartials(names)
}

// newestOf returns the newest snapshot of a series whose lease is held; nil where there is none.
func (s *Store) newestOf(ctx context.Context, series string) (newest *varve.Snapshot, err error) {
	all, err := s.Snapshots(ctx)
	if err != nil && !errors.Is(err, varve.ErrDamaged) {
		return nil, err
	}
	for i := range all {
		if a := &all[i]; a.Series == series && (newest == nil || a.Seq > newest.Seq) {
			newest = a
		}
	}
	return newest, nil
}

// forget moves one snapshot of a series whose lease is held into the trash, unless that was done since it was listed: its name may be
// that of another one now.
func (s *Store) forget(series disk.FS, id varve.SnapshotID) error {
	var snap varve.Snapshot
	err := s.within(manifestsDir, func(dir disk.FS) (err error) {
		snap, err = s.readRecord(dir, id.String())
		return err
	})
	if errors.Is(err, varve.ErrNoSnapshot) || errors.Is(err, errNoDirectory) {
		return nil
	}
	if err != nil {
		return err
	}
	_, name := splitLocation(snap.Location)
	trash, err := s.control.OpenDir(trashDir)
	if err != nil {
		return err
	}
	defer trash.Close()
	if err := series.Rename(name, trash, snap.ID.String()); err != nil {
		return err
	}
	if err := errors.Join(trash.Sync(), series.Sync()); err != nil {
		return err
	}
	return s.dropManifest(snap.ID.String())
}

// discard removes what lies in the trash under the ID of a snapshot, its manifest first.
func (s *Store) discard(trash disk.FS, id string) error {
	if err := s.dropManifest(id); err != nil {
		return err
	}
	return disk.RemoveAll(trash, id, s.opts.Workers)
}

// dropManifest removes the manifest of what is no snapshot any more.
func (s *Store) dropManifest(id string) error {
	return s.within(manifestsDir, func(dir disk.FS) error {
		if err := dir.Remove(id); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return dir.Sync()
	})
}

// dropForgotten removes the manifests of what lies in the trash: a removal that was interrupted before that must not come back to
// life when its directory's name is used again.
func (s *Store) dropForgotten() error {
	var names []disk.Name
	err := s.within(trashDir, func(trash disk.FS) (err error) {
		names, err = trash.Names()
		return err
	})
	if err != nil || len(names) == 0 {
		return err
	}
	return s.within(manifestsDir, func(dir disk.FS) error {
		for _, n := range names {
			if err := dir.Remove(n.Name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		return dir.Sync()
	})
}

// emptyTrash finishes removals. What later snapshots need is kept elsewhere; with all, what was kept and is not needed any more goes, too.
func (s *Store) emptyTrash(ctx context.Context, all bool) error {
	ids, err := s.idsIn(trashDir)
	if err != nil {
		return err
	}
	if ids, err = s.settleKept(ctx, ids, all); err != nil {
		return err
	}
	return s.within(trashDir, func(trash disk.FS) error {
		for _, id := range ids {
			if err := s.discard(trash, id.String()); err != nil {
				return err
			}
		}
		return nil
	})
}

// errNoLatest says that latest could not be made, and that what led elsewhere was removed. A later run makes it, where it can.
var errNoLatest = errors.New("there is no link latest for now")

// settleLatest is pointLatest for work that must go through also where no symlink can be made, as on a full disk.
func (s *Store) settleLatest(series string, dir disk.FS, snap varve.Snapshot) error {
	if err := s.pointLatest(series, dir, snap); !errors.Is(err, errNoLatest) {
		return err
	}
	return nil
}

// pointLatest makes the symlink latest name snap, unless the disk has no symlinks: then there is none, rather than one that leads
// elsewhere. That is errNoLatest where there was one before, or only the room is lacking.
func (s *Store) pointLatest(series string, dir disk.FS, snap varve.Snapshot) error {
	_, name := splitLocation(snap.Location)
	tmp := "%" + latestLink + "-" + seriesDir(series) // a name that seriesDir never makes
	return s.within(locksDir, func(locks disk.FS) error {
		if err := locks.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if info, err := dir.Lookup(latestLink); err == nil && info.Target == name {
			return nil
		}
		if err := locks.Symlink(tmp, name); errors.Is(err, disk.ErrNoSpace) || place.Unkeepable(err) {
			removed := dir.Remove(latestLink)
			if gone(removed) != nil {
				return removed
			}
			if removed == nil || errors.Is(err, disk.ErrNoSpace) {
				return fmt.Errorf("%w: %w", errNoLatest, err)
			}
			return nil
		} else if err != nil {
			return err
		}
		if err := locks.Replace(tmp, dir, latestLink); err != nil {
			return err
		}
		return dir.Sync()
	})
}

// dropSeries removes the directory of a series without snapshots, unless something else lies in it.
func (s *Store) dropSeries(series string, dir disk.FS) error {
	if err := dir.Remove(latestLink); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := s.root.Rmdir(seriesDir(series)); err != nil && !errors.Is(err, disk.ErrNotEmpty) {
		return err
	}
	return s.root.Sync()
}
