package rdiff

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// spoolMemory is how many bytes a spool keeps in memory.
const spoolMemory = 1 << 20

// spool takes bytes up and gives them back from anywhere: little of it in memory, more in a temporary file. Write and ReadAt do not go
// together; ReadAt may be called from several goroutines.
type spool struct {
	dir  string // for the file
	mem  []byte // all of it, or what is to be written yet
	file *os.File
	size int64
}

// errScratch says that a temporary file cannot be used, which concerns more than what it was for.
var errScratch = errors.New("temporary file")

// Write appends p.
func (s *spool) Write(p []byte) (int, error) {
	s.mem = append(s.mem, p...)
	s.size += int64(len(p))
	if len(s.mem) < spoolMemory {
		return len(p), nil
	}
	return len(p), s.flush()
}

// flush writes what is in memory to the file.
func (s *spool) flush() error {
	if s.file == nil {
		f, err := os.CreateTemp(s.dir, "varve-rdiff-*")
		if err != nil {
			return fmt.Errorf("%w: %w", errScratch, err)
		}
		s.file = f
		_ = os.Remove(f.Name()) // where an open file cannot be removed, Close does
	}
	if _, err := s.file.WriteAt(s.mem, s.size-int64(len(s.mem))); err != nil {
		return fmt.Errorf("%w: %w", errScratch, err)
	}
	s.mem = s.mem[:0]
	return nil
}

// settle says that no more is written.
func (s *spool) settle() error {
	if s.file == nil || len(s.mem) == 0 {
		return nil
	}
	return s.flush()
}

// ReadAt is io.ReaderAt, after settle.
func (s *spool) ReadAt(p []byte, off int64) (int, error) {
	if s.file != nil {
		return s.file.ReadAt(p, off)
	}
	if off >= int64(len(s.mem)) {
		return 0, io.EOF
	}
	n := copy(p, s.mem[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Close removes the file.
func (s *spool) Close() error {
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	if gone := os.Remove(s.file.Name()); gone != nil && !errors.Is(gone, os.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	s.file = nil
	return err
}
