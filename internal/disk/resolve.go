package disk

import (
	"io/fs"
	"strings"

	"varve"
)

// maxHops is how many symlinks Resolve follows, as Linux does.
const maxHops = 40

// Resolve returns the path below top, without symlinks, that path leads to; both in the form of varve.Entry. Absolute targets and
// ".." are taken relative to top, as in a changed root. It is for paths that a user wrote, never for what a tree contains.
func Resolve(top FS, path string) (string, error) {
	todo := strings.Split(path, "/")
	var done []string
	for hops := 0; len(todo) > 0; {
		name := todo[0]
		todo = todo[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			done = done[:max(len(done)-1, 0)]
			continue
		}
		info, err := lookupPath(top, append(done[:len(done):len(done)], name))
		if err != nil {
			return "", err
		}
		if info.Kind != varve.Symlink {
			done = append(done, name)
			continue
		}
		if hops++; hops > maxHops {
			return "", &fs.PathError{Op: "resolve", Path: path, Err: ErrKind}
		}
		if strings.HasPrefix(info.Target, "/") {
			done = nil
		}
		todo = append(strings.Split(info.Target, "/"), todo...)
	}
	return strings.Join(done, "/"), nil
}

// lookupPath is Lookup at the end of a path without symlinks.
func lookupPath(top FS, names []string) (Info, error) {
	dir, err := OpenPath(top, strings.Join(names[:len(names)-1], "/"))
	if err != nil {
		return Info{}, err
	}
	if dir != top {
		defer dir.Close()
	}
	return dir.Lookup(names[len(names)-1])
}

// OpenPath opens the directory at path below top element by element, following nothing. It returns top itself for "".
func OpenPath(top FS, path string) (FS, error) {
	at := top
	if path == "" {
		return at, nil
	}
	for name := range strings.SplitSeq(path, "/") {
		next, err := at.OpenDir(name)
		if at != top {
			at.Close()
		}
		if err != nil {
			return nil, err
		}
		at = next
	}
	return at, nil
}
