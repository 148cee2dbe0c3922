// Package tree is the store that keeps every snapshot as plain directories, unchanged files hard-linked to the snapshot before.
//
//	STORE/<series>/<UTC time>/...   one snapshot: the sources under their full paths
//	STORE/<series>/latest           a symlink to the newest
//	STORE/.varve/format             what makes the directory a store
//	STORE/.varve/manifests/<id>     every entry of a snapshot with its digest
//	STORE/.varve/partial/<id>/      a snapshot being made
//	STORE/.varve/trash/             a snapshot being removed
//	STORE/.varve/locks/<series>     one writer per series
//
// A snapshot exists if and only if its manifest and its directory do. A published inode is never written to again, whatever
// changes at the source. docs/format/tree.md is the normative description.
//
// The package is not for restoring (package restore reads a View) nor for deciding what to forget (package retention).
package tree

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"varve"
	"varve/internal/disk"
	"varve/internal/place"
)

// The names in a store.
const (
	controlDir   = ".varve"
	formatFile   = "format"
	manifestsDir = "manifests"
	partialDir   = "partial"
	trashDir     = "trash"
	locksDir     = "locks"
	latestLink   = "latest"

	partialTree     = "tree"
	partialManifest = "manifest"
	sealedManifest  = "manifest.sealed"
)

// formatText is the content of the marker.
const formatText = "varve tree store\nformat: 1\n"

// Options say on whose behalf a store is used. The zero value is an unprivileged user with ID 0.
type Options struct {
	// UID and GID own the files that the process makes.
	UID, GID uint32
	// Privileged says that the process may give files away, make devices and read everything.
	Privileged bool
	// Workers is the number of goroutines that copy, link and check; 0 for a number that suits local disks.
	Workers int
	// Random is where snapshot IDs come from; nil stands for crypto/rand.
	Random io.Reader
	// DayNames names the directories of snapshots by the day, as Hactar does, with a suffix from the second of a day on.
	DayNames bool
}

const defaultWorkers = 3

// Store is a tree store.
type Store struct {
	opts    Options
	root    disk.FS
	control disk.FS
}

var _ varve.Store = (*Store)(nil)

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
	if err := writeFile(control, "tmp-"+formatFile, []byte(formatText)); err != nil {
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

// Open opens the store in the directory root and takes root over. varve.ErrNoStore where it is none.
func Open(root disk.FS, opts Options) (*Store, error) {
	s, err := open(root, opts)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open store: %w", err), root.Close())
	}
	return s, nil
}

func open(root disk.FS, opts Options) (*Store, error) {
	if opts.Workers == 0 {
		opts.Workers = defaultWorkers
	}
	if opts.Random == nil {
		opts.Random = rand.Reader
	}
	control, err := root.OpenDir(controlDir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, disk.ErrKind) {
		return nil, varve.ErrNoStore
	}
	if err != nil {
		return nil, err
	}
	if err := checkFormat(control); err != nil {
		return nil, errors.Join(err, control.Close())
	}
	return &Store{opts: opts, root: root, control: control}, nil
}

// checkFormat reads the marker.
func checkFormat(control disk.FS) error {
	text, err := readFile(control, formatFile, 4096)
	if errors.Is(err, fs.ErrNotExist) {
		return varve.ErrNoStore
	}
	if err != nil {
		return err
	}
	first, rest, _ := strings.Cut(string(text), "\n")
	if first != "varve tree store" {
		return fmt.Errorf("%s/%s: %w", controlDir, formatFile, varve.ErrNoStore)
	}
	if version, _, _ := strings.Cut(rest, "\n"); version != "format: 1" {
		return fmt.Errorf("%s/%s: %q is not known to this version of varve", controlDir, formatFile, version)
	}
	return nil
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

// Close closes the store.
func (s *Store) Close() error { return errors.Join(s.control.Close(), s.root.Close()) }

// Root returns the device and inode of the store's directory, which no snapshot may hold.
func (s *Store) Root() (varve.Stamp, error) {
	info, err := s.root.Lookup(".")
	return info.Stamp, err
}

// within opens a directory of the control directory, calls f and closes it.
func (s *Store) within(name string, f func(dir disk.FS) error) error {
	dir, err := s.control.OpenDir(name)
	if err != nil {
		return err
	}
	return errors.Join(f(dir), dir.Close())
}

// newID returns a random snapshot ID.
func (s *Store) newID() (id varve.SnapshotID, err error) {
	_, err = io.ReadFull(s.opts.Random, id[:])
	return id, err
}

// kept returns e as the store's copy of it looks, and the aspects it does not hold for reasons known beforehand. Inode flags
// are never set on copies: an immutable copy could not be linked to. An unprivileged user cannot give files away, must be able to
// read his own copies, and must not turn somebody's set-ID program into one of his.
func (s *Store) kept(e *varve.Entry) (varve.Entry, varve.Aspect) {
	k, unkept := *e, varve.Aspect(0)
	if e.Flags != 0 {
		k.Flags, unkept = 0, varve.Flags
	}
	if s.opts.Privileged {
		return k, unkept
	}
	if e.UID != s.opts.UID {
		unkept |= varve.Owner
		k.UID, k.GID = s.opts.UID, s.opts.GID
		k.Mode &^= 0o6000
	}
	k.Mode |= 0o400
	if e.Kind == varve.Dir {
		k.Mode |= 0o700
	}
	if k.Mode != e.Mode && e.Kind != varve.Symlink {
		unkept |= varve.Mode
	}
	return k, unkept
}

// metadata gives a copy the aspects of kept that it can hold.
func (s *Store) metadata(target place.Setter, k *varve.Entry, unkept, todo varve.Aspect) (varve.Aspect, error) {
	if unkept&varve.Owner != 0 {
		todo &^= varve.Owner
	}
	more, err := place.Metadata(target, k, todo&^varve.Flags)
	return unkept | more, err
}
