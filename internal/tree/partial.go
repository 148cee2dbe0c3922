package tree

import (
	"errors"
	"io"
	"io/fs"
	"iter"
	"slices"
	"strings"

	"varve"
	"varve/internal/disk"
	"varve/internal/manifest"
	"varve/internal/place"
)

// descriptors is how many idle directories of a tree stay open.
const descriptors = 100

// partial is a snapshot being made: .varve/partial/<id>.<series directory> with the files in tree, and the manifest. By its name
// the next run of the series finds what an interrupted one left.
type partial struct {
	id    varve.SnapshotID
	name  string
	dir   disk.FS
	held  *disk.Held // tree
	file  disk.Writer
	pages *manifest.FileWriter
}

// idLen is the length of a snapshot ID in the name of a partial.
const idLen = 2 * len(varve.SnapshotID{})

func (s *Store) newPartial(id varve.SnapshotID, series string) (*partial, error) {
	p := &partial{id: id, name: id.String() + "." + seriesDir(series)}
	err := s.within(partialDir, func(all disk.FS) error {
		if err := all.Mkdir(p.name, 0o700); err != nil {
			return err
		}
		var err error
		p.dir, err = all.OpenDir(p.name)
		return err
	})
	if err == nil {
		err = p.fill()
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// fill makes what a partial consists of. Nothing in it may inherit an ACL from the store's directory.
func (p *partial) fill() error {
	if err := p.dir.Mkdir(partialTree, 0o700); err != nil {
		return err
	}
	tree, err := p.dir.OpenDir(partialTree)
	if err != nil {
		return err
	}
	p.held = disk.NewHeld(tree, descriptors)
	clean := varve.Entry{Kind: varve.Dir, Mode: 0o700}
	xattrs, err := tree.Xattrs(".")
	if err != nil {
		return err
	}
	if slices.ContainsFunc(xattrs, place.HandedDown) {
		clean.Xattrs = slices.DeleteFunc(xattrs, place.HandedDown)
		if err := tree.Set(".", &clean, varve.Xattrs); err != nil {
			return err
		}
	}
	if err := tree.Set(".", &clean, varve.Mode); err != nil {
		return err
	}
	if p.file, err = p.dir.Create(partialManifest, 0o600); err != nil {
		return err
	}
	p.pages = manifest.NewFileWriter(p.file)
	return nil
}

// Close closes what is open of p.
func (p *partial) Close() error {
	var errs []error
	if p.file != nil {
		errs = append(errs, p.file.Close())
		p.file = nil
	}
	if p.held != nil {
		errs = append(errs, p.held.Close())
		p.held = nil
	}
	if p.dir != nil {
		errs = append(errs, p.dir.Close())
		p.dir = nil
	}
	return errors.Join(errs...)
}

// leftovers returns the names of the partials of a series that interrupted runs left. It must hold the series' lease.
func (s *Store) leftovers(series string) (names []string, err error) {
	err = s.within(partialDir, func(all disk.FS) error {
		list, err := all.Names()
		for _, n := range list {
			if len(n.Name) > idLen && n.Name[idLen:] == "."+seriesDir(series) && isID(n.Name[:idLen]) {
				names = append(names, n.Name)
			}
		}
		return err
	})
	slices.Sort(names)
	return names, err
}

// leftoverBase returns what an interrupted run left as a base. Its manifest is torn unless the run broke off between its last two
// steps; then it lies among the manifests already.
func (s *Store) leftoverBase(name string) (*base, error) {
	all, err := s.control.OpenDir(partialDir)
	if err != nil {
		return nil, err
	}
	defer all.Close()
	dir, err := all.OpenDir(name)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	r, err := dir.Open(partialManifest)
	if errors.Is(err, fs.ErrNotExist) {
		err = s.within(manifestsDir, func(done disk.FS) (err error) {
			r, err = done.Open(name[:idLen])
			return err
		})
	}
	if err != nil {
		return nil, err
	}
	info, err := r.Info()
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	tree, err := dir.OpenDir(partialTree)
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	held := disk.NewHeld(tree, descriptors)
	next, stop := iter.Pull2(manifest.Recover(r, info.Size))
	b := &base{held: held, unproven: true}
	b.next = func() (*varve.Entry, error) {
		e, err, ok := next()
		if !ok {
			return nil, io.EOF
		}
		return &e, err
	}
	b.close = func() error {
		stop()
		return errors.Join(r.Close(), held.Close())
	}
	return b, nil
}

// removePartials removes partials. Where the manifest was already in its place but the directory was not, the manifest goes too.
func (s *Store) removePartials(names []string) error {
	return s.within(partialDir, func(all disk.FS) error {
		var errs []error
		for _, name := range names {
			if err := s.removeUnpublished(all, name); err != nil {
				errs = append(errs, err)
				continue
			}
			errs = append(errs, disk.RemoveAll(all, name, s.opts.Workers))
		}
		return errors.Join(errs...)
	})
}

// removeUnpublished removes the manifest of a partial that still has its files: it never became a snapshot.
func (s *Store) removeUnpublished(all disk.FS, name string) error {
	dir, err := all.OpenDir(name)
	if err != nil {
		return err
	}
	_, err = dir.Lookup(partialTree)
	if err = errors.Join(err, dir.Close()); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.within(manifestsDir, func(done disk.FS) error {
		if err := done.Remove(name[:idLen]); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return done.Sync()
	})
}

// isID reports whether name is the name of a manifest or a partial.
func isID(name string) bool {
	var id varve.SnapshotID
	return id.UnmarshalText([]byte(name)) == nil && strings.ToLower(name) == name
}
