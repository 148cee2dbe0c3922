package rdiff

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"varve"
)

// listing turns records in pre-order into listings of directories, of which the order of an entry sequence is made. A directory is
// written out when everything below it is done: before its parent, which tells where it lies. So only the directories on the way to
// one are held in memory.
type listing struct {
	spool *spool
	open  []*openDir
	path  string // of the last of open
	root  ref
}

// openDir is a directory of which not all entries are known yet.
type openDir struct {
	row  row // its own, without what lies below
	path int // the length of its path, which listing.path begins with
	rows []byte
	last string // the name of the last entry
	dir  bool   // that entry is a directory
}

// row is one entry of a listing.
type row struct {
	name          string
	attr, ea, acl string // texts of records
	isDir         bool
	made          bool // no record tells of the directory
	below         ref  // of a directory
}

// ref says where in the spool something lies.
type ref struct{ off, size int64 }

// add takes the next entry, in pre-order. made is called for directories that no record tells of.
func (l *listing) add(path string, r row, made func(path string)) error {
	if path == "" {
		if !r.isDir {
			return fmt.Errorf("%w: its root is not a directory", varve.ErrDamaged)
		}
		l.push(path, r)
		return nil
	}
	if len(l.open) == 0 {
		made("")
		l.push("", row{isDir: true, made: true})
	}
	dir := varve.Parent(path)
	for !varve.Within(dir, l.path) {
		if err := l.write(); err != nil {
			return err
		}
	}
	if err := l.enter(dir, made); err != nil {
		return err
	}
	r.name = strings.TrimPrefix(path[len(dir):], "/")
	top := l.open[len(l.open)-1]
	top.last, top.dir = r.name, r.isDir
	if r.isDir {
		l.push(path, r)
	} else {
		top.rows = appendRow(top.rows, &r)
	}
	return nil
}

// push makes path the last open directory.
func (l *listing) push(path string, r row) {
	l.open = append(l.open, &openDir{row: r, path: len(path)})
	l.path = path
}

// enter makes dir, which lies in the last open directory, the last one, together with those on the way that no record told of.
func (l *listing) enter(dir string, made func(path string)) error {
	for len(l.path) < len(dir) {
		rest := strings.TrimPrefix(dir[len(l.path):], "/")
		name, below, _ := strings.Cut(rest, "/")
		path := strings.TrimSuffix(dir[:len(dir)-len(below)], "/")
		top := l.open[len(l.open)-1]
		if top.last == name && !top.dir {
			return fmt.Errorf("%w: %q has files in it and is not a directory", varve.ErrDamaged, path)
		}
		made(path)
		top.last, top.dir = name, true
		l.push(path, row{name: name, isDir: true, made: true})
	}
	return nil
}

// write writes the last open directory out.
func (l *listing) write() error {
	last := len(l.open) - 1
	d := l.open[last]
	l.open = l.open[:last]
	d.row.below = ref{l.spool.size, int64(len(d.rows))}
	if _, err := l.spool.Write(d.rows); err != nil {
		return err
	}
	if last == 0 {
		l.root.off = l.spool.size
		n, err := l.spool.Write(appendRow(nil, &d.row))
		l.root.size = int64(n)
		return err
	}
	up := l.open[last-1]
	up.rows = appendRow(up.rows, &d.row)
	l.path = l.path[:up.path]
	return nil
}

// finish writes everything out.
func (l *listing) finish() error {
	if len(l.open) == 0 {
		return fmt.Errorf("%w: it holds nothing, not even a root", varve.ErrDamaged)
	}
	for len(l.open) > 0 {
		if err := l.write(); err != nil {
			return err
		}
	}
	return l.spool.settle()
}

// appendRow encodes r.
func appendRow(b []byte, r *row) []byte {
	for _, s := range [...]string{r.name, r.attr, r.ea, r.acl} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	var flags byte
	if r.isDir {
		flags |= 1
	}
	if r.made {
		flags |= 2
	}
	b = append(b, flags)
	if r.isDir {
		b = binary.AppendUvarint(b, uint64(r.below.off))
		b = binary.AppendUvarint(b, uint64(r.below.size))
	}
	return b
}

// rows reads a listing again.
type rows struct {
	in   *bufio.Reader
	left int64
}

func (s *spool) rows(at ref) *rows {
	return &rows{bufio.NewReader(io.NewSectionReader(s, at.off, at.size)), at.size}
}

// next returns the next row and how many bytes it took; io.EOF at the end.
func (l *rows) next() (row, int64, error) {
	if l.left == 0 {
		return row{}, 0, io.EOF
	}
	before := l.left
	var r row
	for _, s := range [...]*string{&r.name, &r.attr, &r.ea, &r.acl} {
		n, err := binary.ReadUvarint(l)
		if err != nil {
			return row{}, 0, noEOF(err)
		}
		text := make([]byte, n)
		if _, err := io.ReadFull(l.in, text); err != nil {
			return row{}, 0, noEOF(err)
		}
		l.left -= int64(n)
		*s = string(text)
	}
	flags, err := l.ReadByte()
	if err != nil {
		return row{}, 0, noEOF(err)
	}
	r.isDir, r.made = flags&1 != 0, flags&2 != 0
	if r.isDir {
		off, err := binary.ReadUvarint(l)
		size, err2 := binary.ReadUvarint(l)
		if err != nil || err2 != nil {
			return row{}, 0, io.ErrUnexpectedEOF
		}
		r.below = ref{int64(off), int64(size)}
	}
	return r, before - l.left, nil
}

// ReadByte is io.ByteReader, for numbers.
func (l *rows) ReadByte() (byte, error) {
	b, err := l.in.ReadByte()
	if err == nil {
		l.left--
	}
	return b, err
}

// noEOF says of an end that it came too early.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
