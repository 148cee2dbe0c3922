package tree

import (
	"errors"
	"fmt"
	"slices"

	"varve"
	"varve/internal/parallel"
	"varve/internal/place"
)

// feed reads the source and finds out, in listing order, what every entry may be linked to.
func (v *save) feed(put func(*batch) error) error {
	last := ""
	for g, err := range parallel.Groups(v.src.Entries(v.ctx), v.store.group()) {
		if err != nil {
			return err
		}
		b := &batch{dir: v.trail.At(g.Dir), root: g.Root, first: g.Dir != last, jobs: make([]job, len(g.Entries))}
		last = g.Dir
		for i := range g.Entries {
			b.jobs[i].entry = &g.Entries[i]
			v.meet(&b.jobs[i])
		}
		if err := v.fault(b, g.Dir); err != nil {
			return err
		}
		b.finish, v.finished = v.finished, nil
		if err := put(b); err != nil {
			return err
		}
	}
	if v.trail.At("") == nil {
		return errRoot
	}
	return nil
}

// meet prepares one job.
func (v *save) meet(j *job) {
	e := j.entry
	j.chunks, j.depth = e.Chunks, e.Depth
	e.Chunks, e.Depth, e.Unkept = nil, 0, 0 // they say where another store has the content
	switch {
	case e.Err != nil:
	case e.Kind == varve.Dir:
		j.dir = place.NewDir(e.Path)
		v.trail.Meet(j.dir)
	case v.staged != nil:
		v.seekLinked(j)
		v.staged.seekRead(j)
	case e.SameAs != "":
		j.group = v.groups[e.SameAs]
	default:
		if e.Marks&varve.Linked != 0 {
			j.group = &group{ready: make(chan struct{})}
			v.groups[e.Path] = j.group
		}
		v.seek(j)
		if !slices.ContainsFunc(j.candidates, func(c candidate) bool { return c.proven }) {
			v.files.Want(j.there())
		}
	}
}

var errRoot = errors.New("source has no directory as its root")

// fault says why b cannot lie in the directory dir.
func (v *save) fault(b *batch, dir string) error {
	switch {
	case v.staged != nil && b.root && b.lost() && v.trail.At("") != nil: // something was not transferred
		return nil
	case b.root && b.jobs[0].dir == nil:
		return errRoot
	case !b.root && b.dir == nil && !b.lost():
		return fmt.Errorf("source yields entries of /%s without the directory itself", dir)
	}
	return nil
}

// lost reports whether nothing of b could be read. Then it may stand for a directory's listing, in the place of that, and says
// nothing about where the sequence is.
func (b *batch) lost() bool {
	return !slices.ContainsFunc(b.jobs, func(j job) bool { return j.entry.Err == nil })
}

// batch is some neighbours in one directory.
type batch struct {
	dir    *place.Dir
	root   bool // the one job is the root of the tree
	first  bool // nothing of the directory came before
	jobs   []job
	finish []ended // directories that nothing more comes into
}

// job is one entry to be put into the snapshot; once done, entry is what the manifest says of it, or has Err set.
type job struct {
	entry      *varve.Entry
	chunks     []varve.Digest // where the source has the content, if it is a vault
	depth      uint8          // of chunks
	dir        *place.Dir     // of a directory
	candidates []candidate
	moved      []mention // files of the base from that have its size and time
	from       *base
	group      *group        // of an object with several names
	linked     bool          // it is a hard link to the first of its group
	read       []varve.Entry // what adoptions that broke off had read of the file
	like       *candidate    // an earlier state of the file, whose parts the copy may share
	stored     int64         // bytes of content that were written
	resumed    int64         // bytes of content that an interrupted run had written
	old        bool          // it is linked from an earlier snapshot
	changed    bool          // it changed while it was read
	told       int64         // bytes of content that were reported on the way
}

// there returns the entry as the source that yielded it wants to hear of it.
func (j *job) there() varve.Entry {
	e := *j.entry
	e.Chunks, e.Depth = j.chunks, j.depth
	return e
}
