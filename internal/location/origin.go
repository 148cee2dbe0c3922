package location

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"varve"
	"varve/internal/disk"
	"varve/internal/disk/sftpfs"
	"varve/internal/remote"
	"varve/internal/walk"
)

// Files are the files of sources.
type Files interface {
	varve.Source
	// LeftOut returns the paths of the file systems that were left out.
	LeftOut() []string
	// Complaints returns what was noticed and concerns no single entry.
	Complaints() []error
	Close() error
}

// Wanted says which files of an Origin are wanted.
type Wanted struct {
	// Request says what is left out. Its sources are those of the Origin.
	Request remote.SourceRequest
	// Skip are directories of this machine that are left out.
	Skip []varve.Stamp
	// Stores are Place.Path of stores; those on the machine of the Origin, by the name of that machine, are left out.
	Stores []string
	// Since says when a snapshot was taken of the disk of this machine that is read; zero for the disk as it is.
	Since time.Time
	// Owners returns the names of users and groups of this machine; see walk.Options.
	Owners func(uid, gid uint32) (user, group string)
	// Basis has content that need not cross where varve is at both ends; nil for none.
	Basis remote.Basis
}

// Origin is a machine that has sources.
type Origin struct {
	// Spec says which machine; zero for this one. It has no Path.
	Spec Spec
	// Sources are relative to the root, sorted, each once.
	Sources []string

	site   *site
	client *remote.Client
}

// farAhead is how many files of a source on another machine are opened ahead of their turn over SFTP.
const farAhead = 512

// ErrMachines says that sources are on several machines, or reached in several ways.
var ErrMachines = errors.New("sources of one backup must be on one machine")

// From connects to the machine that all specs are on. r says what will be left out. ErrMachines where the sources are on several;
// ErrScheme where files cannot be read in that way.
func From(ctx context.Context, specs []Spec, r remote.SourceRequest, opts Options) (*Origin, error) {
	if len(specs) == 0 {
		return &Origin{}, nil
	}
	o := &Origin{Spec: specs[0]}
	o.Spec.Path = ""
	for _, s := range specs {
		if s.Scheme != o.Spec.Scheme || s.Target != o.Spec.Target {
			return nil, fmt.Errorf("%s and %s: %w", specs[0], s, ErrMachines)
		}
		o.Sources = append(o.Sources, s.Path)
	}
	if err := o.connect(ctx, r, opts); err != nil {
		return nil, errors.Join(err, o.Close())
	}
	for i, at := range o.Sources {
		o.Sources[i] = strings.TrimPrefix(at, "/")
	}
	slices.Sort(o.Sources)
	o.Sources = slices.Compact(o.Sources)
	return o, nil
}

// connect connects to the machine and makes the sources absolute.
func (o *Origin) connect(ctx context.Context, r remote.SourceRequest, opts Options) (err error) {
	if o.Spec.Scheme == SSH {
		return o.call(ctx, r, opts)
	}
	if o.site, err = opts.site(ctx, o.Spec, false); err != nil || o.Spec.Scheme == Local {
		return err
	}
	whole := slices.Contains(o.Sources, "/") // with the kernel's own file systems
	if err := o.site.connect(ctx, opts.Reach, sftpfs.Options{Mounts: whole || r.OneFileSystem, Still: true}); err != nil {
		return wrapPath("connect to", o.Spec.Target.String(), err)
	}
	for i, at := range o.Sources {
		if !path.IsAbs(at) {
			o.Sources[i] = path.Join(o.site.far.Path(), at)
		}
	}
	return nil
}

// call connects to the varve of the other machine.
func (o *Origin) call(ctx context.Context, r remote.SourceRequest, opts Options) (err error) {
	if o.client, err = opts.Reach.client(ctx, o.Spec, "--read"); err != nil {
		return wrapPath("connect to", o.Spec.Target.String(), err)
	}
	r.Sources = o.Sources
	src, err := o.client.Source(ctx, r, nil)
	switch { // what does not cross
	case errors.Is(err, fs.ErrNotExist):
		return marked{err, walk.ErrNoSource}
	case errors.Is(err, fs.ErrPermission):
		return marked{err, ErrNotOffered}
	case err != nil:
		return err
	}
	o.Sources = src.Sources()
	return src.Close()
}

// marked is an error that also matches a sentinel, which its text says already.
type marked struct {
	error
	sentinel error
}

// Unwrap returns both.
func (m marked) Unwrap() []error { return []error{m.error, m.sentinel} }

// Far reports whether the sources are on another machine.
func (o *Origin) Far() bool { return o.Spec.Scheme != Local }

// Untold returns what the other machine does not tell of its files, in words; nothing where it tells all.
func (o *Origin) Untold() []string {
	if o.Spec.Scheme != SFTP {
		return nil
	}
	untold := []string{"extended attributes and ACLs", "inode flags", "hard links", "device numbers", "fractions of seconds"}
	if !o.site.far.Abilities().Owners {
		untold = append(untold, "names of owners")
	}
	return untold
}

// Walk returns the files of the sources, which are closed before the Origin.
func (o *Origin) Walk(ctx context.Context, w Wanted) (Files, error) {
	if err := o.spare(&w); err != nil {
		return nil, err
	}
	if o.Spec.Scheme == SSH {
		w.Request.Sources = nil
		for _, at := range o.Sources {
			w.Request.Sources = append(w.Request.Sources, "/"+at)
		}
		src, err := o.client.Source(ctx, w.Request, w.Basis)
		if err != nil {
			return nil, err // not a nil *remote.Source in an interface
		}
		return src, nil
	}
	options, err := WalkOptions(w.Request, o.Sources)
	if err != nil {
		return nil, err
	}
	if o.Spec.Scheme == SFTP {
		d := o.site.far
		options.Far, options.Owners = true, d.Owners
		return newWalk(d.Top(), o.Sources, options)
	}
	options.Skip, options.Owners = w.Skip, w.Owners
	if !w.Since.IsZero() {
		options.Now = func() time.Time { return w.Since }
	}
	top, err := o.site.open("/")
	if err != nil {
		return nil, err
	}
	return newWalk(top, o.Sources, options)
}

func newWalk(top disk.FS, sources []string, options walk.Options) (Files, error) {
	src, err := walk.New(top, sources, options)
	if err != nil {
		return nil, err // not a nil *walk.Source in an interface
	}
	return src, nil
}

// Close ends the connection.
func (o *Origin) Close() error {
	var errs []error
	if o.site != nil {
		errs = append(errs, o.site.Close())
	}
	if o.client != nil {
		errs = append(errs, o.client.Close())
	}
	return errors.Join(errs...)
}

// Ahead is how many files are worth opening ahead of their turn; 0 on this machine.
func (o *Origin) Ahead() int { return ahead(o.Spec.Scheme) }

// ahead is how many files of a place of this scheme are worth opening ahead of their turn.
func ahead(s Scheme) int {
	switch s {
	case SFTP:
		return farAhead
	case SSH:
		return remote.Ahead
	}
	return 0
}

// Guard returns a context for saving src, which is o's: it ends when src has failed as a whole, and not just one file of it. end is called
// afterwards.
func (o *Origin) Guard(ctx context.Context, src Files) (guarded context.Context, end func()) {
	if far, ok := src.(*remote.Source); ok {
		return far.Guard(ctx)
	}
	return ctx, func() {}
}
