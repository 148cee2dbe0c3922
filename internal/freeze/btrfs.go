//go:build linux

package freeze

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// subvolume is one of a btrfs.
type subvolume struct {
	top    string // where its top is seen
	device uint64 // its own
	o      Options
}

// locateBtrfs finds the subvolume that dir lies in, and a place where its top is seen and can be written to.
func locateBtrfs(dir string, m *mount, table mounts, o Options) (*site, error) {
	if m.kind != "btrfs" {
		return nil, fmt.Errorf("%w: it lies on %s, not on btrfs", ErrKind, m.kind)
	}
	self, err := identify(dir)
	if err != nil {
		return nil, err
	}
	at, found := topOf(dir, m, self.device, table)
	if !found {
		at = m.point // a part of the subvolume is mounted there
	}
	top, over := seenFrom(m.inside(dir), self.device, append(mounts{m}, table...), table)
	if over == nil {
		return nil, errors.New("the top of its subvolume is not mounted anywhere")
	}
	inside := over.inside(top)
	return &site{volume: &subvolume{top, self.device, o}, key: m.device + " " + inside, at: at, top: inside}, nil
}

// identity says which directory a path leads to. The device of a btrfs is that of the subvolume.
type identity struct{ device, inode uint64 }

func identify(path string) (identity, error) {
	info, err := os.Stat(path)
	if err != nil {
		return identity{}, err
	}
	return identityOf(info), nil
}

func identityOf(info fs.FileInfo) identity {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return identity{}
	}
	return identity{uint64(st.Dev), st.Ino}
}

// topOf returns the top, as far as m shows it, of the subvolume with this device that holds the directory at path. Another mount may cover
// that directory, or some on the way.
func topOf(path string, m *mount, device uint64, table mounts) (string, bool) {
	for ; ; path = filepath.Dir(path) {
		if table.at(path) == m {
			id, err := identify(path)
			if err != nil || id.device != device {
				return "", false
			}
			if id.inode == btrfsTop {
				return path, true
			}
		}
		if path == m.point || path == "/" {
			return "", false
		}
	}
}

// seenFrom returns the top of the subvolume with this device that has the directory at inside in the file system, and what shows it: the
// first of the candidates, but one that can be written to rather than another.
func seenFrom(inside string, device uint64, candidates, table mounts) (top string, over *mount) {
	for _, m := range candidates {
		path, shows := m.shows(inside)
		if !shows || m.device != candidates[0].device || over != nil && (m.readOnly || !over.readOnly) {
			continue
		}
		if at, found := topOf(path, m, device, table); found {
			top, over = at, m
		}
	}
	return top, over
}

// open opens the top of the subvolume, and the directory for pictures in it.
func (v *subvolume) open(create bool) (root *os.Root, s *shelf, err error) {
	root, err = os.OpenRoot(v.top)
	if err != nil {
		return nil, nil, err
	}
	info, err := root.Stat(".")
	if err == nil && identityOf(info) != (identity{v.device, btrfsTop}) {
		err = &fs.PathError{Op: "open", Path: v.top, Err: errors.New("is not the subvolume that it was")}
	}
	if err == nil {
		s, err = openShelf(root, DirName, create)
	}
	if err != nil {
		return nil, nil, errors.Join(err, root.Close())
	}
	return root, s, nil
}

// take makes a read-only snapshot of the subvolume.
func (v *subvolume) take(context.Context) (*picture, error) {
	if !mayRemove() {
		return nil, fmt.Errorf("snapshot of %s: only root may remove snapshots: %w", v.top, fs.ErrPermission)
	}
	root, s, err := v.open(true)
	if err != nil {
		return nil, fmt.Errorf("snapshot of %s: %w", v.top, err)
	}
	c, err := s.claim(v.o.Random)
	if err != nil {
		return nil, fmt.Errorf("snapshot of %s: %w", v.top, errors.Join(err, s.close(), root.Close()))
	}
	p, err := v.create(root, c)
	if err = errors.Join(err, root.Close()); err != nil {
		return nil, fmt.Errorf("snapshot of %s: %w", v.top, errors.Join(err, v.drop(c), s.close()))
	}
	return p, nil
}

// create makes the snapshot that c names.
func (v *subvolume) create(root *os.Root, c *claim) (*picture, error) {
	top, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	defer top.Close()
	dir, err := c.shelf.root.Open(".")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	switch err := createSnapshot(dir, top, c.id); {
	case errors.Is(err, syscall.ETXTBSY):
		return nil, fmt.Errorf("it holds a swap file that is in use, which keeps btrfs from it: %w", err)
	case err != nil:
		return nil, err
	}
	info, err := c.shelf.root.Stat(c.id)
	if err != nil {
		return nil, err
	}
	id := identityOf(info)
	if id.inode != btrfsTop || id.device == v.device {
		return nil, errors.New("it is not a subvolume of its own")
	}
	remove := func(context.Context) error { return errors.Join(v.drop(c), c.shelf.close()) }
	return &picture{dir: v.at(c.id), raw: id.device, hollow: btrfsHollow, remove: remove}, nil
}

// at returns the path of a snapshot.
func (v *subvolume) at(id string) string { return joined(v.top, DirName+"/"+id) }

// drop removes the snapshot that c names, if there is one, and the claim.
func (v *subvolume) drop(c *claim) error {
	dir, err := c.shelf.root.Open(".")
	if err == nil {
		if err = destroySnapshot(dir, c.id); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		err = errors.Join(err, dir.Close())
	}
	if err != nil {
		err = fmt.Errorf("remove %s: %w; by hand: btrfs subvolume delete %[1]s", v.at(c.id), err)
	}
	return c.removed(err)
}

// sweep removes the snapshots that dead processes have left.
func (v *subvolume) sweep(ctx context.Context) error {
	if !mayRemove() {
		return nil // nobody who may not could have taken one
	}
	root, s, err := v.open(false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	ids, err := s.ids()
	errs := []error{err}
	for _, id := range ids {
		if ctx.Err() != nil {
			break
		}
		c, err := s.ofDead(id)
		if c != nil {
			err = v.drop(c)
		}
		errs = append(errs, err)
	}
	return errors.Join(append(errs, s.close(), root.Close())...)
}

// capSysAdmin is the number of the capability that removing a subvolume takes.
const capSysAdmin = 21

// mayRemove reports whether the process has that capability.
func mayRemove() bool {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return os.Geteuid() == 0
	}
	_, rest, _ := strings.Cut(string(status), "\nCapEff:")
	line, _, _ := strings.Cut(rest, "\n")
	set, err := strconv.ParseUint(strings.TrimSpace(line), 16, 64)
	return err == nil && set>>capSysAdmin&1 == 1
}
