package manifest

import (
	"bufio"
	"errors"
	"io"
	"iter"

	"varve"
	"varve/internal/digest"
)

// Recover yields the entries in a file that a FileWriter may not have finished, in listing order from the root on: those of all
// leaf pages up to the first that is torn, missing or in any way wrong. That is no error; only a failure to read is one.
func Recover(r io.ReaderAt, size int64) iter.Seq2[varve.Entry, error] {
	return func(yield func(varve.Entry, error) bool) {
		in := bufio.NewReaderSize(io.NewSectionReader(r, 0, size), bufferSize)
		s := salvage{in: in, left: size}
		for list := range s.leaves {
			for i := range list {
				if !yield(list[i], nil) {
					return
				}
			}
		}
		if s.err != nil && !errors.Is(s.err, io.EOF) && !errors.Is(s.err, io.ErrUnexpectedEOF) {
			yield(varve.Entry{}, s.err)
		}
	}
}

// salvage reads the frames of a file one after the other.
type salvage struct {
	in   io.Reader
	left int64 // bytes not read yet
	last string
	any  bool
	err  error // of reading
}

// leaves yields the pages of entries up to the first that cannot be right.
func (s *salvage) leaves(yield func([]varve.Entry) bool) {
	if head := s.read(int64(len(magic))); head == nil || checkMagic(head) != nil {
		return
	}
	var scratch []varve.Entry
	for {
		page := s.page()
		if page == nil {
			return
		}
		if len(page) >= headerSize && page[1] != 0 {
			continue
		}
		list, err := decodeLeaf(PageID{}, page, scratch[:0])
		if err != nil || !s.follows(list) || !yield(list) {
			return
		}
		scratch = list
	}
}

// follows reports whether list can come after what was yielded.
func (s *salvage) follows(list []varve.Entry) bool {
	if len(list) == 0 {
		return false
	}
	first := list[0].Path
	if s.any && varve.ComparePaths(s.last, first) >= 0 || !s.any && first != "" {
		return false
	}
	s.any, s.last = true, list[len(list)-1].Path
	return true
}

// page returns the next page; nil where none follows.
func (s *salvage) page() []byte {
	head := s.read(frameSize)
	if head == nil {
		return nil
	}
	kind, length, hash := parseFrame(head)
	if kind != framePage || length > MaxPage {
		return nil
	}
	page := s.read(length)
	if page == nil || PageID(digest.Sum(page)) != hash {
		return nil
	}
	return page
}

// read returns the next n bytes; nil where there are not so many.
func (s *salvage) read(n int64) []byte {
	if n > s.left {
		return nil
	}
	b := make([]byte, n)
	if _, s.err = io.ReadFull(s.in, b); s.err != nil {
		return nil
	}
	s.left -= n
	return b
}
