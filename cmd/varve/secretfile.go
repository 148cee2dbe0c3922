package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// secretFile is where a key, a recovery sheet or a first configuration goes: a new file that is its owner's alone, or standard output. It is
// made before what is to go there, so that nothing is made in vain.
type secretFile struct {
	what string // for errors
	f    *os.File
}

// newSecretFile makes the file at path, which must not exist; an empty path stands for standard output. what it is goes into errors.
func newSecretFile(what, path string) (*secretFile, error) {
	if path == "" || path == "-" {
		return &secretFile{what: what}, nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return &secretFile{what, f}, nil
}

// named reports whether it is a file of its own.
func (s *secretFile) named() bool { return s.f != nil }

// drop removes the file.
func (s *secretFile) drop() error {
	if s.f == nil {
		return nil
	}
	return errors.Join(s.f.Close(), os.Remove(s.f.Name()))
}

// handOver writes text and makes it durable, or prints it. A file that cannot be written is removed.
func (a *app) handOver(s *secretFile, text []byte) error {
	if s.f == nil {
		if _, err := a.out.Write(text); err != nil {
			return err
		}
		return a.out.Flush()
	}
	_, err := s.f.Write(text)
	if err == nil {
		err = s.f.Sync()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("%s: %w", s.what, err), s.drop())
	}
	if err := s.f.Close(); err != nil {
		return errors.Join(fmt.Errorf("%s: %w", s.what, err), os.Remove(s.f.Name()))
	}
	return syncDir(filepath.Dir(s.f.Name()))
}

// syncDir makes the names in a directory durable.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
