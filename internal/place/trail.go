package place

import "varve"

// Dir is a directory on its way to being complete.
type Dir struct {
	Path string
	// Made is closed once the directory is there, or cannot be.
	Made chan struct{}
	// Lost says that it could not be made, Fresh that it was made just now and held nothing; set before Made is closed.
	Lost  bool
	Fresh bool
	// Late is the metadata that it gets once nothing more comes into it.
	Late Late
}

// Late is what of a directory's metadata is set last.
type Late struct {
	Sides  varve.Aspect
	Mode   uint32
	MTime  varve.Time
	Xattrs []varve.Xattr
}

// LateEntry returns the late metadata as an entry.
func (d *Dir) LateEntry() varve.Entry {
	return varve.Entry{Path: d.Path, Kind: varve.Dir, Mode: d.Late.Mode, MTime: d.Late.MTime, Xattrs: d.Late.Xattrs}
}

// NewDir returns the Dir of an entry; nothing is made.
func NewDir(path string) *Dir { return &Dir{Path: path, Made: make(chan struct{})} }

// Trail knows, along a sequence in listing order, the directories that more may come into. It is for one goroutine at a time. The
// zero value is not usable; call NewTrail.
//
// Meet says that a directory's entry was met; Enter that all before a place in the sequence is done. Between the two lies the work
// under way.
type Trail struct {
	known   map[string]*Dir
	above   []*Dir // the directory at hand and those around it, outermost first
	waiting []*Dir // directories whose listing is still to come, the next one last
	fresh   []*Dir // those done in the directory at hand
}

// NewTrail returns an empty Trail.
func NewTrail() *Trail { return &Trail{known: map[string]*Dir{}} }

// Meet remembers d for At.
func (t *Trail) Meet(d *Dir) { t.known[d.Path] = d }

// At returns the directory at path that was met and is not finished; nil where there is none.
func (t *Trail) At(path string) *Dir { return t.known[path] }

// Add says that the entry of d, which lies in the directory at hand, is done. The first one is the root.
func (t *Trail) Add(d *Dir) { t.fresh = append(t.fresh, d) }

// Enter says that what is done next lies in the directory at path, which was added, and returns the directories that are finished,
// the inner ones first.
func (t *Trail) Enter(path string) (finished []*Dir) {
	if n := len(t.above); n > 0 && t.above[n-1].Path == path {
		return nil
	}
	t.unfold()
	for n := len(t.waiting); n > 0; n = len(t.waiting) {
		next := t.waiting[n-1]
		t.waiting = t.waiting[:n-1]
		finished = append(finished, t.leave(next.Path)...)
		t.above = append(t.above, next)
		if next.Path == path {
			break
		}
	}
	for _, d := range finished {
		delete(t.known, d.Path)
	}
	return finished
}

// unfold puts the directories done last in front of those that wait.
func (t *Trail) unfold() {
	for i := len(t.fresh) - 1; i >= 0; i-- {
		t.waiting = append(t.waiting, t.fresh[i])
	}
	t.fresh = nil
}

// leave takes away the directories that path does not lie in.
func (t *Trail) leave(path string) (finished []*Dir) {
	for n := len(t.above); n > 0 && !varve.Within(path, t.above[n-1].Path); n = len(t.above) {
		finished = append(finished, t.above[n-1])
		t.above = t.above[:n-1]
	}
	return finished
}

// Close returns all directories that are left, the inner ones first.
func (t *Trail) Close() (finished []*Dir) {
	t.unfold()
	finished = t.waiting
	for i := len(t.above) - 1; i >= 0; i-- {
		finished = append(finished, t.above[i])
	}
	t.waiting, t.above = nil, nil
	return finished
}
