package tree

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"varve"
	"varve/internal/disk"
)

// formatText is the content of the marker, with the version of the format. In version 2 content may lie in other snapshots.
const formatText = "varve tree store\nformat: %d\n"

const (
	formatPlain = 1
	formatLends = 2
)

// Init makes root, which must be empty, a store. fs.ErrExist where it already is one.
func Init(root disk.FS) error {
	if err := initStore(root); err != nil {
		return fmt.Errorf("init store: %w", err)
	}
	return nil
}

func initStore(root disk.FS) error {
	names, err := root.Names()
	if err != nil {
		return err
	}
	for _, n := range names {
		if n.Name == controlDir {
			return initControl(root)
		}
		if n.Name != "lost+found" {
			return fmt.Errorf("directory holds %q: %w", n.Name, disk.ErrNotEmpty)
		}
	}
	return initControl(root)
}

// initControl makes the control directory; the marker comes last, so that a store is whole once it is one.
func initControl(root disk.FS) error {
	if err := root.Mkdir(controlDir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	control, err := root.OpenDir(controlDir)
	if err != nil {
		return err
	}
	defer control.Close()
	if _, err := control.Lookup(formatFile); err == nil {
		return &fs.PathError{Op: "create", Path: controlDir + "/" + formatFile, Err: fs.ErrExist}
	}
	for _, name := range [...]string{manifestsDir, partialDir, trashDir, locksDir} {
		if err := control.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	if err := writeFile(control, "tmp-"+formatFile, fmt.Appendf(nil, formatText, formatPlain)); err != nil {
		return err
	}
	if err := control.Replace("tmp-"+formatFile, control, formatFile); err != nil {
		return err
	}
	return errors.Join(control.Sync(), root.Sync())
}

// writeFile makes a small file durable under a name that is not used otherwise.
func writeFile(dir disk.FS, name string, data []byte) error {
	if err := dir.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	w, err := dir.Create(name, 0o600)
	if err != nil {
		return err
	}
	_, err = w.WriteAt(data, 0)
	if err == nil {
		err = w.Sync()
	}
	return errors.Join(err, w.Close())
}

// readFormat reads the marker and returns the version of the format, one that is known.
func readFormat(control disk.FS) (int, error) {
	text, err := readFile(control, formatFile, 4096)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, varve.ErrNoStore
	}
	if err != nil {
		return 0, err
	}
	first, rest, _ := strings.Cut(string(text), "\n")
	if first != "varve tree store" {
		return 0, fmt.Errorf("%s/%s: %w", controlDir, formatFile, varve.ErrNoStore)
	}
	line, _, _ := strings.Cut(rest, "\n")
	for version := formatPlain; version <= formatLends; version++ {
		if line == fmt.Sprintf("format: %d", version) {
			return version, nil
		}
	}
	return 0, fmt.Errorf("%s/%s: %q is not known to this version of varve", controlDir, formatFile, line)
}

// readFile returns the whole of a small file.
func readFile(dir disk.FS, name string, limit int64) ([]byte, error) {
	r, err := dir.Open(name)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.NewSectionReader(r, 0, limit))
	return data, errors.Join(err, r.Close())
}

// raise makes the store one of the format in which content may lie in other snapshots, before there is the first such: a program
// that does not know it must not touch the store any more. The new marker is made in the directory tmp.
func (s *Store) raise(tmp disk.FS) error {
	version, err := readFormat(s.control)
	if err != nil || version >= formatLends {
		return err
	}
	if err := s.control.Mkdir(keptDir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := writeFile(tmp, formatFile, fmt.Appendf(nil, formatText, formatLends)); err != nil {
		return err
	}
	if err := s.give(tmp, formatFile); err != nil {
		return err
	}
	if err := tmp.Replace(formatFile, s.control, formatFile); err != nil {
		return err
	}
	return s.control.Sync()
}
