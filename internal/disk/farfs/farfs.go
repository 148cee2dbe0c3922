// Package farfs makes a disk look as it does from afar, over SFTP: what is asked of it takes a round trip, and it tells and holds
// less than the disk itself does.
//
// It wraps another implementation and is meant for tests: under testing/synctest they see what a walk or a restore costs in round
// trips that nothing hides.
//
// Times are kept to the second; extended attributes, flags, special files and holes not at all, owners and hard links where Line lets
// them. Neither device and inode numbers nor change times nor the number of links are told. As with package sftpfs, the first Lookup
// of each name after a listing, and of "." after OpenDir, takes no round trip.
package farfs

import (
	"io/fs"
	"maps"
	"sync"
	"time"

	"varve"
	"varve/internal/disk"
)

// Line is the way to the disk. The zero value takes no time. It must not be copied.
type Line struct {
	// RoundTrip is how long a request takes.
	RoundTrip time.Duration
	// NoOwners refuses to give files away, NoLinks to make hard links.
	NoOwners bool
	NoLinks  bool
	// Cut, where set, is asked before every request, by its method such as "FS.Names"; an error is what the request returns.
	Cut func(method string) error

	mu       sync.Mutex
	requests map[string]int
}

// New returns inner as it looks at the other end of line.
func New(inner disk.FS, line *Line) disk.FS { return &dir{inner: inner, line: line} }

// Requests returns how many requests were made so far, by method, such as "FS.Names" or "Writer.Set".
func (l *Line) Requests() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.requests)
}

// ask waits as long as n requests that depend on one another take.
func (l *Line) ask(method string, n int) error {
	l.mu.Lock()
	if l.requests == nil {
		l.requests = map[string]int{}
	}
	l.requests[method]++
	l.mu.Unlock()
	if l.Cut != nil {
		if err := l.Cut(method); err != nil {
			return err
		}
	}
	time.Sleep(time.Duration(n) * l.RoundTrip)
	return nil
}

// told returns what a server tells of an object.
func told(info disk.Info) disk.Info {
	e := &info.Entry
	e.MTime.Nsec = 0
	e.BTime, e.Stamp, e.Xattrs, e.Flags = varve.Time{}, varve.Stamp{}, nil, 0
	info.Links, info.Allocated, info.Mount = 1, e.Size, false
	return info
}

// set sets one aspect of e as far as a server can, by means of set.
func (l *Line) set(method, name string, e *varve.Entry, aspect varve.Aspect, set func(*varve.Entry, varve.Aspect) error) error {
	switch {
	case aspect == varve.Owner && l.NoOwners:
		return refuse("chown", name, fs.ErrPermission)
	case aspect == varve.Xattrs && len(e.Xattrs) == 0, aspect == varve.Flags && e.Flags == 0:
		return nil
	case aspect == varve.Xattrs, aspect == varve.Flags:
		return refuse("set", name, disk.ErrUnsupported)
	}
	if err := l.ask(method, 1); err != nil {
		return err
	}
	whole := *e
	whole.MTime.Nsec = 0
	if err := set(&whole, aspect); err != nil {
		return err
	}
	if aspect == varve.MTime && e.MTime != whole.MTime {
		return refuse("set time", name, disk.ErrCoarse)
	}
	return nil
}

func refuse(op, name string, err error) error { return &fs.PathError{Op: op, Path: name, Err: err} }
