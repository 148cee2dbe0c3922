package compare

import (
	"fmt"
	"iter"

	"varve"
)

// Change is one path in two trees.
type Change struct {
	// Before is nil where the path was added, After where it was removed.
	Before, After *varve.Entry
	// Aspects are the sides that differ, as the function Aspects has it; 0 where the path was added or removed, unless Err says
	// that nothing is known.
	Aspects varve.Aspect
}

// Err returns why one of the two objects could not be read; nil for most. Such a path must not be reported as added, removed or
// changed: nobody knows.
func (c Change) Err() error {
	for _, e := range [...]*varve.Entry{c.Before, c.After} {
		if e != nil && e.Err != nil {
			return e.Err
		}
	}
	return nil
}

// Same reports whether the path is in both trees and nothing differs.
func (c Change) Same() bool { return c.Before != nil && c.After != nil && c.Aspects == 0 }

// Path returns the path the change is about.
func (c Change) Path() string {
	if c.After != nil {
		return c.After.Path
	}
	return c.Before.Path
}

// Sequences walks along two sequences in listing order and yields every path of either once, in that order, also where nothing
// differs. The entries are the receiver's to keep. An error of a sequence, or an entry out of order, ends the walk with that error.
//
// Where a sequence could not read an object, what the other one holds below that path is left out: it would look removed, or
// added. The failed listing of a directory, which a source yields as a second entry, is a change of its own with one entry.
//
// The memory used grows with the number of objects that could not be read, and with nothing else.
func Sequences(before, after iter.Seq2[varve.Entry, error]) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		b, stopBefore := newSide("before", before)
		defer stopBefore()
		a, stopAfter := newSide("after", after)
		defer stopAfter()
		for {
			for _, s := range [...]*side{b, a} {
				if err := s.fill(); err != nil {
					yield(Change{}, err)
					return
				}
			}
			change, ok := next(b, a)
			if !ok {
				return
			}
			if !hidden(change, b, a) && !yield(change, nil) {
				return
			}
		}
	}
}

// next takes the entries that come first in listing order from one side or from both; ok is false at the end of both.
func next(b, a *side) (c Change, ok bool) {
	var order int
	switch {
	case b.head == nil && a.head == nil:
		return Change{}, false
	case b.head == nil:
		order = 1
	case a.head == nil:
		order = -1
	default:
		order = varve.ComparePaths(b.place, a.place)
	}
	if order <= 0 {
		c.Before, b.head = b.head, nil
	}
	if order >= 0 {
		c.After, a.head = a.head, nil
	}
	if order == 0 {
		c.Aspects = Aspects(c.Before, c.After)
	} else if c.Err() != nil {
		c.Aspects = varve.Content
	}
	return c, true
}

// hidden reports whether c is on one side alone because the other one could not read what lies above.
func hidden(c Change, b, a *side) bool {
	switch {
	case c.Err() != nil:
		return false
	case c.Before == nil:
		return b.unreadAbove(c.After.Path)
	case c.After == nil:
		return a.unreadAbove(c.Before.Path)
	}
	return false
}

// side is one of the two sequences.
type side struct {
	name string
	pull func() (varve.Entry, error, bool)
	// head is the entry that was read last and not taken yet; nil before fill and at the end.
	head *varve.Entry
	// place is a path that stands where head, or what was taken last, stands in listing order.
	place   string
	started bool
	unread  map[string]bool
}

func newSide(name string, entries iter.Seq2[varve.Entry, error]) (s *side, stop func()) {
	s = &side{name: name, unread: map[string]bool{}}
	s.pull, stop = iter.Pull2(entries)
	return s, stop
}

// fill reads the next entry unless there is one already.
func (s *side) fill() error {
	if s.head != nil {
		return nil
	}
	e, err, ok := s.pull()
	if !ok || err != nil {
		return err
	}
	place := e.Path
	ahead := !s.started || varve.ComparePaths(place, s.place) > 0
	if !ahead && e.Err != nil {
		// A second entry for a directory stands for its listing, before every name that could be in it.
		place = varve.Join(e.Path, "\x00")
		ahead = varve.ComparePaths(place, s.place) > 0
	}
	if !ahead {
		return fmt.Errorf("compare %s: entry %q out of order", s.name, e.Path)
	}
	if e.Err != nil {
		s.unread[e.Path] = true
	}
	s.head, s.place, s.started = &e, place, true
	return nil
}

// unreadAbove reports whether a directory above path could not be read.
func (s *side) unreadAbove(path string) bool {
	for len(s.unread) > 0 && path != "" {
		path = varve.Parent(path)
		if s.unread[path] {
			return true
		}
	}
	return false
}
