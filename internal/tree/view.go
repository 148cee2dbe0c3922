package tree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"

	"varve"
	"varve/internal/disk"
	"varve/internal/manifest"
	"varve/internal/place"
)

// view is a snapshot, opened: metadata from the manifest, content from the plain files.
type view struct {
	store    *Store
	manifest *openedManifest
	held     *disk.Held
	places   *places
}

var _ varve.View = (*view)(nil)

func (v *view) Entries(ctx context.Context) iter.Seq2[varve.Entry, error] {
	return unlent(v.manifest.entries(ctx))
}

func (v *view) Below(ctx context.Context, path string) iter.Seq2[varve.Entry, error] {
	return unlent(manifest.Until(ctx, v.manifest.reader.Below(path)))
}

// unlent yields what list does without what the manifest alone knows.
func unlent(list iter.Seq2[varve.Entry, error]) iter.Seq2[varve.Entry, error] {
	return func(yield func(varve.Entry, error) bool) {
		for e, err := range list {
			e.Chunks = nil // it says where content lies that is lent, which Open finds out
			if !yield(e, err) {
				return
			}
		}
	}
}

func (v *view) Close() error {
	return errors.Join(v.held.Close(), v.places.Close(), v.manifest.Close())
}

// Open opens the store's copy of e. Whatever is wrong with it concerns this one file, unless the whole snapshot was forgotten
// meanwhile: then the error matches varve.ErrNoSnapshot.
func (v *view) Open(_ context.Context, e varve.Entry) (varve.File, error) {
	r, err := v.open(&e)
	if err != nil {
		return nil, v.unreadable(&e, err)
	}
	return &storedFile{entry: e, r: r, stream: place.NewStream(r, &e)}, nil
}

// open opens the file that has the content of e, wherever that is.
func (v *view) open(e *varve.Entry) (r disk.Reader, err error) {
	if isLent(e) {
		return v.openLent(e.Path)
	}
	dir := v.held.At(e.Parent())
	at, err := dir.Use()
	if err == nil {
		defer dir.Done()
		r, err = at.Open(e.Name())
	}
	if errors.Is(err, fs.ErrNotExist) { // who handed e on may have dropped what it says about that
		if lent, none := v.openLent(e.Path); none == nil {
			return lent, nil
		}
	}
	return r, err
}

// openLent opens the content of the entry at path, which is lent.
func (v *view) openLent(path string) (r disk.Reader, err error) {
	c := v.manifest.reader.Cursor()
	if err := c.Seek(path); err != nil {
		return nil, err
	}
	e, err := c.Next()
	if err != nil || e.Path != path || !isLent(e) {
		return nil, errors.Join(err, fs.ErrNotExist)
	}
	l, err := loanOf(e)
	if err != nil {
		return nil, err
	}
	err = v.places.use(l, func(at disk.FS, name string) (err error) {
		r, err = at.Open(name)
		return err
	})
	return r, err
}

func (v *view) unreadable(e *varve.Entry, err error) error {
	if errors.Is(err, fs.ErrNotExist) && v.gone() {
		return fmt.Errorf("forgotten meanwhile: %w", varve.ErrNoSnapshot)
	}
	return unreadable(e, err)
}

// gone reports whether the snapshot is no longer there.
func (v *view) gone() bool {
	err := v.store.within(manifestsDir, func(dir disk.FS) error {
		_, err := v.store.readRecord(dir, v.manifest.snap.ID.String())
		return err
	})
	return errors.Is(err, varve.ErrNoSnapshot) || errors.Is(err, errNoDirectory)
}

// unreadable says that the store's copy of e is not there or cannot be read.
func unreadable(e *varve.Entry, err error) error {
	return fmt.Errorf("stored copy of /%s: %w: %w: %v", e.Path, varve.ErrUnreadable, varve.ErrDamaged, err)
}

// storedFile is the content of a stored file.
type storedFile struct {
	entry  varve.Entry
	r      disk.Reader
	stream *place.Stream
}

func (f *storedFile) Entry() (varve.Entry, error) { return f.entry, nil }

func (f *storedFile) Close() error { return f.r.Close() }

func (f *storedFile) Read(p []byte) (int, error) {
	n, err := f.stream.Read(p)
	if err != nil && err != io.EOF {
		err = unreadable(&f.entry, err)
	}
	return n, err
}
