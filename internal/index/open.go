package index

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"varve"
	"varve/internal/table"
)

// Open opens the Set whose files are in dir, a directory of this machine that is made where it is absent. Files that are damaged are removed,
// and so are those that somebody left unfinished. Close must be called.
func Open(dir string) (*Set, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open index: %w", err)
	}
	s := &Set{dir: dir, budget: recentBytes, maxFiles: maxFiles}
	if err := s.openFiles(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.freeze()
	if err := s.buryOld(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close closes the files. What was added or removed since the last Flush is forgotten.
func (s *Set) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.layers {
		l.release()
	}
	s.layers, s.recent = nil, nil
	return nil
}

// openFiles opens all files. Where one vanishes another process has just put what it has into a new one, which is then looked for.
func (s *Set) openFiles() error {
	const tries = 5
	for try := 1; ; try++ {
		whole, err := s.tryFiles()
		if err != nil {
			return err
		}
		if whole || try == tries {
			break
		}
	}
	slices.SortFunc(s.layers, func(a, b *layer) int {
		return cmp.Or(cmp.Compare(a.file.generation, b.file.generation), strings.Compare(a.file.path, b.file.path))
	})
	return nil
}

// tryFiles opens the files that are not open yet; false says that one vanished.
func (s *Set) tryFiles() (whole bool, err error) {
	list, err := os.ReadDir(s.dir)
	if err != nil {
		return false, fmt.Errorf("open index: %w", err)
	}
	whole = true
	for _, e := range list {
		path := filepath.Join(s.dir, e.Name())
		switch {
		case !e.Type().IsRegular():
		case strings.HasPrefix(e.Name(), tempest):
			removeAbandoned(path)
		case strings.HasPrefix(e.Name(), prefix) && strings.HasSuffix(e.Name(), suffix) && !s.hasOpen(path):
			found, err := s.openOne(path)
			if err != nil {
				return false, err
			}
			whole = whole && found
		}
	}
	return whole, nil
}

func (s *Set) hasOpen(path string) bool {
	return slices.ContainsFunc(s.layers, func(l *layer) bool { return l.file.path == path })
}

// openOne opens a file; false says that there is none.
func (s *Set) openOne(path string) (found bool, err error) {
	f, err := openFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case errors.Is(err, varve.ErrDamaged):
		_ = os.Remove(path) // what stays is found damaged again
		return true, nil
	case err != nil:
		return false, err
	}
	s.layers = append(s.layers, f.layer())
	s.opened = append(s.opened, f)
	return true, nil
}

func (f *file) layer() *layer { return &layer{source: f, file: f} }

// buryOld makes dead what newer files say is gone, and all but one of packs that several files have. A file that is found damaged is left out.
func (s *Set) buryOld() error {
	for {
		err := s.guarded(func() {
			for i, l := range s.layers {
				if l.file == nil {
					continue
				}
				s.buryGone(l)
				s.buryTwins(l, s.layers[:i])
			}
		})
		if !errors.Is(err, varve.ErrDamaged) {
			return err
		}
	}
}

// buryGone makes dead what l says is gone. Of two files of one generation neither speaks of the other.
func (s *Set) buryGone(l *layer) {
	list := make([]table.Name, l.count(gone))
	for i := range list {
		list[i] = table.Name(l.at(gone, uint32(i)))
	}
	for _, older := range s.layers {
		if older.file != nil && older.file.generation < l.file.generation {
			older.bury(list)
		}
	}
}

// buryTwins makes dead the packs of l that older files have, too.
func (s *Set) buryTwins(l *layer, older []*layer) {
	if len(older) == 0 {
		return
	}
	dead := slices.Clone(l.dead)
	for n := range l.count(packs) {
		p := l.pack(n)
		if slices.ContainsFunc(older, func(o *layer) bool { return o.known(&p.name, p.signer) }) {
			dead.set(n)
		}
	}
	l.dead = dead
}
