//go:build linux

// Package freeze takes pictures of file systems, so that files are read as they all were at one moment while others go on writing to
// them, and removes the pictures again, whatever happens.
//
//	btrfs   by system calls: a read-only subvolume TOP/.varve-freeze/ID, where TOP is the top of the subvolume that a source lies in
//	lvm     by lvcreate, mount, umount, lvremove: a volume VG/varve-ID, mounted at /run/varve/freeze/ID
//	zfs     by zfs snapshot, zfs destroy: DATASET@varve-ID, which the kernel shows below .zfs/snapshot
//
// ID are random letters and digits. Beside .varve-freeze/ID, and for the others in /run/varve/freeze, lies ID.lock, on which the process
// holds a lock: it is there before the picture is, and goes after it. A picture whose lock nobody holds was left by a process that is
// dead; the next Take of the same file system removes it. Only what has such a name is ever removed.
//
// What is mounted below a source, and a subvolume in it, is not in the picture, unless it is a source itself. The disk that
// [Frozen.OpenDir] opens tells that with disk.Space.Absent, so that a walk leaves it out and says so.
//
// It is not for keeping pictures, for reading them without varve, or for file systems on other machines.
package freeze

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"varve"
	"varve/internal/disk"
	"varve/internal/disk/osfs"
)

// Kind says what takes the pictures.
type Kind string

// The kinds.
const (
	Btrfs Kind = "btrfs"
	LVM   Kind = "lvm"
	ZFS   Kind = "zfs"
)

// DirName is the name of the directories in which pictures lie. A walk leaves them out.
const DirName = ".varve-freeze"

// ErrKind says that pictures of the kind that was asked for cannot be taken of a path, because of what it lies on.
var ErrKind = errors.New("no snapshot of this kind can be taken of it")

// Options vary how pictures are taken. The zero value is right.
type Options struct {
	// Dir is the directory for locks and mount points of LVM and ZFS, which is made; empty stands for /run/varve/freeze.
	Dir string
	// Warn, where set, is told what could not be removed of what others have left behind.
	Warn func(error)
	// Now tells the time by the clock that file systems take their times from; nil stands for time.Now.
	Now func() time.Time
	// Random returns what names a picture, at least 128 random bits as letters and digits of base 32; nil stands for crypto/rand.Text.
	Random func() string
	// Run runs a tool to its end and returns what it printed to standard output; nil stands for hook.Output.
	Run func(ctx context.Context, words ...string) (string, error)

	mountInfo string // "" for that of the process
	sys       string // "" for /sys
}

func (o Options) withDefaults() Options {
	o.Dir = cmp.Or(o.Dir, "/run/varve/freeze")
	o.mountInfo = cmp.Or(o.mountInfo, "/proc/self/mountinfo")
	o.sys = cmp.Or(o.sys, "/sys")
	if o.Warn == nil {
		o.Warn = func(error) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Text
	}
	if o.Run == nil {
		o.Run = runTool
	}
	return o
}

// Frozen are the pictures of the file systems that some paths lie on. Close removes them.
type Frozen struct {
	since    time.Time
	pictures []*picture
	view     *view

	closing sync.Mutex
	closed  bool
}

// picture is one file system, or subvolume, as it was.
type picture struct {
	// dir is the absolute path of its top.
	dir string
	// raw is the device number that it has, set by view, or by take where somebody else could put another directory in its place.
	raw uint64
	// hollow is the inode number of directories that stand for a subvolume which is not in it; 0 where there are none.
	hollow uint64
	// remove removes it. The error says what is left, and how that is removed by hand.
	remove func(ctx context.Context) error
}

// volume is what one picture can be taken of.
type volume interface {
	// sweep removes the pictures that dead processes have left.
	sweep(ctx context.Context) error
	// take takes a picture, of which it sets all but raw, or raw as well. Where it fails nothing is left behind, or the error says what.
	take(ctx context.Context) (*picture, error)
}

// Take takes one picture of each file system of this kind that paths lie on: absolute paths, whose symlinks are followed. Before that it
// removes what dead processes have left. One that does not exist is in no picture; ErrKind where one is on another kind of file system.
// fs.ErrPermission where the caller may not take pictures, or not remove them. No picture is left where there is an error, unless that
// says so.
func Take(ctx context.Context, kind Kind, paths []string, o Options) (_ *Frozen, err error) {
	o = o.withDefaults()
	p, err := plan(kind, paths, o)
	if err != nil {
		return nil, fmt.Errorf("take snapshot of a file system: %w", err)
	}
	f := &Frozen{since: o.Now()}
	defer func() {
		if err != nil {
			err = fmt.Errorf("take snapshot of a file system: %w", errors.Join(err, f.Close()))
		}
	}()
	if err := p.flush(); err != nil {
		return nil, err
	}
	for _, v := range p.volumes {
		err := v.sweep(ctx)
		if errors.Is(err, fs.ErrPermission) { // nor could this one be removed
			return nil, err
		}
		if err != nil {
			o.Warn(fmt.Errorf("remove snapshots of a file system that were left behind: %w", err))
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if v.picture, err = v.take(ctx); err != nil {
			return nil, err
		}
		f.pictures = append(f.pictures, v.picture)
	}
	if f.view, err = p.view(); err != nil {
		return nil, err
	}
	return f, nil
}

// Check returns what keeps pictures of this kind from being taken of paths, as far as looking tells: ErrKind, mostly. What the caller may
// not look at is no error. Nothing is taken, and no tool is run.
func Check(kind Kind, paths []string, o Options) error {
	_, err := plan(kind, paths, o.withDefaults())
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return err
}

// Since is when taking the pictures began: whatever was written before is in them.
func (f *Frozen) Since() time.Time { return f.since }

// Path returns where the picture of path lies, an absolute path without symlinks; empty where it is in no picture.
func (f *Frozen) Path(path string) string {
	g, below := f.view.graft(strings.TrimPrefix(path, "/"))
	if g == nil {
		return ""
	}
	return strings.TrimSuffix(g.dir+"/"+below, "/")
}

// OpenDir opens the directory at path as it was. Symlinks on the way are followed. On the way to a picture there are the directories of
// the live disk; what these hold besides cannot be read. Nothing can be changed. Metadata say of the device what the live disk would say.
func (f *Frozen) OpenDir(path string) (disk.FS, error) {
	top, err := f.view.open()
	if err != nil {
		return nil, err
	}
	at, err := disk.Resolve(top, strings.TrimPrefix(path, "/"))
	if err != nil || at == "" {
		return top, closeAfter(top, err)
	}
	dir, err := disk.OpenPath(top, at)
	return dir, errors.Join(err, top.Close())
}

// closeAfter closes dir if there is an error.
func closeAfter(dir disk.FS, err error) error {
	if err != nil {
		return errors.Join(err, dir.Close())
	}
	return nil
}

// removal is how long it may take to remove a picture, when everybody is waiting for the end.
const removal = 5 * time.Minute

// Close removes the pictures. What was opened must be closed before. Whatever it could not remove the next Take will try to. A second
// Close does nothing.
func (f *Frozen) Close() error {
	f.closing.Lock()
	defer f.closing.Unlock()
	if f.closed {
		return nil
	}
	f.closed = true
	ctx, cancel := context.WithTimeout(context.Background(), removal)
	defer cancel()
	var errs []error
	for _, p := range slices.Backward(f.pictures) {
		errs = append(errs, p.remove(ctx))
	}
	return errors.Join(errs...)
}

// lookUp returns the metadata of the directory at path, which follows symlinks.
func lookUp(path string) (info disk.Info, err error) {
	dir, err := osfs.Open(path)
	if err != nil {
		return info, err
	}
	info, err = dir.Lookup(".")
	return info, errors.Join(err, dir.Close())
}

// joined is varve.Join of an absolute path and a relative one, either of which may be the root.
func joined(dir, rel string) string {
	if rel == "" {
		return dir
	}
	return varve.Join(strings.TrimSuffix(dir, "/"), rel)
}
