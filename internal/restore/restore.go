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
	"varve/internal/ahead"
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
	// Workers is the number of goroutines; 0 for a number that suits the target.
	Workers int
	// Far says that the target lies on another machine, where every call takes long: many are under way at once. UID and GID are found
	// out there. Times count as kept to the second; how many links an object has is not known there, so
	// metadata of one that is not replaced changes under all its names.
	Far bool
	// Ahead is how many files of the source are opened ahead of their turn, for one where every call takes long; 0 for none.
	Ahead int
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
	// Coarse was done, but for the end of a modification time: the target keeps times in coarser units, such as seconds.
	Coarse
	// Partly has dealt with Bytes more of a large file; the event that follows counts the rest.
	Partly
)

// String returns the word for a that reports use.
func (a Action) String() string {
	return [...]string{"unknown", "same", "create", "replace", "update", "delete", "failed", "unkept", "coarse", "partly"}[a]
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
	// Coarse counts what is there and exact but for times that the target keeps in coarser units.
	Coarse int64 `json:"coarse"`
}

// run is one restore.
type run struct {
	ctx     context.Context
	src     varve.Source
	files   *ahead.Source // opens the files of src
	blank   bool          // the target holds nothing yet
	opts    Options
	pace    pace
	held    *disk.Held
	copiers sync.Pool

	mu     sync.Mutex
	report Report

	trail   *place.Trail
	aside   []*batch           // what settling brought about and is to be done by the workers
	targets map[string]*target // of the directories that are not finished
	maker   maker
	later   []varve.Entry    // hard-linked files whose flags come last: an immutable one could not be linked to; guarded by mu
	firsts  map[string]first // by the path of the first hard link of a group, as the source tells it; guarded by mu
	claimed map[inode]bool   // objects with several names that were there and stay, guarded by mu
	unread  map[string]bool  // what the source could not read, guarded by mu
	remade  map[string]bool  // first hard links that a dry run would make anew, guarded by mu
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
// everything is there, and exact but for what is Unkept and Coarse; with Sync, it is durable too.
func Run(ctx context.Context, src varve.Source, dir disk.FS, opts Options) (Report, error) {
	p := opts.pace()
	r := &run{ctx: ctx, src: src, files: ahead.New(ctx, src, opts.Ahead), opts: opts, pace: p, held: disk.NewHeld(dir, p.descriptors), trail: place.NewTrail(),
		targets: map[string]*target{}, firsts: map[string]first{}, claimed: map[inode]bool{}, remade: map[string]bool{},
		unread: map[string]bool{}, maker: maker{known: make(chan struct{})}}
	r.copiers.New = func() any { return place.NewCopier() }
	err := r.checkRoot(dir)
	if err == nil && opts.Ahead > 0 {
		r.blank, err = isBlank(dir)
	}
	if err == nil {
		err = parallel.Ordered(p.workers, (*batch).weight, r.feed, r.do, r.settle)
	}
	if err == nil {
		err = r.conclude(dir)
	}
	if err = errors.Join(err, r.files.Close(), r.held.Close()); err != nil {
		return r.report, fmt.Errorf("restore: %w", err)
	}
	return r.report, nil
}

// isBlank reports whether a directory holds nothing.
func isBlank(dir disk.FS) (bool, error) {
	names, err := dir.Names()
	return len(names) == 0, err
}

// conclude does what can only be done last.
func (r *run) conclude(dir disk.FS) error {
	r.leave(r.trail.Close())
	if err := parallel.Ordered(r.pace.workers, (*batch).weight, each(r.aside), r.do, func(*batch) error { return nil }); err != nil {
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
	case Coarse:
		c.Coarse++
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
