package rdiff

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"varve"
)

// maxChain is how many diffs of metadata may follow one another; rdiff-backup itself makes up to nine.
const maxChain = 256

// history is the metadata of a time: those of a newer session, and the diffs that lead back from there.
type history struct {
	parts []*items // the oldest first, which is the one of the time itself
}

// history opens the metadata of a time.
func (r *Repository) history(ctx context.Context, t int64) (*history, error) {
	chain, err := r.chain(t)
	if err != nil {
		return nil, err
	}
	h := &history{}
	for _, i := range chain {
		part, err := r.items(ctx, i, attrHead, unescapeLine)
		if err != nil {
			return nil, errors.Join(err, h.Close())
		}
		h.parts = append(h.parts, part)
	}
	return h, nil
}

// chain returns the files that tell the metadata of a time, the oldest first.
func (r *Repository) chain(t int64) ([]increment, error) {
	var files []increment
	for _, f := range r.data[metadataBase] {
		if f.time >= t && (f.kind == kindSnapshot || f.kind == kindDiff) {
			files = append(files, f)
		}
	}
	slices.SortFunc(files, func(a, b increment) int {
		// Of one time, the whole comes first: where a session was broken off there may be a diff as well, which is not needed.
		return cmp.Or(cmp.Compare(a.time, b.time), -cmp.Compare(a.kind, b.kind), cmp.Compare(a.name, b.name))
	})
	if len(files) == 0 || files[0].time != t {
		return nil, fmt.Errorf("%w: the metadata of %s are lost", varve.ErrDamaged, when(t))
	}
	for i, f := range files {
		if i > 0 && files[i-1].time == f.time {
			return nil, fmt.Errorf("%w: there are two diffs of the metadata of %s", varve.ErrDamaged, when(f.time))
		}
		if f.kind == kindSnapshot {
			if len(files) > i+1 && files[i+1].time == f.time && files[i+1].kind == kindSnapshot {
				return nil, fmt.Errorf("%w: the metadata of %s are there twice", varve.ErrDamaged, when(f.time))
			}
			return files[:i+1], nil
		}
		if i == maxChain {
			break
		}
	}
	return nil, fmt.Errorf("%w: diffs of metadata from %s on lead nowhere", varve.ErrDamaged, when(t))
}

// next returns the next record in pre-order; false at the end. Records of what was not there are among them.
func (h *history) next() (item, bool, error) {
	var first *items
	for _, p := range h.parts { // what is older goes before what is newer
		if !p.ended && (first == nil || comparePreorder(p.now.path, first.now.path) < 0) {
			first = p
		}
	}
	if first == nil {
		return item{}, false, nil
	}
	found := first.now
	for _, p := range h.parts {
		if !p.ended && p.now.path == found.path {
			if err := p.next(); err != nil {
				return item{}, false, err
			}
		}
	}
	return found, true, nil
}

// Close closes the files.
func (h *history) Close() error {
	var errs []error
	for _, p := range h.parts {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}
