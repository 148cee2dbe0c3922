package manifest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"

	"varve"
	"varve/internal/digest"
)

// A loose entry is a frame with a page that has no other: what is known of one object before those that come earlier in listing order
// are. Frames follow one another in any order, without anything else.

// AppendLoose appends e to b as a loose entry. An error that matches ErrEntry says that it cannot be one.
func AppendLoose(b []byte, e *varve.Entry) ([]byte, error) {
	reason := pathFault(e.Path)
	if reason == "" {
		reason = faultOf(e)
	}
	if reason == "" && tooLarge(e) {
		reason = "too large"
	}
	if reason != "" {
		return b, fmt.Errorf("add %q: %w: %s", e.Path, ErrEntry, reason)
	}
	var p leaf
	p.reset()
	dir, name := split(e.Path)
	p.add(e, dir, name)
	b = appendFrame(b, framePage, len(p.buf), PageID(digest.Sum(p.buf)))
	return append(b, p.buf...), nil
}

// RecoverLoose yields the loose entries in the file r, of size bytes, up to the first that is torn or in any way wrong. That is no error;
// only a failure to read is one.
func RecoverLoose(r io.ReaderAt, size int64) iter.Seq2[varve.Entry, error] {
	return func(yield func(varve.Entry, error) bool) {
		s := salvage{in: bufio.NewReaderSize(io.NewSectionReader(r, 0, size), bufferSize), left: size}
		for page := s.page(); page != nil; page = s.page() {
			list, err := decodeLeaf(PageID{}, page, nil)
			if err != nil || len(list) != 1 {
				return
			}
			if !yield(list[0], nil) {
				return
			}
		}
		if s.err != nil && !errors.Is(s.err, io.EOF) && !errors.Is(s.err, io.ErrUnexpectedEOF) {
			yield(varve.Entry{}, s.err)
		}
	}
}
