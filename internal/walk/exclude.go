package walk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"varve"
	"varve/internal/disk"
	"varve/internal/match"
)

// Marker is a file whose presence leaves out the content of the directory it lies in.
type Marker struct {
	// Name is the file's name.
	Name string
	// Header, where not empty, is what the file must begin with.
	Header string
}

// CacheTag is the marker of the Cache Directory Tagging Specification.
func CacheTag() Marker {
	return Marker{Name: "CACHEDIR.TAG", Header: "Signature: 8a477f597d28d172789f06886806bc55"}
}

// maxIgnoreFile bounds a directory's own pattern file in bytes.
const maxIgnoreFile = 1 << 20

// cause says why something is left out.
type cause uint8

const (
	byNothing cause = iota // it is not
	byPattern
	byMarker
	bySize
	bySkip
	byDisk   // it lies on another file system
	byKernel // it lies on one of the kernel's own file systems
)

// ruling is what was decided about one object, and the pattern that matched it, which may also be one that keeps it.
type ruling struct {
	cause  cause
	rule   *match.Rule
	marker *Marker
}

// byPatterns decides by the patterns in force in n alone.
func (s *Source) byPatterns(n *listing, path string, kind varve.Kind) ruling {
	out, rule := n.match.Match(path, kind == varve.Dir)
	if out {
		return ruling{cause: byPattern, rule: rule}
	}
	return ruling{rule: rule}
}

func (s *Source) tooLarge(e *varve.Entry) bool {
	return s.opts.LargerThan > 0 && e.Kind == varve.Regular && e.Size > s.opts.LargerThan
}

// skipped reports whether e is one of the directories that are never walked. One without an inode number is nobody's.
func (s *Source) skipped(e *varve.Entry) bool {
	return e.Stamp.Ino != 0 && slices.ContainsFunc(s.opts.Skip, func(id varve.Stamp) bool {
		return e.Stamp.Dev == id.Dev && e.Stamp.Ino == id.Ino
	})
}

// hidden reports whether e is a directory of the kind that is never walked, wherever it lies.
func (s *Source) hidden(e *varve.Entry) bool {
	return s.opts.SkipName != "" && e.Kind == varve.Dir && e.Name() == s.opts.SkipName
}

// marker returns the first marker among the sorted names of n and its place; nil where there is none.
func (s *Source) marker(at disk.FS, n *listing, names []disk.Name) (int, *Marker) {
	for i := range s.opts.IfPresent {
		m := &s.opts.IfPresent[i]
		place, ok := find(names, m.Name)
		if !ok {
			continue
		}
		if m.Header == "" || string(s.head(at, n, m.Name, len(m.Header))) == m.Header {
			return place, m
		}
	}
	return 0, nil
}

// head returns up to limit bytes of a file that says what of n is left out; nothing where name is not a regular file or vanished.
// One that cannot be read leaves nothing out: that costs room in a store, the other way would cost data.
func (s *Source) head(at disk.FS, n *listing, name string, limit int) []byte {
	r, err := at.Open(name)
	if errors.Is(err, disk.ErrKind) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var head []byte
	if err == nil {
		head, err = io.ReadAll(io.NewSectionReader(r, 0, int64(limit)))
		err = errors.Join(err, r.Close())
	}
	if err != nil {
		s.complain(fmt.Errorf("/%s is not heeded: %w", varve.Join(n.path, name), err))
		return nil
	}
	return head
}

// ownRules adds the patterns of n's own pattern file to those in force. Lines that are no patterns are passed over.
func (s *Source) ownRules(at disk.FS, n *listing, name string) {
	text := s.head(at, n, name, maxIgnoreFile+1)
	path := "/" + varve.Join(n.path, name)
	if len(text) > maxIgnoreFile {
		s.complain(fmt.Errorf("%s is not heeded: longer than %d bytes", path, maxIgnoreFile))
		return
	}
	rules, err := match.ParseIgnoreFile(path, text)
	if err != nil {
		s.complain(err)
	}
	n.match = n.match.Below(n.path, rules)
}

// complain remembers what is wrong with a file that says what is left out.
func (s *Source) complain(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.complaints = append(s.complaints, err)
}

// Complaints returns what was wrong so far with the files that say what is left out: lines that are no patterns, files that could
// not be read. What they may have meant to leave out was not.
func (s *Source) Complaints() []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.complaints)
}
