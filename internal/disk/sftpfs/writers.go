package sftpfs

import "sync"

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

// hold keeps the files at and below a path still while it is moved, and returns what ends that, given whether it went to another path.
func (s *writers) hold(from string) (release func(to string, moved bool)) {
	if len(s.below(from)) == 0 {
		return func(string, bool) {}
	}
	s.moving.Lock()
	list := s.below(from)
	for _, w := range list {
		w.mu.Lock()
	}
	return func(to string, moved bool) {
		defer s.moving.Unlock()
		for _, w := range list {
			if moved && !w.closed {
				s.remove(w)
				w.path = to + w.path[len(from):]
				s.add(w)
			}
			w.mu.Unlock()
		}
	}
}

// below returns the files being written at and below a path.
func (s *writers) below(path string) (list []*writer) {
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
