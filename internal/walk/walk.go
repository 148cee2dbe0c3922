// Package walk reads a file tree as a varve.Source: directories and metadata in parallel, delivered in listing order, in memory
// that depends on the largest directory's names alone.
//
// It follows no symlink below a source, never resolves a path twice, and reads each directory once. What is left out is decided
// here: patterns, markers, other file systems, the store itself.
//
// It is not for deciding what changed (package compare) nor for reading snapshots (a View is a Source by itself).
package walk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"varve"
	"varve/internal/disk"
	"varve/internal/match"
)

// Sentinels that callers branch on.
var (
	// ErrNoSource says that none of the sources exists.
	ErrNoSource = errors.New("no source exists")
	// errMissing is the cause where one source of several does not exist. It does not match fs.ErrNotExist, which would say that
	// it vanished from a directory that was read.
	errMissing = errors.New("no such file or directory")
	// errMoved is the cause where a directory cannot be found again. It does not match fs.ErrNotExist either: what it holds may
	// well exist elsewhere, where the walk has passed already.
	errMoved = errors.New("directory vanished while it was walked; it may have been renamed")
)

// Options say what is left out and how the walk works. The zero value leaves nothing out.
type Options struct {
	// Match holds the exclude patterns of the command line; nil for none.
	Match *match.Matcher
	// IgnoreFile is the name of the files with a directory's own patterns; empty for none.
	IgnoreFile string
	// OneFileSystem leaves out file systems mounted below a source.
	OneFileSystem bool
	// IfPresent leaves out the content of directories that hold one of these files; the file itself stays.
	IfPresent []Marker
	// LargerThan leaves out regular files of more bytes; 0 for no limit.
	LargerThan int64
	// Skip leaves out the directories with these devices and inodes, such as the store that is written to. A source that is one of them,
	// or lies in one, cannot be reached.
	Skip []varve.Stamp
	// SkipName leaves out the directories of this name, but for sources; empty for none.
	SkipName string
	// Owners returns the names of a user and a group, empty where unknown; nil where no names are wanted. It is called by one
	// goroutine at a time.
	Owners func(uid, gid uint32) (user, group string)
	// Now tells the time; nil stands for time.Now. It serves to distrust what was modified just now. Of a snapshot of a disk it tells
	// when that was taken.
	Now func() time.Time
	// Workers is the number of goroutines that read; 0 for a number that suits the disk.
	Workers int
	// Far says that the disk is on another machine, where every call takes long, and modification times are all that tells whether a
	// file is unchanged: regular files get a compare.FarStamp, unless they are too young. Nothing is written out there.
	Far bool
	// Lag is how far the clock of the far machine may be behind Now; 0 stands for an hour. What was modified later than so long, and two
	// minutes more, before the walk began gets no stamp.
	Lag time.Duration
}

const (
	defaultWorkers = 4
	// descriptors is how many idle directories stay open; fewer cost time, not correctness.
	descriptors = 200
	// These are for far disks. There an open directory is no descriptor, only memory.
	farWorkers     = 256
	farDescriptors = 1 << 12
	farChunkSize   = 64
	// ahead is how many entries may be read before they are asked for.
	ahead = 1 << 14
	// pathLoad is the length in bytes at which a path counts as one more entry of these; very deep trees have very long paths.
	pathLoad = 256
	// chunkSize is how many entries of a directory are read as one piece of work.
	chunkSize = 512
)

// Source is a file tree on a disk. Close it when its files are no longer needed.
type Source struct {
	opts    Options
	held    *disk.Held
	plan    *plan
	settled atomic.Pointer[settlement] // nil before the first walk

	mu         sync.Mutex
	leftOut    []string
	complaints []error
}

var _ varve.Source = (*Source)(nil)

// New returns the part of top that sources, paths relative to top, name. A source that is a symlink is followed, as are symlinks
// on the way to it; the entries keep the path as it was given. One that cannot be reached is yielded with Err. New takes over top and
// closes it with the Source. ErrNoSource where no source can be reached.
func New(top disk.FS, sources []string, opts Options) (*Source, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	budget, workers := descriptors, defaultWorkers
	if opts.Far {
		budget, workers = farDescriptors, farWorkers
	}
	opts.Workers = cmp.Or(opts.Workers, workers)
	if opts.Match == nil {
		opts.Match = match.New(nil, sources)
	}
	s := &Source{opts: opts}
	var err error
	if s.plan, err = newPlan(top, sources, s.skipped); err != nil {
		return nil, errors.Join(err, top.Close())
	}
	s.held = disk.NewHeld(top, budget)
	return s, nil
}

// Close closes what the walk held open.
func (s *Source) Close() error { return s.held.Close() }

// LeftOut returns the paths of the file systems that were left out so far, by OneFileSystem or because they are not there; the kernel's
// own ones do not count.
func (s *Source) LeftOut() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.leftOut)
}

// Entries yields the tree, after it has had the file systems of the sources written out, see settle. Several goroutines read ahead
// while it runs; all have ended when it returns.
func (s *Source) Entries(ctx context.Context) iter.Seq2[varve.Entry, error] {
	return func(yield func(varve.Entry, error) bool) {
		s.settle(ctx)
		c := newCrew()
		var wg sync.WaitGroup
		for range s.opts.Workers {
			wg.Go(c.work)
		}
		d := delivery{walk: s, crew: c, ctx: ctx, yield: yield, links: map[inode]group{}}
		err := d.run()
		c.dismiss()
		wg.Wait()
		if err != nil && !errors.Is(err, errStopped) {
			yield(varve.Entry{}, fmt.Errorf("walk: %w", err))
		}
	}
}

// errStopped says that the consumer wants no more.
var errStopped = errors.New("stopped")

// delivery hands the entries of one walk to its consumer, in listing order.
type delivery struct {
	walk  *Source
	crew  *crew
	ctx   context.Context
	yield func(varve.Entry, error) bool
	links map[inode]group
	owner owner
}

// inode identifies an object.
type inode struct{ dev, ino uint64 }

// group is what is known of the hard links to one object.
type group struct {
	first string
	left  uint64 // links not met yet
}

// owner remembers the last pair of names; most neighbours belong to the same user.
type owner struct {
	uid, gid    uint32
	user, group string
	known       bool
}

func (d *delivery) run() error {
	root, self, err := d.walk.root()
	if err != nil {
		return err
	}
	if err := d.hand(self, 1); err != nil {
		return err
	}
	todo := []*node{root}
	for len(todo) > 0 {
		if err := d.ctx.Err(); err != nil {
			return err
		}
		last := len(todo) - 1
		n := todo[last]
		todo[last], todo = nil, todo[:last]
		children, err := d.deliver(n)
		if err != nil {
			return err
		}
		for i := len(children) - 1; i >= 0; i-- {
			todo = append(todo, children[i])
		}
	}
	return nil
}

// deliver yields the listing of n and returns the directories in it.
func (d *delivery) deliver(n *node) ([]*node, error) {
	l := d.crew.listing(n, d.walk)
	d.crew.need(l.task)
	defer d.crew.leave(n)
	if l.err != nil {
		return nil, d.hand(varve.Entry{Path: n.path, Kind: varve.Dir, Err: l.err}, 1)
	}
	for _, c := range l.chunks {
		if err := d.ctx.Err(); err != nil {
			return nil, err
		}
		d.crew.need(c.task)
		for i := range c.items {
			if err := d.hand(c.items[i].entry, c.items[i].links); err != nil {
				return nil, err
			}
		}
		d.crew.consumed(c.load)
		c.items = nil
	}
	return l.below(), nil
}

// hand yields one entry with what only the order of the whole tells. Where the disk is lost, nothing is known of the entry, and the walk
// ends.
func (d *delivery) hand(e varve.Entry, links uint64) error {
	if errors.Is(e.Err, disk.ErrLost) {
		return e.Err
	}
	if e.Err == nil && e.Kind != varve.Dir && links > 1 {
		if e.SameAs = d.sameAs(&e, links); e.SameAs == "" {
			e.Marks |= varve.Linked
		}
	}
	if own := d.walk.opts.Owners; own != nil && e.Err == nil {
		if o := &d.owner; !o.known || o.uid != e.UID || o.gid != e.GID {
			*o = owner{uid: e.UID, gid: e.GID, known: true}
			o.user, o.group = own(e.UID, e.GID)
		}
		e.User, e.Group = d.owner.user, d.owner.group
	}
	e.Stamp = d.walk.trusted(&e)
	if !d.yield(e, nil) {
		return errStopped
	}
	return nil
}

// sameAs returns the first path met of the object that e is a link to; empty for the first.
func (d *delivery) sameAs(e *varve.Entry, links uint64) string {
	key := inode{e.Stamp.Dev, e.Stamp.Ino}
	g, ok := d.links[key]
	if !ok {
		d.links[key] = group{first: e.Path, left: links - 1}
		return ""
	}
	if g.left--; g.left == 0 {
		delete(d.links, key)
	} else {
		d.links[key] = g
	}
	return g.first
}

// Open opens the content of a file that Entries yielded. fs.ErrPermission where none of the sources holds it.
func (s *Source) Open(_ context.Context, e varve.Entry) (varve.File, error) {
	if !s.plan.holds(e.Path) {
		return nil, fmt.Errorf("open /%s: below no source: %w", e.Path, fs.ErrPermission)
	}
	path, name := s.plan.where(e.Path)
	dir := s.held.At(path)
	at, err := dir.Use()
	if err != nil {
		return nil, oneFile(err)
	}
	defer dir.Done()
	r, err := at.Open(name)
	for errors.Is(err, syscall.EMFILE) && s.held.Shed() {
		r, err = at.Open(name)
	}
	if errors.Is(err, disk.ErrKind) {
		err = replaced(at, name, err)
	}
	if err != nil {
		return nil, oneFile(err)
	}
	return &file{walk: s, entry: e, r: r, stamp: e.Stamp, xattrs: e.Xattrs}, nil
}

// replaced returns an error that matches fs.ErrNotExist where another kind of object has taken the place of a regular file since it was
// listed: the file is gone. Where it looks like one still it is err, which says why it could not be opened.
func replaced(at disk.FS, name string, err error) error {
	info, lookErr := at.Lookup(name)
	if lookErr != nil || info.Kind == varve.Regular {
		return err
	}
	return fmt.Errorf("%s has become a %s: %w", name, info.Kind, fs.ErrNotExist)
}

// oneFile marks an error that concerns a single file as such: every one does, unless the disk is lost.
func oneFile(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, disk.ErrLost) {
		return err
	}
	return fmt.Errorf("%w: %w", varve.ErrUnreadable, err)
}
