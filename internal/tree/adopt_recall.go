package tree

import (
	"fmt"
	"slices"
	"time"

	"varve"
	"varve/internal/compare"
	"varve/internal/disk"
)

// recall finds out which files runs that broke off had read already.
func (a *adoption) recall() error {
	v := a.save
	return v.store.within(partialDir, func(all disk.FS) error {
		for _, name := range v.stale {
			dir, err := all.OpenDir(name)
			if err != nil {
				return err
			}
			list, err := readJournal(dir)
			if err == nil { // one that cannot be read only costs time
				v.staged.read = append(v.staged.read, list...)
			}
			if err := dir.Close(); err != nil {
				return err
			}
		}
		slices.SortStableFunc(v.staged.read, func(a, b varve.Entry) int { return varve.ComparePaths(a.Path, b.Path) })
		return nil
	})
}

// seekRead finds what was read of j's file before. It is asked in listing order.
func (g *staged) seekRead(j *job) {
	for len(g.read) > 0 && varve.ComparePaths(g.read[0].Path, j.entry.Path) < 0 {
		g.read = g.read[1:]
	}
	n := 0
	for n < len(g.read) && g.read[n].Path == j.entry.Path {
		n++
	}
	j.read = g.read[:n]
}

// readBefore returns what was read of a file that has not changed since; nil where nothing was.
func (j *job) readBefore(info *disk.Info) *varve.Entry {
	for i := range j.read {
		if r := &j.read[i]; compare.Unchanged(r, &info.Entry) && r.Stamp.Dev == info.Stamp.Dev {
			return r
		}
	}
	return nil
}

// remember takes down what was read of a file.
func (w *worker) remember(j *job, info *disk.Info) {
	e := *j.entry
	e.Stamp, e.Unkept = info.Stamp, 0
	w.save.partial.done.add(&e, j.stored)
}

// steady makes sure that an adopted file is still what it was when it was looked at.
func (v *save) steady(e *varve.Entry, r disk.Reader, info *disk.Info) error {
	if !v.staged.whole {
		return nil
	}
	now, err := r.Info()
	if err == nil && (now.Stamp != info.Stamp || now.Size != info.Size || now.MTime != info.MTime) {
		err = fmt.Errorf("/%s changes while it is adopted", e.Path)
	}
	return err
}

// settledFor is how much older than its snapshot a file must be for a far source's file of the same size and time to count as the same:
// clocks may differ, and a day without a time of day stands for its midnight.
const settledFor = 2 * time.Hour

// farStamp returns the stamp by which a later save knows a far source's file again, see compare.FarStamp: whoever made the copy knew it by
// nothing else.
func (v *save) farStamp(e *varve.Entry) varve.Stamp {
	if e.Kind != varve.Regular || !e.MTime.Time().Before(v.snap.Time.Add(-settledFor)) {
		return varve.Stamp{}
	}
	return compare.FarStamp(e.MTime)
}

// readWhole is readStaged for a file that nobody may write to meanwhile.
func (w *worker) readWhole(j *job, info *disk.Info) error {
	if before := j.readBefore(info); before != nil {
		return adoptContent(j.entry, before)
	}
	if err := w.readStaged(j, info); err != nil {
		return err
	}
	w.remember(j, info)
	return nil
}
