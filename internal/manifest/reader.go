package manifest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"

	"varve"
)

// How many decoded pages a Reader keeps; a page of entries only where it is no longer than so many bytes.
const (
	cachedLeaves  = 8
	cachedNodes   = 16
	cachedMaxPage = 256 << 10
)

// Reader reads a manifest. It may be used from several goroutines.
//
// The slices in entries that it returns are shared and must not be changed.
type Reader struct {
	pages  PageReader
	root   Root
	leaves cache[[]varve.Entry]
	nodes  cache[*node]
}

// Pos is the position of an entry in its manifest, counted from 0. It holds for every Reader of the same manifest.
type Pos uint64

// NewReader returns a Reader of the manifest with this root. Nothing is read before it is asked for.
func NewReader(p PageReader, root Root) *Reader {
	r := &Reader{pages: p, root: root}
	r.leaves.size, r.nodes.size = cachedLeaves, cachedNodes
	return r
}

// Root returns what NewReader was given.
func (r *Reader) Root() Root { return r.root }

// Entries yields all entries in listing order. An error ends the sequence; what was yielded is not all then.
func (r *Reader) Entries() iter.Seq2[varve.Entry, error] {
	return func(yield func(varve.Entry, error) bool) {
		for c := r.Cursor(); ; {
			e, err := c.Next()
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(varve.Entry{}, err)
				return
			}
			if !yield(*e, nil) {
				return
			}
		}
	}
}

// Cursor returns a Cursor at the first entry.
func (r *Reader) Cursor() *Cursor { return &Cursor{r: r} }

// Lookup returns the entry at path; fs.ErrNotExist where there is none.
func (r *Reader) Lookup(path string) (varve.Entry, error) {
	return r.lookup(r.Cursor(), path)
}

func (r *Reader) lookup(c *Cursor, path string) (varve.Entry, error) {
	if err := c.Seek(path); err != nil {
		return varve.Entry{}, err
	}
	e, err := c.Next()
	switch {
	case err == io.EOF || err == nil && e.Path != path:
		return varve.Entry{}, &fs.PathError{Op: "lookup", Path: path, Err: fs.ErrNotExist}
	case err != nil:
		return varve.Entry{}, err
	}
	return *e, nil
}

// Get returns the entry at pos; fs.ErrNotExist where there is none.
func (r *Reader) Get(pos Pos) (varve.Entry, error) {
	c := r.Cursor()
	if err := c.SeekPos(pos); err != nil {
		return varve.Entry{}, err
	}
	e, err := c.Next()
	switch {
	case err == io.EOF:
		return varve.Entry{}, fmt.Errorf("get entry %d of %d: %w", pos, r.root.Entries, fs.ErrNotExist)
	case err != nil:
		return varve.Entry{}, err
	}
	return *e, nil
}

// ReadDir returns the entries of the directory at path, sorted by the bytes of their names; fs.ErrNotExist where path does not
// name a directory of the snapshot.
func (r *Reader) ReadDir(path string) ([]varve.Entry, error) {
	c, err := r.enter(path)
	if err != nil {
		return nil, err
	}
	return children(c, path)
}

// Below yields what lies below the directory at path, in listing order, and fs.ErrNotExist where path does not name a directory of the
// snapshot. An error ends the sequence; what was yielded is not all then.
func (r *Reader) Below(path string) iter.Seq2[varve.Entry, error] {
	return func(yield func(varve.Entry, error) bool) {
		c, err := r.enter(path)
		for err == nil {
			var e *varve.Entry
			if e, err = c.Next(); err == nil && (!varve.Within(e.Path, path) || !yield(*e, nil)) {
				return
			}
		}
		if err != io.EOF {
			yield(varve.Entry{}, err)
		}
	}
}

// Until yields what list does; an error, that of ctx too, ends the sequence.
func Until(ctx context.Context, list iter.Seq2[varve.Entry, error]) iter.Seq2[varve.Entry, error] {
	return func(yield func(varve.Entry, error) bool) {
		for e, err := range list {
			if err == nil {
				err = ctx.Err()
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// enter returns a Cursor at the first entry of the directory at path, or where that would be.
func (r *Reader) enter(path string) (*Cursor, error) {
	c := r.Cursor()
	dir, err := r.lookup(c, path)
	if err == nil && dir.Kind != varve.Dir {
		err = fs.ErrNotExist
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &fs.PathError{Op: "readdir", Path: path, Err: fs.ErrNotExist}
	}
	if err == nil {
		err = c.Seek(beforeChildren(path))
	}
	return c, err
}

// beforeChildren returns what sorts directly before everything in the directory dir; no entry has such a path.
func beforeChildren(dir string) string {
	if dir == "" {
		return "\x00"
	}
	return dir + "/"
}

// children returns the entries from c on that lie directly in dir.
func children(c *Cursor, dir string) ([]varve.Entry, error) {
	var list []varve.Entry
	for {
		e, err := c.Next()
		if err == io.EOF || err == nil && e.Parent() != dir {
			return list, nil
		}
		if err != nil {
			return nil, err
		}
		list = append(list, *e)
	}
}

// place is where a page must fit in: what the page above says of it.
type place struct {
	ref
	level int
	// bound is the first path that comes after the page; empty where there is no such path.
	bound string
}

// top is the place of the root page.
func (r *Reader) top() (place, error) {
	if r.root.Level < 0 || r.root.Level > MaxLevel || r.root.Entries < 0 {
		return place{}, fmt.Errorf("manifest root: level %d or number of entries out of range: %w", r.root.Level, varve.ErrDamaged)
	}
	return place{ref: ref{id: r.root.ID, entries: r.root.Entries, bytes: r.root.Bytes}, level: r.root.Level}, nil
}

// admits says why a page with these properties is not the one that belongs in p.
func (p *place) admits(level int, first, last string, entries, bytes int64) error {
	switch {
	case level != p.level:
		return damaged(p.id, "not of the level that the page above says")
	case first != p.first:
		return damaged(p.id, "does not begin with the path that the page above says")
	case p.bound != "" && varve.ComparePaths(last, p.bound) >= 0:
		return damaged(p.id, "reaches beyond the beginning of the next page")
	case entries != p.entries || bytes != p.bytes:
		return damaged(p.id, "does not hold as much as the page above says")
	}
	return nil
}

// node returns the page of references at p.
func (r *Reader) node(p *place) (*node, error) {
	n, ok := r.nodes.get(p.id)
	if !ok {
		page, err := r.get(p.id)
		if err != nil {
			return nil, err
		}
		if n, err = decodeNode(p.id, page); err != nil {
			return nil, err
		}
		if len(page) <= cachedMaxPage {
			r.nodes.add(p.id, n)
		}
	}
	return n, p.admits(n.level, n.refs[0].first, n.last, n.entries, n.bytes)
}

// leaf returns the entries of the page at p, which others may see too.
func (r *Reader) leaf(p *place) ([]varve.Entry, error) {
	list, ok := r.leaves.get(p.id)
	if ok {
		return list, p.admitsLeaf(list)
	}
	page, err := r.get(p.id)
	if err != nil {
		return nil, err
	}
	list = make([]varve.Entry, 0, min(p.entries, fullItems))
	if list, err = decodeLeaf(p.id, page, list); err != nil {
		return nil, err
	}
	if len(page) <= cachedMaxPage {
		r.leaves.add(p.id, list)
	}
	return list, p.admitsLeaf(list)
}

// leafInto returns the entries of the page at p in the memory of scratch, and nobody else sees them.
func (r *Reader) leafInto(p *place, scratch []varve.Entry) ([]varve.Entry, error) {
	page, err := r.get(p.id)
	if err != nil {
		return nil, err
	}
	list, err := decodeLeaf(p.id, page, scratch[:0])
	if err != nil {
		return nil, err
	}
	return list, p.admitsLeaf(list)
}

// admitsLeaf is admits for a page of entries.
func (p *place) admitsLeaf(list []varve.Entry) error {
	if len(list) == 0 {
		return p.admits(0, "", "", 0, 0) // the root page of an empty manifest
	}
	total := int64(0)
	for i := range list {
		total = sum(total, bytesOf(&list[i]))
	}
	return p.admits(0, list[0].Path, list[len(list)-1].Path, int64(len(list)), total)
}

func (r *Reader) get(id PageID) ([]byte, error) {
	page, err := r.pages.Get(id)
	if errors.Is(err, fs.ErrNotExist) { // which would pass for an entry that is not there
		return nil, damaged(id, "missing")
	}
	if err != nil {
		return nil, fmt.Errorf("get manifest page %.12s: %w", id, err)
	}
	return page, nil
}
