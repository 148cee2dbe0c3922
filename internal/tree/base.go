package tree

import (
	"fmt"
	"io"

	"varve"
	"varve/internal/compare"
	"varve/internal/disk"
)

// base is an earlier snapshot, or what an interrupted run left, whose files a new snapshot may link to.
type base struct {
	held *disk.Held // its files
	// unproven says that nothing vouches for its files having reached the disk whole: they are read before they are linked to.
	unproven bool
	next     func() (*varve.Entry, error) // io.EOF at the end
	close    func() error

	at   *varve.Entry // the entry that comes next; nil at the end
	pos  int          // its position
	used bitmap       // the positions that something was linked to

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
	entry varve.Entry
	// proven says that the source's file is known to be unchanged; else its content has to be compared.
	proven bool
}

// sides are the aspects in which a file must agree with the one it is linked to, beside its content.
const sides = varve.Type | varve.Owner | varve.Mode | varve.Xattrs | varve.MTime

// minClone is the size in bytes from which on a changed file shares what did not change with the one before, where the file system
// can share parts of files.
const minClone = 1 << 20

// candidates returns the files of the bases that e may be linked to, the best first, and one that it may resemble where there is
// none.
func (s *save) candidates(e *varve.Entry) (list []candidate, like *candidate) {
	for _, b := range s.bases {
		found, err := b.advance(e.Path)
		if err != nil { // what cannot be read of a base is copied from the source instead
			s.report(varve.Event{Kind: varve.Damage, Path: e.Path, Err: err})
			b.next, b.at = nil, nil
			continue
		}
		if !found || b.used.has(b.pos) {
			continue
		}
		if c, ok := suits(b, b.at, e); ok {
			b.used.add(b.pos)
			list = append(list, c)
		} else if b.at.Kind == varve.Regular && e.Kind == varve.Regular && e.Size >= minClone {
			like = &candidate{base: b, entry: *b.at}
		}
	}
	if len(list) == 0 && e.Kind == varve.Regular && e.Size > 0 {
		list = s.movedCandidates(e)
	}
	return list, like
}

// suits reports whether e may be linked to the entry o of b.
func suits(b *base, o, e *varve.Entry) (candidate, bool) {
	if o.Kind != e.Kind || compare.Aspects(o, e)&sides != 0 {
		return candidate{}, false
	}
	// Files that are separate at the source must not come to share an inode because two names of the base do.
	alone := o.SameAs == "" && o.Marks&varve.Linked == 0
	if e.Kind != varve.Regular {
		return candidate{b, *o, true}, alone && e.Kind != varve.Dir
	}
	if compare.Unchanged(o, e) {
		return candidate{b, *o, true}, true
	}
	return candidate{b, *o, false}, alone && o.Size == e.Size && e.Size > 0
}

// fault says in what way the store's copy of o, info, is not what the manifest says; empty where it is. Bit rot under the same size
// and time only shows in the content.
func (s *Store) fault(info *disk.Info, o *varve.Entry) string {
	k, _ := s.kept(o)
	owned := o.Unkept&varve.Owner == 0
	switch {
	case o.Unkept&varve.Type != 0:
		if info.Kind != varve.Regular || info.Size != 0 {
			return "not the empty file that stands for a " + o.Kind.String()
		}
		return ""
	case info.Kind != o.Kind:
		return fmt.Sprintf("a %s, not a %s", info.Kind, o.Kind)
	case info.Size != o.Size:
		return fmt.Sprintf("%d bytes long, not %d", info.Size, o.Size)
	case info.Target != o.Target:
		return fmt.Sprintf("a link to %q, not %q", info.Target, o.Target)
	case info.Rdev != o.Rdev:
		return "another device"
	case o.Unkept&varve.MTime == 0 && info.MTime != o.MTime:
		return "modification time differs"
	case owned && (info.UID != o.UID || info.GID != o.GID):
		return "owner differs"
	case o.Unkept&varve.Mode == 0 && o.Kind != varve.Symlink && info.Mode != o.Mode && info.Mode != k.Mode:
		return "mode differs"
	}
	return ""
}
