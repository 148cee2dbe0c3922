package tree

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"varve"
	"varve/internal/disk"
)

// completeAll completes the adoptions in all series but those that somebody writes to.
func (s *Store) completeAll(ctx context.Context) error {
	if s.opts.Far {
		return nil
	}
	var names []string
	err := s.within(partialDir, func(all disk.FS) error {
		list, err := all.Names()
		for _, n := range list {
			if len(n.Name) <= idLen || !isID(n.Name[:idLen]) {
				continue
			}
			if _, none := lookupIn(all, n.Name, adoptedFile); none == nil {
				names = append(names, n.Name)
			}
		}
		return err
	})
	for _, name := range names {
		err = errors.Join(err, ctx.Err(), s.completeUnheld(ctx, name))
	}
	return err
}

// completeUnheld completes the adoption in one partial, unless somebody else is at work on it.
func (s *Store) completeUnheld(ctx context.Context, name string) error {
	p, err := s.reopenPartial(name)
	if err != nil {
		return gone(err)
	}
	snap, err := s.adoptedRecord(p)
	if err = errors.Join(err, p.Close()); err != nil {
		return gone(err) // nothing was moved into it yet, or it is a snapshot
	}
	lease, err := s.lock(ctx, snap.Series)
	if errors.Is(err, varve.ErrBusy) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(s.completeAdoptions(snap.Series), lease.Close())
}

// completeAdoptions makes snapshots of the directories that runs which were killed had moved into partials of a series, whose lease is
// held.
func (s *Store) completeAdoptions(series string) error {
	names, err := s.leftovers(series)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := s.completeAdoption(name, series); err != nil {
			return fmt.Errorf("complete the adoption in %s: %w", treeOf(name), err)
		}
	}
	return nil
}

// completeAdoption does for one partial what was left to do, if anything.
func (s *Store) completeAdoption(name, series string) error {
	p, err := s.reopenPartial(name)
	if err != nil {
		return gone(err)
	}
	done, err := s.completePartial(p, series)
	if err = errors.Join(err, p.Close()); err != nil || !done {
		return err
	}
	return s.removePartials([]string{name})
}

// completePartial makes the directory that was moved into p a snapshot, if there is one, and reports whether it is.
func (s *Store) completePartial(p *partial, series string) (bool, error) {
	mark, err := readAdopted(p.dir)
	if err != nil || mark == nil {
		return false, err
	}
	here, err := holdsAdopted(p.dir, partialTree, mark)
	if err != nil {
		return false, err
	}
	if !here {
		return s.settled(p, mark)
	}
	return true, s.publishAdopted(p, series)
}

// reopenPartial opens what an interrupted run has left.
func (s *Store) reopenPartial(name string) (*partial, error) {
	p := &partial{name: name}
	if err := p.id.UnmarshalText([]byte(name[:idLen])); err != nil {
		return nil, err
	}
	err := s.within(partialDir, func(all disk.FS) (err error) {
		p.dir, err = all.OpenDir(name)
		return err
	})
	return p, err
}

// readAdopted returns where a directory was to be moved in a partial; nil where none was.
func readAdopted(dir disk.FS) (*adoptedMark, error) {
	text, err := readFile(dir, adoptedFile, maxAdopted)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m := &adoptedMark{}
	if err := json.Unmarshal(text, m); err != nil || m.Path == nil {
		return nil, fmt.Errorf("%s: not what varve writes there: %w", adoptedFile, varve.ErrDamaged)
	}
	return m, nil
}

// holdsAdopted reports whether the snapshot that lies, or will lie, at path below dir has the adopted directory in it.
func holdsAdopted(dir disk.FS, path string, m *adoptedMark) (bool, error) {
	if len(m.Path) > 0 {
		path = varve.Join(path, string(m.Path))
	}
	at, err := disk.OpenPath(dir, varve.Parent(path))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, disk.ErrKind) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	info, err := at.Lookup(nameOf(path))
	if at != dir {
		err = errors.Join(err, at.Close())
	}
	return err == nil && info.Kind == varve.Dir, gone(err)
}

// settled reports whether a directory that is not in the partial is the snapshot. Where it is not, it was moved back, and the manifest goes.
func (s *Store) settled(p *partial, m *adoptedMark) (bool, error) {
	id := p.id.String()
	var snap varve.Snapshot
	err := s.within(manifestsDir, func(dir disk.FS) (err error) {
		snap, err = s.readRecord(dir, id)
		return err
	})
	switch {
	case errors.Is(err, varve.ErrNoSnapshot):
		return false, nil
	case errors.Is(err, errNoDirectory):
		return false, s.dropManifest(id)
	case err != nil:
		return false, err
	}
	there, err := holdsAdopted(s.root, snap.Location, m)
	if err == nil && !there {
		err = s.dropManifest(id)
	}
	return there, err
}

// publishAdopted does the last steps of a commit.
func (s *Store) publishAdopted(p *partial, series string) error {
	snap, err := s.adoptedRecord(p)
	if err != nil {
		return err
	}
	home, name := splitLocation(snap.Location)
	if home != seriesDir(series) || snap.Series != series {
		return fmt.Errorf("manifest %s: that of a snapshot of %s: %w", snap.ID, snap.Series, varve.ErrDamaged)
	}
	dir, err := s.openSeries(series)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := s.giveManifest(p); gone(err) != nil {
		return err
	}
	if err := p.dir.Rename(partialTree, dir, name); err != nil {
		return err
	}
	return errors.Join(dir.Sync(), p.dir.Sync(), s.settleLatest(series, dir, snap))
}

// adoptedRecord reads the record of a snapshot that lacks its directory alone.
func (s *Store) adoptedRecord(p *partial) (varve.Snapshot, error) {
	file, err := p.dir.Open(sealedManifest)
	if errors.Is(err, fs.ErrNotExist) {
		err = s.within(manifestsDir, func(dir disk.FS) (err error) {
			file, err = dir.Open(p.id.String())
			return err
		})
	}
	if err != nil {
		return varve.Snapshot{}, err
	}
	m := &openedManifest{file: file}
	err = m.read(p.id.String(), false)
	return m.snap, errors.Join(err, m.Close())
}

// checkAdopted makes sure that a partial about to be removed holds no directory that was adopted.
func checkAdopted(all disk.FS, name string) error {
	dir, err := all.OpenDir(name)
	if err != nil {
		return gone(err)
	}
	mark, err := readAdopted(dir)
	if err == nil && mark != nil {
		var here bool
		if here, err = holdsAdopted(dir, partialTree, mark); here {
			err = fmt.Errorf("%s holds a directory that was being adopted, and is not removed", treeOf(name))
		}
	}
	return errors.Join(err, dir.Close())
}
