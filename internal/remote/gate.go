package remote

import (
	"fmt"
	"strings"

	"varve"
	"varve/internal/manifest"
)

// nowhere takes the pages of a manifest that nobody keeps.
type nowhere struct{}

// Put forgets page.
func (nowhere) Put([]byte) (manifest.PageID, error) { return manifest.PageID{}, nil }

// gate lets entries through that a manifest would take: in listing order, each path once, fields that go together. It makes the
// manifest and throws it away, so that there is one set of rules.
type gate struct {
	w    *manifest.Writer
	load int // bytes of paths that came of late
}

func newGate() *gate { return &gate{w: manifest.NewWriter(nowhere{})} }

// Long paths cost a few bytes on the wire and many in memory. Each entry may have pathShare bytes of path, and all together
// pathSlack more.
const (
	pathShare = 4 << 10
	pathSlack = 64 << 20
)

// weigh refuses floods of long paths.
func (g *gate) weigh(e *varve.Entry) error {
	g.load = max(g.load+len(e.Path)+len(e.SameAs)-pathShare, 0)
	if g.load > pathSlack {
		return fmt.Errorf("%w: too many very long paths", manifest.ErrEntry)
	}
	return nil
}

// pass checks the next entry of a sequence. An entry with Err is checked for its path alone: a directory comes again with it.
func (g *gate) pass(e *varve.Entry) error {
	if err := g.weigh(e); err != nil {
		return err
	}
	if e.Err == nil {
		return g.w.Add(e)
	}
	if fault := pathFault(e.Path); fault != "" || e.Kind > varve.BlockDevice {
		return fmt.Errorf("%w: %.200q: %s", manifest.ErrEntry, e.Path, fault)
	}
	return nil
}

// passDir checks the next entry of one directory's listing.
func (g *gate) passDir(dir string, e *varve.Entry) error {
	if e.Err != nil || e.Path == "" || e.Parent() != dir {
		return fmt.Errorf("%w: %.200q does not belong into the listing of %.200q", manifest.ErrEntry, e.Path, dir)
	}
	if err := g.weigh(e); err != nil {
		return err
	}
	return g.w.Add(e)
}

// newDirGate returns a gate for passDir.
func newDirGate() *gate {
	g := newGate()
	g.w.Add(&varve.Entry{Kind: varve.Dir}) // the root passes
	return g
}

// passFile checks what a file says of itself; its path was known before.
func passFile(e *varve.Entry) error {
	if e.Err != nil || e.Kind != varve.Regular || e.Path == "" {
		return fmt.Errorf("%w: %.200q is not a file", manifest.ErrEntry, e.Path)
	}
	return newDirGate().w.Add(e)
}

// pathFault says what is wrong with a path; nothing with that of the root.
func pathFault(path string) string {
	if path == "" {
		return ""
	}
	if len(path) > manifest.MaxPath {
		return "too long"
	}
	for name := range strings.SplitSeq(path, "/") {
		if name == "" || name == "." || name == ".." || strings.IndexByte(name, 0) >= 0 {
			return "not a path within a tree"
		}
	}
	return ""
}
