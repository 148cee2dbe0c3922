package parallel

import (
	"fmt"
	"iter"

	"varve"
)

// Group is some neighbours in one directory. The root of a tree is a group of its own.
type Group struct {
	Dir     string
	Root    bool
	Entries []varve.Entry
}

// Limits of a Group: how many entries it has, and how many bytes of content end it earlier. Goroutines at work in one directory are
// in one another's way, so most directories are one group.
const (
	maxGroup      = 1024
	maxGroupBytes = 8 << 20
)

// Groups cuts a sequence in listing order into groups of at most most entries; 0 stands for 1,024, which suits local disks. Where each
// entry costs waiting for another machine, small groups let more of them be under way. An error of the sequence is yielded as it
// comes and ends it, and so does an entry that is not in order; those with Err have no order, since a directory comes again in the
// place of its listing.
func Groups(entries iter.Seq2[varve.Entry, error], most int) iter.Seq2[Group, error] {
	if most <= 0 {
		most = maxGroup
	}
	return func(yield func(Group, error) bool) {
		var now Group
		size := int64(0)
		last, met := "", false
		for e, err := range entries {
			if err != nil {
				yield(Group{}, err)
				return
			}
			if e.Err == nil {
				if met && varve.ComparePaths(last, e.Path) >= 0 {
					yield(Group{}, fmt.Errorf("source yields %q after %q: not in listing order", e.Path, last))
					return
				}
				met, last = true, e.Path
			}
			dir := e.Parent()
			full := len(now.Entries) >= most || size >= maxGroupBytes
			if len(now.Entries) > 0 && (full || now.Root || now.Dir != dir) {
				if !yield(now, nil) {
					return
				}
				now.Entries = nil
			}
			if len(now.Entries) == 0 {
				now, size = Group{Dir: dir, Root: e.Path == ""}, 0
			}
			now.Entries = append(now.Entries, e)
			size += e.Size
		}
		if len(now.Entries) > 0 {
			yield(now, nil)
		}
	}
}
