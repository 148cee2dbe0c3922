package walk

import (
	"errors"
	"fmt"
	"io"

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

// excluded reports whether the patterns leave path out.
func (s *Source) excluded(n *node, path string, kind varve.Kind) bool {
	out, _ := n.match.Match(path, kind == varve.Dir)
	return out
}

func (s *Source) tooLarge(e *varve.Entry) bool {
	return s.opts.LargerThan > 0 && e.Kind == varve.Regular && e.Size > s.opts.LargerThan
}

// skipped reports whether e is one of the directories that are never walked.
func (s *Source) skipped(e *varve.Entry) bool {
	for _, id := range s.opts.Skip {
		if e.Stamp.Dev == id.Dev && e.Stamp.Ino == id.Ino {
			return true
		}
	}
	return false
}

// marker returns the first marker among the sorted names of a directory and its place; nil where there is none.
func (s *Source) marker(at disk.FS, names []disk.Name) (int, *Marker, error) {
	for i := range s.opts.IfPresent {
		m := &s.opts.IfPresent[i]
		place, ok := find(names, m.Name)
		if !ok {
			continue
		}
		if m.Header == "" {
			return place, m, nil
		}
		head, err := readHead(at, m.Name, int64(len(m.Header)))
		if err != nil {
			return 0, nil, err
		}
		if string(head) == m.Header {
			return place, m, nil
		}
	}
	return 0, nil, nil
}

// readHead returns up to limit bytes of a file; nothing where name is not a regular file.
func readHead(at disk.FS, name string, limit int64) ([]byte, error) {
	r, err := at.Open(name)
	if errors.Is(err, disk.ErrKind) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	head, err := io.ReadAll(io.NewSectionReader(r, 0, limit))
	return head, errors.Join(err, r.Close())
}

// ownRules returns the matcher of n with the patterns of its own pattern file.
func (s *Source) ownRules(at disk.FS, n *node, name disk.Name) (*match.Matcher, error) {
	text, err := readHead(at, name.Name, maxIgnoreFile+1)
	if err != nil {
		return nil, err
	}
	path := varve.Join(n.path, name.Name)
	if len(text) > maxIgnoreFile {
		return nil, fmt.Errorf("/%s: longer than %d bytes", path, maxIgnoreFile)
	}
	rules, err := match.ParseIgnoreFile("/"+path, text)
	if err != nil {
		return nil, err
	}
	return n.match.Below(n.path, rules), nil
}
