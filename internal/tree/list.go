package tree

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"slices"
	"strings"

	"varve"
	"varve/internal/disk"
	"varve/internal/manifest"
	"varve/internal/parallel"
)

// Snapshots returns all snapshots. A manifest that cannot be read does not hide the others: the error then matches
// varve.ErrDamaged, and the list holds the rest.
func (s *Store) Snapshots(ctx context.Context) (list []varve.Snapshot, err error) {
	var bad []error
	err = s.within(manifestsDir, func(dir disk.FS) error {
		return s.records(ctx, dir, func(r *found) error {
			if r.err == nil {
				list = append(list, r.snap)
			} else if !errors.Is(r.err, varve.ErrNoSnapshot) {
				bad = append(bad, r.err)
			}
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list snapshots: %w", err)
	}
	slices.SortFunc(list, func(a, b varve.Snapshot) int {
		return cmp.Or(a.Time.Compare(b.Time), strings.Compare(a.Series, b.Series), cmp.Compare(a.Seq, b.Seq))
	})
	return list, errors.Join(bad...)
}

// found is a manifest's name, and the snapshot that it is of.
type found struct {
	name string
	snap varve.Snapshot
	err  error
}

// records reads the records of all manifests, several at once, and gives them to take, one after the other.
func (s *Store) records(ctx context.Context, dir disk.FS, take func(*found) error) error {
	feed := func(put func(*found) error) error {
		names, err := dir.Names()
		for _, n := range names {
			if err == nil && isID(n.Name) {
				err = put(&found{name: n.Name})
			}
		}
		return err
	}
	look := func(_ <-chan struct{}, r *found) error {
		r.snap, r.err = s.published(dir, r.name)
		return ctx.Err()
	}
	return parallel.Ordered(s.opts.Workers, func(*found) int { return 1 }, feed, look, take)
}

// published returns the snapshot whose manifest is called name; varve.ErrNoSnapshot where it is being made or removed.
func (s *Store) published(dir disk.FS, name string) (varve.Snapshot, error) {
	snap, err := s.readRecord(dir, name)
	switch {
	case !errors.Is(err, errNoDirectory):
		return snap, err
	case s.underWay(name):
		return snap, varve.ErrNoSnapshot
	}
	return s.readRecord(dir, name) // it may have been published or removed between the two looks
}

// errNoDirectory says that there is a manifest and no directory: something else than varve removed or renamed it, unless the snapshot
// is being made or removed.
var errNoDirectory = fmt.Errorf("directory is missing: %w", varve.ErrDamaged)

// readRecord returns the snapshot whose manifest is called name; varve.ErrNoSnapshot where it is not, or no longer, published.
func (s *Store) readRecord(dir disk.FS, name string) (varve.Snapshot, error) {
	m, err := s.openManifest(dir, name)
	if errors.Is(err, fs.ErrNotExist) {
		return varve.Snapshot{}, varve.ErrNoSnapshot
	}
	if err != nil {
		return varve.Snapshot{}, err
	}
	defer m.Close()
	at, err := s.openSnapshot(m.snap.Location)
	if errors.Is(err, fs.ErrNotExist) {
		return m.snap, fmt.Errorf("snapshot %s: %w: %s", m.snap.ID, errNoDirectory, m.snap.Location)
	}
	if err != nil {
		return varve.Snapshot{}, err
	}
	return m.snap, at.Close()
}

// openSnapshot opens a snapshot's directory.
func (s *Store) openSnapshot(location string) (disk.FS, error) {
	series, name, _ := strings.Cut(location, "/")
	up, err := s.root.OpenDir(series)
	if err != nil {
		return nil, err
	}
	at, err := up.OpenDir(name)
	return at, errors.Join(err, up.Close())
}

// openedManifest is a manifest file, opened.
type openedManifest struct {
	file   disk.Reader
	window *window // on a far disk
	reader *manifest.Reader
	snap   varve.Snapshot
}

// Close lets go of the file.
func (m *openedManifest) Close() error {
	if m.window != nil {
		m.window.Close()
	}
	return m.file.Close()
}

// entries yields all entries; an error, that of ctx too, ends the sequence.
func (m *openedManifest) entries(ctx context.Context) iter.Seq2[varve.Entry, error] {
	return manifest.Until(ctx, m.reader.Entries())
}

// openManifest opens the manifest called name and reads its record.
func (s *Store) openManifest(dir disk.FS, name string) (*openedManifest, error) {
	file, err := dir.Open(name)
	if err != nil {
		return nil, err
	}
	m := &openedManifest{file: file}
	if err := m.read(name, s.opts.Far); err != nil {
		return nil, errors.Join(fmt.Errorf("manifest %s: %w", name, err), m.Close())
	}
	return m, nil
}

func (m *openedManifest) read(name string, far bool) error {
	info, err := m.file.Info()
	if err != nil {
		return err
	}
	var r io.ReaderAt = m.file
	if far {
		m.window = newWindow(m.file, info.Size)
		r = m.window
	}
	pages, err := manifest.OpenFile(r, info.Size)
	if err != nil {
		return err
	}
	m.reader = manifest.NewReader(pages, pages.Root())
	if m.snap, err = manifest.DecodeRecord(pages.Record()); err != nil {
		return err
	}
	if m.snap.ID.String() != name {
		return fmt.Errorf("record is that of snapshot %s: %w", m.snap.ID, varve.ErrDamaged)
	}
	series, dir, ok := strings.Cut(m.snap.Location, "/")
	if !ok || disk.CheckName(series) != nil || disk.CheckName(dir) != nil || series == controlDir {
		return fmt.Errorf("record names the directory %q: %w", m.snap.Location, varve.ErrDamaged)
	}
	return nil
}

// View opens a snapshot.
func (s *Store) View(_ context.Context, id varve.SnapshotID) (varve.View, error) {
	v, err := s.view(id)
	if err != nil {
		return nil, fmt.Errorf("open snapshot %s: %w", id.Short(), err)
	}
	return v, nil
}

func (s *Store) view(id varve.SnapshotID) (*view, error) {
	var m *openedManifest
	err := s.within(manifestsDir, func(dir disk.FS) (err error) {
		m, err = s.openManifest(dir, id.String())
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, varve.ErrNoSnapshot
	}
	if err != nil {
		return nil, err
	}
	at, err := s.openSnapshot(m.snap.Location)
	if errors.Is(err, fs.ErrNotExist) {
		err = varve.ErrNoSnapshot
	}
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return &view{store: s, manifest: m, held: disk.NewHeld(at, s.descriptors()), places: s.newPlaces()}, nil
}

// snapshotBase opens a snapshot as a base. With recheck its files are read before they are linked to.
func (s *Store) snapshotBase(snap *varve.Snapshot, recheck bool) (*base, error) {
	v, err := s.view(snap.ID)
	if err != nil {
		return nil, err
	}
	cursor := v.manifest.reader.Cursor()
	b := &base{held: v.held, close: v.Close, id: snap.ID, location: snap.Location, published: true, unproven: recheck,
		reader: v.manifest.reader}
	b.next = func() (*varve.Entry, error) {
		e, err := cursor.Next()
		if err != nil && err != io.EOF {
			err = fmt.Errorf("manifest of %s: %w", snap.ID.Short(), err)
		}
		return e, err
	}
	b.index = &movedIndex{reader: v.manifest.reader, time: varve.TimeOf(snap.Time)}
	return b, nil
}

// findBases opens what the new snapshot may link to: the newest good snapshot of the series, whatever its age; a newer one that is
// incomplete; what interrupted runs left; and, for a series that begins, the newest good snapshots of the host's other series, unless it
// is to stand alone.
func (v *save) findBases(all []varve.Snapshot) error {
	for _, snap := range v.earlier(all) {
		b, err := v.store.snapshotBase(snap, v.opts.Recheck)
		if err != nil {
			v.report(varve.Event{Kind: varve.Damage, Path: snap.Location, Err: err})
			continue
		}
		if snap.Series == v.opts.Series {
			b.lends = &v.noLinks
		}
		v.bases = append(v.bases, b)
	}
	names, err := v.store.leftovers(v.opts.Series)
	if err != nil {
		return err
	}
	v.stale = names
	for _, name := range names {
		if b, err := v.store.leftoverBase(name); err == nil {
			v.bases = append(v.bases, b)
		} // a leftover that cannot be used only costs time
	}
	return nil
}

// maxOthers is how many other series a series that begins may link to.
const maxOthers = 4

// earlier returns the snapshots to build on, the best first. all is ordered by time.
func (v *save) earlier(all []varve.Snapshot) (list []*varve.Snapshot) {
	var good, newest *varve.Snapshot
	var others []*varve.Snapshot
	for i := len(all) - 1; i >= 0; i-- {
		s := &all[i]
		if s.Series != v.opts.Series {
			known := slices.ContainsFunc(others, func(o *varve.Snapshot) bool { return o.Series == s.Series })
			if s.State.Good() && s.Host == v.opts.Host && !known && len(others) < maxOthers {
				others = append(others, s)
			}
			continue
		}
		if newest == nil || s.Seq > newest.Seq {
			newest = s
		}
		if s.State.Good() && (good == nil || s.Seq > good.Seq) {
			good = s
		}
	}
	switch {
	case newest == nil && v.opts.Alone:
		return nil
	case newest == nil:
		return others
	}
	if good != nil {
		list = append(list, good)
	}
	if newest != good {
		list = append(list, newest)
	}
	return list
}
