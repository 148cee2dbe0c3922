package tree

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"varve"
	"varve/internal/disk"
	"varve/internal/place"
)

// guard is the first look at a staged tree. Whoever filled it could reach inodes of earlier snapshots through the hard links that he
// made, and change what they have in common.
type guard struct {
	save    *save
	strange map[uint64]bool // inodes with several names that no base has under the same path
	inodes  []uint64        // of all names of objects that have several, here or elsewhere
	altered []string        // what is not as its snapshot says
}

// namedFiles is how many altered files an error names.
const namedFiles = 20

// guard makes everything in the staged tree readable, and makes sure that no earlier snapshot was changed through it.
func (v *save) guard() error {
	if err := v.partial.dir.SyncAll(); err != nil { // some file systems tell holes only then
		return err
	}
	g := &guard{save: v, strange: map[uint64]bool{}}
	if err := g.top(); err != nil {
		return err
	}
	for level := []string{""}; len(level) > 0; {
		var below []string
		for _, path := range level {
			dirs, err := g.dir(path)
			if err != nil {
				return fmt.Errorf("staged directory /%s: %w", path, err)
			}
			below = append(below, dirs...)
		}
		level = below
	}
	v.staged.twins = twins(g.inodes)
	if err := g.elsewhere(); err != nil {
		return err
	}
	if len(g.altered) == 0 {
		return nil
	}
	list := g.altered[:min(len(g.altered), namedFiles)]
	return fmt.Errorf("%d files of earlier snapshots were changed through the staged ones, and mended where possible: %s: %w",
		len(g.altered), strings.Join(list, ", "), varve.ErrDamaged)
}

// twins returns the numbers that are there several times, once, ascending, in the memory of list.
func twins(list []uint64) []uint64 {
	slices.Sort(list)
	several := list[:0]
	for i, n := range list {
		if i > 0 && n == list[i-1] {
			several = append(several, n)
		}
	}
	return slices.Compact(several)
}

// top makes the staged directory itself readable.
func (g *guard) top() error {
	root := g.save.partial.held.Root()
	at, err := root.Use()
	if err != nil {
		return err
	}
	defer root.Done()
	info, err := at.Lookup(".")
	if err != nil {
		return err
	}
	return g.save.open(at, ".", &info)
}

// dir looks at one staged directory and returns those in it.
func (g *guard) dir(path string) (below []string, err error) {
	if err := g.save.ctx.Err(); err != nil {
		return nil, err
	}
	dir := g.save.partial.held.At(path)
	at, err := dir.Use()
	if err != nil {
		return nil, err
	}
	defer dir.Done()
	names, err := at.Names()
	if err != nil {
		return nil, err
	}
	var shared []disk.Info
	for _, n := range names {
		info, err := at.Lookup(n.Name)
		if err != nil {
			return nil, err
		}
		info.Path = varve.Join(path, n.Name)
		if info.Kind != varve.Dir && info.Links > 1 {
			shared = append(shared, info)
			g.inodes = append(g.inodes, info.Stamp.Ino)
		}
		if err := g.save.open(at, n.Name, &info); err != nil {
			return nil, err
		}
		if info.Kind == varve.Dir {
			below = append(below, info.Path)
		}
	}
	if len(shared) == 0 {
		return below, nil
	}
	return below, g.compare(path, shared)
}

// open makes a staged object readable for a user who may not read everything, and remembers how it was. Inodes that others share
// are left alone: copies of the store are readable.
func (v *save) open(at disk.FS, name string, info *disk.Info) error {
	need := uint32(0o400)
	switch {
	case v.store.opts.Privileged || info.UID != v.store.opts.UID:
		return nil
	case info.Kind == varve.Dir:
		need = 0o700
	case info.Kind != varve.Regular || info.Links > 1:
		return nil
	}
	if info.Mode&need == need {
		return nil
	}
	opened := info.Entry
	opened.Mode |= need
	v.staged.modes[info.Path] = modes{was: info.Mode, is: opened.Mode}
	return at.Set(name, &opened, varve.Mode)
}

// compare holds objects in one directory, which have several names, against what the bases have under the same paths.
func (g *guard) compare(path string, shared []disk.Info) error {
	found := map[string]bool{}
	for _, b := range g.save.bases {
		if b.reader == nil {
			continue
		}
		entries, err := b.reader.ReadDir(path)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, varve.ErrDamaged) {
			continue
		}
		if err != nil {
			return err
		}
		for i := range shared {
			o := findEntry(entries, shared[i].Path)
			if o == nil || found[o.Path] {
				continue
			}
			if found[o.Path], err = g.check(b, o, &shared[i]); err != nil {
				return err
			}
		}
	}
	for i := range shared {
		if !found[shared[i].Path] {
			g.strange[shared[i].Stamp.Ino] = true
		}
	}
	return nil
}

// findEntry returns the one at path of the entries of a directory.
func findEntry(entries []varve.Entry, path string) *varve.Entry {
	i, ok := slices.BinarySearchFunc(entries, path, func(e varve.Entry, path string) int { return strings.Compare(e.Path, path) })
	if !ok {
		return nil
	}
	return &entries[i]
}

// check reports whether info is what b has for its entry o, and mends that if it was altered.
func (g *guard) check(b *base, o *varve.Entry, info *disk.Info) (bool, error) {
	if o.Kind == varve.Dir || isLent(o) {
		return false, nil
	}
	dir := b.held.At(o.Parent())
	at, err := dir.Use()
	if err != nil {
		return false, gone(err)
	}
	defer dir.Done()
	have, err := at.Lookup(o.Name())
	if err != nil || have.Stamp.Ino == 0 || have.Stamp.Ino != info.Stamp.Ino || have.Stamp.Dev != info.Stamp.Dev {
		return false, gone(err)
	}
	return true, g.mend(b, at, o, &have)
}

// mend notes in what way a file of a base was altered, and gives it its metadata back.
func (g *guard) mend(b *base, at disk.FS, o *varve.Entry, have *disk.Info) error {
	s := g.save.store
	fault := s.fault(have, o)
	if fault == "" && o.Unkept&varve.Xattrs == 0 {
		xattrs, err := at.Xattrs(o.Name())
		if err != nil {
			return err
		}
		if !slices.Equal(place.WithoutImposed(xattrs, o.Xattrs), o.Xattrs) {
			fault = "extended attributes differ"
		}
	}
	if fault == "" {
		return nil
	}
	name := b.location + "/" + o.Path
	g.altered = append(g.altered, fmt.Sprintf("%q (%s)", name, fault))
	err := fmt.Errorf("copy in an earlier snapshot was altered: %s: %w", fault, varve.ErrDamaged)
	g.save.report(varve.Event{Kind: varve.Damage, Path: name, Err: err})
	k, _ := s.kept(o)
	_, err = place.Metadata(place.Named{Dir: at, Name: o.Name()}, &k, (varve.Owner|varve.Mode|varve.Xattrs|varve.MTime)&^o.Unkept)
	return err
}

// elsewhere looks through the bases for inodes that the staged tree has under other paths, such as hard links at the source.
func (g *guard) elsewhere() error {
	for _, b := range g.save.bases {
		if len(g.strange) == 0 {
			return nil
		}
		if b.reader == nil {
			continue
		}
		if err := g.search(b); err != nil {
			return err
		}
	}
	return nil
}

func (g *guard) search(b *base) error {
	c := b.reader.Cursor()
	for {
		o, err := c.Next()
		if err == io.EOF || errors.Is(err, varve.ErrDamaged) {
			return nil
		}
		if err == nil {
			err = g.save.ctx.Err()
		}
		if err != nil {
			return err
		}
		if o.Kind == varve.Dir || isLent(o) {
			continue
		}
		if err := g.meet(b, o); err != nil {
			return err
		}
	}
}

// meet looks whether the copy of o, an entry of b, is one of the strange inodes.
func (g *guard) meet(b *base, o *varve.Entry) error {
	dir := b.held.At(o.Parent())
	at, err := dir.Use()
	if err != nil {
		return gone(err)
	}
	defer dir.Done()
	have, err := at.Lookup(o.Name())
	if err != nil || !g.strange[have.Stamp.Ino] {
		return gone(err)
	}
	delete(g.strange, have.Stamp.Ino)
	g.save.staged.linked[have.Stamp.Ino] = *o
	return g.mend(b, at, o, &have)
}
