package manifest

import (
	"errors"
	"fmt"

	"varve"
)

// Writer cuts entries into pages. Its memory is one page for each level.
type Writer struct {
	pages  PageWriter
	leaf   leaf
	levels []*refPage // levels[i] is the page of level i+1
	hasher pathHasher
	hash   uint64 // of the last path
	begun  bool
	last   string // the last path, and its parts
	dir    string
	name   string
	err    error // what broke the Writer, or that it is closed
}

var (
	errClosed = errors.New("manifest is closed")
	errOrder  = errors.New("not in listing order")
)

// NewWriter returns a Writer that gives its pages to p.
func NewWriter(p PageWriter) *Writer {
	w := &Writer{pages: p, hasher: newPathHasher()}
	w.leaf.reset()
	return w
}

// Add appends e, which must follow the entry before in listing order; the root comes first. It keeps no reference to e, but the
// Xattrs must not be changed before Close.
//
// An error that matches ErrEntry concerns this entry alone: it is left out, and the Writer goes on. An entry out of order is left
// out too, but means that the Source is broken. After an error of Put, all calls return that error.
func (w *Writer) Add(e *varve.Entry) error {
	if w.err != nil {
		return w.err
	}
	dir, name := split(e.Path)
	if err := w.admit(e, dir, name); err != nil {
		return fmt.Errorf("add %q: %w", e.Path, err)
	}
	w.begun, w.last, w.dir, w.name = true, e.Path, dir, name
	w.hash = w.hasher.hash(dir, name)
	w.leaf.add(e, dir, name)
	if w.leaf.weight.ends(0, w.hash) {
		w.err = w.cutLeaf()
	}
	return w.err
}

// admit says why e, whose path is made of dir and name, cannot be added.
func (w *Writer) admit(e *varve.Entry, dir, name string) error {
	if e.Err != nil {
		return fmt.Errorf("%w: %w", ErrEntry, e.Err)
	}
	if reason := w.pathFault(e.Path, dir, name); reason != "" {
		return fmt.Errorf("%w: %s", ErrEntry, reason)
	}
	if !w.follows(e.Path, dir, name) {
		return errOrder
	}
	if reason := faultOf(e); reason != "" {
		return fmt.Errorf("%w: %s", ErrEntry, reason)
	}
	if tooLarge(e) {
		return fmt.Errorf("%w: too large", ErrEntry)
	}
	return nil
}

// pathFault is the function of that name, quick for a path in the same directory as the last one.
func (w *Writer) pathFault(path, dir, name string) string {
	if path == "" || dir != w.dir || len(path) > MaxPath {
		return pathFault(path)
	}
	if len(path) == len(name)+1 {
		return "a path that begins with a slash"
	}
	return nameFault(name)
}

// follows reports whether a path made of dir and name comes after the last one.
func (w *Writer) follows(path, dir, name string) bool {
	switch {
	case !w.begun:
		return path == ""
	case dir == w.dir:
		return name > w.name
	}
	return varve.ComparePaths(w.last, path) < 0
}

// Close writes the remaining pages and returns what NewReader needs. It neither closes nor syncs what keeps the pages.
func (w *Writer) Close() (root Root, err error) {
	if w.err != nil {
		return Root{}, w.err
	}
	if w.err = w.finish(); w.err != nil {
		return Root{}, w.err
	}
	w.err = errClosed
	level := 0
	for w.levels[level].count > 1 {
		level++
	}
	r := w.levels[level].only
	return Root{ID: r.id, Level: level, Entries: r.entries, Bytes: r.bytes}, nil
}

// finish cuts every page that holds something, until there is a level with a single page.
func (w *Writer) finish() error {
	if w.leaf.weight.items > 0 || !w.begun {
		if err := w.cutLeaf(); err != nil {
			return err
		}
	}
	for level := 1; w.levels[level-1].count > 1; level++ {
		if w.levels[level-1].weight.items == 0 {
			continue
		}
		if err := w.cutRefs(level); err != nil {
			return err
		}
	}
	return nil
}

// cutLeaf ends the page of entries.
func (w *Writer) cutLeaf() error {
	id, err := w.put(w.leaf.buf)
	if err != nil {
		return err
	}
	r := ref{id: id, first: w.leaf.first, entries: int64(w.leaf.weight.items), bytes: w.leaf.bytes}
	w.leaf.reset()
	return w.addRef(1, r)
}

// cutRefs ends the page of references of a level.
func (w *Writer) cutRefs(level int) error {
	p := w.levels[level-1]
	id, err := w.put(p.buf)
	if err != nil {
		return err
	}
	r := p.sums
	r.id = id
	p.reset()
	return w.addRef(level+1, r)
}

// addRef adds a reference to the page of a level.
func (w *Writer) addRef(level int, r ref) error {
	if level > len(w.levels) {
		w.levels = append(w.levels, &refPage{level: level})
		w.levels[level-1].reset()
	}
	p := w.levels[level-1]
	p.add(r)
	if p.weight.ends(level, w.hash) {
		return w.cutRefs(level)
	}
	return nil
}

func (w *Writer) put(page []byte) (PageID, error) {
	id, err := w.pages.Put(page)
	if err != nil {
		return id, fmt.Errorf("put manifest page: %w", err)
	}
	return id, nil
}
