package walk

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"varve"
	"varve/internal/disk"
	"varve/internal/match"
)

// Verdict says what a walk does about one path.
type Verdict struct {
	// Path is where it was decided: the path that was asked for, or the topmost object left out that it lies in.
	Path     string
	Excluded bool
	// Rule is the pattern that matched; nil where none did, or something else decided.
	Rule *match.Rule
	// Reason is a short phrase, never empty, such as "no rule matches" or "marked by CACHEDIR.TAG".
	Reason string
}

// Why says whether a walk leaves out path, relative to the top, and which rule decides. It goes down from the top as the walk does
// and changes nothing. Of what does not exist the patterns alone are asked, as of a regular file. The error says that a directory
// on the way cannot be read.
func (s *Source) Why(path string) (Verdict, error) {
	n, _, err := s.root()
	if err != nil {
		return Verdict{}, fmt.Errorf("why /%s: %w", path, err)
	}
	v := Verdict{Path: path, Reason: n.way.reason()}
	q := inquiry{walk: s, dir: s.find(n.begin())}
	for i := range elements(path) {
		if v, err = q.step(subpath(path, i), path); err != nil {
			return Verdict{}, fmt.Errorf("why /%s: %w", path, err)
		}
		if v.Excluded {
			break
		}
	}
	return v, nil
}

// inquiry goes down the way to one path.
type inquiry struct {
	walk *Source
	// dir is the directory at hand. Where it does not exist, or is left out, it has no at.
	dir *listing
	// outside is why what dir holds is left out, except on the way to a source.
	outside ruling
}

// step decides about the object at, which lies in the directory at hand, and goes on to it. path is what was asked for.
func (q *inquiry) step(at, path string) (Verdict, error) {
	n, s := q.dir, q.walk
	name := at[strings.LastIndexByte(at, '/')+1:]
	way := n.way.next(name)
	found, there, err := q.look(name)
	switch {
	case err != nil:
		return Verdict{}, err
	case way == nil && q.outside.cause != byNothing:
		return s.verdict(at, way, q.outside), nil
	case way == nil && !n.whole:
		return Verdict{Path: at, Excluded: true, Reason: "not below any source"}, nil
	}
	kind := varve.Dir
	if at == path {
		kind = varve.Regular
	}
	r := s.byPatterns(n, at, kind)
	var b *node
	q.outside = ruling{}
	if there {
		var it item
		it, b, r = s.visit(n, found)
		if it.entry.Kind != 0 && r.cause != byNothing { // the object stays
			q.outside, r.cause = r, byNothing
		}
	}
	if b != nil {
		q.dir = s.find(b.begin())
	} else {
		q.dir = &listing{node: &node{path: at, whole: true}, match: n.match}
	}
	return s.verdict(at, way, r), nil
}

// look looks for name in the directory at hand and takes in what the directory itself says of what is left out.
func (q *inquiry) look(name string) (found disk.Name, there bool, err error) {
	n := q.dir
	if n.at == nil {
		return found, false, nil
	}
	names, err := q.walk.names(n)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, disk.ErrKind) {
		return found, false, nil
	}
	if err != nil {
		return found, false, err
	}
	if n.marker != nil && name != n.marker.Name {
		q.outside = ruling{cause: byMarker, marker: n.marker}
	}
	i, there := find(names, name)
	if there {
		found = names[i]
	}
	return found, there, nil
}

// verdict puts a ruling into words.
func (s *Source) verdict(path string, way *waypoint, r ruling) Verdict {
	v := Verdict{Path: path, Excluded: r.cause != byNothing, Rule: r.rule}
	switch {
	case r.cause == byPattern:
		v.Reason = fmt.Sprintf("pattern %s in %s", r.rule, r.rule.Origin())
	case r.cause == byMarker:
		v.Reason = "marked by " + r.marker.Name
	case r.cause == bySize:
		v.Reason = "larger than " + size(s.opts.LargerThan)
	case r.cause == bySkip:
		v.Reason = "never walked, such as the store itself"
	case r.cause == byDisk:
		v.Reason = "on another file system"
	case r.cause == byKernel:
		v.Reason = "on a file system of the kernel's own"
	case way != nil:
		v.Reason = way.reason()
	case r.rule != nil:
		v.Reason = fmt.Sprintf("kept by pattern %s in %s", r.rule, r.rule.Origin())
	default:
		v.Reason = "no rule matches"
	}
	return v
}

// reason says why a waypoint is not left out.
func (w *waypoint) reason() string {
	switch {
	case w.err != nil:
		return "named as a source that cannot be reached"
	case w.source:
		return "named as a source"
	}
	return "on the way to a source"
}

// size writes a number of bytes for people.
func size(n int64) string {
	if n < 1<<10 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n)/(1<<10), 0
	for ; value >= 1<<10; unit++ {
		value /= 1 << 10
	}
	return fmt.Sprintf("%.1f %ciB", value, "KMGTPE"[unit])
}
