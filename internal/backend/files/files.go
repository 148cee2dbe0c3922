// Package files keeps the objects of a vault as files in a directory: any disk.FS, so a local disk and a far one are the same code.
//
//	config                      one file
//	data/NN/NAME                NN are the first two digits of NAME; made when needed
//	index/NAME … locks/NAME     flat
//	tmp-RANDOM                  in each of these directories: an object being written, or what an interrupted writer left
//
// An object is written under a temporary name in its own directory, synced, closed, given its name without replacing anything, and the
// directory is synced. So a name stands for a whole object at all times, after a power cut too; and what Put or fs.ErrExist said is
// there survives one.
//
// A Delete is not synced: after a power cut the object may be there again. That harms nobody: it is the whole object that it was, and
// whoever collected it will do so again.
//
// Where syncing a directory fails once, nothing more is put into it: a second attempt may succeed without having written anything.
//
// The directory may hold other things; they are neither listed nor touched. Nothing is done about an object that rots: whoever reads
// it sees that it does not hash to its name.
package files

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"varve"
	"varve/internal/disk"
)

// Options vary a storage. The zero value is right.
type Options struct {
	// Random makes temporary names; nil stands for crypto/rand.Reader.
	Random io.Reader
	// Listers is how many directories are listed at once; 0 stands for 4. Packs lie in 256 of them, so on a disk that is far away it
	// should be many.
	Listers int
}

// Files is a storage in a directory.
type Files struct {
	opts Options
	held *disk.Held
	*layout
}

var _ varve.Backend = (*Files)(nil)

// descriptors is how many directories are kept open when nobody uses them.
const descriptors = 64

// Open returns the storage in the directory root, which may be empty, and which is closed by Close. Nothing is made before the first
// Put.
func Open(root disk.FS, opts Options) *Files {
	if opts.Random == nil {
		opts.Random = rand.Reader
	}
	if opts.Listers <= 0 {
		opts.Listers = listers
	}
	held := disk.NewHeld(root, descriptors)
	return &Files{opts: opts, held: held, layout: newLayout(held)}
}

// Close closes the directory.
func (f *Files) Close() error { return f.held.Close() }

// wrap names the operation and the object of an error.
func wrap(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// Put is varve.Backend's. A full storage is disk.ErrNoSpace.
func (f *Files) Put(ctx context.Context, name string, data []byte) error {
	return wrap("put", name, f.put(ctx, name, data))
}

func (f *Files) put(ctx context.Context, name string, data []byte) error {
	folder, leaf, err := f.place(name)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if int64(len(data)) > folder.kind.MaxSize() {
		return fmt.Errorf("%w: %d bytes are more than such an object may have", fs.ErrInvalid, len(data))
	}
	if err := folder.ensure(); err != nil {
		return absent(err)
	}
	dir, err := folder.held.Use()
	if err != nil {
		return absent(err)
	}
	defer folder.held.Done()
	tmp, err := f.write(ctx, dir, data)
	if err != nil {
		return absent(err)
	}
	err = dir.Rename(tmp, dir, leaf)
	if err != nil {
		_ = dir.Remove(tmp) // CleanUp comes back for it
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return absent(err)
	}
	if err := folder.commit(dir); err != nil { // also of one that exists: who put it may not have come so far
		return absent(err)
	}
	return err
}

// absent hides that something on the way to an object was absent, such as a temporary file that somebody cleaned up: to the caller
// it would say that the object is not there, and it is worth another attempt.
func absent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("changed by somebody else meanwhile: %v", err)
	}
	return err
}

// write makes a temporary file that holds data durably, and returns its name.
func (f *Files) write(ctx context.Context, dir disk.FS, data []byte) (string, error) {
	tmp, w, err := f.create(dir)
	if err != nil {
		return "", err
	}
	err = fill(ctx, w, data)
	if closeErr := w.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		_ = dir.Remove(tmp) // CleanUp comes back for it
		return "", err
	}
	return tmp, nil
}

// fill writes data and syncs it, unless the context ends meanwhile.
func fill(ctx context.Context, w disk.Writer, data []byte) error {
	if _, err := w.WriteAt(data, 0); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := w.Sync(); err != nil {
		return err
	}
	return ctx.Err()
}

// create makes an empty temporary file. That its name is taken is not told as fs.ErrExist, which would concern the object.
func (f *Files) create(dir disk.FS) (string, disk.Writer, error) {
	for attempt := 0; ; attempt++ {
		var random [tmpDigits / 2]byte
		if _, err := io.ReadFull(f.opts.Random, random[:]); err != nil {
			return "", nil, fmt.Errorf("random name: %w", err)
		}
		name := tmpPrefix + hex.EncodeToString(random[:])
		w, err := dir.Create(name, 0o600)
		if err == nil {
			return name, w, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return "", nil, err
		}
		if attempt == 2 {
			return "", nil, fmt.Errorf("temporary name: %v", err)
		}
	}
}

// Get is varve.Backend's. disk.ErrKind where something other than a file has the object's name; varve.ErrDamaged where it is longer
// than any object of its kind and asked for whole, or ends before the end that the disk tells.
func (f *Files) Get(ctx context.Context, name string, off, n int64) ([]byte, error) {
	data, err := f.get(ctx, name, off, n)
	return data, wrap("get", name, err)
}

func (f *Files) get(ctx context.Context, name string, off, n int64) ([]byte, error) {
	folder, leaf, err := f.place(name)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if off < 0 {
		return nil, fs.ErrInvalid
	}
	dir, err := folder.held.Use()
	if err != nil {
		return nil, err
	}
	defer folder.held.Done()
	r, err := dir.Open(leaf)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	info, err := r.Info()
	if err != nil {
		return nil, err
	}
	rest := max(info.Size-off, 0)
	if n >= 0 {
		rest = min(rest, n)
	}
	if rest > folder.kind.MaxSize()+1 { // before memory is taken for it
		return nil, fmt.Errorf("%w: %d bytes are more than such an object may have", varve.ErrDamaged, rest)
	}
	return readAt(r, off, rest)
}

// readAt reads exactly n bytes.
func readAt(r io.ReaderAt, off, n int64) ([]byte, error) {
	data := make([]byte, n)
	got, err := r.ReadAt(data, off)
	switch {
	case int64(got) == n:
		return data, nil
	case err == nil || errors.Is(err, io.EOF): // nobody writes to an object, so the disk is wrong about it
		return nil, fmt.Errorf("%w: %d bytes at %d instead of %d", varve.ErrDamaged, got, off, n)
	}
	return nil, err
}

// Delete is varve.Backend's. It works on a full disk and is not synced.
func (f *Files) Delete(ctx context.Context, name string) error {
	return wrap("delete", name, f.delete(ctx, name))
}

func (f *Files) delete(ctx context.Context, name string) error {
	folder, leaf, err := f.place(name)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	dir, err := folder.held.Use()
	if err != nil {
		return err
	}
	defer folder.held.Done()
	return dir.Remove(leaf)
}
