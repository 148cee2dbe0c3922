package restore

import (
	"cmp"
	"errors"
	"sync/atomic"

	"varve"
	"varve/internal/disk"
)

// pace is how much a restore has under way.
type pace struct {
	workers     int
	group       int // the most entries in a batch; 0 for as many as suit a local disk
	aside       int // goroutines for what comes in between, in one directory
	descriptors int // idle directories that stay open
}

// pace returns what suits the target. Directories of a far one that are open are no descriptors, only memory.
func (o *Options) pace() pace {
	if o.Far {
		return pace{workers: cmp.Or(o.Workers, 64), group: 8, aside: 8, descriptors: 1 << 12}
	}
	return pace{workers: cmp.Or(o.Workers, 3), aside: 1, descriptors: 200}
}

// fatal reports whether err says that nothing more can be restored: the snapshot, or the disk it comes from or goes to, is gone.
func fatal(err error) bool {
	return errors.Is(err, varve.ErrNoSnapshot) || errors.Is(err, disk.ErrLost)
}

// each returns the feed of parallel.Ordered that puts in all items.
func each[T any](items []T) func(put func(T) error) error {
	return func(put func(T) error) error {
		for _, item := range items {
			if err := put(item); err != nil {
				return err
			}
		}
		return nil
	}
}

// maker is who owns what is made at a far target, once somebody has asked.
type maker struct {
	asked    atomic.Bool
	known    chan struct{}
	uid, gid uint32
}

// owner returns who owns what the run makes. At a far target the first one who asks looks at what it has just made: name in at. Where
// that cannot be, the Options tell.
func (r *run) owner(at disk.FS, name string) (uid, gid uint32) {
	m := &r.maker
	if !r.opts.Far {
		return r.opts.UID, r.opts.GID
	}
	if m.asked.Swap(true) {
		<-m.known
		return m.uid, m.gid
	}
	defer close(m.known)
	m.uid, m.gid = r.opts.UID, r.opts.GID
	if info, err := at.Lookup(name); err == nil {
		m.uid, m.gid = info.UID, info.GID
	}
	return m.uid, m.gid
}

// coarse reports whether the time of what is there, info, is not that of e, but as exactly as a far target can hold it, which is to the
// second.
func (r *run) coarse(info *disk.Info, e *varve.Entry) bool {
	return r.opts.Far && info.MTime.Nsec == 0 && e.MTime.Nsec != 0 && info.MTime.Sec == e.MTime.Sec
}
