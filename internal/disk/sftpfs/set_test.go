package sftpfs_test

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"varve"
	"varve/internal/disk"
	"varve/internal/disk/sftpfs"
	"varve/internal/sshtest"
)

func TestARefusedOwnerIsNotAskedForAgain(t *testing.T) {
	t.Parallel()
	spy := newSpy()
	d := open(t, sshtest.Dir(t, sshtest.Ordinary), sftpfs.Options{Connections: 1, Dial: dialSpied(t, spy, sshtest.SFTPOptions{Ordinary: true})})
	root := d.Root()
	spy.forget()
	for _, name := range []string{"a", "b", "c"} {
		w, err := root.Create(name, 0o600)
		must(t, err)
		if err := w.Set(&varve.Entry{UID: 1, GID: 1}, varve.Owner); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("owner of %s: %v", name, err)
		}
		must(t, w.Set(&varve.Entry{UID: sshtest.Ordinary, GID: sshtest.Ordinary}, varve.Owner))
		must(t, w.Close())
	}
	if n := spy.count(10); n != 1+3+3 { // the mode of each file is set as well
		t.Errorf("%d settings", n)
	}
	for id := range uint32(20) {
		if err := root.Set("a", &varve.Entry{UID: id, GID: id}, varve.Owner); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("owner %d: %v", id, err)
		}
	}
	if a := d.Abilities(); a.Chown != sftpfs.Fails {
		t.Errorf("chown %s", a.Chown)
	}
}

func TestTimesAreSetToTheSecondAndTheRestIsToldAsUnkept(t *testing.T) {
	t.Parallel()
	dir := sshtest.Dir(t, -1)
	d := open(t, dir, sftpfs.Options{})
	root := d.Root()
	write(t, root, "a", "x")
	for _, c := range []struct {
		at   varve.Time
		want error
		sec  int64
	}{
		{varve.Time{Sec: 1_000_000_000}, nil, 1_000_000_000},
		{varve.Time{Sec: 1_000_000_001, Nsec: 999_999_999}, disk.ErrCoarse, 1_000_000_001},
		{varve.Time{Sec: -1}, disk.ErrUnsupported, 1_000_000_001},
		{varve.Time{Sec: math.MaxUint32}, nil, math.MaxUint32},
		{varve.Time{Sec: 1 << 32}, disk.ErrUnsupported, math.MaxUint32},
	} {
		err := root.Set("a", &varve.Entry{MTime: c.at}, varve.MTime)
		info, statErr := os.Stat(filepath.Join(dir, "a"))
		must(t, statErr)
		if !errors.Is(err, c.want) || c.want == nil && err != nil || info.ModTime().Unix() != c.sec {
			t.Errorf("%v: error %v, kept %v", c.at, err, info.ModTime())
		}
	}
	if ahead, known := d.Clock(); !known || ahead.Abs() > 5*time.Second {
		t.Errorf("the clock is ahead by %v, known: %v", ahead, known)
	}
}

func TestWhatTheServerLacksIsSaid(t *testing.T) {
	t.Parallel()
	d := open(t, sshtest.Dir(t, -1), sftpfs.Options{Dial: dialHiding(t, sshtest.SFTPOptions{}, all)})
	root := d.Root()
	write(t, root, "a", "x")
	must(t, root.Rename("a", root, "b"))
	if err := root.Link("b", root, "c"); !errors.Is(err, disk.ErrUnsupported) {
		t.Errorf("link: %v", err)
	}
	must(t, root.Symlink("s", "b"))
	if err := root.Set("s", &varve.Entry{MTime: varve.Time{Sec: 5}}, varve.MTime); !errors.Is(err, disk.ErrUnsupported) {
		t.Errorf("time of a symlink: %v", err)
	}
	a := d.Abilities()
	if a.HardLinks || a.PosixRename || a.Fsync || a.Statvfs || a.Lsetstat || a.Owners || a.RenameKeeps != sftpfs.Works || a.Symlinks != sftpfs.Works {
		t.Errorf("abilities %+v", a)
	}
	if got := len(a.Lacks()); got != 10 {
		t.Errorf("it lacks %q", a.Lacks())
	}
	full := open(t, "", sftpfs.Options{}).Abilities()
	if got := len(full.Lacks()); got != 4 {
		t.Errorf("it lacks %q", full.Lacks())
	}
}

func TestOnAServerWhoseRenameReplacesNothingIsReplaced(t *testing.T) {
	t.Parallel()
	for _, links := range []bool{true, false} {
		dir := sshtest.Dir(t, -1)
		spy := newSpy()
		spy.request = func(p []byte) []byte { // the extension replaces
			if p[4] != typeRename {
				return p
			}
			return frame(typeExtra, p, word("posix-rename@openssh.com"), p[9:])
		}
		connect := dialSpied(t, spy, sshtest.SFTPOptions{})
		d := open(t, dir, sftpfs.Options{Connections: 1, Dial: hide(connect, func(e string) bool { return !links && e == "hardlink@openssh.com" })})
		root := d.Root()
		write(t, root, "a", "new")
		write(t, root, "b", "old")
		must(t, root.Mkdir("d", 0o755))
		must(t, root.Mkdir("e", 0o755))
		for _, pair := range [][2]string{{"a", "b"}, {"d", "e"}, {"a", "e"}, {"d", "b"}} {
			if err := root.Rename(pair[0], root, pair[1]); !errors.Is(err, fs.ErrExist) {
				t.Errorf("rename %v: %v", pair, err)
			}
		}
		if d.Abilities().RenameKeeps != sftpfs.Fails {
			t.Error("a rename that replaces went unnoticed")
		}
		must(t, root.Rename("a", root, "c"))
		must(t, root.Rename("d", root, "f"))
		if got := names(t, dir); got != "b c e f" || read(t, root, "b") != "old" || read(t, root, "c") != "new" {
			t.Errorf("there is %s", got)
		}
		must(t, root.Replace("c", root, "b"))
		if got := names(t, dir); got != "b e f" || read(t, root, "b") != "new" {
			t.Errorf("there is %s", got)
		}
	}
}

// TestAFullDiskIsToldAsFull has the server refuse without a reason what a full disk refuses, when none or little of it is free.
func TestAFullDiskIsToldAsFull(t *testing.T) {
	t.Parallel()
	write := func(request []byte) bool { return request[4] == 6 }
	sync := func(request []byte) bool {
		return request[4] == typeExtra && strings.Contains(string(request), "fsync@")
	}
	shut := func(request []byte) bool { return request[4] == 4 }
	for name, c := range map[string]struct {
		refused func(request []byte) bool
		free    byte // of 16 MiB
	}{
		"a write": {write, 0}, "a write, and others gave up": {write, 2}, "a sync": {sync, 0}, "a sync, and others gave up": {sync, 2},
		"a close": {shut, 0},
	} {
		t.Run(name, func(t *testing.T) {
			spy := newSpy()
			d := open(t, sshtest.Dir(t, -1), sftpfs.Options{Connections: 1, Dial: dialSpied(t, spy, sshtest.SFTPOptions{})})
			root := d.Root()
			w, err := root.Create("a", 0o600)
			must(t, err)
			spy.mu.Lock()
			spy.answer = func(request, p []byte) []byte {
				switch {
				case len(request) > 4 && c.refused(request):
					return frame(typeStatus, p, number(4), word("Failure"), word(""))
				case len(request) > 4 && request[4] == typeExtra && strings.Contains(string(request), "statvfs@"):
					copy(p[9:], make([]byte, 5*8)) // sizes of blocks and fragments, all blocks, free and available ones
					p[9+6], p[9+8+4], p[9+2*8+7], p[9+4*8+7] = 4, 1, 16, c.free
				}
				return p
			}
			spy.mu.Unlock()
			_, err = w.WriteAt([]byte("x"), 0)
			if err = errors.Join(err, w.Sync(), w.Close()); !errors.Is(err, disk.ErrNoSpace) || !strings.Contains(err.Error(), disk.ErrNoSpace.Error()) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestAServerThatSetsNothingTakesDirectoriesAndFilesAllTheSame(t *testing.T) {
	for _, denied := range []string{"setstat,fsetstat,lsetstat", "fsetstat"} {
		t.Run(denied, func(t *testing.T) {
			dir := sshtest.Dir(t, -1)
			root := open(t, dir, swift(sftpfs.Options{Dial: dial(t, sshtest.SFTPOptions{Args: []string{"-P", denied, "-u", "077"}})})).Root()
			must(t, root.Mkdir("d", 0o777)) // the server takes some of that away
			w, err := root.Create("f", 0o666)
			must(t, err)
			_, err = w.WriteAt([]byte("begin"), 0)
			must(t, errors.Join(err, w.Truncate(9), w.Close()))
			holds("f", "begin\x00\x00\x00\x00")(t, dir)
			info, err := os.Stat(filepath.Join(dir, "f"))
			must(t, err)
			if kept := info.Mode() == 0o666; kept != (denied == "fsetstat") {
				t.Errorf("mode %v", info.Mode())
			}
		})
	}
}

func TestARefusalForAnOpenFileCostsNoOtherFileItsMode(t *testing.T) {
	t.Parallel()
	dir := sshtest.Dir(t, -1)
	root := open(t, dir, swift(sftpfs.Options{Dial: dial(t, sshtest.SFTPOptions{Args: []string{"-P", "fsetstat", "-u", "077"}})})).Root()
	first, err := root.Create("first", 0o666)
	must(t, err)
	second, err := root.Create("second", 0o777)
	must(t, err)
	must(t, first.Set(&varve.Entry{Kind: varve.Regular, Mode: 0o751}, varve.Mode))
	must(t, errors.Join(second.Close(), first.Close()))
	for name, want := range map[string]os.FileMode{"first": 0o751, "second": 0o777} {
		info, err := os.Stat(filepath.Join(dir, name))
		must(t, err)
		if info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", name, info.Mode(), want)
		}
	}
}
