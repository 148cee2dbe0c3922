package tree

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"

	"varve"
	"varve/internal/compare"
	"varve/internal/disk"
	"varve/internal/manifest"
	"varve/internal/place"
)

// base is an earlier snapshot, or what an interrupted run left, whose files a new snapshot may link to.
type base struct {
	held *disk.Held // its files
	// unproven says that nothing vouches for its files having reached the disk whole: they are read before they are linked to.
	unproven bool
	// published says that it is a snapshot, of which a file that is not what its manifest says is worth telling.
	published bool
	// id, location and reader are the snapshot's. lends says that content may be left there, to be found by later snapshots of the
	// series; it is asked again and again, since a disk without hard links shows only when a link is tried. Nil stands for never.
	id       varve.SnapshotID
	location string
	reader   *manifest.Reader
	lends    *atomic.Bool
	next     func() (*varve.Entry, error) // io.EOF at the end
	close    func() error

	at  *varve.Entry // the entry that comes next; nil at the end
	pos int          // its position, counted from 1

	mu   sync.Mutex
	used bitmap // the positions that something was linked to

	index *movedIndex // where to find files that are now elsewhere; nil for a partial
}

// bitmap is a growing set of small numbers.
type bitmap []uint64

func (b bitmap) has(i int) bool { return i>>6 < len(b) && b[i>>6]&(1<<(i&63)) != 0 }

func (b *bitmap) add(i int) {
	for i>>6 >= len(*b) {
		*b = append(*b, 0)
	}
	(*b)[i>>6] |= 1 << (i & 63)
}

func (b bitmap) remove(i int) { b[i>>6] &^= 1 << (i & 63) }

// claim takes the entry at pos for a link, and reports whether nobody had. Every file of a base is linked to once at the most, so
// that files which are separate at the source stay so.
func (b *base) claim(pos int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.used.has(pos) {
		return false
	}
	b.used.add(pos)
	return true
}

// claimed reports whether the entry at pos was taken for a link.
func (b *base) claimed(pos int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used.has(pos)
}

// unclaim gives back what claim took.
func (b *base) unclaim(pos int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used.remove(pos)
}

// advance moves to the first entry that does not come before path, and reports whether it is path.
func (b *base) advance(path string) (bool, error) {
	for {
		if b.at != nil {
			switch c := varve.ComparePaths(b.at.Path, path); {
			case c == 0:
				return true, nil
			case c > 0:
				return false, nil
			}
		}
		if b.next == nil {
			return false, nil
		}
		e, err := b.next()
		if err == io.EOF {
			b.at, b.next = nil, nil
			return false, nil
		}
		if err != nil {
			return false, err
		}
		b.at = e
		b.pos++
	}
}

// candidate is a file of a base that a new snapshot may link to.
type candidate struct {
	base  *base
	pos   int
	entry varve.Entry
	// proven says that the source's file is known to be unchanged; else its content has to be compared.
	proven bool
}

// sides are the aspects in which a file must agree with the one it is linked to, beside its content.
const sides = varve.Type | varve.Owner | varve.Mode | varve.Xattrs | varve.MTime

// minClone is the size in bytes from which on a changed file shares what did not change with the one before, where the file system
// can share parts of files.
const minClone = 1 << 20

// seek finds the files of the bases that the entry of j may be linked to, the best first, and one that it may resemble where there
// is none.
func (s *save) seek(j *job) {
	e := j.entry
	for _, b := range s.bases {
		found, err := b.advance(e.Path)
		if err != nil { // what cannot be read of a base is copied from the source instead
			s.report(varve.Event{Kind: varve.Damage, Path: e.Path, Err: err})
			b.next, b.at = nil, nil
			continue
		}
		if !found {
			continue
		}
		if proven, ok := b.suits(b.at, e); ok {
			j.candidates = append(j.candidates, candidate{b, b.pos, *b.at, proven})
		} else if b.at.Kind == varve.Regular && e.Kind == varve.Regular && e.Size >= minClone {
			j.like = &candidate{base: b, entry: *b.at}
		}
	}
	if len(j.candidates) == 0 && e.Kind == varve.Regular && e.Size > 0 {
		s.seekMoved(j)
	}
}

// suits reports whether e may be linked to the entry o of b, and whether it is proven that their content is the same.
func (b *base) suits(o, e *varve.Entry) (proven, ok bool) {
	switch {
	case o.Kind != e.Kind || e.Kind == varve.Dir:
		return false, false
	case b.lendable(o):
		return compare.Unchanged(o, e), o.Size == e.Size && e.Size > 0
	case compare.Aspects(o, e)&sides != 0:
		return false, false
	case e.Kind != varve.Regular || compare.Unchanged(o, e):
		return true, true
	}
	// Files that are separate at the source must not come to share an inode because two names of the base do: of a group of hard
	// links only the first may be taken, and only for a group.
	alike := o.SameAs == "" && o.Marks&varve.Linked == e.Marks&varve.Linked
	return false, alike && o.Size == e.Size && e.Size > 0
}

// fault says in what way the store's copy of o, info, is not what the manifest says; empty where it is. Bit rot under the same size
// and time only shows in the content.
func (s *Store) fault(info *disk.Info, o *varve.Entry) string {
	k, _ := s.kept(o)
	owned := (o.Unkept|s.opts.Untold)&varve.Owner == 0
	switch {
	case o.Unkept&varve.Type != 0:
		if !standsFor(info, o) {
			return "not the file that stands for a " + o.Kind.String()
		}
		return ""
	case info.Kind != o.Kind:
		return fmt.Sprintf("a %s, not a %s", info.Kind, o.Kind)
	case info.Size != o.Size:
		return fmt.Sprintf("%d bytes long, not %d", info.Size, o.Size)
	case info.Target != o.Target:
		return fmt.Sprintf("a link to %q, not %q", info.Target, o.Target)
	case s.opts.Untold&varve.Type == 0 && info.Rdev != o.Rdev:
		return "another device"
	case o.Unkept&varve.MTime == 0 && !s.sameTime(info.MTime, o.MTime):
		return "modification time differs"
	case owned && (info.UID != o.UID || info.GID != o.GID):
		return "owner differs"
	case o.Unkept&varve.Mode == 0 && o.Kind != varve.Symlink && info.Mode != o.Mode && info.Mode != k.Mode:
		return "mode differs"
	}
	return ""
}

// sameTime reports whether told is what the disk tells of the time kept.
func (s *Store) sameTime(told, kept varve.Time) bool {
	if s.opts.Untold&varve.MTime == 0 || told == kept {
		return told == kept
	}
	return told.Nsec == 0 && uint32(told.Sec) == uint32(kept.Sec)
}

// tells reports whether xattrs, which the disk tells of its copy of o, are what the manifest says, as far as it tells any.
func (s *Store) tells(xattrs []varve.Xattr, o *varve.Entry) bool {
	return (o.Unkept|s.opts.Untold)&varve.Xattrs != 0 || slices.Equal(place.WithoutImposed(xattrs, o.Xattrs), o.Xattrs)
}

// standsFor reports whether what lies there can stand for an object that the file system cannot hold: an empty file or, for a
// symlink, one with its target, as rsync makes it for users who may not do more.
func standsFor(info *disk.Info, o *varve.Entry) bool {
	return info.Kind == varve.Regular && (info.Size == 0 || o.Kind == varve.Symlink && info.Size == int64(len(o.Target)))
}
