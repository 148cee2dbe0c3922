package sftpfs_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"varve"
	"varve/internal/disk"
	"varve/internal/disk/sftpfs"
	"varve/internal/sshtest"
)

// look walks as package walk does, and returns what it met.
func look(t *testing.T, f disk.FS, path string, read bool) (list []string) {
	t.Helper()
	_, err := f.Lookup(".")
	must(t, err)
	found, err := f.Names()
	must(t, err)
	for _, n := range found {
		info, err := f.Lookup(n.Name)
		must(t, err)
		_, err = f.Xattrs(n.Name)
		must(t, err)
		list = append(list, fmt.Sprint(path, n.Name, " ", info.Kind, " ", info.Size, " ", info.Target))
		switch {
		case info.Kind == varve.Dir:
			sub, err := f.OpenDir(n.Name)
			must(t, err)
			list = append(list, look(t, sub, path+n.Name+"/", read)...)
			must(t, sub.Close())
		case info.Kind == varve.Regular && read:
			r, err := f.Open(n.Name)
			must(t, err)
			_, err = r.Info()
			must(t, err)
			got, err := io.ReadAll(io.NewSectionReader(r, 0, info.Size))
			must(t, err)
			_, err = r.Info()
			must(t, errors.Join(err, r.Close()))
			if int64(len(got)) != info.Size {
				t.Errorf("%d bytes of %d", len(got), info.Size)
			}
		}
	}
	return list
}

func grow(t *testing.T, dir string, width, depth int) {
	t.Helper()
	for i := range width {
		must(t, os.WriteFile(filepath.Join(dir, fmt.Sprint("file ", i)), make([]byte, 100*i), 0o644))
		must(t, os.Symlink("over/there", filepath.Join(dir, fmt.Sprint("link ", i))))
		if depth > 0 {
			sub := filepath.Join(dir, fmt.Sprint("dir ", i))
			must(t, os.Mkdir(sub, 0o755))
			grow(t, sub, width, depth-1)
		}
	}
}

func TestAWalkAsksForListingsAndSymlinksAlone(t *testing.T) {
	t.Parallel()
	dir := sshtest.Dir(t, -1)
	grow(t, dir, 4, 2) // 21 directories with 8 others each
	spy := newSpy()
	d := open(t, dir, sftpfs.Options{Connections: 1, Dial: dialSpied(t, spy, sshtest.SFTPOptions{})})
	spy.forget()
	if got := len(look(t, d.Root(), "", false)); got != 20+21*8 {
		t.Errorf("%d objects", got)
	}
	if n := spy.count(typeLstat, typeOpen, typeFstat); n != 1 { // of the root
		t.Errorf("%d looks at single objects", n)
	}
	if n := spy.count(11); n != 21 {
		t.Errorf("%d directories were listed", n)
	}
	if n := spy.count(19); n != 21*4 {
		t.Errorf("%d symlinks were read", n)
	}
	spy.forget()
	look(t, d.Root(), "", true)
	// Of every file once, after it was read, since it was what the listing had told; a second time of the empty ones, which nobody reads.
	for kind, want := range map[int]int{typeOpen: 84, typeFstat: 84 + 21, typeLstat: 1} {
		if n := spy.count(kind); n != want {
			t.Errorf("%d requests of type %d, want %d", n, kind, want)
		}
	}
	if n := spy.count(typeRead); n > 2*84 {
		t.Errorf("%d reads of 84 small files", n)
	}
}

func TestWhatIsRememberedIsForgottenWhenItChanges(t *testing.T) {
	t.Parallel()
	dir := sshtest.Dir(t, -1)
	root := open(t, dir, sftpfs.Options{}).Root()
	write(t, root, "a", "1")
	must(t, root.Mkdir("d", 0o755))
	sub, err := root.OpenDir("d")
	must(t, err)
	write(t, sub, "inner", "1")
	for what, c := range map[string]struct {
		change func() error
		name   string
		want   func(info disk.Info, err error) bool
	}{
		"mode":    {func() error { return root.Set("a", &varve.Entry{Mode: 0o600}, varve.Mode) }, "a", func(i disk.Info, err error) bool { return i.Mode == 0o600 }},
		"renamed": {func() error { return root.Rename("a", root, "b") }, "a", func(_ disk.Info, err error) bool { return errors.Is(err, os.ErrNotExist) }},
		"made":    {func() error { return root.Symlink("c", "x") }, "c", func(i disk.Info, err error) bool { return i.Target == "x" }},
		"removed": {func() error { return root.Remove("b") }, "b", func(_ disk.Info, err error) bool { return errors.Is(err, os.ErrNotExist) }},
	} {
		_, err := root.Names()
		must(t, err)
		if err := c.change(); err != nil { // maps have no order: what is not there fails
			continue
		}
		if info, err := root.Lookup(c.name); !c.want(info, err) {
			t.Errorf("%s: %+v, %v", what, info, err)
		}
	}
	_, err = sub.Names()
	must(t, err)
	must(t, root.Rename("d", root, "e"))
	must(t, root.Mkdir("d", 0o755))
	if _, err := sub.Lookup("inner"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("below a directory that was moved: %v", err)
	}
}

func TestMountsAreTold(t *testing.T) {
	t.Parallel()
	var proc, top syscall.Statfs_t
	if err := errors.Join(syscall.Statfs("/proc", &proc), syscall.Statfs("/", &top)); err != nil || proc.Fsid == top.Fsid {
		skip(t, "no /proc")
	}
	d := open(t, "/", sftpfs.Options{Mounts: true})
	root := d.Root()
	_, err := root.Names()
	must(t, err)
	self, err := root.Lookup(".")
	must(t, err)
	there, err := root.Lookup("proc")
	must(t, err)
	sub, err := root.OpenDir("proc")
	must(t, err)
	again, err := sub.Lookup(".")
	must(t, err)
	if self.Stamp.Dev == there.Stamp.Dev || again.Stamp != there.Stamp {
		t.Errorf("root %+v, proc %+v and %+v", self.Stamp, there.Stamp, again.Stamp)
	}
	if space, err := sub.Space(); err != nil || !space.Pseudo {
		t.Errorf("room %+v, error %v", space, err)
	}
	if d.Path() != "/" {
		t.Errorf("path %q", d.Path())
	}
}

func TestOwnersHaveTheirNames(t *testing.T) {
	t.Parallel()
	d := open(t, "", sftpfs.Options{})
	if !d.Abilities().Owners {
		skip(t, "the server is too old to tell")
	}
	for range 2 {
		if user, group := d.Owners(0, 0); user != "root" || group == "" {
			t.Errorf("%q, %q", user, group)
		}
		if user, group := d.Owners(3_999_999_999, 3_999_999_998); user != "" || group != "" {
			t.Errorf("%q, %q", user, group)
		}
	}
}

// lie makes the server say something else in the answers to one type of request.
func (s *spy) lie(kind byte, say func(request, p []byte) []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = func(request, p []byte) []byte {
		if len(request) > 4 && request[4] == kind {
			return say(request, p)
		}
		return p
	}
}

func TestAListingWithoutEndIsRefused(t *testing.T) {
	t.Parallel()
	spy := newSpy()
	d := open(t, sshtest.Dir(t, -1), sftpfs.Options{Connections: 1, Dial: dialSpied(t, spy, sshtest.SFTPOptions{})})
	const many = 800
	var n atomic.Int64
	var items []byte
	for i := range many {
		items = append(append(append(items, word(fmt.Sprintf("%0250d", i))...), word("")...), number(0)...)
	}
	spy.lie(typeReaddir, func(_, p []byte) []byte {
		n.Add(many)
		return frame(typeName, p, number(many), items)
	})
	_, err := d.Root().Names()
	if err == nil || !strings.Contains(err.Error(), d.Path()) {
		t.Errorf("error %v", err)
	}
	if n := n.Load(); n > 600_000 {
		t.Errorf("%d names were taken", n)
	}
}

func TestATreeWithoutEndIsNotFollowed(t *testing.T) {
	t.Parallel()
	for length, most := range map[int]int{255: 100, 1: 2100} { // levels
		spy := newSpy()
		d := open(t, "", sftpfs.Options{Connections: 1, Dial: dialSpied(t, spy, sshtest.SFTPOptions{})})
		spy.lie(typeLstat, func(_, p []byte) []byte { return frame(typeAttrs, p, number(4), number(0o40755)) })
		f, err := d.Root(), error(nil)
		depth := 0
		for ; err == nil && depth < 2*most; depth++ {
			f, err = f.OpenDir(strings.Repeat("d", length))
		}
		if err == nil || depth > most || depth < most/2 || len(err.Error()) > 1000 || !strings.Contains(err.Error(), "is not followed") {
			t.Errorf("names of %d bytes, depth %d: %v", length, depth, err)
		}
	}
}

func TestASizeThatIsALieDoesNoHarm(t *testing.T) {
	t.Parallel()
	dir := sshtest.Dir(t, -1)
	content := strings.Repeat("content ", 50_000)
	must(t, os.WriteFile(filepath.Join(dir, "file"), []byte(content), 0o644))
	spy := newSpy()
	d := open(t, dir, sftpfs.Options{Connections: 1, Dial: dialSpied(t, spy, sshtest.SFTPOptions{})})
	for _, size := range []uint64{0, 10, 1 << 62} {
		spy.lie(typeFstat, func(_, p []byte) []byte {
			if p[4] == typeAttrs {
				binary.BigEndian.PutUint64(p[13:], size)
			}
			return p
		})
		r, err := d.Root().Open("file")
		must(t, err)
		info, err := r.Info()
		must(t, err)
		got, err := io.ReadAll(io.NewSectionReader(r, 0, 1<<62))
		must(t, errors.Join(err, r.Close()))
		if info.Size != int64(size) || string(got) != content {
			t.Errorf("size %d, %d bytes of content", info.Size, len(got))
		}
	}
}
