//go:build linux

package walk_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"varve"
	"varve/internal/disk"
	"varve/internal/walk"
)

// mount mounts something on dir for the duration of the test.
func mount(t *testing.T, dir string, args ...string) {
	t.Helper()
	ok(t, os.MkdirAll(dir, 0o755))
	if out, err := exec.Command("mount", append(args, dir)...).CombinedOutput(); err != nil {
		skip(t, fmt.Sprintf("mount %v: %v: %s", args, err, out))
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v\n%s", err, out)
		}
	})
}

func touch(t *testing.T, paths ...string) {
	t.Helper()
	for _, path := range paths {
		ok(t, os.MkdirAll(filepath.Dir(path), 0o755))
		ok(t, os.WriteFile(path, []byte(path), 0o644))
	}
}

// mounts is a directory with a file system in memory mounted on a/mem, another in it on a/mem/in/deeper, the kernel's processes on proc, and
// another part of its own file system on bound.
func mounts(t *testing.T) string {
	t.Helper()
	needRoot(t)
	dir := t.TempDir()
	touch(t, dir+"/a/f", dir+"/part/g")
	mount(t, dir+"/a/mem", "-t", "tmpfs", "none")
	mount(t, dir+"/a/mem/in/deeper", "-t", "tmpfs", "none")
	mount(t, dir+"/proc", "-t", "proc", "none")
	mount(t, dir+"/bound", "--bind", dir+"/part")
	touch(t, dir+"/a/mem/f", dir+"/a/mem/in/deeper/f")
	return dir
}

func TestFileSystemsMountedBelowASourceAreLeftOutOnDemand(t *testing.T) {
	dir := mounts(t)
	for _, tt := range []struct {
		name    string
		sources []string
		one     bool
		want    []string
		leftOut []string
	}{
		{"all but the kernel's", []string{""}, false, []string{"a/", "bound/", "part/", "proc/", "a/f", "a/mem/", "a/mem/f", "a/mem/in/", "a/mem/in/deeper/",
			"a/mem/in/deeper/f", "bound/g", "part/g"}, nil},
		{"one", []string{""}, true, []string{"a/", "bound/", "part/", "proc/", "a/f", "a/mem/", "bound/g", "part/g"}, []string{"a/mem"}},
		{"named as a source", []string{"", "a/mem"}, true, []string{"a/", "bound/", "part/", "proc/", "a/f", "a/mem/", "a/mem/f", "a/mem/in/",
			"a/mem/in/deeper/", "bound/g", "part/g"}, []string{"a/mem/in/deeper"}},
		{"a source in one that is left out", []string{"", "a/mem/in/deeper"}, true, []string{"a/", "bound/", "part/", "proc/", "a/f", "a/mem/", "bound/g",
			"part/g", "a/mem/in/", "a/mem/in/deeper/", "a/mem/in/deeper/f"}, []string{"a/mem"}},
		{"a source in the kernel's", []string{"", "proc/sys/kernel/ostype"}, false, []string{"a/", "bound/", "part/", "proc/", "a/f", "a/mem/", "a/mem/f",
			"a/mem/in/", "a/mem/in/deeper/", "a/mem/in/deeper/f", "bound/g", "part/g", "proc/sys/", "proc/sys/kernel/", "proc/sys/kernel/ostype"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, real(t, dir), tt.sources, walk.Options{OneFileSystem: tt.one})
			list := collect(t, s)
			got := paths(list)
			expected := slices.Clone(tt.want)
			slices.Sort(got)
			slices.Sort(expected)
			if !slices.Equal(got, expected) {
				t.Errorf("walk yields\n%q, want\n%q", got, expected)
			}
			if left := s.LeftOut(); !slices.Equal(left, tt.leftOut) {
				t.Errorf("left out: %q, want %q", left, tt.leftOut)
			}
			for _, path := range append(tt.leftOut, "proc") {
				if e := entry(t, list, path); e.Marks&varve.MountPoint == 0 {
					t.Errorf("%s is not marked as a mount point", path)
				}
			}
		})
	}
}

func TestWhyKnowsMounts(t *testing.T) {
	s := start(t, real(t, mounts(t)), []string{"", "a/mem/in/deeper"}, walk.Options{OneFileSystem: true})
	for path, reason := range map[string]string{
		"a/mem": "on the way to a source", "a/mem/f": "on another file system", "a/mem/in/deeper/f": "no rule matches",
		"a/mem/in/x": "not below any source", "proc": "no rule matches", "proc/self/status": "on a file system of the kernel's own",
		"bound/g": "no rule matches",
	} {
		v, err := s.Why(path)
		ok(t, err)
		if v.Reason != reason || v.Excluded != (strings.HasPrefix(reason, "on a") || strings.HasPrefix(reason, "not")) {
			t.Errorf("Why(%q) = %+v, want %q", path, v, reason)
		}
	}
}

func TestTheKernelsFileSystemsAreWalkedWhereASourceNamesThem(t *testing.T) {
	if _, err := os.Stat("/proc/sys/kernel/ostype"); err != nil {
		skip(t, "no /proc")
	}
	s := start(t, real(t, "/"), []string{"proc/sys/kernel/random"}, walk.Options{OneFileSystem: true})
	e := entry(t, collect(t, s), "proc/sys/kernel/random/boot_id")
	if text := read(t, s, e); len(text) < 30 {
		t.Errorf("%s holds %q", e.Path, text)
	}
}

func TestNamesMayHoldEveryByte(t *testing.T) {
	dir := t.TempDir()
	var names []string
	for b := 1; b < 256; b++ {
		if b != '/' {
			names = append(names, "x"+string([]byte{byte(b)}))
		}
	}
	names = append(names, strings.Repeat("n", 255), strings.Repeat("\xff", 255), "new\nline", "é", "e\u0301", " ", "\t", "-rf", "*")
	for _, name := range names {
		touch(t, dir+"/"+name)
	}
	ok(t, os.WriteFile(dir+"/x\n", []byte("content"), 0o644))
	s := start(t, real(t, dir), []string{""}, walk.Options{})
	list := collect(t, s)
	slices.Sort(names)
	want(t, list, names...)
	if text := read(t, s, entry(t, list, "x\n")); text != "content" {
		t.Errorf("read %q", text)
	}
}

// chain makes a tree of this depth with a file at its bottom, below dir.
func chain(t *testing.T, dir, name string, depth int) {
	t.Helper()
	at := real(t, dir)
	for range depth {
		ok(t, at.Mkdir(name, 0o755))
		next, err := at.OpenDir(name)
		ok(t, err)
		ok(t, at.Close())
		at = next
	}
	put(t, at, "bottom", "content")
	ok(t, at.Close())
	t.Cleanup(func() {
		top := real(t, dir)
		if err := disk.RemoveAll(top, name, 2); err != nil {
			t.Error(err)
		}
		ok(t, top.Close())
	})
}

// descriptors returns how many file descriptors the process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		skip(t, "no /proc")
	}
	return len(list)
}

// heap returns the memory in use in bytes, after a collection.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestTreesOfAnyDepthAreWalkedInLittleMemory(t *testing.T) {
	for _, tt := range []struct {
		name  string
		depth int
		limit int64 // MiB
	}{
		{"d", 10_000, 64},
		{strings.Repeat("long", 60), 1_000, 64}, // paths of 240 kB, far beyond PATH_MAX
	} {
		t.Run(tt.name[:1], func(t *testing.T) {
			dir := t.TempDir()
			chain(t, dir, tt.name, tt.depth)
			s := start(t, real(t, dir), []string{""}, walk.Options{})
			before, most, fds, n := heap(), int64(0), 0, 0
			var last varve.Entry
			for e, err := range s.Entries(context.Background()) {
				ok(t, err)
				ok(t, e.Err)
				last = e
				if n++; n%(tt.depth/4) == 0 {
					most, fds = max(most, heap()-before), max(fds, descriptors(t))
				}
			}
			if n != tt.depth+2 || read(t, s, last) != "content" {
				t.Errorf("%d entries, want %d; the last is %.20q", n, tt.depth+2, last.Name())
			}
			if most > tt.limit<<20 {
				t.Errorf("%d MiB in use", most>>20)
			}
			if fds > 450 {
				t.Errorf("%d descriptors in use", fds)
			}
		})
	}
}

func TestHugeDirectoriesAreWalkedInLittleMemory(t *testing.T) {
	const files = 50_000
	dir := t.TempDir()
	at := real(t, dir)
	for i := range files {
		ok(t, at.Mknod(fmt.Sprintf("%05d", i), varve.FIFO, 0o600, varve.Rdev{}))
	}
	ok(t, at.Close())
	s := start(t, real(t, dir), []string{""}, walk.Options{})
	before, most, n := heap(), int64(0), 0
	for e, err := range s.Entries(context.Background()) {
		ok(t, err)
		if n > 0 && e.Path != fmt.Sprintf("%05d", n-1) {
			t.Fatalf("entry %d is %q", n, e.Path)
		}
		if n++; n%10_000 == 0 {
			most = max(most, heap()-before)
		}
	}
	if n != files+1 || most > 32<<20 {
		t.Errorf("%d entries, %d MiB in use", n, most>>20)
	}
}

func TestManyDirectoriesInOneAreWalkedInLittleMemory(t *testing.T) {
	const dirs = 20_000
	d := memory(t)
	at := d.Root()
	for i := range dirs {
		ok(t, at.Mkdir(fmt.Sprintf("directory-%05d", i), 0o755))
	}
	s := start(t, at, []string{""}, walk.Options{})
	before, most, n := heap(), int64(0), 0
	for e, err := range s.Entries(context.Background()) {
		ok(t, err)
		ok(t, e.Err)
		if n++; n%(dirs/6) == 0 || n == dirs {
			most = max(most, heap()-before)
		}
	}
	t.Logf("%d bytes for each directory", most/dirs)
	// The names, attributes and places of all of them take about 450 bytes each. What the crew has read ahead when the heap is
	// measured comes on top: up to 300 on a busy machine.
	if n != dirs+1 || most > 1000*dirs {
		t.Errorf("%d entries, %d bytes for each directory", n, most/dirs)
	}
}

func TestWideTreesNeedFewDescriptors(t *testing.T) {
	dir := t.TempDir()
	at := real(t, dir)
	for i := range 600 {
		build(t, at, fmt.Sprintf("%03d/a/b/c/f", i))
	}
	ok(t, at.Close())
	var before syscall.Rlimit
	ok(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before))
	few := before
	few.Cur = uint64(descriptors(t)) + 40
	ok(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &few))
	defer syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before)
	s := start(t, real(t, dir), []string{""}, walk.Options{})
	n := 0
	for e, err := range s.Entries(context.Background()) {
		ok(t, err)
		ok(t, e.Err)
		if n++; e.Kind == varve.Regular && read(t, s, e) != e.Path {
			t.Errorf("%s: wrong content", e.Path)
		}
	}
	if n != 600*5+1 {
		t.Errorf("%d entries, want %d", n, 600*5+1)
	}
}

func TestEveryKindOfObjectIsToldAsItIs(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	at := real(t, dir)
	ok(t, at.Mknod("fifo", varve.FIFO, 0o600, varve.Rdev{}))
	ok(t, at.Mknod("socket", varve.Socket, 0o600, varve.Rdev{}))
	ok(t, at.Mknod("char", varve.CharDevice, 0o600, varve.Rdev{Major: 1, Minor: 3}))
	ok(t, at.Mknod("block", varve.BlockDevice, 0o600, varve.Rdev{Major: 7, Minor: 300}))
	build(t, at, "file=text", "link -> /no/where", "dir/")
	old := varve.Entry{MTime: varve.Time{Sec: -1e9, Nsec: 123456789}, UID: 1<<32 - 2, GID: 1<<32 - 2, Mode: 0o6711,
		Xattrs: []varve.Xattr{{Name: "trusted.x", Value: "\x00\xff"}, {Name: "user.y", Value: ""}}}
	for _, aspect := range []varve.Aspect{varve.Owner, varve.Mode, varve.Xattrs, varve.MTime} {
		ok(t, at.Set("file", &old, aspect))
	}
	ok(t, at.Close())
	s := start(t, real(t, dir), []string{""}, walk.Options{})
	list := collect(t, s)
	for path, kind := range map[string]varve.Kind{"fifo": varve.FIFO, "socket": varve.Socket, "char": varve.CharDevice, "block": varve.BlockDevice,
		"file": varve.Regular, "link": varve.Symlink, "dir": varve.Dir} {
		if e := entry(t, list, path); e.Kind != kind {
			t.Errorf("%s is a %v", path, e.Kind)
		}
	}
	f := entry(t, list, "file")
	if f.MTime != old.MTime || f.UID != old.UID || f.GID != old.GID || f.Mode != old.Mode || !slices.Equal(f.Xattrs, old.Xattrs) || f.Size != 4 {
		t.Errorf("file: %+v", f)
	}
	if e := entry(t, list, "block"); e.Rdev != (varve.Rdev{Major: 7, Minor: 300}) {
		t.Errorf("block device: %v", e.Rdev)
	}
	if e := entry(t, list, "link"); e.Target != "/no/where" || e.Size != 0 {
		t.Errorf("symlink: %+v", e)
	}
}

func TestASourceThatMovesIsWalkedToItsEnd(t *testing.T) {
	dir := t.TempDir()
	at := real(t, dir)
	for i := range 40 {
		build(t, at, fmt.Sprintf("still/%02d/f", i), fmt.Sprintf("moving/%02d/a/f", i))
	}
	ok(t, at.Close())
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		churn(dir+"/moving", stop)
	}()
	for range 5 {
		s := start(t, real(t, dir), []string{""}, walk.Options{})
		still := 0
		for _, e := range collect(t, s) {
			if varve.Within(e.Path, "still") {
				ok(t, e.Err)
				still++
			}
		}
		if still != 81 {
			t.Errorf("%d entries of what does not move, want 81", still)
		}
	}
	close(stop)
	<-done
}

// churn renames, removes, replaces and makes things in dir until stop is closed. What fails, fails.
func churn(dir string, stop <-chan struct{}) {
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		default:
		}
		a, b := fmt.Sprintf("%s/%02d", dir, i%40), fmt.Sprintf("%s/%02d", dir, (i*7+1)%40)
		_ = os.Rename(a, a+".away")
		_ = os.Symlink(b, a)
		_ = os.RemoveAll(b + "/a")
		_ = os.WriteFile(b+"/a", bytes.Repeat([]byte("x"), i%5000), 0o600)
		_ = os.Remove(a)
		_ = os.Rename(a+".away", a)
		_ = os.Remove(b + "/a")
		_ = os.MkdirAll(b+"/a/new", 0o700)
		_ = os.Chtimes(a, time.Time{}, time.Unix(int64(i), 0))
	}
}
