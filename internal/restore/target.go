package restore

import (
	"sync/atomic"

	"varve"
	"varve/internal/place"
)

// target is a directory being restored into. There may be as many at a time as the source has: each keeps only what it still needs.
type target struct {
	*place.Dir
	uid, gid, flags uint32
	// spare says that the directory is only passed through or has another file system on it: its extras are never deleted, and
	// where it was there its metadata is left alone.
	spare bool
	clean bool            // extras are to be deleted
	wants map[string]bool // the names that the source has in it; only with clean

	looking  atomic.Bool   // somebody looks, or has looked, at what was there before anything was put in
	looked   chan struct{} // closed after that
	lookErr  error
	differed varve.Aspect // in which the directory itself was not as it should be
	names    map[string]bool
	inherits bool // what is made in it inherits a group or ACLs from it
	entrance entrance

	above *target       // the directory that it lies in
	busy  atomic.Int32  // how many directories in it are not finished, links not made, and one more while more may come into it
	quiet chan struct{} // closed once it is not busy
}

func (r *run) newTarget(e varve.Entry) *target {
	t := &target{Dir: place.NewDir(e.Path), spare: e.Marks&(varve.Passage|varve.MountPoint) != 0}
	t.Late = place.Late{Mode: e.Mode, MTime: e.MTime, Xattrs: e.Xattrs}
	t.uid, t.gid, t.flags = e.UID, e.GID, e.Flags
	t.clean = r.opts.Delete && !t.spare
	t.quiet, t.looked = make(chan struct{}), make(chan struct{})
	t.busy.Store(1)
	if e.Path != "" {
		t.above = r.targets[e.Parent()]
		t.above.busy.Add(1)
	}
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

// calm takes one off what keeps t busy.
func (t *target) calm() {
	if t.busy.Add(-1) == 0 {
		close(t.quiet)
	}
}
