package cache

import (
	"cmp"
	"slices"
	"strings"

	"varve"
	"varve/internal/backend"
	"varve/internal/disk"
)

// room is how many bytes a file of n bytes takes on the disk, about.
func room(n int64) int64 { return (n+4095)&^4095 + 512 }

// used is a file in the cache.
type used struct {
	folder *disk.HeldDir
	name   string
	room   int64
	time   varve.Time
}

// evict removes what was not used for the longest time, until an eighth less than the limit is left; then there is something to do
// again only after as much was written. What it cannot remove, it leaves.
func (c *Cache) evict() {
	if !c.evicting.TryLock() {
		return
	}
	defer c.evicting.Unlock()
	c.kept.Store(0)
	var files []used
	total := int64(0)
	for _, name := range c.folders() {
		for _, u := range survey(c.held.At(name)) {
			files = append(files, u)
			total += u.room
		}
	}
	if total <= c.opts.Limit {
		return
	}
	slices.SortFunc(files, func(a, b used) int {
		return cmp.Or(cmp.Compare(a.time.Sec, b.time.Sec), cmp.Compare(a.time.Nsec, b.time.Nsec))
	})
	for _, u := range files {
		if total <= c.opts.Limit-c.opts.Limit/8 {
			return
		}
		if u.remove() {
			total -= u.room
		}
	}
}

// folders returns the names of the directories that items may lie in.
func (c *Cache) folders() []string {
	root, err := c.held.Root().Use()
	if err != nil {
		return nil
	}
	defer c.held.Root().Done()
	names, err := root.Names()
	if err != nil {
		return nil
	}
	var folders []string
	for _, n := range names {
		if len(n.Name) == 2 && backend.IsHex(n.Name) {
			folders = append(folders, n.Name)
		}
	}
	return folders
}

// survey returns the files in a directory that are the cache's, what interrupted writers left included; none where it cannot be read.
func survey(folder *disk.HeldDir) []used {
	dir, err := folder.Use()
	if err != nil {
		return nil
	}
	defer folder.Done()
	names, err := dir.Names()
	if err != nil {
		return nil
	}
	var files []used
	for _, n := range names {
		if !isOurs(n.Name) {
			continue
		}
		if info, err := dir.Lookup(n.Name); err == nil && info.Kind == varve.Regular {
			files = append(files, used{folder, n.Name, room(info.Size), info.MTime})
		}
	}
	return files
}

// isOurs reports whether a file of this name is the cache's.
func isOurs(name string) bool {
	digits, tmp := strings.CutPrefix(name, tmpPrefix)
	return backend.IsHash(name) || tmp && len(digits) == 32 && backend.IsHex(digits)
}

func (u used) remove() bool {
	dir, err := u.folder.Use()
	if err != nil {
		return false
	}
	defer u.folder.Done()
	return dir.Remove(u.name) == nil
}
