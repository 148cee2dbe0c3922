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
	"varve/internal/parallel"
	"varve/internal/place"
)

// Verify compares every file of the snapshots with their manifests: that it is there, its metadata as far as the store holds it,
// its content against its digest, and that nothing else lies between. A file that several snapshots share is read once.
func (s *Store) Verify(ctx context.Context, opts varve.VerifyOptions) (varve.VerifyReport, error) {
	c := &check{store: s, ctx: ctx, opts: opts, seed: maphash.MakeSeed(), seen: map[uint64]uint64{}, bad: map[uint64]error{}}
	c.copiers.New = func() any { return place.NewCopier() }
	if err := c.run(); err != nil {
		return c.report, fmt.Errorf("verify: %w", err)
	}
	return c.report, nil
}

// check is one verification.
type check struct {
	store   *Store
	ctx     context.Context
	opts    varve.VerifyOptions
	copiers sync.Pool

	lends bool // content may lie in other snapshots
	seed  maphash.Seed

	mu     sync.Mutex
	report varve.VerifyReport
	bad    map[uint64]error  // files read that may be met again, by inode or place, and what is wrong with them
	seen   map[uint64]uint64 // the same files, and the beginning of the digest they were held against
}

func (c *check) run() error {
	format, err := readFormat(c.store.control)
	if err != nil {
		return err
	}
	c.lends = format >= formatLends
	all, err := c.store.Snapshots(c.ctx)
	if errors.Is(err, varve.ErrDamaged) {
		c.damage("", err)
	} else if err != nil {
		return err
	}
	if err := c.orphans(all); err != nil {
		return err
	}
	wanted := c.opts.Snapshots
	for _, id := range wanted {
		if !slices.ContainsFunc(all, func(s varve.Snapshot) bool { return s.ID == id }) {
			return fmt.Errorf("snapshot %s: %w", id.Short(), varve.ErrNoSnapshot)
		}
	}
	for i := range all {
		if len(wanted) > 0 && !slices.Contains(wanted, all[i].ID) {
			continue
		}
		if err := c.snapshot(&all[i]); err != nil {
			return err
		}
		c.report.Snapshots++
	}
	return nil
}

// damage counts and tells one finding.
func (c *check) damage(path string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.report.Damage++
	if c.opts.Progress != nil {
		c.opts.Progress(varve.Event{Kind: varve.Damage, Path: path, Err: err})
	}
}

// checkBatch is some neighbours in one directory of a snapshot.
type checkBatch struct {
	parallel.Group
	// names are all names of the directory, sorted; set with the last of its batches.
	names []string
}

// snapshot checks one snapshot.
func (c *check) snapshot(snap *varve.Snapshot) error {
	v, err := c.store.view(snap.ID)
	if errors.Is(err, varve.ErrNoSnapshot) {
		return nil // it was forgotten since it was listed
	}
	if err != nil {
		c.damage(snap.Location, err)
		return nil
	}
	p := pass{check: c, view: v, at: snap.Location}
	err = parallel.Ordered(c.store.opts.Workers, func(b *checkBatch) int { return len(b.Entries) }, p.feed, p.do, func(*checkBatch) error { return nil })
	return errors.Join(err, v.Close())
}

// pass is the check of one snapshot.
type pass struct {
	check *check
	view  *view
	at    string
}

// damage tells one finding, unless the snapshot was forgotten meanwhile.
func (p *pass) damage(path string, format string, args ...any) {
	if p.view.gone() {
		return
	}
	err := fmt.Errorf(format+": %w", append(args, varve.ErrDamaged)...)
	p.check.damage(p.at+"/"+path, err)
}

// feed forms batches of the manifest's entries.
func (p *pass) feed(put func(*checkBatch) error) error {
	names := []string{}
	var before *checkBatch
	unlisted := map[string]bool{} // directories whose listing did not come yet
	for g, err := range parallel.Groups(p.view.manifest.entries(p.check.ctx), p.check.store.group()) {
		if p.check.ctx.Err() != nil {
			return p.check.ctx.Err()
		}
		if err != nil {
			p.damage("", "manifest: %v", err)
			return nil
		}
		for i := range g.Entries {
			if g.Entries[i].Kind == varve.Dir {
				unlisted[g.Entries[i].Path] = true
			}
		}
		if g.Root {
			p.root(&g.Entries[0])
			continue
		}
		delete(unlisted, g.Dir)
		if before != nil {
			if before.Dir != g.Dir {
				before.names, names = names, []string{}
			}
			if err := put(before); err != nil {
				return err
			}
		}
		before = &checkBatch{Group: g}
		for i := range g.Entries {
			if !isLent(&g.Entries[i]) {
				names = append(names, g.Entries[i].Name())
			}
		}
	}
	if before != nil {
		before.names = names
		if err := put(before); err != nil {
			return err
		}
	}
	return feedEmpty(unlisted, put)
}

// feedEmpty puts a batch for every directory that should be empty.
func feedEmpty(dirs map[string]bool, put func(*checkBatch) error) error {
	for path := range dirs {
		if err := put(&checkBatch{Group: parallel.Group{Dir: path}, names: []string{}}); err != nil {
			return err
		}
	}
	return nil
}

// root checks the directory of the snapshot itself.
func (p *pass) root(e *varve.Entry) {
	root := p.view.held.Root()
	at, err := root.Use()
	if err == nil {
		defer root.Done()
		var info disk.Info
		if info, err = at.Lookup("."); err == nil {
			if fault := p.check.store.fault(&info, e); fault != "" {
				err = errors.New(fault)
			}
		}
	}
	if err != nil {
		p.damage("", "%v", err)
	}
}

// do checks one batch.
func (p *pass) do(_ <-chan struct{}, b *checkBatch) error {
	dir := p.view.held.At(b.Dir)
	at, err := dir.Use()
	if err != nil {
		p.damage(b.Dir, "directory: %v", err)
		return nil
	}
	defer dir.Done()
	if b.names != nil { // first, since a far disk that listed a directory knows what lies there
		p.strangers(at, b)
	}
	for i := range b.Entries {
		if err := p.check.ctx.Err(); err != nil {
			return err
		}
		if e := &b.Entries[i]; isLent(e) {
			p.lent(e)
		} else {
			p.entry(at, e)
		}
	}
	return nil
}

// strangers finds what lies in a directory and is not in the manifest.
func (p *pass) strangers(at disk.FS, b *checkBatch) {
	names, err := at.Names()
	if err != nil {
		p.damage(b.Dir, "directory: %v", err)
		return
	}
	for _, n := range names {
		if _, ok := slices.BinarySearch(b.names, n.Name); !ok {
			p.damage(varve.Join(b.Dir, n.Name), "not part of the snapshot")
		}
	}
}

// entry checks one object.
func (p *pass) entry(at disk.FS, e *varve.Entry) {
	info, err := at.Lookup(e.Name())
	if errors.Is(err, fs.ErrNotExist) {
		p.damage(e.Path, "missing")
		return
	}
	if err != nil {
		p.damage(e.Path, "%v", err)
		return
	}
	if fault := p.check.store.fault(&info, e); fault != "" {
		p.damage(e.Path, "%s", fault)
		return
	}
	if e.Unkept&varve.Xattrs == 0 {
		if xattrs, err := at.Xattrs(e.Name()); err != nil {
			p.damage(e.Path, "%v", err)
		} else if !p.check.store.tells(xattrs, e) {
			p.damage(e.Path, "extended attributes differ")
		}
	}
	if e.SameAs != "" && e.Unkept&varve.HardLink == 0 {
		p.alike(&info, e)
	}
	p.content(&stored{at, e.Name(), &info, p.key(&info, e)}, e)
}

// lent checks an entry whose content lies elsewhere.
func (p *pass) lent(e *varve.Entry) {
	l, err := loanOf(e)
	if err == nil {
		err = p.view.places.use(l, func(at disk.FS, name string) error {
			info, err := at.Lookup(name)
			if err == nil {
				err = holds(&info, e)
			}
			if err == nil {
				p.content(&stored{at, name, &info, p.check.place(l)}, e)
			}
			return err
		})
	}
	if err != nil {
		p.damage(e.Path, "content in snapshot %s: %v", l.from.Short(), err)
	}
}

// alike checks that e is a hard link to what the manifest says.
func (p *pass) alike(info *disk.Info, e *varve.Entry) {
	dir := p.view.held.At(varve.Parent(e.SameAs))
	at, err := dir.Use()
	if err == nil {
		defer dir.Done()
		first := varve.Entry{Path: e.SameAs}
		var other disk.Info
		if other, err = at.Lookup(first.Name()); err == nil && other.Stamp.Ino != info.Stamp.Ino {
			err = errors.New("not the same file")
		}
	}
	if err != nil {
		p.damage(e.Path, "hard link to /%s: %v", e.SameAs, err)
	}
}
