package remote

import (
	"context"
	"iter"

	"varve"
)

// within is a Source that is also given up when a context of this side ends.
type within struct {
	src varve.Source
	ctx context.Context
}

// both returns ctx, ending also with that of w.
func (w within) both(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	undo := context.AfterFunc(w.ctx, func() { cancel(context.Cause(w.ctx)) })
	return ctx, func() {
		undo()
		cancel(nil)
	}
}

// Entries yields the entries of the Source.
func (w within) Entries(ctx context.Context) iter.Seq2[varve.Entry, error] {
	return func(yield func(varve.Entry, error) bool) {
		ctx, end := w.both(ctx)
		defer end()
		for e, err := range w.src.Entries(ctx) {
			if err == nil {
				err = w.ctx.Err() // it may have ended just now
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// Open opens a file; it is closed before the call ends that it is for, and so needs no context of its own.
func (w within) Open(ctx context.Context, e varve.Entry) (varve.File, error) {
	if err := w.ctx.Err(); err != nil {
		return nil, err
	}
	return w.src.Open(ctx, e)
}
