package gc

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"varve"
)

// maxRecord is the longest a record may be, in bytes.
const maxRecord = 16 << 20

// listings is how often a listing is made again because what it showed was gone when it was looked at.
const listings = 5

// Stored is one object as it was put.
type Stored struct {
	Name string
	Data []byte
	Put  time.Time // when the storage says that it was put; zero where it does not say
}

// Snap is what is known of one snapshot record.
type Snap struct {
	Stored // Data is empty where the record itself is not there any more
	Seals  []Stored
	Tombs  []Stored
	// Err says that the object cannot be read, while it may be a snapshot record as well as a seal or tomb; or that it is not there,
	// while there is a seal for it and no tomb. Data is empty.
	Err error
}

// Valid reports whether s is a snapshot: record, seal, and no tomb.
func (s *Snap) Valid() bool { return len(s.Data) > 0 && len(s.Seals) > 0 && len(s.Tombs) == 0 }

// root reports whether what s needs has to stay, sealed or not.
func (s *Snap) root() bool { return len(s.Tombs) == 0 }

// Snapshots returns what is known of every snapshot record, ordered by name: also of unsealed ones, of ones with a tomb, of ones of
// which only a tomb is left, and of objects in their directory that cannot be read.
func (p *Protocol) Snapshots(ctx context.Context) ([]Snap, error) {
	return newReader(p).snapshots(ctx)
}

// reader reads records. It reads each only once: what has a name for its content does not change. Whether one is there it never
// remembers.
type reader struct {
	*Protocol
	known map[string]*entry
}

// entry is one object in snapshots/ or locks/.
type entry struct {
	Stored
	Record
	err     error // it cannot be read; fs.ErrNotExist where it was gone by then
	foreign bool
}

func newReader(p *Protocol) *reader { return &reader{Protocol: p, known: map[string]*entry{}} }

// snapshots reads the directory of snapshot records.
func (r *reader) snapshots(ctx context.Context) (snaps []Snap, err error) {
	for range listings {
		entries, err := r.directory(ctx, snapshots, nil)
		if err != nil {
			return nil, err
		}
		snaps = assemble(entries)
		if !slices.ContainsFunc(snaps, func(s Snap) bool { return errors.Is(s.Err, fs.ErrNotExist) }) {
			return snaps, nil
		}
		// What goes away is a record with a tomb, but the listing may not have shown that tomb yet.
		if err := r.settle(ctx); err != nil {
			return nil, err
		}
	}
	return snaps, nil
}

// assemble puts together what belongs to one snapshot record.
func assemble(entries []*entry) []Snap {
	snaps := map[string]*Snap{}
	signer := map[string]string{}
	of := func(name string) *Snap {
		if snaps[name] == nil {
			snaps[name] = &Snap{Stored: Stored{Name: name}, Err: errGone(name)}
		}
		return snaps[name]
	}
	for _, e := range entries {
		if e.err != nil || e.Kind == Snapshot {
			snaps[e.Name] = &Snap{Stored: e.Stored, Err: e.err}
			signer[e.Name] = e.By
		}
	}
	for _, e := range entries {
		switch by, known := signer[e.Snap]; {
		case e.err != nil:
		case e.Kind == Seal && (e.By == "" || !known || e.By == by):
			of(e.Snap).Seals = append(of(e.Snap).Seals, e.Stored)
		case e.Kind == Tomb:
			of(e.Snap).Tombs = append(of(e.Snap).Tombs, e.Stored)
		}
	}
	var all []Snap
	for _, name := range slices.Sorted(maps.Keys(snaps)) {
		s := snaps[name]
		if len(s.Tombs) > 0 && errors.Is(s.Err, fs.ErrNotExist) {
			s.Err = nil
		}
		all = append(all, *s)
	}
	return all
}

// errGone says that a snapshot record is not there although it was seen, or sealed.
func errGone(name string) error {
	return fmt.Errorf("read %s: %w: it is not there, and has no tomb: %w", name, varve.ErrDamaged, fs.ErrNotExist)
}

// condemned reads the condemn records other than own. One that is gone when it is looked at was removed: the packs that it lists are
// deleted, or stay.
func (r *reader) condemned(ctx context.Context, own string) ([]*entry, error) {
	entries, err := r.directory(ctx, condemned, func(name string) bool { return name == own })
	if err != nil {
		return nil, err
	}
	others := entries[:0]
	for _, e := range entries {
		switch {
		case errors.Is(e.err, fs.ErrNotExist):
		case e.err != nil:
			return nil, e.err
		default:
			others = append(others, e)
		}
	}
	return others, nil
}

// directory lists dir, reads what it does not know yet, and returns all but the names to skip and what is foreign.
func (r *reader) directory(ctx context.Context, dir string, skip func(string) bool) ([]*entry, error) {
	listed, err := r.list(ctx, dir)
	if err != nil {
		return nil, err
	}
	listed = slices.DeleteFunc(listed, func(o varve.Object) bool { return skip != nil && skip(o.Name) })
	entries := make([]*entry, len(listed))
	err = r.each(len(listed), func(i int) (err error) {
		e, known := r.known[listed[i].Name]
		if !known {
			e, err = r.read(ctx, listed[i], dir)
		}
		entries[i] = e
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.err == nil {
			r.known[e.Name] = e
		}
	}
	return slices.DeleteFunc(entries, func(e *entry) bool { return e.foreign }), nil
}

// list lists dir, each object once, ordered by name.
func (p *Protocol) list(ctx context.Context, dir string) ([]varve.Object, error) {
	var all []varve.Object
	for o, err := range p.Backend.List(ctx, dir) {
		if err != nil {
			return nil, about("list", dir, err)
		}
		all = append(all, o)
	}
	slices.SortFunc(all, func(a, b varve.Object) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(all, func(a, b varve.Object) bool { return a.Name == b.Name }), nil
}

// read reads one record. That it cannot be read is in the entry; an error says that the storage failed.
func (r *reader) read(ctx context.Context, o varve.Object, dir string) (*entry, error) {
	e := &entry{Stored: Stored{Name: o.Name, Put: o.Time}}
	data, err := r.fetch(ctx, o.Name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.err = errGone(o.Name)
		return e, nil
	case errors.Is(err, varve.ErrDamaged):
		e.err = err
		return e, nil
	case err != nil:
		return e, err
	}
	e.Record, err = r.Codec.Read(o.Name, data)
	switch {
	case err != nil:
	case (e.Kind == Condemn) != (dir == condemned):
		err = fmt.Errorf("a record in the wrong place: %w", ErrForeign)
	case e.By != "" && (e.Kind == Condemn || e.Kind == Tomb):
		err = fmt.Errorf("not signed by an admin: %w", ErrForeign)
	}
	switch {
	case errors.Is(err, ErrForeign):
		e.foreign = true
		r.ignore(o.Name, err)
	case err != nil:
		e.err = about("read", o.Name, err)
	default:
		e.Data = data
	}
	return e, nil
}

// fetch gets a record and compares it with its name. varve.ErrDamaged where it is not what was put.
func (p *Protocol) fetch(ctx context.Context, name string) ([]byte, error) {
	data, err := p.Backend.Get(ctx, name, 0, maxRecord+1)
	if err != nil {
		return nil, about("read", name, err)
	}
	sum := sha256.Sum256(data)
	if !strings.HasSuffix(name, "/"+hex.EncodeToString(sum[:])) {
		return nil, fmt.Errorf("read %s: content does not fit its name: %w", name, varve.ErrDamaged)
	}
	return data, nil
}

func (p *Protocol) ignore(name string, err error) {
	if p.Ignored != nil {
		p.Ignored(name, err)
	}
}
