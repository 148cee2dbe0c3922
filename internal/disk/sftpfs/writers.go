package sftpfs

import (
	"slices"
	"sync"
)

// writers are the files being written, by path: whoever looks at one sees all that was written.
type writers struct {
	moving sync.Mutex // held while files being written are moved
	mu     sync.Mutex
	open   map[string]*writer
}

func (s *writers) add(w *writer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[string]*writer{}
	}
	s.open[w.path] = w
}

func (s *writers) remove(w *writer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[w.path] == w {
		delete(s.open, w.path)
	}
}

// hold keeps the files at and below two paths still while those at from are moved to there, in the place of those there, or removed
// where there is empty. release says whether that was done.
func (s *writers) hold(from, there string) (release func(done bool)) {
	if len(s.below(from)) == 0 && len(s.below(there)) == 0 {
		return func(bool) {}
	}
	s.moving.Lock()
	list := s.below(there)
	replaced := len(list)
	for _, w := range s.below(from) {
		if !slices.Contains(list[:replaced], w) { // one path may lie within the other; nothing is moved then
			list = append(list, w)
		}
	}
	for _, w := range list {
		w.mu.Lock()
	}
	return func(done bool) {
		defer s.moving.Unlock()
		for i, w := range list {
			if done && !w.closed {
				s.remove(w)
				if w.gone = i < replaced || there == ""; !w.gone {
					w.path = there + w.path[len(from):]
					s.add(w)
				}
			}
			w.mu.Unlock()
		}
	}
}

// below returns the files being written at and below a path; none where it is empty.
func (s *writers) below(path string) (list []*writer) {
	if path == "" {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for at, w := range s.open {
		if within(at, path) {
			list = append(list, w)
		}
	}
	return list
}

// flush waits until everything has arrived that was written to the file at path.
func (s *writers) flush(path string) {
	s.mu.Lock()
	w := s.open[path]
	s.mu.Unlock()
	if w != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.settle(0) // an error is that of the writer
	}
}
