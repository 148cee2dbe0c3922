package manifest

import (
	"strings"

	"varve"
)

// faultOf says what is wrong with the fields of e other than Path; empty where nothing is. Writing and reading both ask it, so
// nothing is written that could not be read.
func faultOf(e *varve.Entry) string {
	switch {
	case e.Kind < varve.Regular || e.Kind > varve.BlockDevice:
		return "unknown kind"
	case e.Path == "" && e.Kind != varve.Dir:
		return "the root is not a directory"
	case e.Mode > 0o7777:
		return "mode out of range"
	case !valid(e.MTime) || !valid(e.BTime) || !valid(e.Stamp.CTime):
		return "nanoseconds out of range"
	case e.Kind != varve.Regular && (e.Size != 0 || len(e.Holes) != 0 || len(e.Chunks) != 0 || e.Digest != varve.Digest{}):
		return "content on something other than a regular file"
	case e.Kind != varve.Symlink && e.Target != "":
		return "a target on something other than a symlink"
	case e.Rdev != varve.Rdev{} && e.Kind != varve.CharDevice && e.Kind != varve.BlockDevice:
		return "a device number on something other than a device"
	case len(e.Chunks) > MaxChunks || e.Depth > MaxDepth || e.Depth > 0 && len(e.Chunks) == 0:
		return "lists of chunks out of range"
	case len(e.Chunks) > 0 && e.Digest == varve.Digest{}:
		return "chunks without a digest"
	case e.Size < 0:
		return "negative size"
	case e.SameAs != "":
		return linkFault(e)
	}
	return listFault(e)
}

// listFault says what is wrong with the lists in e.
func listFault(e *varve.Entry) string {
	if len(e.Holes) != 0 {
		if reason := holesFault(e.Holes, e.Size); reason != "" {
			return reason
		}
	}
	if len(e.Xattrs) != 0 {
		return xattrsFault(e.Xattrs)
	}
	return ""
}

// linkFault says what is wrong with an entry that has SameAs.
func linkFault(e *varve.Entry) string {
	switch {
	case e.Kind == varve.Dir:
		return "a directory as a hard link"
	case pathFault(e.SameAs) != "":
		return "hard link: " + pathFault(e.SameAs)
	case varve.ComparePaths(e.SameAs, e.Path) >= 0:
		return "a hard link to something that is not earlier"
	}
	return listFault(e)
}

func valid(t varve.Time) bool { return uint32(t.Nsec) < 1e9 }

func holesFault(holes []varve.Extent, size int64) string {
	if len(holes) > MaxHoles {
		return "too many holes"
	}
	end := int64(-1) // of the hole before
	for _, h := range holes {
		if h.Off <= end || h.Len <= 0 || h.Off > size || h.Len > size-h.Off {
			return "holes that are not ascending, apart and within the size"
		}
		end = h.Off + h.Len
	}
	return ""
}

func xattrsFault(xattrs []varve.Xattr) string {
	if len(xattrs) > MaxXattrs {
		return "too many extended attributes"
	}
	prev := ""
	for i := range xattrs {
		name := xattrs[i].Name
		if name <= prev || strings.IndexByte(name, 0) >= 0 {
			return "names of extended attributes that are empty, not ascending or contain NUL"
		}
		prev = name
	}
	return ""
}

// pathFault says what is wrong with path; the root's, which is empty, is right.
func pathFault(path string) string {
	if len(path) > MaxPath {
		return "path too long"
	}
	if path == "" {
		return ""
	}
	for name := range strings.SplitSeq(path, "/") {
		if reason := nameFault(name); reason != "" {
			return reason
		}
	}
	return ""
}

// nameFault says what is wrong with one element of a path.
func nameFault[T string | []byte](name T) string {
	switch {
	case len(name) == 0:
		return "a path with an empty element"
	case name[0] == '.' && (len(name) == 1 || len(name) == 2 && name[1] == '.'):
		return "a path with an element . or .."
	}
	for i := range len(name) {
		if name[i] == 0 || name[i] == '/' {
			return "a name that contains NUL or a slash"
		}
	}
	return ""
}

// tooLarge reports whether e is over MaxEntry.
func tooLarge(e *varve.Entry) bool {
	n := len(e.Path) + len(e.SameAs) + len(e.User) + len(e.Group) + len(e.Target) + 18*len(e.Holes) + 32*len(e.Chunks)
	for i := range e.Xattrs {
		n += len(e.Xattrs[i].Name) + len(e.Xattrs[i].Value)
	}
	return n > MaxEntry
}
