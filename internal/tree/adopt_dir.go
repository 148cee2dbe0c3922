package tree

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"varve"
	"varve/internal/disk"
)

// Adoptee is a directory that becomes a snapshot as it is.
type Adoptee struct {
	// Dir holds it, on the file system of the store; Name is its name there.
	Dir  disk.FS
	Name string
	// Path is where it lies in the snapshot; empty for the snapshot itself.
	Path string
	// Time is when the snapshot was made.
	Time time.Time
	// Links counts names over several adoptions; nil for none.
	Links *Links
}

// ErrOrder says that a series already has a snapshot that is not older than the one to be added.
var ErrOrder = errors.New("series has a snapshot that is not older")

// Adopt makes a directory a snapshot without copying it. All of it is read, but for inodes that the last snapshots of the series have at
// the same path, and moved in one step once everything else is done. src yields it under the paths that it is to have, the directories
// above Adoptee.Path included; nothing may write to it meanwhile. No inode in it is changed, then or later: who can write to one through
// a name outside of the store changes the snapshot.
//
// After an error everything lies where it was. A run that is killed leaves it there, too, or where the next one that writes to the
// series completes the snapshot. disk.ErrCrossDevice where the directory lies on another file system, disk.ErrUnsupported where the
// store is on another machine, ErrOrder where the series has a snapshot that is not older than Adoptee.Time. What cannot be read is an error.
func (s *Store) Adopt(ctx context.Context, src varve.Source, from Adoptee, opts varve.SaveOptions) (varve.Snapshot, error) {
	snap, err := s.adopt(ctx, src, from, opts)
	if err != nil {
		return varve.Snapshot{}, fmt.Errorf("adopt %s as a snapshot of %s: %w", from.Name, opts.Series, err)
	}
	return snap, nil
}

func (s *Store) adopt(ctx context.Context, src varve.Source, from Adoptee, opts varve.SaveOptions) (snap varve.Snapshot, err error) {
	if s.opts.Far {
		return snap, fmt.Errorf("store on another machine: %w", disk.ErrUnsupported)
	}
	opts.Alone, opts.Now = true, func() time.Time { return from.Time }
	v, err := s.newSave(ctx, opts)
	if err != nil {
		return snap, err
	}
	a := &adoption{save: v, from: from}
	if err = a.run(src); err != nil {
		err = errors.Join(err, a.putBack())
		if v.partial != nil {
			v.partial.leave()
		}
	}
	return v.snap, errors.Join(err, a.close(), v.end(), v.lease.Close())
}

// adoption is one run of Adopt.
type adoption struct {
	save  *save
	from  Adoptee
	top   disk.Info // the directory to be adopted
	room  disk.FS   // where it goes, in the partial
	name  string    // and its name there
	moved bool      // it may be there
}

func (a *adoption) run(src varve.Source) error {
	v := a.save
	if err := a.look(); err != nil {
		return err
	}
	v.staged = &staged{whole: true, inside: map[string]int{}}
	if err := v.begin(); err != nil {
		return err
	}
	if err := a.checkOrder(); err != nil {
		return err
	}
	if err := a.prepare(); err != nil {
		return err
	}
	v.take = a.take
	if err := v.beginManifest(); err != nil {
		return err
	}
	if err := v.run(whole{src}); err != nil {
		return err
	}
	return v.commit()
}

// look makes sure that the directory can be moved into the store.
func (a *adoption) look() (err error) {
	store, err := a.save.store.Root()
	if err != nil {
		return err
	}
	a.top, err = a.from.Dir.Lookup(a.from.Name)
	switch {
	case err != nil:
		return err
	case a.top.Kind != varve.Dir:
		return fmt.Errorf("a %s, not a directory: %w", a.top.Kind, disk.ErrKind)
	case a.top.Mount || a.top.Stamp.Dev != store.Dev:
		return disk.ErrCrossDevice
	}
	return nil
}

// checkOrder makes sure that the snapshot will be the newest of its series by time, as it will be by number.
func (a *adoption) checkOrder() error {
	all, err := a.save.store.Snapshots(a.save.ctx)
	if err != nil && !errors.Is(err, varve.ErrDamaged) {
		return err
	}
	for i := range all {
		if s := &all[i]; s.Series == a.save.opts.Series && !s.Time.Before(a.from.Time) {
			return fmt.Errorf("snapshot %s of %s: %w", s.ID.Short(), s.Time.Format(time.RFC3339), ErrOrder)
		}
	}
	return nil
}

// prepare makes the directories above the place in the partial, and looks at what there is to be adopted.
func (a *adoption) prepare() error {
	p := a.save.partial
	root, err := a.plant()
	if err != nil {
		return err
	}
	old := p.held
	p.held = disk.NewHeld(root, a.save.store.descriptors())
	if err := old.Close(); err != nil {
		return err
	}
	if err := a.recall(); err != nil {
		return err
	}
	return a.survey()
}

// close lets go of the place in the partial.
func (a *adoption) close() error {
	if a.room == nil || a.from.Path == "" { // that is the partial itself
		return nil
	}
	return a.room.Close()
}

// whole is a source that ends with the first object that cannot be read.
type whole struct{ varve.Source }

// Entries yields what can be read.
func (w whole) Entries(ctx context.Context) iter.Seq2[varve.Entry, error] {
	return func(yield func(varve.Entry, error) bool) {
		for e, err := range w.Source.Entries(ctx) {
			if err == nil && e.Err != nil {
				err = fmt.Errorf("/%s cannot be read: %w", e.Path, e.Err)
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}
