// Package tree is the store that keeps every snapshot as plain directories, unchanged files hard-linked to the snapshot before.
//
//	STORE/<series>/<UTC time>/...   one snapshot: the sources under their full paths
//	STORE/<series>/latest           a symlink to the newest
//	STORE/.varve/format             what makes the directory a store
//	STORE/.varve/manifests/<id>     every entry of a snapshot with its digest
//	STORE/.varve/partial/<id>/      a snapshot being made
//	STORE/.varve/trash/             a snapshot being removed
//	STORE/.varve/kept/<id>          what later snapshots need of one that is no more, on disks without hard links
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
	"time"

	"varve"
	"varve/internal/disk"
)

// The names in a store.
const (
	controlDir   = ".varve"
	formatFile   = "format"
	manifestsDir = "manifests"
	partialDir   = "partial"
	trashDir     = "trash"
	keptDir      = "kept"
	locksDir     = "locks"
	latestLink   = "latest"

	partialTree     = "tree"
	partialManifest = "manifest"
	sealedManifest  = "manifest.sealed"
)

// Options say on whose behalf a store is used. The zero value is an unprivileged user with ID 0.
type Options struct {
	// UID and GID own the files that the process makes.
	UID, GID uint32
	// Privileged says that the process may give files away, make devices and read everything.
	Privileged bool
	// Far says that the store lies on another machine, where every call takes long: many are under way at once. UID and GID are
	// those of whoever owns what the process makes there, and need not be given. A file must be durable once it is closed.
	Far bool
	// Untold are the aspects of which the disk tells nothing, so that nothing of them is compared: Owner, Xattrs, Type for device numbers
	// alone, and MTime for what is finer than seconds or does not fit into 32 bits.
	Untold varve.Aspect
	// Workers is the number of goroutines that copy, link and check; 0 for a number that suits the disk.
	Workers int
	// Random is where snapshot IDs come from; nil stands for crypto/rand.
	Random io.Reader
	// DayNames names the directories of snapshots by the day, as Hactar does, with a suffix from the second of a day on.
	DayNames bool
	// Warn, where set, is told what is waited for. It must not block.
	Warn func(error)
	// After tells how time passes while somebody else's sign of life is waited for; nil stands for time.After.
	After func(time.Duration) <-chan time.Time
}

// What suits disks that answer at once, and those where every call takes long.
const (
	nearWorkers = 3
	farWorkers  = 256
	// farGroup is how many entries of one directory are dealt with one after the other on a far disk.
	farGroup = 8
	// How many idle directories of a tree stay open; on a far disk they are nothing but paths.
	nearDescriptors = 100
	farDescriptors  = 4096
)

// Store is a tree store.
type Store struct {
	opts    Options
	root    disk.FS
	control disk.FS
}

var _ varve.Store = (*Store)(nil)

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
		opts.Workers = nearWorkers
		if opts.Far {
			opts.Workers = farWorkers
		}
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
	if _, err := readFormat(control); err != nil {
		return nil, errors.Join(err, control.Close())
	}
	return &Store{opts: opts, root: root, control: control}, nil
}

// Close closes the store.
func (s *Store) Close() error { return errors.Join(s.control.Close(), s.root.Close()) }

// Root returns the device and inode of the store's directory, which no snapshot may hold.
func (s *Store) Root() (varve.Stamp, error) {
	info, err := s.root.Lookup(".")
	return info.Stamp, err
}

func (s *Store) warn(err error) {
	if s.opts.Warn != nil {
		s.opts.Warn(err)
	}
}

// within opens a directory of the control directory, calls f and closes it.
func (s *Store) within(name string, f func(dir disk.FS) error) error {
	dir, err := s.control.OpenDir(name)
	if err != nil {
		return err
	}
	return errors.Join(f(dir), dir.Close())
}

// group is how many neighbours are dealt with one after the other; 0 for what suits disks that answer at once.
func (s *Store) group() int {
	if s.opts.Far {
		return farGroup
	}
	return 0
}

// descriptors is how many idle directories of a tree stay open.
func (s *Store) descriptors() int {
	if s.opts.Far {
		return farDescriptors
	}
	return nearDescriptors
}

// newID returns a random snapshot ID.
func (s *Store) newID() (id varve.SnapshotID, err error) {
	_, err = io.ReadFull(s.opts.Random, id[:])
	return id, err
}
