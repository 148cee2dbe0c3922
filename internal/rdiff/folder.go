package rdiff

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"varve"
	"varve/internal/disk"
)

// increment is a file with a suffix in its name.
type increment struct {
	dir, name string // where it lies on the disk
	suffix
}

// folder is what is known of a directory of the repository.
type folder struct {
	names      map[string]string      // what names stand for → names on the disk; nil where they are the same
	increments map[string][]increment // by what comes before the suffix
}

// recent keeps what was made last, as long as its weight together is not more than limit; the very last in any case. The zero value with a
// limit is empty.
type recent[T any] struct {
	limit int
	sum   int
	keys  []string // the one used last at the end
	made  map[string]weighed[T]
}

type weighed[T any] struct {
	value  T
	weight int
}

// get returns what was kept for key.
func (r *recent[T]) get(key string) (T, bool) {
	v, ok := r.made[key]
	if ok {
		at := slices.Index(r.keys, key)
		r.keys = append(slices.Delete(r.keys, at, at+1), key)
	}
	return v.value, ok
}

// put keeps v.
func (r *recent[T]) put(key string, v T, weight int) {
	if _, ok := r.made[key]; ok {
		return
	}
	if r.made == nil {
		r.made = map[string]weighed[T]{}
	}
	r.made[key] = weighed[T]{v, weight}
	r.keys = append(r.keys, key)
	r.sum += weight
	for r.sum > r.limit && len(r.keys) > 1 {
		r.sum -= r.made[r.keys[0]].weight
		delete(r.made, r.keys[0])
		r.keys = r.keys[1:]
	}
}

// list returns the names in the directory at path, on the disk.
func (r *Repository) list(path string) ([]disk.Name, error) {
	d := r.held.At(path)
	at, err := d.Use()
	if err != nil {
		return nil, err
	}
	defer d.Done()
	return at.Names()
}

// folder returns what is known of the directory at path, on the disk; nothing where there is none.
func (r *Repository) folder(path string) (*folder, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f, ok := r.folders.get(path); ok {
		return f, nil
	}
	names, err := r.list(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, disk.ErrKind) {
		return nil, err
	}
	f, err := r.fold(path, names)
	if err == nil {
		r.folders.put(path, f, folderWeight+len(names))
	}
	return f, err
}

// fold sorts the names in the directory at path. Directories are never increments, whatever their names.
func (r *Repository) fold(path string, names []disk.Name) (*folder, error) {
	f := &folder{increments: map[string][]increment{}}
	if r.quoted {
		f.names = map[string]string{}
	}
	within := varve.Within(path, dataDir)
	for _, n := range names {
		plain := n.Name
		if r.quoted {
			plain = unquoteName(n.Name)
			f.names[plain] = n.Name
		}
		if !within {
			continue
		}
		base, s, ok := splitName(plain)
		if !ok {
			continue
		}
		kind, err := r.kind(path, n)
		if err != nil {
			return nil, err
		}
		if kind != varve.Dir {
			f.increments[base] = append(f.increments[base], increment{path, n.Name, s})
		}
	}
	return f, nil
}

// kind returns the kind of n, which lies in the directory at path; 0 where it is gone.
func (r *Repository) kind(path string, n disk.Name) (varve.Kind, error) {
	if n.Kind != 0 {
		return n.Kind, nil
	}
	d := r.held.At(path)
	at, err := d.Use()
	if err != nil {
		return 0, err
	}
	defer d.Done()
	info, err := at.Lookup(n.Name)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return info.Kind, err
}

// place returns the path on the disk of path below the directory top. fs.ErrNotExist where a name cannot be found.
func (r *Repository) place(top, path string) (string, error) {
	switch {
	case path == "":
		return top, nil
	case !r.quoted:
		return varve.Join(top, path), nil
	}
	at := top
	for name := range strings.SplitSeq(path, "/") {
		f, err := r.folder(at)
		if err != nil {
			return "", err
		}
		actual, ok := f.names[name]
		if !ok {
			return "", &fs.PathError{Op: "look up", Path: varve.Join(at, name), Err: fs.ErrNotExist}
		}
		at = varve.Join(at, actual)
	}
	return at, nil
}

// open opens the regular file name in the directory at path, on the disk.
func (r *Repository) open(path, name string) (disk.Reader, int64, error) {
	d := r.held.At(path)
	at, err := d.Use()
	if err != nil {
		return nil, 0, err
	}
	defer d.Done()
	f, err := at.Open(name)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Info()
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size, nil
}

// stream is a file read from its beginning, decompressed.
type stream struct {
	io.Reader
	file disk.Reader
}

// Close closes the file.
func (s *stream) Close() error { return s.file.Close() }

// stream opens an increment for reading from its beginning.
func (r *Repository) stream(i increment) (*stream, error) {
	f, size, err := r.open(i.dir, i.name)
	if err != nil {
		return nil, err
	}
	s := &stream{io.NewSectionReader(f, 0, size), f}
	if i.gz {
		if s.Reader, err = unzip(f, size); err != nil {
			return nil, errors.Join(fmt.Errorf("%s/%s: %w", i.dir, i.name, err), f.Close())
		}
	}
	return s, nil
}

// unzip decompresses a file of size bytes.
func unzip(f io.ReaderAt, size int64) (io.Reader, error) {
	z, err := gzip.NewReader(io.NewSectionReader(f, 0, size))
	if err != nil {
		return nil, noEOF(err)
	}
	return z, nil
}

// maxSmall is how many bytes are read of files that are small.
const maxSmall = 1 << 16

// readSmall returns the first bytes of a file in the directory at path.
func (r *Repository) readSmall(path, name string) ([]byte, error) {
	f, size, err := r.open(path, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.NewSectionReader(f, 0, min(size, maxSmall)))
}
