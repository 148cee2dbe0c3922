package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// root is a place on this machine that real files are taken from.
type root struct {
	name string // where its files go in a data set
	dir  string
}

// candidate is a file that may be taken: a regular file or a symlink.
type candidate struct {
	path string // on this machine
	name string // relative to the data set
	mode fs.FileMode
	size int64
}

// realRoots returns what exists here of the Go tree, programs, libraries, headers, shared data and modules, in a fixed order.
func realRoots(ctx context.Context) []root {
	roots := []root{
		{"go", goEnv(ctx, "GOROOT")}, {"share", "/usr/share"}, {"include", "/usr/include"}, {"bin", "/usr/bin"},
		{"modules", goEnv(ctx, "GOMODCACHE")},
	}
	found, _ := filepath.Glob("/usr/lib/python3*") // the pattern is good
	for _, dir := range found {
		roots = append(roots, root{filepath.Base(dir), dir})
	}
	return existing(append(roots, pyenv()))
}

// libraryRoots returns what exists here of libraries, in a fixed order.
func libraryRoots() []root {
	return existing([]root{{"lib", "/usr/lib"}, {"local", "/usr/local/lib"}, pyenv()})
}

// pyenv is where Pythons built from source often are.
func pyenv() root {
	home, err := os.UserHomeDir()
	if err != nil {
		return root{}
	}
	return root{"pyenv", filepath.Join(home, ".pyenv")}
}

// existing returns the roots that are directories here.
func existing(roots []root) []root {
	var found []root
	for _, r := range roots {
		if info, err := os.Stat(r.dir); r.dir != "" && err == nil && info.IsDir() {
			found = append(found, r)
		}
	}
	return found
}

// goEnv asks the go command for one of its settings; empty where there is no answer.
func goEnv(ctx context.Context, name string) string {
	out, err := output(ctx, "go", "env", name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(out)
}

// candidates returns the files below each root, in the order of their names. What cannot be read is not there; skip is a directory
// that is left out, with what it holds.
func candidates(ctx context.Context, roots []root, skip string) ([][]candidate, error) {
	found := make([][]candidate, len(roots))
	for i, r := range roots {
		err := filepath.WalkDir(r.dir, func(path string, d fs.DirEntry, err error) error {
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case err != nil || path == skip:
				return dirOnly(d)
			case d.Type().IsRegular() || d.Type()&fs.ModeSymlink != 0:
				found[i] = appendCandidate(found[i], r, path, d)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", r.dir, err)
		}
	}
	return found, nil
}

// dirOnly skips a directory, and only that: for a file, fs.SkipDir would skip its whole directory.
func dirOnly(d fs.DirEntry) error {
	if d != nil && d.IsDir() {
		return fs.SkipDir
	}
	return nil
}

func appendCandidate(list []candidate, r root, path string, d fs.DirEntry) []candidate {
	rel, relErr := filepath.Rel(r.dir, path)
	info, err := d.Info()
	if errors.Join(relErr, err) != nil {
		return list
	}
	c := candidate{path: path, name: filepath.Join(r.name, rel), mode: info.Mode()}
	if info.Mode().IsRegular() {
		c.size = info.Size()
	}
	return append(list, c)
}

// choose takes up to so many files with so many bytes together. Every root gives a share of its files, the first ones. A file that
// is larger than the mean is passed over where taking it would run ahead of the bytes.
func choose(roots [][]candidate, files, bytes int64) []candidate {
	var total, before, taken, takenBytes int64
	for _, list := range roots {
		total += int64(len(list))
	}
	if total == 0 || files == 0 {
		return nil
	}
	files = min(files, total)
	mean := bytes / files
	var chosen []candidate
	for _, list := range roots {
		end := files * (before + int64(len(list))) / total
		before += int64(len(list))
		for _, c := range list {
			if taken >= end {
				break
			}
			pace := float64(bytes) * float64(taken+1) / float64(files)
			if c.size > mean && float64(takenBytes+c.size) > pace {
				continue
			}
			chosen = append(chosen, c)
			taken++
			takenBytes += c.size
		}
		taken = end // what a root could not give is not made up for by the next
	}
	return chosen
}

// place copies chosen files into dir, with their modes and times. What cannot be read is left out. Nothing in dir is executable
// with another user's rights, and everything can be changed and removed by the owner.
func place(ctx context.Context, chosen []candidate, dir string) error {
	for _, c := range chosen {
		if err := ctx.Err(); err != nil {
			return err
		}
		to := filepath.Join(dir, c.name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := placeOne(c, to); err != nil {
			return fmt.Errorf("copy %s: %w", c.path, err)
		}
	}
	return nil
}

// placeOne copies one file; only errors on the writing side count.
func placeOne(c candidate, to string) error {
	if c.mode&fs.ModeSymlink != 0 {
		target, err := os.Readlink(c.path)
		if err != nil {
			return nil
		}
		return os.Symlink(target, to)
	}
	from, err := os.Open(c.path)
	if err != nil {
		return nil
	}
	defer from.Close()
	info, err := from.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil
	}
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	return errors.Join(err, f.Chmod(info.Mode().Perm()|0o200), f.Close(), os.Chtimes(to, info.ModTime(), info.ModTime()))
}
