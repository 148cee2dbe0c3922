package vault

import (
	"context"
	"fmt"
	"iter"

	"varve"
	"varve/internal/digest"
)

// How long lists of chunks are: an entry and a list hold up to maxList digests, and a list at least minList but for the last.
const (
	maxList = 1024
	minList = 64
)

// enlist puts the chunks of e into lists until no more than maxList digests are left.
func (in *intake) enlist(e *varve.Entry) error {
	if len(e.Chunks) <= 1 { // the digest of a file that is one chunk says all
		e.Chunks = nil
		return nil
	}
	h := in.borrow()
	defer in.giveBack(h)
	for len(e.Chunks) > maxList {
		var above []varve.Digest
		for list := range cutLists(e.Chunks) {
			data := joinDigests(list)
			sum := digest.Sum(data)
			if _, err := h.put(digest.ClassList, sum, data); err != nil {
				return err
			}
			above = append(above, sum)
		}
		e.Chunks = above
		e.Depth++
	}
	return nil
}

// cutLists cuts digests where they say so themselves, so that a change shows in one list or two.
func cutLists(all []varve.Digest) iter.Seq[[]varve.Digest] {
	return func(yield func([]varve.Digest) bool) {
		from := 0
		for i := range all {
			n := i + 1 - from
			end := n >= minList && all[i][len(all[i])-1] == 0 || n == maxList || i == len(all)-1
			if end && !yield(all[from:i+1]) {
				return
			}
			if end {
				from = i + 1
			}
		}
	}
}

func joinDigests(list []varve.Digest) []byte {
	data := make([]byte, 0, len(list)*len(varve.Digest{}))
	for i := range list {
		data = append(data, list[i][:]...)
	}
	return data
}

func splitDigests(data []byte) ([]varve.Digest, error) {
	const size = len(varve.Digest{})
	if len(data) == 0 || len(data)%size != 0 || len(data) > maxList*size {
		return nil, fmt.Errorf("a list of %d bytes: %w", len(data), varve.ErrDamaged)
	}
	list := make([]varve.Digest, len(data)/size)
	for i := range list {
		copy(list[i][:], data[i*size:])
	}
	return list, nil
}

// chunkRef is a chunk that an entry needs.
type chunkRef struct {
	class  byte
	digest varve.Digest
}

// chunksOf yields the chunks of content that e needs, in order, and before them the lists that name them. get reads a list.
func chunksOf(ctx context.Context, e *varve.Entry, get getList) iter.Seq2[chunkRef, error] {
	return chunksBut(ctx, e, get, nil)
}

// getList reads a list of chunks.
type getList func(context.Context, varve.Digest) ([]byte, error)

// chunksBut is chunksOf without what lies below lists in met, to which it adds those that it reads. Lists that name one another many times
// over may unfold to more than anybody can walk through; with met, which is not nil then, each is unfolded once.
func chunksBut(ctx context.Context, e *varve.Entry, get getList, met map[listAt]bool) iter.Seq2[chunkRef, error] {
	return func(yield func(chunkRef, error) bool) {
		switch {
		case e.Kind != varve.Regular || e.Digest == varve.Digest{}:
		case len(e.Chunks) == 0:
			yield(chunkRef{digest.ClassContent, e.Digest}, nil)
		default:
			u := unfolding{ctx: ctx, get: get, met: met, yield: yield}
			u.unfold(e.Chunks, e.Depth)
		}
	}
}

// listAt is a list, so many lists above chunks.
type listAt struct {
	digest varve.Digest
	depth  uint8
}

// unfolding is chunksBut at work.
type unfolding struct {
	ctx   context.Context
	get   getList
	met   map[listAt]bool
	yield func(chunkRef, error) bool
}

// unfold yields the chunks below digests that are depth lists above them; it reports whether to go on.
func (u *unfolding) unfold(digests []varve.Digest, depth uint8) bool {
	for _, d := range digests {
		if depth == 0 {
			if !u.yield(chunkRef{digest.ClassContent, d}, nil) {
				return false
			}
			continue
		}
		if !u.yield(chunkRef{digest.ClassList, d}, nil) {
			return false
		}
		at := listAt{d, depth}
		if u.met[at] {
			continue
		}
		if u.met != nil {
			u.met[at] = true
		}
		if !u.list(d, depth) {
			return false
		}
	}
	return true
}

// list yields what is below one list.
func (u *unfolding) list(d varve.Digest, depth uint8) bool {
	data, err := u.get(u.ctx, d)
	var list []varve.Digest
	if err == nil {
		list, err = splitDigests(data)
	}
	if err != nil {
		u.yield(chunkRef{}, err)
		return false
	}
	return u.unfold(list, depth-1)
}
