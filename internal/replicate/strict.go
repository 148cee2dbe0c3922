package replicate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"sync"

	"varve"
	"varve/internal/digest"
)

// errSource says that it is the source of a copy that failed, and not the target.
var errSource = errors.New("cannot be read in full")

// strict is a View as a Source of which everything must be read. What would cost a backup one file, costs this one the copy: there is nobody
// whose file changed or vanished, so something is wrong.
type strict struct {
	view   varve.View
	cancel context.CancelCauseFunc // ends the Save

	mu  sync.Mutex
	err error // the first failure
}

// failure returns what failed first; nil where nothing did.
func (s *strict) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// fail ends the copy.
func (s *strict) fail(path string, err error) error {
	err = fmt.Errorf("/%s: %w", path, whole(err))
	s.mu.Lock()
	if s.err == nil {
		s.err = err
	}
	s.mu.Unlock()
	s.cancel(err)
	return err
}

// whole returns err so that it does not concern one file alone.
func whole(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, varve.ErrUnreadable):
		return fmt.Errorf("%w: %v", varve.ErrDamaged, err) // it was there once
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%v", err)
	}
	return err
}

// Entries is varve.Source's. Every failure breaks the sequence off.
func (s *strict) Entries(ctx context.Context) iter.Seq2[varve.Entry, error] {
	return func(yield func(varve.Entry, error) bool) {
		for e, err := range s.view.Entries(ctx) {
			switch {
			case ctx.Err() != nil && s.failure() == nil:
				yield(varve.Entry{}, ctx.Err())
				return
			case err == nil && e.Err != nil:
				err = e.Err
			}
			if err != nil {
				yield(varve.Entry{}, s.fail(e.Path, err))
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// Open is varve.Source's.
func (s *strict) Open(ctx context.Context, e varve.Entry) (varve.File, error) {
	f, err := s.view.Open(ctx, e)
	if err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		return nil, s.fail(e.Path, err)
	}
	return &strictFile{File: f, source: s, ctx: ctx, path: e.Path, want: e.Digest, sum: digest.New()}, nil
}

// strictFile is a file that ends the copy where it cannot be read, or has another content than it was saved with.
type strictFile struct {
	varve.File
	source *strict
	ctx    context.Context // of Open: errors of a run that was ended say nothing of the source
	path   string
	want   varve.Digest
	sum    *digest.Hash
}

// Read is io.Reader's.
func (f *strictFile) Read(p []byte) (int, error) {
	n, err := f.File.Read(p)
	f.sum.Write(p[:n])
	switch {
	case err == io.EOF && f.sum.Digest() != f.want:
		err = f.source.fail(f.path, fmt.Errorf("content is not what was saved: %w", varve.ErrDamaged))
	case err != nil && err != io.EOF && f.ctx.Err() == nil:
		err = f.source.fail(f.path, err)
	}
	return n, err
}

// Sum returns the digest of all bytes that were read, which the store that saves them need not hash again.
func (f *strictFile) Sum() (varve.Digest, bool) { return f.sum.Digest(), true }

// Entry is varve.File's.
func (f *strictFile) Entry() (varve.Entry, error) {
	e, err := f.File.Entry()
	if err != nil && f.ctx.Err() == nil {
		err = f.source.fail(f.path, err)
	}
	return e, err
}
