package main

import (
	"context"
	"errors"
	"fmt"

	"varve/internal/config"
	"varve/internal/disk"
	"varve/internal/freeze"
	jobs "varve/internal/job"
	"varve/internal/location"
)

// freeze takes a snapshot of the file systems that the sources of a job lie on. Its time is that of the system's clock, as the times in the
// file system are.
func (a *app) freeze(ctx context.Context, kind config.Freeze, paths []string) (jobs.Frozen, error) {
	f, err := freeze.Take(ctx, freeze.Kind(kind), paths, freeze.Options{Warn: a.warnOfRun})
	if err != nil {
		return nil, err // not a nil *freeze.Frozen in an interface
	}
	return f, nil
}

// checkFreeze returns why no snapshot can be taken of the file systems of a job's sources, as far as looking at them tells.
func checkFreeze(j *config.Job) error {
	if j.Snapshot == "" || j.Snapshot == config.None {
		return nil
	}
	var paths []string
	for _, source := range j.Sources {
		if s, err := location.Parse(source); err == nil && s.Scheme == location.Local {
			paths = append(paths, s.Path)
		}
	}
	if err := freeze.Check(freeze.Kind(j.Snapshot), paths, freeze.Options{}); err != nil {
		return fmt.Errorf("snapshot = %q: %w", j.Snapshot, err)
	}
	return nil
}

// parseFreeze reads a kind of snapshots of file systems.
func parseFreeze(text string) (freeze.Kind, error) {
	switch k := freeze.Kind(text); k {
	case freeze.Btrfs, freeze.LVM, freeze.ZFS:
		return k, nil
	}
	return "", errors.New("want btrfs, lvm or zfs")
}

// checkSnapshot makes sure, before anything is done, that a snapshot of the sources' file systems can be taken if it is asked for.
func (b *backup) checkSnapshot(specs []location.Spec) error {
	if b.snapshot == "" {
		return nil
	}
	var paths []string
	for _, s := range specs {
		if s.Scheme != location.Local {
			return usagef("--snapshot: %s is on another machine; varve takes snapshots of file systems on this one", quote(s.String()))
		}
		paths = append(paths, s.Path)
	}
	if err := freeze.Check(b.snapshot, paths, freeze.Options{}); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	return nil
}

// sourceOptions returns how the sources are reached: through the snapshot of their file systems while there is one.
func (b *backup) sourceOptions() location.Options {
	o := b.app.options(b.app.secrets)
	live := o.OpenDir
	o.OpenDir = func(path string) (disk.FS, error) {
		if b.frozen != nil {
			return b.frozen.OpenDir(path)
		}
		return live(path)
	}
	return o
}

// still calls f while the sources hold still, if that is asked for: then they are read from a snapshot of their file systems, which goes in
// any case.
func (b *backup) still(ctx context.Context, job *job, f func() error) (err error) {
	if b.snapshot == "" {
		return f()
	}
	frozen, err := freeze.Take(ctx, b.snapshot, job.absolute(), freeze.Options{Warn: b.app.warnOfRun})
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	b.frozen, b.wanted.Since = frozen, frozen.Since()
	defer func() {
		b.frozen = nil
		if e := frozen.Close(); e != nil {
			err = errors.Join(err, fmt.Errorf("backup: remove the snapshot of the file system: %w", e))
		}
	}()
	return f()
}
