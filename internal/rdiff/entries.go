package rdiff

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"slices"

	"varve"
)

// plainDir is the mode of a directory that nothing is known of.
const plainDir = 0o700

// Entries yields everything that the version holds, see varve.Source.
func (v *Version) Entries(ctx context.Context) iter.Seq2[varve.Entry, error] {
	return func(yield func(varve.Entry, error) bool) {
		root, _, err := v.spool.rows(v.root).next()
		if err != nil {
			yield(varve.Entry{}, broken(err))
			return
		}
		if yield(v.entry("", &root), nil) {
			v.handAll(ctx, node{"", root.below}, yield)
		}
	}
}

// Below yields what lies below a directory, see varve.View.
func (v *Version) Below(ctx context.Context, path string) iter.Seq2[varve.Entry, error] {
	return func(yield func(varve.Entry, error) bool) {
		dir, err := v.row(path)
		if err == nil && !dir.isDir {
			err = fs.ErrNotExist
		}
		if err != nil {
			yield(varve.Entry{}, &fs.PathError{Op: "read directory", Path: path, Err: err})
			return
		}
		v.handAll(ctx, node{path, dir.below}, yield)
	}
}

// handAll hands out what lies below top, or an error.
func (v *Version) handAll(ctx context.Context, top node, yield func(varve.Entry, error) bool) {
	for todo := []node{top}; len(todo) > 0; {
		last := len(todo) - 1
		n := todo[last]
		todo = todo[:last]
		below, err := v.hand(ctx, n, yield)
		if errors.Is(err, errStopped) {
			return
		}
		if err != nil {
			yield(varve.Entry{}, broken(err))
			return
		}
		slices.Reverse(below)
		todo = append(todo, below...)
	}
}

// node is a directory to be listed.
type node struct {
	path string
	at   ref
}

// errStopped says that the consumer wants no more.
var errStopped = errors.New("stopped")

// broken says what a sequence ended with.
func broken(err error) error { return fmt.Errorf("read rdiff-backup session: %w", err) }

// hand yields the entries of a directory and returns the directories among them.
func (v *Version) hand(ctx context.Context, n node, yield func(varve.Entry, error) bool) (below []node, err error) {
	for r, err := range v.list(n.at) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		path := varve.Join(n.path, r.name)
		if !yield(v.entry(path, &r.row), nil) {
			return nil, errStopped
		}
		if r.isDir {
			below = append(below, node{path, r.below})
		}
	}
	return below, nil
}

// placed is a row and where it lies.
type placed struct {
	row
	at ref
}

// list yields the rows of a listing.
func (v *Version) list(at ref) iter.Seq2[placed, error] {
	return func(yield func(placed, error) bool) {
		in := v.spool.rows(at)
		for off := at.off; ; {
			r, size, err := in.next()
			if errors.Is(err, io.EOF) {
				return
			}
			if !yield(placed{r, ref{off, size}}, err) || err != nil {
				return
			}
			off += size
		}
	}
}

// entry is what a row says.
func (v *Version) entry(path string, r *row) varve.Entry {
	if r.made {
		return varve.Entry{Path: path, Kind: varve.Dir, Mode: plainDir}
	}
	rec, err := parseRecord(r.attr)
	e := rec.entry
	e.Path = path
	if err != nil && !r.isDir {
		return varve.Entry{Path: path, Kind: e.Kind, Err: fmt.Errorf("%w: its metadata: %w", varve.ErrUnreadable, err)}
	}
	if err != nil && e.Mode == 0 {
		e.Mode = plainDir
	}
	e.Xattrs = v.xattrs(r)
	if k := v.links[rec.links]; k != nil && k.count > 1 && !k.apart {
		if k.first == path {
			e.Marks |= varve.Linked
		} else {
			e.SameAs = k.first
		}
	}
	if s, ok := v.sum(&rec); ok && e.Kind == varve.Regular {
		e.Stamp = stamp(path, &s)
	}
	return e
}

// xattrs are the extended attributes and ACLs of a row, as far as they can be converted.
func (v *Version) xattrs(r *row) []varve.Xattr {
	xattrs, err := parseXattrs(r.ea)
	if err != nil {
		xattrs = nil
	}
	acls, err := parseACL(r.acl, v.userID, v.groupID)
	if err == nil || errors.Is(err, errUnknownOwner) {
		xattrs = append(xattrs, acls...)
	}
	xattrs, _ = sortXattrs(xattrs) // no attribute is there twice: ACLs have names that others may not have
	return xattrs
}

// sum returns the SHA-1 of a file's content; that of another name of its inode where only that has one.
func (v *Version) sum(r *record) (sum, bool) {
	if r.hasSum {
		return r.sum, true
	}
	if k := v.links[r.links]; k != nil && k.known && !k.apart {
		return k.sum, true
	}
	return sum{}, false
}

// stamp makes one that two files have in common only if they have path and content in common.
func stamp(path string, s *sum) varve.Stamp {
	h := sha256.New()
	h.Write(s[:])
	io.WriteString(h, path)
	d := h.Sum(nil)
	const billion = 1e9
	return varve.Stamp{
		Dev: binary.BigEndian.Uint64(d) >> 1,
		Ino: binary.BigEndian.Uint64(d[8:]) | 1,
		CTime: varve.Time{
			Sec:  int64(binary.BigEndian.Uint64(d[16:]) >> 2), // a positive one, for those who count in nanoseconds as well
			Nsec: int32(binary.BigEndian.Uint32(d[24:]) % billion),
		},
	}
}

// row finds what lies at path; fs.ErrNotExist where nothing does.
func (v *Version) row(path string) (row, error) {
	at := v.root
	if path != "" {
		found, err := v.within(varve.Parent(path))
		if err != nil {
			return row{}, err
		}
		e := varve.Entry{Path: path}
		ok := false
		if at, ok = found[e.Name()]; !ok {
			return row{}, fs.ErrNotExist
		}
	}
	r, _, err := v.spool.rows(at).next()
	return r, err
}

// within returns where the rows of the objects in a directory lie.
func (v *Version) within(dir string) (map[string]ref, error) {
	v.mu.Lock()
	found, ok := v.dirs.get(dir)
	v.mu.Unlock()
	if ok {
		return found, nil
	}
	r, err := v.row(dir)
	if err != nil {
		return nil, err
	}
	found = map[string]ref{}
	for r, err := range v.list(r.below) { // what is no directory has nothing below
		if err != nil {
			return nil, err
		}
		found[r.name] = r.at
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.dirs.put(dir, found, folderWeight+len(found))
	return found, nil
}
