package main

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// census is everything that can be seen of a tree: for every path its type, metadata, extended attributes, content, and the first
// path of the same object.
type census map[string]string

// takeCensus looks at the tree at root, whose own name does not count.
func takeCensus(t *testing.T, root string) census {
	t.Helper()
	c, firsts := census{}, map[uint64]string{}
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(root, path)
		c[name], err = describeObject(path, name, firsts)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// describeObject returns all that can be seen of the object at path, as one text.
func describeObject(path, name string, firsts map[uint64]string) (string, error) {
	var s syscall.Stat_t
	if err := syscall.Lstat(path, &s); err != nil {
		return "", err
	}
	kind, content := s.Mode&syscall.S_IFMT, ""
	switch kind {
	case syscall.S_IFREG:
		data, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		content = fmt.Sprintf("%d bytes %x", len(data), sha256.Sum256(data))
	case syscall.S_IFLNK:
		target, err := os.Readlink(path)
		if err != nil {
			return "", err
		}
		content = target
	}
	first := name
	if kind != syscall.S_IFDIR {
		if known, ok := firsts[s.Ino]; ok {
			first = known
		}
		firsts[s.Ino] = first
	}
	return fmt.Sprintf("%o %d:%d %d.%09d dev %d %s {%s} same as %s", s.Mode, s.Uid, s.Gid, s.Mtim.Sec, s.Mtim.Nsec, s.Rdev, content,
		attributes(path), first), nil
}

// attributes returns the extended attributes of an object; none where they cannot be read.
func attributes(path string) string {
	list := make([]byte, 4096)
	n, err := unix.Llistxattr(path, list)
	if err != nil {
		return ""
	}
	var texts []string
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list[:n]), "\x00"), "\x00") {
		value := make([]byte, 4096)
		if n, err := unix.Lgetxattr(path, name, value); err == nil {
			texts = append(texts, fmt.Sprintf("%s=%q", name, value[:n]))
		}
	}
	slices.Sort(texts)
	return strings.Join(texts, " ")
}

// differences returns in what two trees differ, one path a line.
func (c census) differences(other census) string {
	var b strings.Builder
	paths := maps.Clone(c)
	maps.Copy(paths, other)
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		if c[path] != other[path] {
			fmt.Fprintf(&b, "%q: %q, want %q\n", path, c[path], other[path])
		}
	}
	return b.String()
}
