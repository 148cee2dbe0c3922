package index

import (
	"errors"
	"os"
	"slices"

	"varve/internal/table"
)

// Flush writes what was added and removed to a file, and joins files where there are many. Nothing is made durable: after a power cut
// files may be found damaged.
func (s *Set) Flush() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.flush()
}

// flush is called with writing held.
func (s *Set) flush() error {
	all := s.snapshot()
	defer release(all)
	fresh := slices.DeleteFunc(slices.Clone(all), func(l layer) bool { return l.file != nil })
	s.mu.RLock()
	gone := s.gone
	s.mu.RUnlock()
	if len(fresh) > 0 || len(gone) > 0 {
		generation := uint64(1)
		for _, l := range all {
			if l.file != nil {
				generation = max(generation, l.file.generation+1)
			}
		}
		if err := s.replace(fresh, gone, generation); err != nil {
			return err
		}
		s.mu.Lock()
		s.gone = nil
		s.mu.Unlock()
	}
	return s.merge()
}

// replace puts a new file in the place of layers, which follow one another, and of nothing where there are none.
func (s *Set) replace(layers []layer, gone []table.Name, generation uint64) error {
	made, err := s.join(layers, gone, generation)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := func(l *layer) bool {
		return slices.ContainsFunc(layers, func(r layer) bool { return r.source == l.source })
	}
	for _, l := range s.layers {
		if old(l) {
			l.release()
		}
	}
	s.layers = slices.DeleteFunc(s.layers, old)
	if made != nil {
		s.layers = slices.Insert(s.layers, s.filesUpTo(generation), made.layer())
		s.opened = append(slices.DeleteFunc(s.opened, func(f *file) bool { return f.refs.Load() == 0 }), made)
	}
	return nil
}

// join makes a file of layers; none of nothing.
func (s *Set) join(layers []layer, gone []table.Name, generation uint64) (made *file, err error) {
	damaged := s.guarded(func() {
		j, fits := newJoin(layers, gone)
		switch {
		case !fits:
			err = errors.New("write index: too many chunks for one file")
		case !j.empty():
			made, err = create(s.dir, generation, j.write)
		}
	})
	if damaged != nil {
		return nil, damaged
	}
	return made, err
}

// filesUpTo returns how many layers are files of at most this generation; recent is none.
func (s *Set) filesUpTo(generation uint64) int {
	return slices.IndexFunc(s.layers, func(l *layer) bool { return l.file == nil || l.file.generation > generation })
}

// merge joins the newest files into one where there are more than maxFiles. A file is among them unless it is more than twice as
// large as all newer ones together, so that a row is copied only so often as its file doubles.
func (s *Set) merge() error {
	all := s.snapshot()
	defer release(all)
	files := slices.DeleteFunc(slices.Clone(all), func(l layer) bool { return l.file == nil })
	if len(files) <= s.maxFiles {
		return nil
	}
	first, sum := len(files)-1, files[len(files)-1].file.size
	for first > 0 && (files[first-1].file.size <= 2*sum || len(files)-first < 2) {
		first--
		sum += files[first].file.size
	}
	joined := files[first:]
	var stillGone []table.Name
	if err := s.guarded(func() { stillGone = goneIn(joined, first > 0) }); err != nil {
		return err
	}
	if err := s.replace(joined, stillGone, joined[len(joined)-1].file.generation); err != nil {
		return err
	}
	for _, l := range joined {
		_ = os.Remove(l.file.path) // its packs are found twice then
	}
	return nil
}

// goneIn returns what files say is gone from older ones, where there are any.
func goneIn(files []layer, older bool) (list []table.Name) {
	if !older {
		return nil
	}
	for i := range files {
		for n := range files[i].count(gone) {
			list = append(list, table.Name(files[i].at(gone, n)))
		}
	}
	slices.SortFunc(list, func(a, b table.Name) int { return slices.Compare(a[:], b[:]) })
	return slices.Compact(list)
}
