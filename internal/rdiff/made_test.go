package rdiff_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"varve"
	"varve/internal/disk"
	"varve/internal/disk/memfs"
	"varve/internal/rdiff"
)

// made is a repository that is written by hand, in memory.
type made struct {
	t    testing.TB
	disk *memfs.Disk
}

func newMade(t testing.TB) *made { return &made{t, memfs.New(memfs.Options{})} }

// put writes a file, replacing what is there, with its directories. Names that end in .gz are compressed.
func (m *made) put(path, text string) {
	m.t.Helper()
	if strings.HasSuffix(path, ".gz") {
		text = zip(text)
	}
	m.raw(path, text)
}

func zip(text string) string {
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	z.Write([]byte(text))
	z.Close()
	return b.String()
}

// raw writes a file as it is.
func (m *made) raw(path, text string) {
	m.t.Helper()
	at := m.disk.Root()
	defer func() { must(m.t, at.Close()) }()
	names := strings.Split(path, "/")
	for _, name := range names[:len(names)-1] {
		if _, err := at.Lookup(name); err != nil {
			must(m.t, at.Mkdir(name, 0o755))
		}
		next, err := at.OpenDir(name)
		must(m.t, err)
		must(m.t, at.Close())
		at = next
	}
	name := names[len(names)-1]
	if _, err := at.Lookup(name); err == nil {
		must(m.t, at.Remove(name))
	}
	w, err := at.Create(name, 0o644)
	must(m.t, err)
	_, err = w.WriteAt([]byte(text), 0)
	must(m.t, err)
	must(m.t, w.Close())
}

// parent opens the directory that path lies in.
func (m *made) parent(path string) (disk.FS, string) {
	m.t.Helper()
	i := strings.LastIndexByte(path, '/')
	root := m.disk.Root()
	at, err := disk.OpenPath(root, path[:max(i, 0)])
	must(m.t, err)
	return at, path[i+1:]
}

// remove removes a file.
func (m *made) remove(path string) {
	m.t.Helper()
	at, name := m.parent(path)
	must(m.t, at.Remove(name))
}

// read reads a file as it is.
func (m *made) read(path string) string {
	m.t.Helper()
	at, name := m.parent(path)
	f, err := at.Open(name)
	must(m.t, err)
	info, err := f.Info()
	must(m.t, err)
	text, err := io.ReadAll(io.NewSectionReader(f, 0, info.Size))
	must(m.t, err)
	return string(text)
}

// copyTo writes the repository to a real disk.
func (m *made) copyTo(path string) error {
	return m.copyDir(m.disk.Root(), path)
}

func (m *made) copyDir(from disk.FS, to string) error {
	names, err := from.Names()
	for _, n := range names {
		if n.Kind != varve.Dir {
			m.t.Helper()
			f, err := from.Open(n.Name)
			must(m.t, err)
			info, err := f.Info()
			must(m.t, err)
			text, err := io.ReadAll(io.NewSectionReader(f, 0, info.Size))
			must(m.t, err)
			must(m.t, os.WriteFile(filepath.Join(to, n.Name), text, 0o644))
			continue
		}
		sub, err := from.OpenDir(n.Name)
		must(m.t, err)
		must(m.t, os.Mkdir(filepath.Join(to, n.Name), 0o755))
		must(m.t, m.copyDir(sub, filepath.Join(to, n.Name)))
	}
	return err
}

// data writes a file of rdiff-backup-data.
func (m *made) data(path, text string) {
	m.t.Helper()
	m.put("rdiff-backup-data/"+path, text)
}

// open opens the repository.
func (m *made) open() *rdiff.Repository {
	m.t.Helper()
	r, err := rdiff.Open(m.disk.Root(), rdiff.Options{})
	must(m.t, err)
	m.t.Cleanup(func() { must(m.t, r.Close()) })
	return r
}

// stamp names a time as files do: day n.
func stamp(n int) string { return when(n).Format("2006-01-02T15:04:05Z") }

// file is a record of a regular file.
func file(path, content string, fields ...string) string {
	return fmt.Sprintf("File %s\n  Type reg\n  Size %d\n  SHA1Digest %s\n", path, len(content), sha(content)) +
		strings.Join(fields, "") + rest
}

// dir is a record of a directory.
func dir(path string) string { return "File " + path + "\n  Type dir\n" + rest }

// none is a record of what was not there.
func none(path string) string { return "File " + path + "\n  Type None\n" }

const rest = "  ModTime 900000000\n  Uid 1\n  Uname me\n  Gid 2\n  Gname us\n  Permissions 420\n"

func sha(text string) string {
	s := sha1.Sum([]byte(text))
	return hex.EncodeToString(s[:])
}

// delta encodes a delta: strings are content, pairs of numbers regions of the other file.
func delta(parts ...any) string {
	out := binary.BigEndian.AppendUint32(nil, 0x72730236)
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			out = append(out, 0x42)
			out = binary.BigEndian.AppendUint16(out, uint16(len(p)))
			out = append(out, p...)
		case [2]int64:
			out = append(out, 0x54)
			out = binary.BigEndian.AppendUint64(out, uint64(p[0]))
			out = binary.BigEndian.AppendUint64(out, uint64(p[1]))
		}
	}
	return string(append(out, 0))
}

// simple is a repository with two sessions: a file that changed and one that did not.
func simple(t testing.TB) *made {
	m := newMade(t)
	m.data("current_mirror."+stamp(1)+".data", "PID 1\n")
	m.data("mirror_metadata."+stamp(1)+".snapshot.gz", dir(".")+file("a", "new text")+file("b", "same"))
	m.data("mirror_metadata."+stamp(0)+".diff.gz", file("a", "old text"))
	m.data("increments/a."+stamp(0)+".diff.gz", delta("old", [2]int64{3, 5}))
	m.put("a", "new text")
	m.put("b", "same")
	return m
}

// contents maps the paths of all regular files that can be read to their content.
func contents(t *testing.T, v varve.Source) map[string]string {
	t.Helper()
	files := map[string]string{}
	for e, err := range v.Entries(t.Context()) {
		must(t, err)
		if e.Kind != varve.Regular || e.Err != nil {
			continue
		}
		if text, err := tryContent(t, v, e); err == nil {
			files[e.Path] = text
		}
	}
	return files
}

// kindless is a disk whose listings do not tell what lies there.
type kindless struct{ disk.FS }

func (k kindless) Names() ([]disk.Name, error) {
	names, err := k.FS.Names()
	for i := range names {
		names[i].Kind, names[i].Ino = 0, 0
	}
	return names, err
}

func (k kindless) OpenDir(name string) (disk.FS, error) {
	next, err := k.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return kindless{next}, nil
}
