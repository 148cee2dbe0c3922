package tree

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"varve"
	"varve/internal/disk"
)

// orphans finds directories in the place of snapshots that no manifest names.
func (c *check) orphans(all []varve.Snapshot) error {
	var strays []string
	series, err := c.series(all)
	for _, name := range series {
		if err == nil {
			err = c.strays(name, all, &strays)
		}
	}
	if err != nil || len(strays) == 0 {
		return err
	}
	all, err = c.store.Snapshots(c.ctx) // what was published meanwhile
	if err != nil && !errors.Is(err, varve.ErrDamaged) {
		return err
	}
	for _, at := range strays {
		if !slices.ContainsFunc(all, func(s varve.Snapshot) bool { return s.Location == at }) {
			c.damage(at, fmt.Errorf("directory without a manifest that can be read: %w", varve.ErrDamaged))
		}
	}
	return nil
}

// series returns the names of the directories of all series that are known: a lock outlives the snapshots of its series on a disk of
// this machine, not on a far one.
func (c *check) series(all []varve.Snapshot) (list []string, err error) {
	err = c.store.within(locksDir, func(dir disk.FS) error {
		names, err := dir.Names()
		for _, n := range names {
			list = append(list, n.Name)
		}
		return err
	})
	for i := range all {
		series, _ := splitLocation(all[i].Location)
		list = append(list, series)
	}
	slices.Sort(list)
	return slices.Compact(list), err
}

// strays adds the directories in that of a series that are none of the snapshots.
func (c *check) strays(series string, all []varve.Snapshot, strays *[]string) error {
	dir, err := c.store.root.OpenDir(series)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, disk.ErrKind) || errors.Is(err, disk.ErrName) {
		return nil
	}
	if err != nil {
		return err
	}
	names, err := dir.Names()
	for _, n := range names {
		at := series + "/" + n.Name
		if slices.ContainsFunc(all, func(s varve.Snapshot) bool { return s.Location == at }) {
			continue
		}
		info, lookErr := dir.Lookup(n.Name)
		if lookErr == nil && info.Kind == varve.Dir {
			*strays = append(*strays, at)
		}
		err = errors.Join(err, gone(lookErr))
	}
	return errors.Join(err, dir.Close())
}

// underWay reports whether the snapshot with this ID is being made or removed.
func (s *Store) underWay(id string) bool {
	found := false
	for _, where := range [...]string{partialDir, trashDir} {
		_ = s.within(where, func(dir disk.FS) error {
			names, err := dir.Names()
			found = found || slices.ContainsFunc(names, func(n disk.Name) bool { return strings.HasPrefix(n.Name, id) })
			return err
		})
	}
	return found
}
