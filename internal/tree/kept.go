package tree

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"slices"
	"sync"

	"varve"
	"varve/internal/disk"
	"varve/internal/manifest"
	"varve/internal/parallel"
)

// In a store that lends, what later snapshots need of one that is forgotten stays in .varve/kept/<id>, under its path. Everything
// is derived from the manifests: what they mention stays, the rest goes.
//
// The lease of no series is needed for that. A snapshot in the making lends from published ones of its own series alone, which its
// lease protects, and mentions nothing of others that these do not mention as well; so what is needed only ever gets less.

// needs says what snapshots that are no more are needed for: hashes of paths, ascending once all is read.
type needs struct {
	seed maphash.Seed

	mu    sync.Mutex
	paths map[varve.SnapshotID][]uint64
	met   map[manifest.PageID]bool // pages that were read, or that somebody reads
}

// has reports whether the file at path of a snapshot is needed.
func (n *needs) has(id varve.SnapshotID, path string) bool {
	_, ok := slices.BinarySearch(n.paths[id], maphash.String(n.seed, path))
	return ok
}

// add takes in an entry of a manifest.
func (n *needs) add(e *varve.Entry) {
	if !isLent(e) {
		return
	}
	l, err := loanOf(e)
	if err != nil {
		return // nothing can be found by it
	}
	if paths, ok := n.paths[l.from]; ok {
		n.paths[l.from] = append(paths, maphash.String(n.seed, l.path))
	}
}

// needsOf reads all manifests but those of the snapshots in ids, and returns what they need of these. Pages that several manifests share
// are read once. One that cannot be read is an error, damage too: nobody knows what it needs, and what looks damaged may only have been
// read wrongly.
func (s *Store) needsOf(ctx context.Context, ids []varve.SnapshotID) (*needs, error) {
	n := &needs{seed: maphash.MakeSeed(), paths: map[varve.SnapshotID][]uint64{}, met: map[manifest.PageID]bool{}}
	ended := map[string]bool{}
	for _, id := range ids {
		n.paths[id], ended[id.String()] = nil, true
	}
	err := s.within(manifestsDir, func(dir disk.FS) error {
		names, err := dir.Names()
		if err != nil {
			return err
		}
		names = slices.DeleteFunc(names, func(n disk.Name) bool { return !isID(n.Name) || ended[n.Name] })
		return each(s.opts.Workers, names, func(name disk.Name) error {
			return errors.Join(ctx.Err(), n.read(s, dir, name.Name))
		})
	})
	for id := range n.paths {
		slices.Sort(n.paths[id])
		n.paths[id] = slices.Compact(n.paths[id])
	}
	return n, err
}

// each calls do with every item, several at once.
func each[T any](workers int, items []T, do func(T) error) error {
	feed := func(put func(T) error) error {
		for _, item := range items {
			if err := put(item); err != nil {
				return err
			}
		}
		return nil
	}
	return parallel.Ordered(workers, func(T) int { return 1 }, feed,
		func(_ <-chan struct{}, item T) error { return do(item) }, func(T) error { return nil })
}

// read adds what one manifest mentions in pages that were not met.
func (n *needs) read(s *Store, dir disk.FS, name string) error {
	m, err := s.openManifest(dir, name)
	if err != nil {
		return gone(err)
	}
	err = m.reader.Walk(manifest.Visitor{
		Enter: func(id manifest.PageID) (bool, error) { return n.enter(id), nil },
		Leaf:  n.leaf,
	})
	if err != nil {
		err = fmt.Errorf("manifest %s: %w", name, err)
	}
	return errors.Join(err, m.Close())
}

// enter reports whether a page is to be read.
func (n *needs) enter(id manifest.PageID) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	fresh := !n.met[id]
	n.met[id] = true
	return fresh
}

// leaf adds the entries of a page.
func (n *needs) leaf(entries []varve.Entry) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i := range entries {
		n.add(&entries[i])
	}
	return nil
}

// idsIn returns the snapshots that have something in a directory of the control directory; none where that is not there.
func (s *Store) idsIn(name string) (ids []varve.SnapshotID, err error) {
	err = s.within(name, func(dir disk.FS) error {
		names, err := dir.Names()
		for _, n := range names {
			var id varve.SnapshotID
			if isID(n.Name) && id.UnmarshalText([]byte(n.Name)) == nil {
				ids = append(ids, id)
			}
		}
		return err
	})
	return ids, gone(err)
}

// settleKept moves what is needed of the snapshots in the trash to where it is kept; what it returns is needed by nobody. With all it
// removes from there what is not needed any more.
func (s *Store) settleKept(ctx context.Context, trashed []varve.SnapshotID, all bool) (left []varve.SnapshotID, err error) {
	if len(trashed) == 0 && !all {
		return nil, nil
	}
	format, err := readFormat(s.control) // by now, not when the store was opened
	if err != nil || format < formatLends {
		return trashed, err
	}
	var kept []varve.SnapshotID
	if all {
		kept, err = s.idsIn(keptDir)
	}
	if err != nil || len(trashed)+len(kept) == 0 {
		return trashed, err
	}
	needs, err := s.needsOf(ctx, append(slices.Clone(trashed), kept...))
	if err != nil {
		return nil, fmt.Errorf("nothing is deleted while nobody knows what other snapshots need: %w", err)
	}
	for _, id := range trashed {
		if len(needs.paths[id]) == 0 {
			left = append(left, id)
			continue
		}
		if err := s.keep(id); err != nil {
			return nil, err
		}
		kept = append(kept, id)
	}
	for _, id := range kept {
		if err := s.sweep(ctx, id, needs); err != nil {
			return nil, fmt.Errorf("remove what nobody needs of snapshot %s: %w", id.Short(), err)
		}
	}
	return left, nil
}

// keep moves a snapshot from the trash to where it is kept. Its manifest goes first: it is no snapshot any more.
func (s *Store) keep(id varve.SnapshotID) error {
	if err := s.dropManifest(id.String()); err != nil {
		return err
	}
	if err := s.control.Mkdir(keptDir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return s.within(trashDir, func(trash disk.FS) error {
		return s.within(keptDir, func(kept disk.FS) error {
			if err := trash.Rename(id.String(), kept, id.String()); err != nil {
				return gone(err) // somebody else was quicker
			}
			return errors.Join(kept.Sync(), trash.Sync(), s.control.Sync())
		})
	})
}

// sweep removes what is not needed of a snapshot that is kept.
func (s *Store) sweep(ctx context.Context, id varve.SnapshotID, needs *needs) error {
	return s.within(keptDir, func(kept disk.FS) error {
		if len(needs.paths[id]) == 0 {
			return gone(disk.RemoveAll(kept, id.String(), s.opts.Workers))
		}
		top, err := kept.OpenDir(id.String())
		if err != nil {
			return gone(err)
		}
		b := broom{ctx: ctx, held: disk.NewHeld(top, s.descriptors()), workers: s.opts.Workers, busy: map[string]bool{},
			needed: func(path string) bool { return needs.has(id, path) }}
		return errors.Join(b.run(), b.held.Close())
	})
}

// nameOf returns the last element of a path.
func nameOf(path string) string {
	e := varve.Entry{Path: path}
	return e.Name()
}
