package compare

import (
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"slices"

	"varve"
)

// Tally counts how a new snapshot differs from an earlier one, as a whole and source by source, while the new one is made. It holds 8
// bytes for each object that was lost and each that is new, and is for one goroutine at a time.
//
// Directories do not count. What has one path in both is changed where its kind, its content, or the target or device that it stands for
// is another. What was lost from one path and came to a path that is new, with the same kind, digest, size, target and device, was moved,
// each for one: of two equal files that were lost, one new one makes up for one.
type Tally struct {
	files int64 // what the record of the earlier one says
	next  func() (*varve.Entry, error)
	at    *varve.Entry // what comes next of the earlier one; nil where it has to be read
	fault error        // why the earlier one cannot be read any further
	diff  varve.Difference
	seed  maphash.Seed
	parts []Part
	lost  [][]uint64 // in each of them
	come  []uint64
}

// NewTally returns a Tally against the snapshot whose record counts so many files. next yields its entries in listing order, each valid
// until the next call, and io.EOF at the end. It is nil where there is no earlier snapshot, or only its record. sources are the absolute
// paths of what the new one is of.
func NewTally(files int64, next func() (*varve.Entry, error), sources []string) *Tally {
	t := &Tally{files: files, next: next, seed: maphash.MakeSeed(), parts: Parts(sources)}
	t.lost = make([][]uint64, len(t.parts))
	if next == nil {
		t.fault = errNotCompared
	}
	return t
}

// errNotCompared stands in the place of a fault where there is nothing to read.
var errNotCompared = errors.New("not compared")

// Add enters the next entry of the new snapshot, in listing order, its digest known.
func (t *Tally) Add(e *varve.Entry) {
	if e.Kind != varve.Dir {
		t.diff.Files++
		t.parts[In(t.parts, e.Path)].Files++
	}
	for t.peek() {
		switch c := varve.ComparePaths(t.at.Path, e.Path); {
		case c < 0:
			t.leave(t.take())
		case c == 0:
			t.pair(t.take(), e)
			return
		default:
			t.arrive(e)
			return
		}
	}
	t.arrive(e)
}

// peek makes at the next entry of the earlier snapshot, and reports whether there is one.
func (t *Tally) peek() bool {
	if t.at == nil && t.fault == nil {
		t.at, t.fault = t.next()
	}
	return t.fault == nil
}

// take returns at, and lets go of it.
func (t *Tally) take() *varve.Entry {
	o := t.at
	t.at = nil
	if o.Kind != varve.Dir {
		t.diff.Before++
		t.parts[In(t.parts, o.Path)].Before++
	}
	return o
}

// pair enters what is at one path in both.
func (t *Tally) pair(o, e *varve.Entry) {
	switch {
	case o.Kind == varve.Dir:
		t.arrive(e)
	case e.Kind == varve.Dir:
		t.leave(o)
	case t.sum(o) != t.sum(e) || !sameContent(o, e):
		t.diff.Changed++
	}
}

// leave enters what was there and is no longer.
func (t *Tally) leave(o *varve.Entry) {
	if o.Kind != varve.Dir {
		i := In(t.parts, o.Path)
		t.lost[i] = append(t.lost[i], t.sum(o))
	}
}

// arrive enters what was not there. Once the earlier snapshot cannot be read nobody knows that.
func (t *Tally) arrive(e *varve.Entry) {
	if e.Kind != varve.Dir && (t.fault == nil || t.fault == io.EOF) {
		t.come = append(t.come, t.sum(e))
	}
}

// sum returns a hash of what an object is, wherever it lies.
func (t *Tally) sum(e *varve.Entry) uint64 {
	return maphash.Comparable(t.seed, struct {
		kind   varve.Kind
		size   int64
		digest varve.Digest
		target string
		rdev   varve.Rdev
	}{e.Kind, e.Size, e.Digest, e.Target, e.Rdev})
}

// Difference returns the counts, once, after the last entry was added. An error says why the earlier snapshot could not be read to its
// end. The counts are those that are known then: Before is what its record says, Lost at least what Files falls short of that.
func (t *Tally) Difference() (varve.Difference, error) {
	for t.peek() {
		t.leave(t.take())
	}
	d := t.diff
	slices.Sort(t.come)
	for i := range t.parts {
		p := &t.parts[i]
		slices.Sort(t.lost[i])
		p.Lost, t.come = without(t.lost[i], t.come)
		d.Lost += p.Lost
	}
	if t.fault == io.EOF {
		Worst(t.parts, &d)
		return d, nil
	}
	d.Before = max(d.Before, t.files)
	d.Lost = max(d.Lost, d.Before-d.Files)
	if t.fault == errNotCompared {
		return d, nil
	}
	return d, t.fault
}

// without returns how many elements of a are not in b, each for one, and the elements of b that are not in a. Both are sorted.
func without(a, b []uint64) (n int64, rest []uint64) {
	rest = b[:0]
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0] < b[0]:
			n, a = n+1, a[1:]
		case a[0] > b[0]:
			rest, b = append(rest, b[0]), b[1:]
		default:
			a, b = a[1:], b[1:]
		}
	}
	return n + int64(len(a)), append(rest, b...)
}

// Judge returns what judge makes of a snapshot that differs so from the last good one, and is in the state found so far: nobody makes one
// complete that is not, and suspect is worse than incomplete. An error where what he says is no state.
func Judge(judge func(varve.Difference) varve.State, found varve.State, d varve.Difference) (varve.State, error) {
	switch state := judge(d); state {
	case varve.Complete:
		return found, nil
	case varve.Incomplete, varve.Suspect:
		return state, nil
	default:
		return "", fmt.Errorf("judge snapshot: %q is no state", string(state))
	}
}
