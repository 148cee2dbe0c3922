package hook

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os/user"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"varve"
)

// File is a file of a snapshot that a command prints.
type File struct {
	// Path is where the file is in the snapshot: absolute and clean.
	Path string
	// Command prints the content. Its User owns the file.
	Command Command
}

// Source is a varve.Source of files that commands print. Their directories are made up, with mode 0755 and varve.Passage; the files have
// mode 0600. How long they will be nobody knows: their size is told as 0.
//
// A command runs when its file is opened, and once, as long as nobody reads more than 4 MiB, closes the file, and opens it again.
//
// A varve.Store leaves out a file that it cannot read, and goes on. Here a command that fails is to end everything: Save sees to it.
type Source struct {
	entries  []varve.Entry
	commands map[string]Command // by path

	mu     sync.Mutex
	parked map[string]*outlet // closed before their end, and none of what was read is forgotten
	err    error              // of the first command that failed
	cancel context.CancelCauseFunc
	closed bool
}

var _ varve.Source = (*Source)(nil)

// NewSource returns a source of files, which are from the time now. An error where a path is no absolute path of a file, where one lies
// within another, and where a command cannot be run.
func NewSource(files []File, now time.Time) (*Source, error) {
	s := &Source{commands: map[string]Command{}, parked: map[string]*outlet{}}
	dirs := map[string]bool{}
	for _, f := range files {
		if err := s.add(f, now); err != nil {
			return nil, fmt.Errorf("output of a command as %s: %w", Line(f.Path), err)
		}
		for at := f.Path[1:]; at != ""; {
			at = varve.Parent(at)
			dirs[at] = true
		}
	}
	dirs[""] = true
	for dir := range dirs {
		if _, ok := s.commands[dir]; ok {
			return nil, fmt.Errorf("output of a command as /%s: other files lie below it", Line(dir))
		}
		s.entries = append(s.entries, varve.Entry{Path: dir, Kind: varve.Dir, Mode: 0o755, MTime: varve.TimeOf(now), Marks: varve.Passage})
	}
	slices.SortFunc(s.entries, func(a, b varve.Entry) int { return varve.ComparePaths(a.Path, b.Path) })
	return s, nil
}

// add enters one file.
func (s *Source) add(f File, now time.Time) error {
	if !strings.HasPrefix(f.Path, "/") || f.Path == "/" || path.Clean(f.Path) != f.Path || strings.ContainsRune(f.Path, 0) {
		return errors.New("want the absolute path of a file")
	}
	at := f.Path[1:]
	if _, taken := s.commands[at]; taken {
		return errors.New("named twice")
	}
	if err := f.Command.Check(); err != nil {
		return err
	}
	who, err := f.Command.owner()
	if err != nil {
		return err
	}
	f.Command.Name = cmp.Or(f.Command.Name, "command of "+f.Path)
	s.commands[at] = f.Command
	e := varve.Entry{Path: at, Kind: varve.Regular, Mode: 0o600, UID: who.uid, GID: who.gid, MTime: varve.TimeOf(now)}
	e.User, e.Group = names(who)
	s.entries = append(s.entries, e)
	return nil
}

// names returns the names of a user and a group; empty where they have none.
func names(who owner) (name, group string) {
	if u, err := user.LookupId(strconv.FormatUint(uint64(who.uid), 10)); err == nil {
		name = u.Username
	}
	if g, err := user.LookupGroupId(strconv.FormatUint(uint64(who.gid), 10)); err == nil {
		group = g.Name
	}
	return name, group
}

// Entries is varve.Source's.
func (s *Source) Entries(ctx context.Context) iter.Seq2[varve.Entry, error] {
	return func(yield func(varve.Entry, error) bool) {
		for _, e := range s.entries {
			if err := cmp.Or(ctx.Err(), s.Err()); err != nil {
				yield(varve.Entry{}, err)
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// Open starts the command of a file, or goes on with one that was closed too early. Its errors end a Save.
func (s *Source) Open(ctx context.Context, e varve.Entry) (varve.File, error) {
	c, ok := s.commands[e.Path]
	if !ok {
		return nil, fmt.Errorf("open /%s: no command prints it", e.Path)
	}
	i := slices.IndexFunc(s.entries, func(o varve.Entry) bool { return o.Path == e.Path })
	o, err := s.outlet(ctx, e.Path, c)
	if err != nil && ctx.Err() == nil {
		err = s.fail(err)
	}
	if err != nil {
		return nil, err
	}
	return &opened{source: s, outlet: o, entry: s.entries[i]}, nil
}

// outlet returns what the command prints at path.
func (s *Source) outlet(ctx context.Context, path string, c Command) (*outlet, error) {
	s.mu.Lock()
	o, closed := s.parked[path], s.closed
	delete(s.parked, path)
	s.mu.Unlock()
	if closed {
		return nil, fs.ErrClosed
	}
	if o != nil && o.ctx.Err() == nil {
		return o, nil
	}
	if o != nil {
		o.stream.Close()
	}
	stream, err := Output(ctx, c)
	if err != nil {
		return nil, whole(err)
	}
	return &outlet{ctx: ctx, stream: stream, whole: true}, nil
}

// whole returns err so that it does not concern one file alone.
func whole(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return errors.New(err.Error())
	}
	return err
}

// fail remembers that a command failed, and ends the Save.
func (s *Source) fail(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
	}
	if s.cancel != nil {
		s.cancel(s.err)
	}
	return err
}

// Err returns why the first command failed that did; nil where none did so far.
func (s *Source) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Save saves the files of the commands in a snapshot, together with those of another source unless files is nil. When a command fails
// there is no snapshot, and the error is the command's. A Source is saved once at a time.
func (s *Source) Save(ctx context.Context, store varve.Store, files varve.Source, opts varve.SaveOptions) (varve.Snapshot, error) {
	within, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s.mu.Lock()
	s.err, s.cancel = nil, cancel
	s.mu.Unlock()
	var src varve.Source = s
	if files != nil {
		src = Merge(files, s)
	}
	snap, err := store.Save(within, src, opts)
	s.release()
	failed := s.Err()
	switch {
	case failed == nil:
		return snap, err
	case err == nil: // the store did not notice
		return varve.Snapshot{}, errors.Join(failed, store.Forget(context.WithoutCancel(ctx), snap.ID))
	case ctx.Err() != nil:
		return varve.Snapshot{}, err
	}
	return varve.Snapshot{}, failed // what the store says follows from that
}

// Close ends the commands that are still running though their files were closed, and waits for them. Save does so itself.
func (s *Source) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.release()
	return nil
}

// release ends the commands that are parked.
func (s *Source) release() {
	s.mu.Lock()
	parked := s.parked
	s.parked = map[string]*outlet{}
	s.mu.Unlock()
	for _, o := range parked {
		o.stream.Close()
	}
}

// park keeps what was closed before its end for the next Open, and reports whether it could.
func (s *Source) park(path string, o *outlet) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.parked[path] != nil || !o.whole || o.ctx.Err() != nil {
		return false
	}
	s.parked[path] = o
	return true
}
