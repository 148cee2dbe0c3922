package tree

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"varve"
	"varve/internal/disk"
)

// Stage is a snapshot in the making whose files somebody else puts into place. It is for one goroutine at a time, and ends with
// Commit or Keep, of which exactly one must be called, once.
type Stage struct {
	save  *save
	links []string
}

// staged is what a save knows of files that are there already.
type staged struct {
	modes  map[string]modes       // of what had to be made readable
	linked map[uint64]varve.Entry // by inode: what bases have under other paths
	twins  []uint64               // inodes that have several names here, ascending
	inside map[string]int         // how many entries lie in a directory, as far as they were settled
	whole  bool                   // it is an adopted directory: nothing in it is changed
	read   []varve.Entry          // files that adoptions which broke off had read, in listing order
}

// modes are the permissions of an object before it was made readable, and since.
type modes struct{ was, is uint32 }

// keptMarker is in a partial that was given up in good order: all that lies there is durable.
const keptMarker = "kept"

// maxKept is how many stages that were given up one after the other are kept.
const maxKept = 4

// Stage begins a snapshot whose files somebody else puts into place, such as an rsync server. It takes the lease of the series:
// varve.ErrBusy where somebody holds it.
func (s *Store) Stage(ctx context.Context, opts varve.SaveOptions) (*Stage, error) {
	g, err := s.stage(ctx, opts)
	if err != nil {
		return nil, fmt.Errorf("stage snapshot of %s: %w", opts.Series, err)
	}
	return g, nil
}

func (s *Store) stage(ctx context.Context, opts varve.SaveOptions) (*Stage, error) {
	v, err := s.newSave(ctx, opts)
	if err != nil {
		return nil, err
	}
	v.staged = &staged{modes: map[string]modes{}, linked: map[uint64]varve.Entry{}, inside: map[string]int{}}
	g := &Stage{save: v}
	if err = v.begin(); err == nil {
		err = g.find()
	}
	if err != nil {
		return nil, errors.Join(err, v.end(), v.lease.Close())
	}
	return g, nil
}

// find fills links.
func (g *Stage) find() error {
	v := g.save
	for _, b := range v.bases {
		if b.published && b.lends != nil { // a snapshot of this series
			g.links = append(g.links, b.location)
		}
	}
	kept, _, err := v.leftoverStages()
	for _, name := range kept {
		g.links = append(g.links, treeOf(name))
	}
	return err
}

// leftoverStages returns the partials that were given up in good order, the newest first, and the others.
func (v *save) leftoverStages() (kept, others []string, err error) {
	since := map[string]varve.Time{}
	err = v.store.within(partialDir, func(all disk.FS) error {
		for _, name := range v.stale {
			info, err := lookupIn(all, name, keptMarker)
			switch {
			case err == nil:
				since[name] = info.MTime
				kept = append(kept, name)
			case errors.Is(err, fs.ErrNotExist):
				others = append(others, name)
			default:
				return err
			}
		}
		return nil
	})
	slices.SortFunc(kept, func(a, b string) int {
		return cmp.Or(cmp.Compare(since[b].Sec, since[a].Sec), cmp.Compare(since[b].Nsec, since[a].Nsec))
	})
	return kept, others, err
}

// lookupIn returns what name is in the directory dir of at.
func lookupIn(at disk.FS, dir, name string) (disk.Info, error) {
	sub, err := at.OpenDir(dir)
	if err != nil {
		return disk.Info{}, err
	}
	info, err := sub.Lookup(name)
	return info, errors.Join(err, sub.Close())
}

// treeOf returns the directory with the files of a partial, relative to the store.
func treeOf(partial string) string {
	return controlDir + "/" + partialDir + "/" + partial + "/" + partialTree
}

// Path is the directory to be filled, relative to the store. It is there and empty.
func (g *Stage) Path() string { return treeOf(g.save.partial.name) }

// Links are directories that unchanged files may be hard-linked from, relative to the store, the best first: the last good
// snapshot, a newer incomplete one, and what was kept of stages that came to nothing.
func (g *Stage) Links() []string { return g.links }

// Commit makes what lies in the directory a snapshot. src yields it as it is to be recorded: owners, modes, times and kinds may be
// others than those on the disk. Content is read where it is not an inode of an earlier snapshot that is unchanged. Entries with Err
// are reported and make the snapshot Incomplete; one for the root may come after the root itself.
//
// Whatever else src yields must lie there, and the other way round. Who put the files into place may have changed inodes that
// earlier snapshots share: then these get their metadata back, there is no snapshot, and the error matches varve.ErrDamaged and names
// the files. After any error what there is serves the next stage of the series.
func (g *Stage) Commit(ctx context.Context, src varve.Source) (varve.Snapshot, error) {
	v := g.save
	v.ctx = ctx
	err := v.guard()
	if err == nil {
		err = v.beginManifest()
	}
	if err == nil {
		err = v.run(src)
	}
	if err == nil {
		err = v.commit()
	}
	if err == nil {
		err = errors.Join(v.end(), v.lease.Close())
	} else {
		err = errors.Join(err, g.keep())
	}
	if err != nil {
		return varve.Snapshot{}, fmt.Errorf("commit snapshot of %s: %w", v.opts.Series, err)
	}
	return v.snap, nil
}

// Keep gives up; what lies there serves the next stage of the series, unless the disk is full. Inodes of earlier snapshots that were
// changed get their metadata back, as with Commit, and the error matches varve.ErrDamaged and names the files.
func (g *Stage) Keep() error {
	g.save.ctx = context.WithoutCancel(g.save.ctx) // who gives up may have been told to
	return errors.Join(g.save.guard(), g.keep())
}

// keep is Keep where the earlier snapshots were looked at already.
func (g *Stage) keep() error {
	v := g.save
	err := v.keepPartial()
	if errors.Is(err, disk.ErrNoSpace) {
		err = v.store.dropLeftovers(v.opts.Series)
	}
	return errors.Join(err, v.end(), v.lease.Close())
}

// keepPartial makes the partial something that the next stage can link from, and removes those that are of no use.
func (v *save) keepPartial() error {
	p := v.partial
	tree, err := p.dir.OpenDir(partialTree)
	if err != nil {
		return gone(err) // it is a snapshot
	}
	names, err := tree.Names()
	if err = errors.Join(err, tree.Close()); err != nil {
		return err
	}
	if len(names) == 0 { // nothing arrived, and what was kept before is better
		return v.store.removePartials([]string{p.name})
	}
	if err := p.markKept(); err != nil {
		return err
	}
	kept, others, err := v.leftoverStages()
	if err != nil {
		return err
	}
	return v.store.removePartials(append(others, kept[min(maxKept-1, len(kept)):]...))
}

// markKept makes everything durable and says so. What was begun of a manifest goes.
func (p *partial) markKept() error {
	if err := p.closeFile(); err != nil {
		return err
	}
	for _, name := range [...]string{partialManifest, sealedManifest} {
		if err := gone(p.dir.Remove(name)); err != nil {
			return err
		}
	}
	if err := p.dir.SyncAll(); err != nil {
		return err
	}
	w, err := p.dir.Create(keptMarker, 0o600)
	if err == nil {
		err = w.Close()
	}
	return errors.Join(err, p.dir.Sync())
}
