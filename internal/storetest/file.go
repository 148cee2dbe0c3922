package storetest

import (
	"io"
	"strings"

	"varve"
)

// file is a file of a Tree being read.
type file struct {
	tree   *Tree
	object *Object
	path   string
	marks  varve.Marks
	sameAs string
	in     *strings.Reader
	off    int
}

// reached reports whether so much was read that the trouble has begun.
func (f *file) reached() bool { return f.off >= len(f.object.Stream)/2 }

func (f *file) Entry() (varve.Entry, error) {
	e := f.object.entry(f.path)
	e.Marks, e.SameAs = f.marks, f.sameAs
	if f.off > 0 && f.reached() {
		f.disturb(&e)
	}
	return f.tree.dim(e), nil
}

// disturb makes e what it is once somebody else has had his way.
func (f *file) disturb(e *varve.Entry) {
	switch t := f.object.Trouble; {
	case t.Shrinks:
		e.Size = int64(len(f.object.Stream) / 2)
	case t.Grows:
		e.Size += 1000
	case !t.Changes:
		return
	}
	e.MTime.Sec++
	e.Stamp.CTime.Sec += 1000
}

// Read yields the stream as it was when the file was opened, unless it was cut short since.
func (f *file) Read(p []byte) (int, error) {
	t := f.object.Trouble
	half := len(f.object.Stream) / 2
	if t != (Trouble{}) && f.off < half {
		p = p[:min(len(p), half-f.off)]
	} else if t.Read != nil {
		return 0, t.Read
	} else if t.Shrinks {
		return 0, io.EOF
	}
	n, err := f.in.Read(p)
	f.off += n
	return n, err
}

func (f *file) Close() error { return nil }
