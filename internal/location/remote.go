package location

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"varve"
	"varve/internal/backend/files"
	"varve/internal/remote"
	"varve/internal/ssh"
	"varve/internal/tree"
	"varve/internal/walk"
)

// The exit codes of the program that matter to a varve at the other end; docs/manual/exit-codes.md.
const (
	codeNoStore = 10
	codeBusy    = 11
)

// client runs varve on the machine of s, as the command serve with these arguments.
func (r Reach) client(ctx context.Context, s Spec, args ...string) (*remote.Client, error) {
	program := r.Program
	if program == "" {
		program = "varve"
	}
	conn, err := r.dial(ctx, s, ssh.Command(append([]string{program, "serve"}, args...)...))
	if err != nil {
		return nil, err
	}
	client, err := remote.Dial(ctx, conn, remote.Options{Program: r.Version})
	if err == nil {
		return client, nil
	}
	fault := conn.Fault()
	switch conn.Status() {
	case codeNoStore:
		return nil, fmt.Errorf("%w: %w", varve.ErrNoStore, fault)
	case codeBusy:
		return nil, fmt.Errorf("%w: %w", varve.ErrBusy, fault)
	}
	if fault != nil {
		return nil, fault
	}
	return nil, err
}

// initFar makes the store of s through the varve on its machine, and returns the connection.
func (o Options) initFar(ctx context.Context, s Spec, kind Kind) (*remote.Client, error) {
	client, err := o.Reach.client(ctx, s, "--full", "--store", s.Path, "--init", string(kind))
	if err == nil {
		if err = isNew(ctx, client, kind); err != nil {
			err = errors.Join(err, client.Close())
		}
	}
	return client, wrapPath("init store", s.String(), err)
}

// isNew returns an error where another store is served than a new one, as by a forced command that says nothing of a new one.
func isNew(ctx context.Context, client *remote.Client, kind Kind) error {
	info := client.Info()
	switch {
	case info.Role != remote.Full:
		return fmt.Errorf("the varve there gives this key the role %q, which makes no stores: %w", info.Role, fs.ErrPermission)
	case kind == Vault && info.Backend:
		return nil // whether it is empty shows when it is written to
	case kind == Vault, !info.Store:
		return fmt.Errorf("is a store already, of another kind: %w", fs.ErrExist)
	}
	list, err := client.Store().Snapshots(ctx)
	if err == nil && len(list) > 0 {
		err = fmt.Errorf("is a store already: %w", fs.ErrExist)
	}
	return err
}

// call opens the store that a varve on another machine serves. The roles of a forced command there overrule what is asked for.
func (p *Place) call(ctx context.Context, opts Options) error {
	args := []string{"--full", "--store", p.Spec.Path}
	client, err := opts.Reach.client(ctx, p.Spec, args...)
	if err != nil {
		return fmt.Errorf("open store %s: %w", p.Path, err)
	}
	switch info := client.Info(); {
	case info.Store:
		p.Store, p.Series = client.Store(), info.Series
	case info.Backend:
		again := func(ctx context.Context) (*remote.Client, error) { return opts.Reach.client(ctx, p.Spec, args...) }
		err = p.unlock(ctx, client.LastingBackend(remote.Redial{Dial: again, Warn: opts.Reach.Warn}), opts)
	default:
		err = errors.Join(fmt.Errorf("the varve there serves no store: %w", varve.ErrNoStore), client.Close())
	}
	return wrapPath("open store", p.Path, err)
}

// Offer is a store as it is offered to a varve on another machine: a tree is opened, of a vault there is the storage, which needs no key.
type Offer struct {
	Tree    *tree.Store
	Storage varve.Backend
	Path    string
	// Skip are the directories that no snapshot may hold.
	Skip []varve.Stamp

	site  *site
	lease io.Closer // of a vault being made
}

// Serve opens the store that spec names, which is on this machine, to offer it. Errors are as for Open.
func Serve(ctx context.Context, spec string, opts Options) (*Offer, error) {
	s, err := Parse(spec)
	if err == nil && s.Scheme != Local {
		err = fmt.Errorf("store %s is on another machine: %w", s, ErrScheme)
	}
	if err != nil {
		return nil, err
	}
	p, err := opts.place(ctx, s)
	if err != nil {
		return nil, err
	}
	dir, kind, err := p.enter()
	if err != nil {
		return nil, err
	}
	o := &Offer{Path: p.Path, Skip: p.Skip, site: p.site}
	if kind == Vault {
		o.Storage = files.Open(dir, files.Options{})
		return o, nil
	}
	o.Tree, err = tree.Open(dir, opts.tree(false))
	return o, wrapPath("open store", p.Path, err)
}

// ServeNew makes the store that spec names and offers it; of a vault, whose keys are made elsewhere, an empty storage. Errors are as for
// Init.
func ServeNew(ctx context.Context, spec string, kind Kind, opts Options) (*Offer, error) {
	if kind == Tree {
		if err := Init(ctx, spec, opts); err != nil {
			return nil, err
		}
		return Serve(ctx, spec, opts)
	}
	p, dir, err := prepare(ctx, spec, opts)
	if err != nil {
		return nil, err
	}
	o := &Offer{Path: p.Path, Storage: files.Open(dir, files.Options{}), site: p.site}
	if o.lease, err = clear(ctx, dir, o.Storage); err != nil {
		return nil, errors.Join(wrapPath("init vault", p.Path, err), o.Close())
	}
	return o, nil
}

// Close closes what is offered.
func (o *Offer) Close() error {
	var errs []error
	if o.lease != nil {
		errs = append(errs, o.lease.Close())
	}
	if o.Tree != nil {
		errs = append(errs, o.Tree.Close())
	}
	if o.Storage != nil {
		errs = append(errs, o.Storage.Close())
	}
	return errors.Join(append(errs, o.site.Close())...)
}

// ErrNotOffered says that files were asked for that are not offered.
var ErrNotOffered = errors.New("these files are not offered")

// Offered opens files of this machine for a varve on another one. They must lie in one of the directories within; empty stands for all.
// Relative sources are relative to home. It returns the sources as absolute paths.
func Offered(ctx context.Context, r remote.SourceRequest, within []string, home string, opts Options) (Files, []string, error) {
	var specs []Spec
	var sources []string
	for _, source := range r.Sources {
		if !filepath.IsAbs(source) {
			source = filepath.Join(home, source)
		}
		source = filepath.Clean(source)
		if strings.ContainsRune(source, 0) || !inside(source, within) {
			return nil, nil, marked{fmt.Errorf("source %q: %w", source, ErrNotOffered), fs.ErrPermission}
		}
		specs, sources = append(specs, Spec{Path: source}), append(sources, source)
	}
	o, err := From(ctx, specs, r, opts)
	if err != nil {
		return nil, nil, err
	}
	src, err := o.Walk(ctx, Wanted{Request: r, Owners: opts.Owners})
	if errors.Is(err, walk.ErrNoSource) {
		err = marked{err, fs.ErrNotExist} // which crosses
	}
	return src, sources, err
}

// inside reports whether the absolute path, and what a symlink there leads to, lies in one of some directories; in none there is anything.
// What cannot be followed lies nowhere.
func inside(path string, within []string) bool {
	if len(within) == 0 {
		return true
	}
	lies := func(path string) bool {
		return slices.ContainsFunc(within, func(dir string) bool {
			return varve.Within(strings.TrimPrefix(path, "/"), strings.TrimPrefix(dir, "/"))
		})
	}
	real, err := follow(path)
	return err == nil && lies(path) && lies(real)
}

// follow returns where the absolute path leads to. What does not exist leads to where its directory does.
func follow(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if !errors.Is(err, fs.ErrNotExist) || path == "/" {
		return real, err
	}
	dir, err := follow(filepath.Dir(path))
	return filepath.Join(dir, filepath.Base(path)), err
}
