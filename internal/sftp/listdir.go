package sftp

import (
	"context"
	"fmt"
	"io"
	"iter"
)

const (
	// listFirst is how many READDIRs a listing begins with: the second one finds the end of a small directory.
	listFirst = 2
	// listMost is how many a long listing has under way.
	listMost = 32
	// emptyMost is how many answers without a new name a listing may hold.
	emptyMost = 100
)

// ListDir yields what is in the directory path, in no particular order, while the next answers are on their way. An error ends
// the sequence: ErrName where the server sends a name that is none, ErrProtocol where it goes on and on without any, and those of
// Call.Wait. How long a listing may become is for the caller to bound, who may stop at any time.
func (s *Session) ListDir(ctx context.Context, path string) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		h, err := Do(ctx, s, Opendir(path))
		if err != nil {
			yield(Item{}, err)
			return
		}
		l := &listing{s: s, ctx: ctx, h: h}
		defer l.close()
		for {
			items, err := l.next()
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(Item{}, err)
				return
			}
			for _, item := range items {
				if !yield(item, nil) {
					return
				}
			}
		}
	}
}

// listing is a directory being listed.
type listing struct {
	s      *Session
	ctx    context.Context
	h      Handle
	flight []*Call[[]Item]
	width  int // how many calls are to be under way
	empty  int // answers without a name
}

// next returns the next items, at least one.
func (l *listing) next() ([]Item, error) {
	for l.width = max(l.width, listFirst); ; {
		for len(l.flight) < l.width {
			l.flight = append(l.flight, Go(l.ctx, l.s, Readdir(l.h)))
		}
		items, err := l.flight[0].Wait(l.ctx)
		l.flight = l.flight[1:]
		if err != nil {
			return nil, err
		}
		if len(items) > 0 {
			l.width = min(l.width+2, listMost)
			return items, nil
		}
		if l.empty++; l.empty > emptyMost {
			err := fmt.Errorf("readdir %s: %w: a listing without end and without names", l.h.path, ErrProtocol)
			l.s.die(err)
			return nil, err
		}
	}
}

// close drops what is under way and gives the handle up, without waiting.
func (l *listing) close() {
	for _, c := range l.flight {
		c.Drop()
	}
	l.s.Release(l.h)
}
