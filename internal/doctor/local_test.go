package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"varve"
	"varve/internal/disk"
	"varve/internal/disk/faultfs"
	"varve/internal/disk/memfs"
	"varve/internal/location"
	"varve/internal/remote"
)

// inMemory returns options with which every local place that exists is the top of a disk in memory; "/none" does not exist.
func inMemory(m memfs.Options) Options {
	top := memfs.New(m)
	return Options{Location: location.Options{OpenDir: func(path string) (disk.FS, error) {
		if strings.HasPrefix(path, "/none") {
			return nil, fs.ErrNotExist
		}
		return top.Root(), nil
	}}}
}

func TestALocalDirectoryThatCanDoAllIsFound(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := examine(t, dir, Options{})
	r.fine(t)
	for _, what := range []string{"place", "writing", "hard links", "renaming", "modes", "times", "symlinks", "names", "case and Unicode", "locks"} {
		r.has(t, Good, what)
	}
	if os.Geteuid() != 0 {
		r.has(t, Note, "owners", "root")
	}
	holds(t, dir)
}

func TestWhatALocalDiskLacksIsNamed(t *testing.T) {
	t.Parallel()
	r := examine(t, "/disk", inMemory(memfs.Options{NoLinks: true, NoXattrs: true, Capacity: 1 << 20}))
	r.has(t, Warning, "hard links", "varve init --kind vault /disk")
	r.has(t, Note, "extended attributes", "manifest")
	r.has(t, Note, "ACLs", "manifest")
	r.has(t, Note, "reflinks")
	r.has(t, Warning, "space", "varve forget")
	r.fine(t)
	full := examine(t, "/disk", inMemory(memfs.Options{Reflinks: true, Capacity: 1}))
	full.has(t, Wrong, "space")
}

func TestAPlaceThatDoesNotExistCanBeMadeOrNot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	place := filepath.Join(dir, "a b", "store")
	r := examine(t, place, Options{})
	r.fine(t)
	r.has(t, Warning, "place", "not mounted", "varve init '"+place+"'")
	r.has(t, Good, "writing", "can be made")
	holds(t, dir)
	write(t, filepath.Join(dir, "file"), "")
	examine(t, filepath.Join(dir, "file"), Options{}).has(t, Warning, "place", "not a directory")
	examine(t, filepath.Join(dir, "file", "store"), Options{}).has(t, Wrong, "place", "not a directory")
	examine(t, "", Options{}).has(t, Wrong, "place")
}

func TestAStoreIsToldByItsKindAndAge(t *testing.T) {
	t.Parallel()
	dir, src := filepath.Join(t.TempDir(), "store"), t.TempDir()
	write(t, filepath.Join(src, "file"), "content")
	if err := location.Init(t.Context(), dir, location.Options{}); err != nil {
		t.Fatal(err)
	}
	save(t, dir, src)
	examine(t, dir, Options{}).has(t, Good, "store", "a tree, format: 1, with 1 snapshot of 1 series", "web", "0 minutes old")
	examine(t, dir, Options{Now: shifted(100 * time.Hour)}).has(t, Good, "store", "4 days old")
	examine(t, dir, Options{Now: shifted(1000 * time.Hour)}).has(t, Note, "store", "41 days old", "do backups still run?")
	examine(t, dir, Options{Now: shifted(-1000 * time.Hour)}).has(t, Warning, "store", "future")
	manifests := filepath.Join(dir, ".varve", "manifests")
	list, err := os.ReadDir(manifests)
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	write(t, filepath.Join(manifests, list[0].Name()), "no manifest")
	examine(t, dir, Options{}).has(t, Wrong, "store", "varve verify -s "+dir)
	write(t, filepath.Join(dir, ".varve", "format"), "varve tree store\nformat: 99\x1b[2J\n")
	r := examine(t, dir, Options{})
	r.has(t, Wrong, "store", "newer version")
	if strings.Contains(r.String(), "\x1b") {
		t.Errorf("what is in the store got through as it was: %q", r)
	}
}

// save makes a snapshot of src, of the series web, in the tree at dir.
func save(t *testing.T, dir, src string) {
	t.Helper()
	p, err := location.Open(t.Context(), dir, location.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	o, err := location.From(t.Context(), []location.Spec{{Path: src}}, remote.SourceRequest{}, location.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	files, err := o.Walk(t.Context(), location.Wanted{})
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	if _, err := p.Store.Save(t.Context(), files, varve.SaveOptions{Series: "web", Program: "test"}); err != nil {
		t.Fatal(err)
	}
}

func TestAVaultIsKnownWithoutItsKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "config"), `{"format":"varve vault","version":1}`)
	examine(t, dir, Options{}).has(t, Good, "store", "a vault", "varve snapshots")
}

func TestAfterAnyFaultOfADiskNothingStaysBehindUntold(t *testing.T) {
	t.Parallel()
	faulty := func(at int) (r report, calls int, left []disk.Name) {
		top := memfs.New(memfs.Options{Reflinks: true})
		in := &faultfs.Injector{At: at, Fault: faultfs.Fault{Err: syscall.EIO}}
		r = examine(t, "/disk", Options{Location: location.Options{OpenDir: func(string) (disk.FS, error) {
			return faultfs.New(top.Root(), in), nil
		}}})
		left, err := top.Root().Names()
		if err != nil {
			t.Fatal(err)
		}
		return r, in.Count(), left
	}
	sound, calls, left := faulty(0)
	sound.fine(t)
	if len(left) > 0 || calls < 50 {
		t.Fatalf("%d calls, and %v is left", calls, left)
	}
	for n := 1; n <= calls; n++ {
		r, _, left := faulty(n)
		if told := strings.Contains(r.String(), "could not be removed"); len(left) > 0 && !told {
			t.Errorf("after a fault of call %d %v is left, and nobody says so:%v", n, left, r)
		}
	}
}

func TestAnExamOfADiskThatHangsEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hung := make(chan struct{})
		o := Options{Location: location.Options{OpenDir: func(string) (disk.FS, error) {
			<-hung
			return nil, fs.ErrNotExist
		}}}
		start := time.Now()
		r := examine(t, "/disk", o)
		r.has(t, Wrong, "place", "no answer for 30s")
		if took := time.Since(start); took > time.Minute {
			t.Errorf("it took %v", took)
		}
		close(hung)
	})
}

func TestAnExamThatIsCancelledEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	for range Examine(ctx, t.TempDir(), Options{}) {
		n++
		cancel()
	}
	if n != 1 {
		t.Errorf("%d findings after the end", n)
	}
}

func TestWhatCannotBeReadIsNamed(t *testing.T) {
	t.Parallel()
	r := told(func(e *exam) {
		p := &place{names: []disk.Name{{Name: "open", Kind: varve.Regular}, {Name: "shut", Kind: varve.Dir}, {Name: "pipe", Kind: varve.FIFO}}}
		e.tryReading(p, func(n disk.Name) error {
			if n.Name == "shut" {
				return &fs.PathError{Op: "open", Path: n.Name, Err: fs.ErrPermission}
			}
			return nil
		})
		e.reading(p)
	})
	r.has(t, Warning, "reading", "1 of 2 objects", "shut", "root")
}

func TestLitterOfAnExamThatWasKilledIsNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mkdir(t, dir, scratchPrefix+"0123456789abcdef")
	examine(t, dir, Options{}).has(t, Note, "place", scratchPrefix, "interrupted")
}

func TestRoomIsToldByWhatItIsWorth(t *testing.T) {
	t.Parallel()
	const whole = 1 << 40
	for name, c := range map[string]struct {
		room  room
		level Level
		what  string
	}{
		"plenty":         {room{known: true, total: whole, free: whole / 2}, Good, "space"},
		"a large disk":   {room{known: true, total: whole, free: whole / 100}, Warning, "space"},
		"a small rest":   {room{known: true, total: 8 << 30, free: 900 << 20}, Warning, "space"},
		"none":           {room{known: true, total: whole}, Wrong, "space"},
		"unknown":        {room{}, Note, "space"},
		"read-only":      {room{known: true, total: whole, readOnly: true}, Warning, "space"},
		"no inodes":      {room{known: true, total: whole, free: whole, inodes: 100}, Wrong, "inodes"},
		"few inodes":     {room{known: true, total: whole, free: whole, inodes: 100, freeNodes: 1}, Warning, "inodes"},
		"inodes":         {room{known: true, total: whole, free: whole, inodes: 100, freeNodes: 50}, Good, "inodes"},
		"absurd":         {room{known: true, total: 1<<63 - 1, free: 1<<63 - 1, inodes: 1<<64 - 1, freeNodes: 1<<64 - 1}, Good, "space"},
		"the kernel's":   {room{known: true, pseudo: true}, Warning, "space"},
		"more than all":  {room{known: true, total: 1 << 30, free: 1 << 40}, Good, "space"},
		"less than none": {room{known: true, total: 1 << 30, free: -1}, Wrong, "space"},
	} {
		r := told(func(e *exam) { e.space(&place{room: c.room}) })
		r.has(t, c.level, c.what)
		if t.Failed() {
			t.Fatal(name)
		}
	}
}

const mountinfo = `22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /home/u/with\040space rw,nosuid shared:5 - fuse.sshfs u@host:/srv/it's\040mine rw,user_id=0
31 22 0:41 / /mnt/nas rw - nfs4 nas:/export rw
32 22 7:0 / /srv/image ro - ext4 /dev/loop7 rw
33 22 0:50 / /ram rw - tmpfs none rw
34 22 8:2 / /mnt/disk rw - xfs /dev/sdb1 rw
35 34 8:3 / /mnt/disk rw - btrfs /dev/sdc1 rw
bad line
36 22 8:4 / /mnt/diskette rw -
`

func TestMountsAreReadAsTheKernelWritesThem(t *testing.T) {
	t.Parallel()
	list := parseMounts(mountinfo)
	for path, want := range map[string]mount{
		"/":                        {"/", "ext4", "/dev/sda1", false},
		"/home/u":                  {"/", "ext4", "/dev/sda1", false},
		"/home/u/with space/x":     {"/home/u/with space", "fuse.sshfs", "u@host:/srv/it's mine", false},
		"/srv/image":               {"/srv/image", "ext4", "/dev/loop7", true},
		"/mnt/disk/store":          {"/mnt/disk", "btrfs", "/dev/sdc1", false},
		"/mnt/diskette":            {"/", "ext4", "/dev/sda1", false},
		"/home/u/with space-other": {"/", "ext4", "/dev/sda1", false},
	} {
		if got, found := mountOf(list, path); !found || got != want {
			t.Errorf("%s is on %+v, %v, want %+v", path, got, found, want)
		}
	}
	if _, found := mountOf(nil, "/"); found {
		t.Error("where nothing is mounted something was found")
	}
}

// mountedAt returns what an exam says of the mount of a real directory, where kind is mounted from from there, or above it.
func mountedAt(t *testing.T, dir, at, kind, from string) report {
	t.Helper()
	file := filepath.Join(t.TempDir(), "mountinfo")
	write(t, file, fmt.Sprintf("1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 8:2 / %s rw - %s %s rw\n", at, kind, from))
	return told(func(e *exam) {
		e.o.mountinfo = file
		e.mounted(&place{path: dir})
	})
}

func TestSeed_H12_WhatSSHFSAndImagesWereForIsSaid(t *testing.T) {
	t.Parallel()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	mountedAt(t, dir, dir, "fuse.sshfs", "u@host:/srv").has(t, Warning, "mount", "u@host:/srv", "varve speaks SFTP")
	mountedAt(t, dir, dir, "ext4", "/dev/loop0").has(t, Note, "mount", "needs no image")
	mountedAt(t, dir, dir, "nfs4", "nas:/export").has(t, Note, "mount", "another machine")
	mountedAt(t, dir, dir, "tmpfs", "none").has(t, Warning, "mount", "restart")
	mountedAt(t, dir, dir, "xfs", "/dev/sdb1").has(t, Good, "mount", "is mounted on it")
	mountedAt(t, dir, "/elsewhere", "xfs", "/dev/sdb1").has(t, Good, "mount", "mounted on / (ext4)")
	for path, want := range map[string]bool{"/mnt/disk": true, "/media/u/disk": true, "/run/media/u": true, "/mnt": false, "/home": false, "/": false} {
		if looksUnmounted(path) != want {
			t.Errorf("%s looks like a disk that is not mounted: %v", path, !want)
		}
	}
}

func TestErrorsOfADiskEndTheExamInGoodOrder(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{"not there": syscall.EIO, "shut": fs.ErrPermission, "stale": errors.New("stale\x1b[31m")} {
		o := Options{Location: location.Options{OpenDir: func(string) (disk.FS, error) { return nil, err }}}
		r := examine(t, "/disk", o)
		r.has(t, Wrong, "place")
		if len(r) != 1 || strings.Contains(r.String(), "\x1b") {
			t.Errorf("%s: found were%v", name, r)
		}
	}
}
