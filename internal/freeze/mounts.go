//go:build linux

package freeze

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"varve"
)

// mount is one line of /proc/self/mountinfo, see proc_pid_mountinfo(5).
type mount struct {
	id, parent string
	device     string // of the file system, as MAJOR:MINOR; all subvolumes of one btrfs have the same
	root       string // what of the file system is mounted, "/" for all
	point      string // where
	readOnly   bool
	kind       string // of the file system
	source     string // the device, or what the file system calls itself
}

// mounts are what is mounted, in the order of the table.
type mounts []*mount

func readMounts(path string) (mounts, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read what is mounted: %w", err)
	}
	var all mounts
	for line := range strings.Lines(string(text)) {
		if m := parseMount(line); m != nil {
			all = append(all, m)
		}
	}
	return all, nil
}

// parseMount reads a line; nil where it is not one that is understood.
func parseMount(line string) *mount {
	front, back, ok := strings.Cut(line, " - ")
	words, tail := strings.Fields(front), strings.Fields(back)
	if !ok || len(words) < 6 || len(tail) < 2 {
		return nil
	}
	m := &mount{id: words[0], parent: words[1], device: words[2], root: unescape(words[3]), point: unescape(words[4]), kind: tail[0],
		source: unescape(tail[1])}
	options := words[5]
	if len(tail) > 2 {
		options += "," + tail[2]
	}
	for option := range strings.SplitSeq(options, ",") {
		m.readOnly = m.readOnly || option == "ro"
	}
	return m
}

// unescape puts in the characters that stand as a backslash and three octal digits.
func unescape(word string) string {
	var b strings.Builder
	for {
		before, after, ok := strings.Cut(word, `\`)
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		if n, err := strconv.ParseUint(after[:min(3, len(after))], 8, 8); err == nil && len(after) >= 3 {
			b.WriteByte(byte(n))
			after = after[3:]
		} else {
			b.WriteByte('\\')
		}
		word = after
	}
}

// at returns the mount that the object at path is on, an absolute path without symlinks; nil where the table does not tell.
func (t mounts) at(path string) *mount {
	cur := t.over(nil, "/")
	for i := 1; i < len(path); i++ {
		if path[i] == '/' {
			cur = t.over(cur, path[:i])
		}
	}
	return t.over(cur, path)
}

// over returns what is seen at point, where below is mounted above it: another mount may cover it, and a third one that.
func (t mounts) over(below *mount, point string) *mount {
	for range t { // each mount is passed once at most
		next := t.child(below, point)
		if next == nil {
			break
		}
		below = next
	}
	return below
}

// child returns the mount at point on below; without below one that is on none of the table.
func (t mounts) child(below *mount, point string) *mount {
	var found *mount
	for _, m := range t {
		if m.point == point && m != below && t.on(below, m) {
			found = m
		}
	}
	return found
}

// on reports whether m is mounted on below.
func (t mounts) on(below, m *mount) bool {
	if below != nil {
		return m.parent == below.id
	}
	return !slices.ContainsFunc(t, func(o *mount) bool { return o != m && o.id == m.parent })
}

// below returns the mounts that are seen below dir.
func (t mounts) below(dir string) (found mounts) {
	for _, m := range t {
		if m.point != dir && within(m.point, dir) && t.at(m.point) == m {
			found = append(found, m)
		}
	}
	return found
}

// inside returns the path in the file system of what m shows at path.
func (m *mount) inside(path string) string { return joined(m.root, rel(path, m.point)) }

// shows returns the path at which m shows what is at inside in the file system; false where it does not.
func (m *mount) shows(inside string) (path string, ok bool) {
	return joined(m.point, rel(inside, m.root)), within(inside, m.root)
}

// within is varve.Within for absolute paths.
func within(path, dir string) bool {
	return varve.Within(strings.TrimPrefix(path, "/"), strings.TrimPrefix(dir, "/"))
}

// rel returns path relative to dir, which it is or lies in.
func rel(path, dir string) string {
	return strings.TrimPrefix(strings.TrimPrefix(path, strings.TrimSuffix(dir, "/")), "/")
}
