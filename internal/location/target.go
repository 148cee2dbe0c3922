package location

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"varve/internal/disk"
	"varve/internal/disk/memfs"
)

// Target is the directory that a restore goes into.
type Target struct {
	// Spec is where it is; Path names it, as in Place.
	Spec Spec
	Path string
	// Dir is the directory, opened; a restore takes it over.
	Dir disk.FS
	// Made says that it did not exist.
	Made bool

	site *site
}

// Into opens the directory that a restore goes into, which is made where it is missing. In a dry run one in memory stands for it then.
func Into(ctx context.Context, spec string, opts Options, dry bool) (*Target, error) {
	s, err := Parse(spec)
	if err != nil {
		return nil, err
	}
	t := &Target{Spec: s, Path: s.String()}
	if t.site, err = opts.site(ctx, s, false); err != nil {
		return nil, err
	}
	t.Dir, err = t.site.open(s.Path)
	if errors.Is(err, fs.ErrNotExist) {
		t.Made = true
		if dry {
			t.Dir, err = memfs.New(memfs.Options{}).Root(), nil
		} else {
			t.Dir, err = t.site.makeDir(s.Path, 0o700)
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("restore into %s: %w", t.Path, err), t.site.Close())
	}
	return t, nil
}

// Far reports whether the target is on another machine.
func (t *Target) Far() bool { return t.Spec.Scheme != Local }

// Close ends the connection.
func (t *Target) Close() error { return t.site.Close() }
