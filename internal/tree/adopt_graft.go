package tree

import (
	"errors"
	"fmt"
	"strings"

	"varve"
	"varve/internal/disk"
	"varve/internal/place"
)

// graft is a directory in which another one seems to lie, at the path way, where nothing does.
type graft struct {
	disk.FS
	way  string
	from *Adoptee
}

// here reports whether name is what seems to lie directly in the directory.
func (g graft) here(name string) bool { return name == g.way }

// Names returns every name in the directory, that one included.
func (g graft) Names() ([]disk.Name, error) {
	names, err := g.FS.Names()
	if err == nil && !strings.Contains(g.way, "/") {
		names = append(names, disk.Name{Name: g.way, Kind: varve.Dir})
	}
	return names, err
}

// Lookup returns the metadata of name.
func (g graft) Lookup(name string) (disk.Info, error) {
	if !g.here(name) {
		return g.FS.Lookup(name)
	}
	info, err := g.from.Dir.Lookup(g.from.Name)
	info.Path = name
	return info, err
}

// Xattrs returns the extended attributes of name.
func (g graft) Xattrs(name string) ([]varve.Xattr, error) {
	if g.here(name) {
		return g.from.Dir.Xattrs(g.from.Name)
	}
	return g.FS.Xattrs(name)
}

// OpenDir opens the directory name.
func (g graft) OpenDir(name string) (disk.FS, error) {
	if g.here(name) {
		return g.from.Dir.OpenDir(g.from.Name)
	}
	dir, err := g.FS.OpenDir(name)
	first, rest, _ := strings.Cut(g.way, "/")
	if err != nil || first != name {
		return dir, err
	}
	return graft{dir, rest, g.from}, nil
}

// passageMode is the mode of directories that nothing is known of but that something lies in them.
const passageMode = 0o755

// madeUp reports whether e is a directory above an adopted one, which stands for one that nothing is known of.
func (v *save) madeUp(e *varve.Entry) bool {
	return v.staged != nil && v.staged.whole && e.Marks&varve.Passage != 0
}

// plant makes the directories above the place in the partial, and returns the root of the snapshot as it will be.
func (a *adoption) plant() (disk.FS, error) {
	p := a.save.partial
	if a.from.Path == "" {
		a.room, a.name = p.dir, partialTree
		return a.from.Dir.OpenDir(a.from.Name)
	}
	if err := a.passages(); err != nil {
		return nil, fmt.Errorf("make the way to /%s: %w", a.from.Path, err)
	}
	tree, err := p.dir.OpenDir(partialTree)
	if err != nil {
		return nil, err
	}
	return graft{tree, a.from.Path, &a.from}, nil
}

// passages makes the directories above the place in the partial, and opens the last of them.
func (a *adoption) passages() error {
	way := strings.Split(a.from.Path, "/")
	last := len(way) - 1
	at, err := a.save.partial.dir.OpenDir(partialTree)
	if err == nil {
		err = errors.Join(disk.CheckName(way[last]), a.save.makePassable(at))
	}
	for _, name := range way[:last] {
		if err != nil {
			break
		}
		up := at
		if err = up.Mkdir(name, passageMode); err == nil {
			at, err = up.OpenDir(name)
			err = errors.Join(err, up.Close())
		}
	}
	a.room, a.name = at, way[last]
	return err
}

// makePassable gives a directory that nothing is known of its mode, where there are modes.
func (v *save) makePassable(at disk.FS) error {
	_, err := place.Metadata(place.Named{Dir: at, Name: "."}, &varve.Entry{Kind: varve.Dir, Mode: passageMode}, varve.Mode)
	return err
}
