package main

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"varve"
)

// legacy is what another program keeps of a source, beside a store.
type legacy struct {
	*testing.T
	src, dir, store string
}

// newLegacy makes a source of every kind, all of it older than the histories that are made of it.
func newLegacy(t *testing.T) *legacy {
	t.Helper()
	work := t.TempDir()
	l := &legacy{T: t, src: filepath.Join(work, "src"), dir: filepath.Join(work, "history"), store: filepath.Join(work, "store")}
	l.must(os.MkdirAll(filepath.Join(l.src, "dir/sub"), 0o750))
	l.must(os.Mkdir(l.dir, 0o755))
	for _, name := range []string{"new\nline", "bad\xff", " blank ", `back\slash`, "-n", "%25", "dir/file", "dir/sub/linked", "changes"} {
		l.write(name, "content of "+name)
	}
	l.must(os.Link(l.at("dir/sub/linked"), l.at("zz linked")))
	l.must(os.Symlink("../no\nwhere", l.at("dir/symlink")))
	l.must(syscall.Mkfifo(l.at("fifo"), 0o600))
	l.must(os.Chmod(l.at("dir/file"), 0o4711))
	l.must(unix.Lsetxattr(l.at("dir/sub/linked"), "user.note", []byte("kept"), 0))
	if os.Geteuid() == 0 {
		l.must(os.Lchown(l.at("dir"), 12345, 54321))
		l.must(os.Lchown(l.at("-n"), 1, 4_000_000_000))
		l.must(syscall.Mknod(l.at("device"), syscall.S_IFCHR|0o640, 1<<8|3))
	}
	l.age()
	return l
}

func (l *legacy) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

func (l *legacy) at(name string) string { return filepath.Join(l.src, name) }

// write makes a file of the source anew, with a time long ago.
func (l *legacy) write(name, text string) {
	l.Helper()
	l.must(os.WriteFile(l.at(name), []byte(text), 0o644))
	old := time.Date(2011, 1, 1, 0, 0, len(text), 123, time.UTC)
	l.must(os.Chtimes(l.at(name), old, old))
}

// change changes the source for the n-th time.
func (l *legacy) change(n int) {
	l.Helper()
	l.write("changes", strings.Repeat("changed ", n+1))
	switch n {
	case 1:
		l.must(os.Rename(l.at("dir/sub"), l.at("dir/renamed")))
	case 2:
		l.must(os.Remove(l.at("zz linked")))
		l.must(os.Chmod(l.at(" blank "), 0o600))
	}
	l.age()
}

// age gives everything that was made or changed just now a time long ago.
func (l *legacy) age() {
	l.Helper()
	old := unix.Timespec{Sec: 1300000000, Nsec: 12345}
	l.must(filepath.WalkDir(l.src, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Type().IsRegular() {
			return err
		}
		return unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{old, old}, unix.AT_SYMLINK_NOFOLLOW)
	}))
}

// program runs one that must be there, to its end.
func (l *legacy) program(name string, args ...string) {
	l.Helper()
	if _, err := exec.LookPath(name); err != nil {
		if os.Getenv("VARVE_TEST_STRICT") == "1" {
			l.Fatal(err)
		}
		l.Skip(err)
	}
	if text, err := finish(exec.CommandContext(l.Context(), name, args...)); err != nil {
		l.Fatalf("%s %q: %v\n%s", name, args, err, text)
	}
}

// call runs a command line with the store.
func (l *legacy) call(want int, args ...string) (out, errs string) {
	l.Helper()
	forks.RLock()
	defer forks.RUnlock()
	return call(l.T, want, append([]string{"-s", l.store}, args...)...)
}

// list returns the snapshots of a series, the oldest first.
func (l *legacy) list(series string) (list []varve.Snapshot) {
	l.Helper()
	out, _ := l.call(exitGood, "snapshots", "--json", "--series", series)
	l.must(json.Unmarshal([]byte(out), &list))
	slices.SortFunc(list, func(a, b varve.Snapshot) int { return int(a.Seq) - int(b.Seq) })
	return list
}

// holds checks that the snapshots of a series restore to what was kept, and that their times ascend as their numbers do.
func (l *legacy) holds(series, path string, want []census) []varve.Snapshot {
	l.Helper()
	list := l.list(series)
	if len(list) != len(want) {
		l.Fatalf("series %s has %d snapshots, want %d", series, len(list), len(want))
	}
	for i, s := range list {
		if i > 0 && !s.Time.After(list[i-1].Time) {
			l.Errorf("snapshot %d is of %v, after one of %v", i, s.Time, list[i-1].Time)
		}
		if d := l.restored(s, path).differences(want[i]); d != "" {
			l.Errorf("snapshot %d of %s is not what was kept:\n%s", i, series, d)
		}
	}
	l.call(exitGood, "verify")
	return list
}

// restored returns what a part of a snapshot restores to.
func (l *legacy) restored(s varve.Snapshot, path string) census {
	l.Helper()
	to := filepath.Join(filepath.Dir(l.store), "restored")
	l.call(exitGood, "restore", s.ID.String()+":"+path, "-t", to)
	c := takeCensus(l.T, to)
	l.must(os.RemoveAll(to))
	return c
}

// kept returns what the directories with these names hold.
func (l *legacy) kept(names ...string) (all []census) {
	l.Helper()
	for _, name := range names {
		all = append(all, takeCensus(l.T, filepath.Join(l.dir, name)))
	}
	return all
}

// inodeOf returns the inode of a file.
func (l *legacy) inodeOf(path string) uint64 {
	l.Helper()
	var s syscall.Stat_t
	l.must(syscall.Lstat(path, &s))
	return s.Ino
}
