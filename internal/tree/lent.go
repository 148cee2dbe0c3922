package tree

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"varve"
	"varve/internal/disk"
	"varve/internal/manifest"
	"varve/internal/place"
)

// Where the disk has no hard links, content that did not change stays where it is: the entry of a later snapshot says which snapshot
// has it, and under which path. Such an entry is lent its content; no object stands for it in its own snapshot's directory.

// loan says where content lies: in the file at path of the snapshot from, one of the same series or the same one.
type loan struct {
	from varve.SnapshotID
	path string
}

// isLent reports whether the content of e lies elsewhere.
func isLent(e *varve.Entry) bool { return e.Kind == varve.Regular && e.Unkept&varve.Content != 0 }

// lendable reports whether the content of o, an entry of b, may be lent to a later one.
func (b *base) lendable(o *varve.Entry) bool {
	return b.lends != nil && o.Kind == varve.Regular && o.Digest != varve.Digest{} && (isLent(o) || b.lends.Load())
}

// piece is the unit in which a manifest keeps a loan: it stands in the field that a vault keeps digests of chunks in.
const piece = len(varve.Digest{})

// maxLoan is the length in bytes of the longest loan.
const maxLoan = manifest.MaxChunks * piece

// set writes l into e, and reports whether there is room for it.
func (l loan) set(e *varve.Entry) bool {
	data := l.from[:]
	if l.path != e.Path {
		data = append(data[:len(data):len(data)], l.path...)
	}
	if len(data) > maxLoan {
		return false
	}
	e.Chunks = make([]varve.Digest, (len(data)+piece-1)/piece)
	for i := range e.Chunks {
		copy(e.Chunks[i][:], data[i*piece:])
	}
	e.Unkept = varve.Content
	return true
}

// loanOf reads what set wrote.
func loanOf(e *varve.Entry) (l loan, err error) {
	if len(e.Chunks) == 0 || e.Depth != 0 {
		return l, fmt.Errorf("place of content is not given: %w", varve.ErrDamaged)
	}
	data := make([]byte, 0, len(e.Chunks)*piece)
	for i := range e.Chunks {
		data = append(data, e.Chunks[i][:]...)
	}
	copy(l.from[:], data)
	l.path = string(bytes.TrimRight(data[len(l.from):], "\x00"))
	if l.path == "" {
		l.path = e.Path
	}
	return l, nil
}

// places finds content that is lent. It may be used from several goroutines.
type places struct {
	store *Store
	held  *disk.Held // the store
	mu    sync.Mutex
	known map[varve.SnapshotID]*location
}

// location is where a snapshot lies, or that somebody finds out.
type location struct {
	done chan struct{}
	at   string // the directory, below the store
	err  error
}

// newPlaces returns places of s; the caller closes them before s.
func (s *Store) newPlaces() *places {
	return &places{store: s, held: disk.NewHeld(unowned{s.root}, s.descriptors()), known: map[varve.SnapshotID]*location{}}
}

// unowned is a directory that somebody else closes.
type unowned struct{ disk.FS }

// Close does nothing.
func (unowned) Close() error { return nil }

// Close lets go of all directories.
func (p *places) Close() error { return p.held.Close() }

// use calls f with the file that l names: in its snapshot, in the trash on its way from there, or where it is kept since. What moves
// meanwhile moves in this order, so that it is not missed. The error matches fs.ErrNotExist where it is in none of these.
func (p *places) use(l loan, f func(at disk.FS, name string) error) error {
	top, err := p.location(l.from)
	if err == nil {
		err = p.at(top+"/"+l.path, f)
	}
	for _, where := range [...]string{trashDir, keptDir} {
		if err == nil {
			return nil
		}
		other := p.at(controlDir+"/"+where+"/"+l.from.String()+"/"+l.path, f)
		if !errors.Is(other, fs.ErrNotExist) {
			err = other
		}
	}
	if errors.Is(err, varve.ErrNoSnapshot) {
		err = &fs.PathError{Op: "find", Path: l.from.Short() + ":" + l.path, Err: fs.ErrNotExist}
	}
	return err
}

// at calls f with the file at path below the store.
func (p *places) at(path string, f func(at disk.FS, name string) error) error {
	dir := p.held.At(varve.Parent(path))
	at, err := dir.Use()
	if err != nil {
		return err
	}
	defer dir.Done()
	return f(at, path[len(varve.Parent(path))+1:])
}

// location returns the directory of a snapshot, below the store; varve.ErrNoSnapshot where it is none any more.
func (p *places) location(id varve.SnapshotID) (string, error) {
	p.mu.Lock()
	l, asked := p.known[id]
	if !asked {
		l = &location{done: make(chan struct{})}
		p.known[id] = l
	}
	p.mu.Unlock()
	if asked {
		<-l.done
		return l.at, l.err
	}
	defer close(l.done)
	if l.at, l.err = p.ask(id); l.err != nil && !errors.Is(l.err, varve.ErrNoSnapshot) {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.known, id) // the next one may have more luck
	}
	return l.at, l.err
}

func (p *places) ask(id varve.SnapshotID) (at string, err error) {
	err = p.store.within(manifestsDir, func(dir disk.FS) error {
		snap, err := p.store.readRecord(dir, id.String())
		at = snap.Location
		return err
	})
	if errors.Is(err, errNoDirectory) {
		err = varve.ErrNoSnapshot
	}
	return at, err
}

// borrow makes e's content what the base has of c, and reports whether that is there.
func (w *worker) borrow(c *candidate, e *varve.Entry) (bool, error) {
	o := &c.entry
	l := loan{c.base.id, o.Path}
	if isLent(o) {
		var err error
		if l, err = loanOf(o); err == nil {
			err = w.save.places.use(l, func(at disk.FS, name string) error { return w.holds(at, name, o, c.base.unproven) })
		}
		if err != nil {
			err = fmt.Errorf("content in an earlier snapshot: %w: %w", varve.ErrDamaged, err)
			w.save.report(varve.Event{Kind: varve.Damage, Path: o.Path, Err: err})
			return false, nil
		}
	} else if _, ok := w.sound(c); !ok {
		return false, nil
	}
	if !l.set(e) {
		return false, nil
	}
	e.Digest, e.Holes, e.Flags = o.Digest, o.Holes, o.Flags
	return true, nil
}

// holds says why the file called name cannot be the content of o. Read says that its content is read, too.
func (w *worker) holds(at disk.FS, name string, o *varve.Entry, read bool) error {
	info, err := at.Lookup(name)
	if err == nil {
		err = holds(&info, o)
	}
	if err != nil || !read {
		return err
	}
	f, err := at.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	sum, n, err := w.copier.Sum(place.NewStream(f, o))
	if err == nil && (sum != o.Digest || n != place.StreamLen(o)) {
		err = errContent
	}
	return err
}

// holds says why a file cannot be the content of o.
func holds(info *disk.Info, o *varve.Entry) error {
	if info.Kind != varve.Regular || info.Size != o.Size {
		return fmt.Errorf("a %s of %d bytes, not a file of %d", info.Kind, info.Size, o.Size)
	}
	return nil
}

// lendAlike makes e, a hard link to first, an entry whose content is that of first. It reports whether it could.
func (v *save) lendAlike(e *varve.Entry, first *varve.Entry) (bool, error) {
	if first.Kind != varve.Regular || first.Digest == (varve.Digest{}) {
		return false, nil
	}
	l := loan{v.snap.ID, first.Path}
	if isLent(first) {
		var err error
		if l, err = loanOf(first); err != nil {
			return false, err
		}
	}
	other := alike(e, first)
	if !l.set(&other) {
		return false, nil
	}
	*e = other
	e.Unkept |= varve.HardLink
	return true, nil
}
