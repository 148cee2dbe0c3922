package tree

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"varve"
	"varve/internal/disk"
	"varve/internal/manifest"
)

// Snapshots returns all snapshots. A manifest that cannot be read does not hide the others: the error then matches
// varve.ErrDamaged, and the list holds the rest.
func (s *Store) Snapshots(ctx context.Context) (list []varve.Snapshot, err error) {
	var bad []error
	err = s.within(manifestsDir, func(dir disk.FS) error {
		names, err := dir.Names()
		if err != nil {
			return err
		}
		for _, n := range names {
			if err := ctx.Err(); err != nil {
				return err
			}
			if !isID(n.Name) {
				continue
			}
			snap, err := s.readRecord(dir, n.Name)
			if errors.Is(err, errNoDirectory) && !s.underWay(n.Name) {
				snap, err = s.readRecord(dir, n.Name) // it may have been published or removed between the two looks
			} else if errors.Is(err, errNoDirectory) {
				continue
			}
			if err == nil {
				list = append(list, snap)
			} else if !errors.Is(err, varve.ErrNoSnapshot) {
				bad = append(bad, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list snapshots: %w", err)
	}
	slices.SortFunc(list, func(a, b varve.Snapshot) int {
		return cmp.Or(a.Time.Compare(b.Time), strings.Compare(a.Series, b.Series), cmp.Compare(a.Seq, b.Seq))
	})
	return list, errors.Join(bad...)
}

// errNoDirectory says that there is a manifest and no directory: something else than varve removed or renamed it, unless the snapshot
// is being made or removed.
var errNoDirectory = fmt.Errorf("directory is missing: %w", varve.ErrDamaged)

// readRecord returns the snapshot whose manifest is called name; varve.ErrNoSnapshot where it is not, or no longer, published.
func (s *Store) readRecord(dir disk.FS, name string) (varve.Snapshot, error) {
	m, err := openManifest(dir, name)
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
	reader *manifest.Reader
	snap   varve.Snapshot
}

func (m *openedManifest) Close() error { return m.file.Close() }

// openManifest opens the manifest called name and reads its record.
func openManifest(dir disk.FS, name string) (*openedManifest, error) {
	file, err := dir.Open(name)
	if err != nil {
		return nil, err
	}
	m, err := readManifest(file, name)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("manifest %s: %w", name, err), file.Close())
	}
	return m, nil
}

func readManifest(file disk.Reader, name string) (*openedManifest, error) {
	info, err := file.Info()
	if err != nil {
		return nil, err
	}
	pages, err := manifest.OpenFile(file, info.Size)
	if err != nil {
		return nil, err
	}
	m := &openedManifest{file: file, reader: manifest.NewReader(pages, pages.Root())}
	if m.snap, err = manifest.DecodeRecord(pages.Record()); err != nil {
		return nil, err
	}
	if m.snap.ID.String() != name {
		return nil, fmt.Errorf("record is that of snapshot %s: %w", m.snap.ID, varve.ErrDamaged)
	}
	series, dir, ok := strings.Cut(m.snap.Location, "/")
	if !ok || disk.CheckName(series) != nil || disk.CheckName(dir) != nil || series == controlDir {
		return nil, fmt.Errorf("record names the directory %q: %w", m.snap.Location, varve.ErrDamaged)
	}
	return m, nil
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
		m, err = openManifest(dir, id.String())
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
	return &view{store: s, manifest: m, held: disk.NewHeld(at, descriptors)}, nil
}

// snapshotBase opens a snapshot as a base. With recheck its files are read before they are linked to.
func (s *Store) snapshotBase(snap *varve.Snapshot, recheck bool) (*base, error) {
	v, err := s.view(snap.ID)
	if err != nil {
		return nil, err
	}
	cursor := v.manifest.reader.Cursor()
	b := &base{held: v.held, close: v.Close, published: true, unproven: recheck}
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
// incomplete; what interrupted runs left; and, for a series that begins, the newest good snapshots of the host's other series.
func (v *save) findBases(all []varve.Snapshot) error {
	for _, snap := range v.earlier(all) {
		b, err := v.store.snapshotBase(snap, v.opts.Recheck)
		if err != nil {
			v.report(varve.Event{Kind: varve.Damage, Path: snap.Location, Err: err})
			continue
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
	if newest == nil {
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
