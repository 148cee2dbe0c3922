package restore

import (
	"errors"
	"fmt"

	"varve"
	"varve/internal/parallel"
	"varve/internal/place"
)

// batch is some neighbours in one directory; or, set aside, more names in it, or directories to be finished.
type batch struct {
	dir    *target
	jobs   []job
	links  []*job
	finish []*target
}

func (b *batch) weight() int { return len(b.jobs) + len(b.links) }

// job is one entry to be restored.
type job struct {
	entry varve.Entry
	dir   *target // of a directory
	bad   bool    // it could not be restored, which has been told
}

// feed cuts the source into batches.
func (r *run) feed(put func(*batch) error) error {
	rooted := false
	for g, err := range parallel.Groups(r.whole, r.pace.group) {
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
			if r.blank && !r.opts.DryRun {
				r.files.Want(e)
			}
		}
		if err := r.putAside(put); err != nil {
			return err
		}
		if err := put(b); err != nil {
			return err
		}
	}
	if !rooted {
		return errRoot
	}
	return nil
}

// putAside puts in what was set aside. More may be while it does.
func (r *run) putAside(put func(*batch) error) error {
	for len(r.aside) > 0 {
		next := r.aside[0]
		r.aside = r.aside[1:]
		if err := put(next); err != nil {
			return err
		}
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

// settle takes a batch that was worked on, in listing order: it makes hard links and finds the directories that are finished.
func (r *run) settle(b *batch) error {
	if b.dir != nil && len(b.jobs) > 0 {
		r.leave(r.trail.Enter(b.dir.Path))
	}
	var links []*job
	for i := range b.jobs {
		j := &b.jobs[i]
		e := &j.entry
		if j.dir != nil {
			r.report.Dirs++
			r.trail.Add(j.dir.Dir)
			continue
		}
		r.report.Files++
		switch {
		case j.bad:
		case e.SameAs != "":
			links = append(links, j)
		case e.Marks&varve.Linked != 0:
			r.lead(e.Path, e)
		}
	}
	return r.linkAll(b.dir, links)
}

// leave has directories that nothing more comes into finished: at a far target each by itself, so that none waits for another.
func (r *run) leave(dirs []*place.Dir) {
	for _, d := range dirs {
		t := r.targets[d.Path]
		delete(r.targets, d.Path)
		t.calm()
		if last := len(r.aside) - 1; last >= 0 && !r.opts.Far {
			r.aside[last].finish = append(r.aside[last].finish, t)
		} else {
			r.aside = append(r.aside, &batch{finish: []*target{t}})
		}
	}
}
