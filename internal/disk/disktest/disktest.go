// Package disktest is the contract of disk.FS as a test that every implementation passes.
//
// It asks nothing about durability, which cannot be seen without a crash, nor about speed.
package disktest

import (
	"testing"

	"varve/internal/disk"
)

// Options say what the place under test can do. What it cannot is skipped with a reason, or fails where Strict is set. The zero value
// is a plain place used by an ordinary user.
type Options struct {
	// Root says that the caller may change owners, make device nodes and set attributes named "trusted.".
	Root bool
	// Xattrs says that regular files and directories take attributes named "user.".
	Xattrs bool
	// Trusted says that every object takes attributes named "trusted." where Root is set.
	Trusted bool
	// Links says that objects take more than one hard link, symlinks too.
	Links bool
	// Holes says that unwritten blocks of 64 KiB take no room and are told.
	Holes bool
	// Flags says that the flag FS_NODUMP_FL can be set.
	Flags bool
	// Times says that modification times from 1901 to 2400 are kept to the nanosecond.
	Times bool
	// AnyName says that names may hold any bytes, and that names which look alike are different.
	AnyName bool
	// Reflinks says that Clone works.
	Reflinks bool
	// ByPath says that the place knows objects by their paths alone: it has no stamps, does not count links, has no special files,
	// attributes and flags, nor looks for what they are asked of, takes the file of a lock for itself, and loses a held directory that
	// is moved.
	ByPath bool
	// FixedSymlinks says that symlinks keep the time and owner that they were made with.
	FixedSymlinks bool
	// NoSpace says that the place does not tell what room there is.
	NoSpace bool
	// Strict makes the parts fail that would be skipped.
	Strict bool
}

// need ends the test where the place lacks an ability.
func (o Options) need(t *testing.T, able bool, what string) {
	t.Helper()
	switch {
	case able:
	case o.Strict:
		t.Fatalf("the place under test lacks %s", what)
	default:
		t.Skipf("the place under test lacks %s", what)
	}
}

// lacks ends the test where the place is known to lack an ability by its nature.
func lacks(t *testing.T, lacking bool, what string) {
	t.Helper()
	if lacking {
		t.Skipf("the place under test lacks %s", what)
	}
}

// Run tests the implementation behind open, which returns a fresh, empty directory that belongs to the caller whenever it is called.
// Run closes it.
func Run(t *testing.T, open func(t *testing.T) disk.FS, opts Options) {
	for _, part := range [][]clause{namesPart, makePart, lookPart, filePart, linkPart, movePart, removePart, setPart, lockPart, handlePart} {
		for _, c := range part {
			t.Run(c.name, func(t *testing.T) {
				f := open(t)
				t.Cleanup(func() { f.Close() })
				c.check(t, f, opts)
			})
		}
	}
}

// clause is one thing that the contract says.
type clause struct {
	name  string
	check func(t *testing.T, f disk.FS, opts Options)
}
