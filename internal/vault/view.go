package vault

import (
	"context"
	"fmt"
	"io"
	"iter"

	"varve"
	"varve/internal/digest"
	"varve/internal/manifest"
	"varve/internal/place"
	"varve/internal/seal"
)

// View opens a snapshot.
func (s *Store) View(ctx context.Context, id varve.SnapshotID) (varve.View, error) {
	v, err := s.view(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("open snapshot %s: %w", id, err)
	}
	return v, nil
}

func (s *Store) view(ctx context.Context, id varve.SnapshotID) (*view, error) {
	if s.keys.admin == nil {
		return nil, fmt.Errorf("a put-only key reads nothing: %w", s.needsKey(seal.RestoreKey))
	}
	records, err := s.catalog.read(ctx)
	if err != nil {
		return nil, err
	}
	r := records.find(id)
	if r == nil {
		return nil, varve.ErrNoSnapshot
	}
	if err := s.know(ctx); err != nil {
		return nil, err
	}
	return s.viewOf(ctx, r), nil
}

// viewOf returns the view of a record, for as long as the context it is given goes on.
func (s *Store) viewOf(ctx context.Context, r *record) *view {
	v := &view{store: s, record: r, chunks: s.chunksOf(r.domain)}
	v.reader = manifest.NewReader(&pageReader{ctx: ctx, chunks: v.chunks}, r.root)
	return v
}

// view is a snapshot, opened.
type view struct {
	store  *Store
	record *record
	chunks *chunks
	reader *manifest.Reader
}

var _ varve.View = (*view)(nil)

// Entries yields what the manifest says. Stamps are those of the source.
func (v *view) Entries(ctx context.Context) iter.Seq2[varve.Entry, error] {
	return func(yield func(varve.Entry, error) bool) {
		for e, err := range v.reader.Entries() {
			if err == nil {
				err = ctx.Err()
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

func (v *view) ReadDir(_ context.Context, path string) ([]varve.Entry, error) {
	return v.reader.ReadDir(path)
}

func (v *view) Close() error { return nil }

// Open opens the content of e, whose chunks are read as the file is.
func (v *view) Open(ctx context.Context, e varve.Entry) (varve.File, error) {
	f := &storedFile{ctx: ctx, view: v, entry: e, stop: func() {}}
	if len(e.Chunks) > 0 {
		f.next, f.stop = iter.Pull2(chunksOf(ctx, &e, v.list))
		return f, nil
	}
	left := e.Digest != varve.Digest{}
	f.next = func() (chunkRef, error, bool) {
		more := left
		left = false
		return chunkRef{digest.ClassContent, e.Digest}, nil, more
	}
	return f, nil
}

// storedFile is the content of a stored file.
type storedFile struct {
	ctx   context.Context
	view  *view
	entry varve.Entry
	next  func() (chunkRef, error, bool)
	stop  func()
	data  []byte // what is left of the chunk at hand
	read  int64
}

func (f *storedFile) Entry() (varve.Entry, error) { return f.entry, nil }

func (f *storedFile) Close() error {
	f.stop()
	return nil
}

func (f *storedFile) Read(p []byte) (int, error) {
	for len(f.data) == 0 {
		if err := f.advance(); err != nil {
			return 0, err
		}
	}
	n := copy(p, f.data)
	f.data = f.data[n:]
	f.read += int64(n)
	return n, nil
}

// advance reads the next chunk; io.EOF at the end of a stream that has the length it should have.
func (f *storedFile) advance() error {
	ref, err, more := f.next()
	want := place.StreamLen(&f.entry)
	switch {
	case err != nil:
		return f.unreadable(err)
	case !more && f.read != want:
		return f.unreadable(fmt.Errorf("%d bytes of %d: %w", f.read, want, varve.ErrDamaged))
	case !more:
		return io.EOF
	case ref.class == digest.ClassList:
		return nil
	}
	if f.data, err = f.view.chunks.get(f.ctx, digest.ClassContent, ref.digest); err != nil {
		return f.unreadable(err)
	}
	if f.read+int64(len(f.data)) > want {
		return f.unreadable(fmt.Errorf("more than %d bytes: %w", want, varve.ErrDamaged))
	}
	return nil
}

// unreadable says what is wrong with this file. What the storage or the key is to blame for is passed on as it is.
func (f *storedFile) unreadable(err error) error {
	if !isDamage(err) {
		return err
	}
	return fmt.Errorf("stored content of /%s: %w: %w", f.entry.Path, varve.ErrUnreadable, err)
}

// pageReader reads pages of a manifest.
type pageReader struct {
	ctx    context.Context
	chunks *chunks
}

func (r *pageReader) Get(id manifest.PageID) ([]byte, error) {
	return r.chunks.page(r.ctx, varve.ChunkID(id))
}
