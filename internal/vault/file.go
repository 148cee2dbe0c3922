package vault

import (
	"context"
	"fmt"
	"io"
	"iter"
	"sync"

	"varve"
	"varve/internal/digest"
	"varve/internal/place"
)

// Open opens the content of e, whose chunks are read as the file is; of a far storage some ahead of that.
func (v *view) Open(ctx context.Context, e varve.Entry) (varve.File, error) {
	if len(e.Chunks) == 0 && e.Size > int64(v.store.cuts.Min) && !v.chunks.has(ctx, e.Digest) { // it came from somebody who does not know
		if own, err := v.reader.Lookup(e.Path); err == nil && own.Digest == e.Digest {
			e.Chunks, e.Depth = own.Chunks, own.Depth
		}
	}
	f := &storedFile{ctx: ctx, view: v, entry: e, stop: func() {}, cancel: func() {}}
	if len(e.Chunks) > 0 {
		f.ctx, f.cancel = context.WithCancel(ctx)
		f.next, f.stop = iter.Pull2(chunksOf(f.ctx, &e, v.list))
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
	ctx    context.Context
	cancel context.CancelFunc
	view   *view
	entry  varve.Entry
	next   func() (chunkRef, error, bool)
	stop   func()
	data   []byte // what is left of the chunk at hand
	read   int64

	ahead []*fetched // what comes next, in order
	ended bool       // nothing comes after that
	crew  sync.WaitGroup
}

// fetched is a chunk that somebody reads ahead.
type fetched struct {
	done chan struct{}
	data []byte
	err  error // also of finding out which chunk comes next
}

var _ place.Summed = (*storedFile)(nil)

func (f *storedFile) Entry() (varve.Entry, error) { return f.entry, nil }

// Sum is place.Summed's: the digest of a file that is one chunk is that of the chunk, which was checked.
func (f *storedFile) Sum() (varve.Digest, bool) {
	whole := len(f.data) == 0 && f.read == place.StreamLen(&f.entry)
	return f.entry.Digest, whole && f.read > 0 && len(f.entry.Chunks) == 0
}

func (f *storedFile) Close() error {
	f.cancel()
	f.crew.Wait()
	for range f.ahead {
		<-f.view.store.ahead
	}
	f.ahead = nil
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

// advance goes to the next chunk; io.EOF at the end of a stream that has the length it should have.
func (f *storedFile) advance() (err error) {
	f.data, err = f.chunk()
	want := place.StreamLen(&f.entry)
	switch {
	case err == io.EOF && f.read == want:
		return io.EOF
	case err == io.EOF:
		err = fmt.Errorf("%d bytes of %d: %w", f.read, want, varve.ErrDamaged)
	case err == nil && f.read+int64(len(f.data)) > want:
		err = fmt.Errorf("more than %d bytes: %w", want, varve.ErrDamaged)
	}
	if err != nil {
		f.data = nil
		return f.unreadable(err)
	}
	return nil
}

// chunk returns the next chunk; io.EOF where there is none.
func (f *storedFile) chunk() ([]byte, error) {
	f.lookAhead()
	if len(f.ahead) > 0 {
		c := f.ahead[0]
		f.ahead = f.ahead[1:]
		<-c.done
		<-f.view.store.ahead
		return c.data, c.err
	}
	d, err := f.nextContent()
	if err != nil {
		return nil, err
	}
	return f.get(d)
}

func (f *storedFile) get(d varve.Digest) ([]byte, error) {
	return f.view.chunks.get(f.ctx, digest.ClassContent, d)
}

// nextContent returns the digest of the next chunk; io.EOF where there is none.
func (f *storedFile) nextContent() (varve.Digest, error) {
	for {
		ref, err, more := f.next()
		switch {
		case err != nil:
			return varve.Digest{}, err
		case !more:
			return varve.Digest{}, io.EOF
		case ref.class == digest.ClassContent:
			return ref.digest, nil
		}
	}
}

// lookAhead begins to read the chunks that come next, as far as there are places.
func (f *storedFile) lookAhead() {
	places := f.view.store.ahead
	if len(f.entry.Chunks) <= 1 {
		return
	}
	for !f.ended {
		select {
		case places <- struct{}{}:
		default: // none is free, or there are none
			return
		}
		c := &fetched{done: make(chan struct{})}
		d, err := f.nextContent()
		f.ahead = append(f.ahead, c)
		if err != nil {
			f.ended, c.err = true, err
			close(c.done)
			return
		}
		f.crew.Go(func() {
			defer close(c.done)
			c.data, c.err = f.get(d)
		})
	}
}

// unreadable says what is wrong with this file. What the storage or the key is to blame for is passed on as it is.
func (f *storedFile) unreadable(err error) error {
	if !isDamage(err) {
		return err
	}
	return fmt.Errorf("stored content of /%s: %w: %w", f.entry.Path, varve.ErrUnreadable, err)
}
