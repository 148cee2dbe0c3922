package tree

import (
	"errors"
	"fmt"
	"io/fs"

	"varve"
	"varve/internal/disk"
	"varve/internal/manifest"
	"varve/internal/place"
)

// commit makes the partial a snapshot: content and manifest durable first, then the manifest in its place, then the directory in
// its. What comes after that is tidying up, and no failure of it takes the snapshot back.
func (v *save) commit() error {
	if err := v.finishAll(append(v.finished, v.ending(v.trail.Close())...)); err != nil {
		return err
	}
	if err := errors.Join(v.ctx.Err(), v.lease.lost()); err != nil {
		return err
	}
	if err := v.judge(); err != nil {
		return err
	}
	series, err := v.store.openSeries(v.opts.Series)
	if err != nil {
		return err
	}
	defer series.Close()
	if err := v.seal(series); err != nil {
		return err
	}
	if v.take != nil {
		if err := v.take(); err != nil {
			return err
		}
	}
	if err := v.publish(series); err != nil {
		return err
	}
	v.tidy(series)
	return nil
}

// openSeries opens the directory of a series, making it where there is none.
func (s *Store) openSeries(series string) (disk.FS, error) {
	name := seriesDir(series)
	err := s.root.Mkdir(name, 0o755)
	if err == nil {
		err = s.give(s.root, name)
	}
	if err == nil {
		err = s.root.Sync()
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return s.root.OpenDir(name)
}

// give gives name, made by root, to the owner of the store, who could not even list his snapshots otherwise.
func (s *Store) give(dir disk.FS, name string) error {
	owner, err := s.root.Lookup(".")
	if err != nil || !s.opts.Privileged || owner.UID == s.opts.UID {
		return err
	}
	_, err = place.Metadata(place.Named{Dir: dir, Name: name}, &owner.Entry, varve.Owner)
	return err
}

// seal completes the manifest and makes everything durable.
func (v *save) seal(series disk.FS) error {
	root, err := v.entries.Close()
	if err != nil {
		return err
	}
	name, err := v.freeName(series)
	if err != nil {
		return err
	}
	v.snap.Location = seriesDir(v.opts.Series) + "/" + name
	v.snap.End = v.opts.Finish()
	record, err := manifest.EncodeRecord(&v.snap)
	if err != nil {
		return err
	}
	p := v.partial
	if err := p.pages.Finish(record, root); err != nil {
		return err
	}
	if v.lends {
		if err := v.store.raise(p.dir); err != nil {
			return err
		}
	}
	return p.settle()
}

// distrust gives the manifest a name by which no later run builds on the partial. After a sync that failed nobody knows what is on the
// disk and what only seems to be: the system may take for written what it could not write.
func (p *partial) distrust() error { return p.dir.Rename(partialManifest, p.dir, sealedManifest) }

// settle makes everything durable. Until that has succeeded no later run may build on what there is.
func (p *partial) settle() error {
	err := p.distrust()
	if err == nil {
		err = p.dir.SyncAll()
	}
	if err == nil {
		err = p.file.Sync()
	}
	return errors.Join(err, p.closeFile())
}

// freeName returns a name for the snapshot that no other has, nor one whose commit or removal was interrupted: its manifest would
// come to stand for the new directory.
func (v *save) freeName(series disk.FS) (string, error) {
	names, err := series.Names()
	if err != nil {
		return "", err
	}
	taken := map[string]bool{}
	for _, n := range names {
		taken[n.Name] = true
	}
	if err := v.store.within(manifestsDir, func(dir disk.FS) error { return v.promised(dir, taken) }); err != nil {
		return "", err
	}
	return v.store.snapshotName(v.snap.Time, func(name string) bool { return taken[name] }), nil
}

// promised adds the names that manifests give to snapshots which were not there when the run began.
func (v *save) promised(dir disk.FS, taken map[string]bool) error {
	names, err := dir.Names()
	if err != nil {
		return err
	}
	for _, n := range names {
		if v.listed[n.Name] || !isID(n.Name) {
			continue
		}
		m, err := v.store.openManifest(dir, n.Name)
		if errors.Is(err, varve.ErrDamaged) || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		_, name := splitLocation(m.snap.Location)
		taken[name] = true
		if err := m.Close(); err != nil {
			return err
		}
	}
	return nil
}

// publish gives manifest and directory their names.
func (v *save) publish(series disk.FS) error {
	_, name := splitLocation(v.snap.Location)
	p := v.partial
	if err := v.lease.lost(); err != nil {
		return err
	}
	if err := v.store.giveManifest(p); err != nil {
		return err
	}
	if err := p.dir.Rename(partialTree, series, name); err != nil {
		return err
	}
	if err := errors.Join(series.Sync(), p.dir.Sync()); err != nil {
		return err
	}
	return v.confirm()
}

// giveManifest gives the manifest of a partial its name.
func (s *Store) giveManifest(p *partial) error {
	return s.within(manifestsDir, func(dir disk.FS) error {
		if err := s.give(p.dir, sealedManifest); err != nil {
			return err
		}
		if err := p.dir.Rename(sealedManifest, dir, p.id.String()); err != nil {
			return err
		}
		return dir.Sync()
	})
}

// confirm makes sure that the manifest is still there: who took over the series meanwhile has removed it before he touched the files.
func (v *save) confirm() error {
	err := v.store.within(manifestsDir, func(dir disk.FS) error {
		_, err := dir.Lookup(v.partial.id.String())
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("series was taken over: %w", varve.ErrBusy)
	}
	return errors.Join(err, v.lease.lost())
}

// tidy points latest at the new snapshot and removes what interrupted runs left. The next run does again what fails here.
func (v *save) tidy(series disk.FS) {
	for _, err := range []error{
		v.store.pointLatest(v.opts.Series, series, v.snap),
		v.partial.Close(),
		v.store.removePartials(append(v.stale, v.partial.name)),
		v.store.emptyTrash(v.ctx, false),
	} {
		if err != nil {
			v.report(varve.Event{Kind: varve.Unkept, Err: fmt.Errorf("tidy up: %w", err)})
		}
	}
}
