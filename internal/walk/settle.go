package walk

import (
	"cmp"
	"context"
	"time"

	"varve"
	"varve/internal/compare"
	"varve/internal/disk"
)

// A stamp is trusted where every write that is still to come changes it. Two things can hide a write.
//
// A file system may tell times in units of up to two seconds, so a second write in the same unit leaves the change time as it is.
//
// The kernel moves the change time of a file that is written to through a mapping only at the first store to a clean page. While
// the page stays dirty, half a minute and more, later stores leave the time alone. So the walk has the file systems of its sources
// written out before it looks at anything. Every page is clean once after the walk began: what is stored from then on moves the
// change time to a moment after the beginning, and what was stored before is read.
const (
	// coarse covers the units of times.
	coarse = 3 * time.Second
	// dirty is how long pages may stay dirty where nothing was written out: the kernel's usual limit with room to spare.
	dirty = 2 * time.Minute
	// farLag is how far the clocks of other machines are supposed to be behind at most.
	farLag = time.Hour
)

// settlement says which file systems were written out since when.
type settlement struct {
	begin   time.Time
	devices map[uint64]bool
}

// settle writes out the file systems of the sources, unless they are far away. One on which that fails is not settled, which is no
// error.
func (s *Source) settle(ctx context.Context) {
	now := &settlement{begin: s.opts.Now(), devices: map[uint64]bool{}}
	defer s.settled.Store(now)
	if s.opts.Far {
		return
	}
	tried := map[uint64]bool{}
	for w := range s.plan.sources {
		if ctx.Err() != nil {
			break
		}
		path := w.real
		if w.kind != varve.Dir {
			path = varve.Parent(path)
		}
		at := s.held.At(path)
		dir, err := at.Use()
		if err != nil {
			continue
		}
		if dev, err := device(dir); err == nil && !tried[dev] {
			tried[dev] = true
			now.devices[dev] = dir.SyncAll() == nil
		}
		at.Done()
	}
}

// device returns the device that dir lies on.
func device(dir disk.FS) (uint64, error) {
	info, err := dir.Lookup(".")
	return info.Stamp.Dev, err
}

// trusted returns the stamp of e, or zero where a write that is still to come could leave it as it is.
func (s *Source) trusted(e *varve.Entry) varve.Stamp {
	switch {
	case s.opts.Far && e.Kind == varve.Regular:
		return s.farStamp(e.MTime)
	case s.recent(e.Stamp.Dev, e.Stamp.CTime):
		return varve.Stamp{}
	}
	return e.Stamp
}

// farStamp returns the stamp of a regular file on a far disk that was modified at mtime; zero where a write that is still to come could
// leave that time as it is. Nothing was written out there, and its clock may be behind.
func (s *Source) farStamp(mtime varve.Time) varve.Stamp {
	now := s.settled.Load()
	if now == nil || !mtime.Time().Before(now.begin.Add(-cmp.Or(s.opts.Lag, farLag)-dirty)) {
		return varve.Stamp{}
	}
	return compare.FarStamp(mtime)
}

// recent reports whether a time of an object on this device is too young to change with every write that is still to come.
func (s *Source) recent(device uint64, t varve.Time) bool {
	if now := s.settled.Load(); now != nil && now.devices[device] {
		return !t.Time().Before(now.begin.Add(-coarse))
	}
	return !t.Time().Before(s.opts.Now().Add(-dirty))
}
