// Package restore puts a Source onto a disk: into an empty directory or over what is there, as exactly as the place allows.
//
// Everything goes through held directory descriptors and follows no symlink, so nothing outside the target is touched, whoever
// renames things meanwhile. A file that is there already is read and left alone if it has the right content; one that has not is
// replaced by a new one under its name, never written to. What the target has and the source has not stays, unless Delete is set.
//
// The package is not for choosing a snapshot or a part of one.
package restore

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"varve"
	"varve/internal/disk"
	"varve/internal/parallel"
	"varve/internal/place"
)

// Options say how to restore. The zero value restores everything as an unprivileged user with ID 0.
type Options struct {
	// UID and GID own the files that the process makes; Privileged says that it may give them away.
	UID, GID   uint32
	Privileged bool
	// NoOwner leaves ownership as it comes.
	NoOwner bool
	// Delete removes what the target has and the source has not. Directories marked varve.Passage or varve.MountPoint are spared.
	Delete bool
	// Spare are directories, by device and inode, that are never touched nor removed with what they lie in, such as the store that is
	// restored from.
	Spare []varve.Stamp
	// DryRun changes nothing and reports what would change.
	DryRun bool
	// Sync makes what was restored durable before Run returns.
	Sync bool
	// Workers is the number of goroutines; 0 for a number that suits local disks.
	Workers int
	// Progress, where set, is told of every entry, by one goroutine at a time.
	Progress func(Event)
}

// Action is what is done about one entry.
type Action uint8

// The actions.
const (
	// Same leaves the object as it is.
	Same Action = iota + 1
	// Create makes an object where there was none.
	Create
	// Replace puts a new object in the place of another.
	Replace
	// Update sets metadata alone.
	Update
	// Delete removes an object that the source has not.
	Delete
	// Failed could not be done; Err says why.
	Failed
	// Unkept was done, but for aspects that the target cannot hold.
	Unkept
	// Partly has dealt with Bytes more of a large file; the event that follows counts the rest.
	Partly
)

// String returns the word for a that reports use.
func (a Action) String() string {
	return [...]string{"unknown", "same", "create", "replace", "update", "delete", "failed", "unkept", "partly"}[a]
}

// Event is what is done about one entry. Aspect says what differed, for Replace and Update, or was not kept, for Unkept.
type Event struct {
	Action Action
	Path   string
	Bytes  int64
	Aspect varve.Aspect
	Err    error
}

// Report counts what was done; Bytes is the content that was written.
type Report struct {
	Files    int64 `json:"files"`
	Dirs     int64 `json:"dirs"`
	Bytes    int64 `json:"bytes"`
	Created  int64 `json:"created"`
	Replaced int64 `json:"replaced"`
	Updated  int64 `json:"updated"`
	Deleted  int64 `json:"deleted"`
	Same     int64 `json:"same"`
	Failed   int64 `json:"failed"`
	Unkept   int64 `json:"unkept"`
}

const (
	defaultWorkers = 3
	descriptors    = 200
)

// run is one restore.
type run struct {
	ctx     context.Context
	src     varve.Source
	opts    Options
	held    *disk.Held
	copiers sync.Pool

	mu     sync.Mutex
	report Report

	trail    *place.Trail
	finished []*target
	targets  map[string]*target // of the directories that are not finished
	later    []varve.Entry      // hard-linked files whose flags come last: an immutable one could not be linked to
	firsts   map[string]first   // by the path of the first hard link of a group, as the source tells it
	claimed  map[inode]bool     // objects with several names that were there and stay, guarded by mu
	unread   map[string]bool    // what the source could not read, guarded by mu
	remade   map[string]bool    // first hard links that a dry run would make anew, guarded by mu
}

// inode identifies an object of the target.
type inode struct{ dev, ino uint64 }

// claim makes the object with this stamp that of one group of hard links, and reports whether it was not another's.
func (r *run) claim(s varve.Stamp) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := inode{s.Dev, s.Ino}
	free := !r.claimed[key]
	r.claimed[key] = true
	return free
}

// Run restores src into target, which it takes over and closes. Entries that cannot be restored are reported and counted as
// Failed; an error says that the whole could not go on, one that matches varve.ErrNoSnapshot that src is gone. Without either,
// everything is there and exact; with Sync, it is durable too.
func Run(ctx context.Context, src varve.Source, dir disk.FS, opts Options) (Report, error) {
	if opts.Workers == 0 {
		opts.Workers = defaultWorkers
	}
	r := &run{ctx: ctx, src: src, opts: opts, held: disk.NewHeld(dir, descriptors), trail: place.NewTrail(),
		targets: map[string]*target{}, firsts: map[string]first{}, claimed: map[inode]bool{}, remade: map[string]bool{},
		unread: map[string]bool{}}
	r.copiers.New = func() any { return place.NewCopier() }
	err := r.checkRoot(dir)
	if err == nil {
		err = parallel.Ordered(opts.Workers, func(b *batch) int { return len(b.jobs) }, r.feed, r.do, r.settle)
	}
	if err == nil {
		err = r.conclude(dir)
	}
	if err = errors.Join(err, r.held.Close()); err != nil {
		return r.report, fmt.Errorf("restore: %w", err)
	}
	return r.report, nil
}

// conclude does what can only be done last.
func (r *run) conclude(dir disk.FS) error {
	if err := r.finish(append(r.finished, r.leave(r.trail.Close())...)); err != nil {
		return err
	}
	if r.opts.DryRun {
		return nil
	}
	for i := range r.later {
		if err := r.lateFlags(&r.later[i]); err != nil {
			return err
		}
	}
	if !r.opts.Sync {
		return nil
	}
	return dir.SyncAll()
}

// tell counts and reports an event.
func (r *run) tell(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := &r.report
	switch e.Action {
	case Same:
		c.Same++
	case Create:
		c.Created++
	case Replace:
		c.Replaced++
	case Update:
		c.Updated++
	case Delete:
		c.Deleted++
	case Failed:
		c.Failed++
	case Unkept:
		c.Unkept++
	}
	if r.opts.Progress != nil {
		r.opts.Progress(e)
	}
}

func (r *run) fail(path string, err error) { r.tell(Event{Action: Failed, Path: path, Err: err}) }

// wrote counts content that was written.
func (r *run) wrote(n int64) {
	r.mu.Lock()
	r.report.Bytes += n
	r.mu.Unlock()
}

// target is a directory being restored into. There may be as many at a time as the source has: each keeps only what it still needs.
type target struct {
	*place.Dir
	uid, gid, flags uint32
	// spare says that the directory is only passed through or has another file system on it: its extras are never deleted, and
	// where it was there its metadata is left alone.
	spare bool
	clean bool            // extras are to be deleted
	wants map[string]bool // the names that the source has in it; only with clean

	look     sync.Once // at what was there before anything was put in
	lookErr  error
	differed varve.Aspect // in which the directory itself was not as it should be
	names    map[string]bool
	inherits bool // what is made in it inherits a group or ACLs from it
}

// batch is some neighbours in one directory.
type batch struct {
	dir    *target
	jobs   []job
	finish []*target
}

// job is one entry to be restored.
type job struct {
	entry varve.Entry
	dir   *target // of a directory
	bad   bool    // it could not be restored, which has been told
}

// feed cuts the source into batches.
func (r *run) feed(put func(*batch) error) error {
	rooted := false
	for g, err := range parallel.Groups(r.whole) {
		if err != nil {
			return err
		}
		b := &batch{dir: r.targets[g.Dir], jobs: make([]job, len(g.Entries))}
		if g.Root {
			b.dir = nil
			if g.Entries[0].Kind != varve.Dir {
				return errRoot
			}
			rooted = true
		} else if b.dir == nil {
			return fmt.Errorf("source yields entries of /%s without the directory itself", g.Dir)
		}
		for i, e := range g.Entries {
			b.jobs[i].entry = e
			if b.dir != nil {
				b.dir.want(e.Name())
			}
			if e.Kind == varve.Dir {
				b.jobs[i].dir = r.newTarget(e)
			}
		}
		b.finish, r.finished = r.finished, nil
		if err := put(b); err != nil {
			return err
		}
	}
	if !rooted {
		return errRoot
	}
	return nil
}

var errRoot = errors.New("source has no directory as its root")

// whole yields the entries of the source that are whole, and reports the others.
func (r *run) whole(yield func(varve.Entry, error) bool) {
	for e, err := range r.src.Entries(r.ctx) {
		if err == nil && e.Err != nil {
			r.miss(&e)
			continue
		}
		if !yield(e, err) {
			return
		}
	}
}

// miss reports an entry that the source could not read. What the target has in its place is no extra.
func (r *run) miss(e *varve.Entry) {
	r.mu.Lock()
	r.unread[e.Path] = true
	r.mu.Unlock()
	r.fail(e.Path, e.Err)
}

// spared reports whether path must not be deleted because nobody knows whether the source has it.
func (r *run) spared(path string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.unread[path]
}

func (r *run) newTarget(e varve.Entry) *target {
	t := &target{Dir: place.NewDir(e.Path), spare: e.Marks&(varve.Passage|varve.MountPoint) != 0}
	t.Late = place.Late{Mode: e.Mode, MTime: e.MTime, Xattrs: e.Xattrs}
	t.uid, t.gid, t.flags = e.UID, e.GID, e.Flags
	t.clean = r.opts.Delete && !t.spare
	r.targets[e.Path] = t
	return t
}

// own returns the metadata of t itself.
func (t *target) own() *varve.Entry {
	e := t.LateEntry()
	e.UID, e.GID, e.Flags = t.uid, t.gid, t.flags
	return &e
}

// want remembers that the source has name.
func (t *target) want(name string) {
	if !t.clean {
		return
	}
	if t.wants == nil {
		t.wants = map[string]bool{}
	}
	t.wants[name] = true
}

// settle takes a batch that was worked on, in listing order: it makes hard links and finds the directories that are finished.
func (r *run) settle(b *batch) error {
	if b.dir != nil {
		r.finished = append(r.finished, r.leave(r.trail.Enter(b.dir.Path))...)
	}
	for i := range b.jobs {
		j := &b.jobs[i]
		e := &j.entry
		switch {
		case j.dir != nil:
			r.report.Dirs++
			r.trail.Add(j.dir.Dir)
			continue
		case e.SameAs != "" && !j.bad:
			if err := r.linkAlike(b.dir, j); err != nil {
				return err
			}
		}
		r.report.Files++
		if e.Marks&varve.Linked != 0 && e.SameAs == "" && !j.bad {
			r.lead(e.Path, e)
		}
		if e.Flags != 0 && e.Marks&varve.Linked != 0 && e.SameAs == "" && !j.bad {
			r.later = append(r.later, *e)
		}
	}
	return nil
}

// leave returns the targets of directories that nothing more comes into.
func (r *run) leave(dirs []*place.Dir) (finished []*target) {
	for _, d := range dirs {
		finished = append(finished, r.targets[d.Path])
		delete(r.targets, d.Path)
	}
	return finished
}
