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

// partial is a snapshot being made: .varve/partial/<id>.<series directory> with the files in tree, and the manifest. By its name
// the next run of the series finds what an interrupted one left.
type partial struct {
	id    varve.SnapshotID
	name  string
	dir   disk.FS
	held  *disk.Held // tree
	file  disk.Writer
	pages *manifest.FileWriter
	done  *journal
	// modeless says that modes cannot be set here, not even right after something was made.
	modeless bool
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
		err = p.plant(s.descriptors())
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// plant makes the directory for the files. Nothing in it may inherit an ACL from the store's directory.
func (p *partial) plant(descriptors int) error {
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
	err = tree.Set(".", &clean, varve.Mode)
	if p.modeless = place.Unkeepable(err); p.modeless {
		return nil
	}
	return err
}

// durableFile lies in a partial that is made on a far disk, where each file is durable before the manifest mentions it. Runs on another
// disk, which may reach the same store, promise nothing of the kind.
const durableFile = "durable"

// begin makes the manifest; durable says what durableFile does.
func (p *partial) begin(durable bool) (err error) {
	if durable {
		mark, err := p.dir.Create(durableFile, 0o600)
		if err != nil {
			return err
		}
		if err := mark.Close(); err != nil {
			return err
		}
	}
	if p.file, err = p.dir.Create(partialManifest, 0o600); err != nil {
		return err
	}
	p.pages, p.done = manifest.NewFileWriter(p.file), newJournal(p.dir)
	return nil
}

// leave writes down all that is known of the files in the partial, for the next run, as far as that is possible.
func (p *partial) leave() {
	if p.file != nil {
		_ = p.pages.Flush()
		_ = p.done.close(true)
	}
}

// links reports whether the disk has hard links.
func (p *partial) links() (bool, error) {
	const probe = "probe"
	err := p.dir.Link(partialManifest, p.dir, probe)
	if errors.Is(err, disk.ErrUnsupported) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, p.dir.Remove(probe)
}

// Close closes what is open of p.
func (p *partial) Close() error {
	errs := []error{p.closeFile()}
	if p.done != nil {
		errs = append(errs, p.done.close(false))
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

// closeFile closes the manifest, where it is open.
func (p *partial) closeFile() error {
	f := p.file
	p.file = nil
	if f == nil {
		return nil
	}
	return f.Close()
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
// steps; then it lies among the manifests already. On a far disk
// every file was durable before the manifest mentioned it, where the run was one on a far disk as well.
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
	loose, err := readJournal(dir)
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	tree, err := dir.OpenDir(partialTree)
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	_, mark := dir.Lookup(durableFile)
	held := disk.NewHeld(tree, s.descriptors())
	next, stop := iter.Pull2(manifest.Recover(r, info.Size))
	b := &base{held: held, unproven: !s.opts.Far || mark != nil}
	b.next = mergeLoose(func() (*varve.Entry, error) {
		e, err, ok := next()
		if !ok {
			return nil, io.EOF
		}
		return &e, err
	}, loose)
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
			errs = append(errs, s.removePartial(all, name))
		}
		return errors.Join(errs...)
	})
}

func (s *Store) removePartial(all disk.FS, name string) error {
	if err := checkAdopted(all, name); err != nil {
		return err
	}
	unpublished, err := hasTree(all, name)
	if err != nil {
		return err
	}
	if unpublished {
		return s.abandon(all, name)
	}
	return disk.RemoveAll(all, name, s.opts.Workers)
}

// hasTree reports whether a partial still has its files: it never became a snapshot.
func hasTree(all disk.FS, name string) (bool, error) {
	_, err := lookupIn(all, name, partialTree)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// abandon removes a partial that never became a snapshot, and its manifest. It is moved away first: whoever is still at work on it,
// having lost its lease on a far disk without knowing, must not publish what is half removed.
func (s *Store) abandon(all disk.FS, name string) error {
	trash, err := s.control.OpenDir(trashDir)
	if err != nil {
		return err
	}
	defer trash.Close()
	if err := all.Rename(name, trash, name[:idLen]); err != nil {
		return err
	}
	if err := errors.Join(trash.Sync(), all.Sync()); err != nil {
		return err
	}
	return s.discard(trash, name[:idLen])
}

// isID reports whether name is the name of a manifest or a partial.
func isID(name string) bool {
	var id varve.SnapshotID
	return id.UnmarshalText([]byte(name)) == nil && strings.ToLower(name) == name
}
