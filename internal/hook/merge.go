package hook

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"sync"

	"varve"
)

// Merge returns one source of what a and b have. Its entries are in listing order if theirs are.
//
// Directories may be in both: the metadata is that of a, unless only a was merely passing through there (varve.Passage). Where one of the
// two cannot read a directory that the other has, that is told in the place of its listing. Any other path that both have breaks the
// entries off with an error, since one would hide the other.
//
// Which files b has is remembered, so b should be the smaller one. What Open is called for must have been yielded before.
func Merge(a, b varve.Source) varve.Source {
	return &merged{a: a, b: b, fromB: map[string]bool{}}
}

type merged struct {
	a, b varve.Source

	mu    sync.Mutex
	fromB map[string]bool // paths of regular files
}

// Open is varve.Source's.
func (m *merged) Open(ctx context.Context, e varve.Entry) (varve.File, error) {
	m.mu.Lock()
	fromB := m.fromB[e.Path]
	m.mu.Unlock()
	if fromB {
		return m.b.Open(ctx, e)
	}
	return m.a.Open(ctx, e)
}

// Entries is varve.Source's.
func (m *merged) Entries(ctx context.Context) iter.Seq2[varve.Entry, error] {
	return func(yield func(varve.Entry, error) bool) {
		a, stopA := newCursor(m.a.Entries(ctx))
		defer stopA()
		b, stopB := newCursor(m.b.Entries(ctx))
		defer stopB()
		for {
			e, ok, err := m.next(a, b)
			if err != nil {
				yield(varve.Entry{}, err)
				return
			}
			if !ok || !yield(e, nil) {
				return
			}
		}
	}
}

// next takes the entry that comes first; ok is false at the end of both.
func (m *merged) next(a, b *cursor) (e varve.Entry, ok bool, err error) {
	if err := errors.Join(a.fill(), b.fill()); err != nil {
		return e, false, err
	}
	x, y := a.first(), b.first()
	switch {
	case x == nil && y == nil:
		return e, false, nil
	case y == nil, x != nil && varve.ComparePaths(x.place, y.place) < 0:
		return a.take().entry, true, nil
	case x == nil, varve.ComparePaths(x.place, y.place) > 0:
		e = b.take().entry
		m.remember(&e)
		return e, true, nil
	}
	e, err = both(a, b)
	return e, err == nil, err
}

// remember enters what b is asked for when it is opened.
func (m *merged) remember(e *varve.Entry) {
	if e.Kind == varve.Regular {
		m.mu.Lock()
		m.fromB[e.Path] = true
		m.mu.Unlock()
	}
}

// both takes what both have in the same place, and returns the one entry that comes of it.
func both(a, b *cursor) (varve.Entry, error) {
	x, y := a.take().entry, b.take().entry
	switch {
	case x.Err != nil && y.Err != nil:
		x.Err = errors.Join(x.Err, y.Err)
		return x, nil
	case x.Err != nil && y.Kind == varve.Dir:
		a.postpone(x)
		return y, nil
	case y.Err != nil && x.Kind == varve.Dir:
		b.postpone(y)
		return x, nil
	case x.Err != nil || y.Err != nil || x.Kind != varve.Dir || y.Kind != varve.Dir:
		return varve.Entry{}, fmt.Errorf("merge sources: /%s is in both: %w", x.Path, fs.ErrExist)
	case x.Marks&varve.Passage != 0 && y.Marks&varve.Passage == 0:
		return y, nil
	}
	return x, nil
}

// placed is an entry and a path that stands where it does in listing order.
type placed struct {
	entry varve.Entry
	place string
}

// cursor is one of the two sequences.
type cursor struct {
	pull    func() (varve.Entry, error, bool)
	head    *placed // what was read last and not taken yet
	last    string  // the place of what was read last
	started bool
	ended   bool
	late    []placed // failures that are told in the place of a listing, in order
}

func newCursor(entries iter.Seq2[varve.Entry, error]) (c *cursor, stop func()) {
	c = &cursor{}
	c.pull, stop = iter.Pull2(entries)
	return c, stop
}

// fill reads the next entry unless there is one already.
func (c *cursor) fill() error {
	if c.head != nil || c.ended {
		return nil
	}
	e, err, ok := c.pull()
	if !ok || err != nil {
		c.ended = true
		return err
	}
	place := e.Path
	ahead := !c.started || varve.ComparePaths(place, c.last) > 0
	if !ahead && e.Err != nil {
		place = listing(e.Path)
		ahead = varve.ComparePaths(place, c.last) > 0
	}
	if !ahead {
		return fmt.Errorf("merge sources: entry %q out of order", e.Path)
	}
	c.head, c.last, c.started = &placed{e, place}, place, true
	return nil
}

// listing returns a path that stands before every other that can be in the directory.
func listing(dir string) string { return varve.Join(dir, "\x00") }

// first returns what comes next; nil at the end.
func (c *cursor) first() *placed {
	if len(c.late) > 0 && (c.head == nil || varve.ComparePaths(c.late[0].place, c.head.place) < 0) {
		return &c.late[0]
	}
	return c.head
}

// take takes what first returns.
func (c *cursor) take() placed {
	p := *c.first()
	if len(c.late) > 0 && c.late[0].place == p.place {
		c.late = c.late[1:]
	} else {
		c.head = nil
	}
	return p
}

// postpone lets the failure e come again in the place of the directory's listing.
func (c *cursor) postpone(e varve.Entry) {
	p := placed{e, listing(e.Path)}
	at, _ := slices.BinarySearchFunc(c.late, p, func(x, y placed) int { return varve.ComparePaths(x.place, y.place) })
	c.late = slices.Insert(c.late, at, p)
}
