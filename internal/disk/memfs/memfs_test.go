package memfs_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"varve"
	"varve/internal/disk"
	"varve/internal/disk/disktest"
	"varve/internal/disk/memfs"
)

func everything() disktest.Options {
	return disktest.Options{Root: true, Xattrs: true, Trusted: true, Links: true, Holes: true, Flags: true, Times: true, AnyName: true, Strict: true}
}

func TestMemfsKeepsTheContract(t *testing.T) {
	plain := disktest.Options{Xattrs: true, Links: true, Holes: true, Flags: true, Times: true, AnyName: true}
	poor := disktest.Options{Root: true, Times: true, AnyName: true}
	cloning := everything()
	cloning.Reflinks = true
	for _, c := range []struct {
		name string
		disk memfs.Options
		can  disktest.Options
	}{
		{"root", memfs.Options{Reflinks: true}, cloning},
		{"an ordinary user", memfs.Options{UID: 1000, GID: 100}, plain},
		{"a poor disk", memfs.Options{NoLinks: true, NoXattrs: true, NoFlags: true, NoHoles: true}, poor},
	} {
		t.Run(c.name, func(t *testing.T) {
			disktest.Run(t, func(t *testing.T) disk.FS { return memfs.New(c.disk).Root() }, c.can)
		})
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("error is %v, want one that matches %v", err, target)
	}
}

// put makes the file name with content data and, where it says so, syncs it.
func put(t testing.TB, f disk.FS, name, data string, sync bool) {
	t.Helper()
	w, err := f.Create(name, 0o644)
	must(t, err)
	_, err = w.WriteAt([]byte(data), 0)
	must(t, err)
	if sync {
		must(t, w.Sync())
	}
	must(t, w.Close())
}

func get(t testing.TB, f disk.FS, name string) string {
	t.Helper()
	r, err := f.Open(name)
	must(t, err)
	defer r.Close()
	data, err := io.ReadAll(io.NewSectionReader(r, 0, 1<<40))
	must(t, err)
	return string(data)
}

func open(t testing.TB, f disk.FS, name string) disk.FS {
	t.Helper()
	sub, err := f.OpenDir(name)
	must(t, err)
	return sub
}

func has(f disk.FS, name string) bool {
	_, err := f.Lookup(name)
	return err == nil
}

func TestAFullDiskWritesWhatFitsAndStillRemoves(t *testing.T) {
	d := memfs.New(memfs.Options{Capacity: 100_000})
	f := d.Root()
	w, err := f.Create("big", 0o600)
	must(t, err)
	n, err := w.WriteAt(make([]byte, 200_000), 0)
	want(t, err, disk.ErrNoSpace)
	if n <= 80_000 || n >= 100_000 || n%4096 != 0 {
		t.Errorf("%d bytes were written", n)
	}
	if info, err := f.Lookup("big"); err != nil || info.Size != int64(n) || info.Allocated != int64(n) {
		t.Errorf("the file has %d bytes, %d allocated, error %v", info.Size, info.Allocated, err)
	}
	want(t, f.Mkdir("dir", 0o700), disk.ErrNoSpace)
	must(t, f.Remove("big"))
	want(t, f.Mkdir("dir", 0o700), disk.ErrNoSpace)
	must(t, w.Close())
	must(t, f.Mkdir("dir", 0o700))
	must(t, f.Rmdir("dir"))
	if s, err := f.Space(); err != nil || s.Total != 100_000 || s.Free < 95_000 {
		t.Errorf("room is %+v, error %v", s, err)
	}
}

func TestRoomIsGivenBackWhenContentShrinks(t *testing.T) {
	f := memfs.New(memfs.Options{Capacity: 1 << 20, Reflinks: true}).Root()
	empty, err := f.Space()
	must(t, err)
	w, err := f.Create("file", 0o600)
	must(t, err)
	for _, off := range []int64{0, 5000, 4000, 100_000, 99_999, 1 << 40} {
		_, err = w.WriteAt([]byte(strings.Repeat("x", 9000)), off)
		must(t, err)
	}
	must(t, w.Truncate(100_001))
	must(t, w.Truncate(1))
	info, err := f.Lookup("file")
	must(t, err)
	if info.Allocated != 4096 {
		t.Errorf("%d bytes are allocated, want one block", info.Allocated)
	}
	must(t, w.Close())
	must(t, f.Remove("file"))
	if full, err := f.Space(); err != nil || full != empty {
		t.Errorf("room is %+v, want %+v, error %v", full, empty, err)
	}
}

func TestLimitsAreKept(t *testing.T) {
	f := memfs.New(memfs.Options{MaxLinks: 3, MaxEntries: 5}).Root()
	put(t, f, "file", "", false)
	must(t, f.Link("file", f, "two"))
	must(t, f.Link("file", f, "three"))
	want(t, f.Link("file", f, "four"), disk.ErrTooManyLinks)
	must(t, f.Mkdir("sub", 0o755))
	must(t, f.Mkdir("last", 0o755))
	want(t, f.Mkdir("more", 0o755), disk.ErrNoSpace)
	sub := open(t, f, "sub")
	put(t, sub, "other", "", false)
	want(t, sub.Rename("other", f, "other"), disk.ErrNoSpace)
	want(t, sub.Link("other", f, "other"), disk.ErrNoSpace)
	must(t, f.Rename("two", f, "too"))
	must(t, sub.Replace("other", f, "too"))
}

func TestLackingAbilitiesAreRefused(t *testing.T) {
	f := memfs.New(memfs.Options{NoLinks: true, NoXattrs: true, NoFlags: true}).Root()
	put(t, f, "file", "", false)
	want(t, f.Link("file", f, "other"), disk.ErrUnsupported)
	want(t, f.Set("file", &varve.Entry{Xattrs: []varve.Xattr{{Name: "user.a"}}}, varve.Xattrs), disk.ErrUnsupported)
	must(t, f.Set("file", &varve.Entry{}, varve.Xattrs))
	want(t, f.Set("file", &varve.Entry{}, varve.Flags), disk.ErrUnsupported)
}

func TestEveryChangeHasItsOwnTime(t *testing.T) {
	f := memfs.New(memfs.Options{}).Root()
	seen := map[varve.Time]bool{}
	for i := range 100 {
		put(t, f, fmt.Sprint(i), "x", false)
		info, err := f.Lookup(fmt.Sprint(i))
		must(t, err)
		if seen[info.Stamp.CTime] {
			t.Fatalf("the time %v comes twice", info.Stamp.CTime)
		}
		seen[info.Stamp.CTime] = true
	}
	g := memfs.New(memfs.Options{Dev: 7, Clock: func() varve.Time { return varve.Time{Sec: 42} }}).Root()
	must(t, g.Mkdir("dir", 0o755))
	info, err := g.Lookup("dir")
	must(t, err)
	at := varve.Time{Sec: 42}
	if info.MTime != at || info.BTime != at || info.Stamp.CTime != at || info.Stamp.Dev != 7 {
		t.Errorf("the metadata is %+v", info)
	}
}

func TestAbsurdArgumentsAreRefused(t *testing.T) {
	f := memfs.New(memfs.Options{}).Root()
	must(t, f.Symlink("link", strings.Repeat("t", 4095)))
	w, err := f.Create("file", 0o600)
	must(t, err)
	r, err := f.Open("file")
	must(t, err)
	xattr := func(name, value string) error {
		return f.Set("file", &varve.Entry{Xattrs: []varve.Xattr{{Name: name, Value: value}}}, varve.Xattrs)
	}
	must(t, xattr("user."+strings.Repeat("n", 250), strings.Repeat("v", 65536)))
	for what, call := range map[string]func() error{
		"a target too long":       func() error { return f.Symlink("new", strings.Repeat("t", 4096)) },
		"a target with NUL":       func() error { return f.Symlink("new", "a\x00b") },
		"an xattr name too long":  func() error { return xattr("user."+strings.Repeat("n", 251), "") },
		"an xattr value too long": func() error { return xattr("user.a", strings.Repeat("v", 65537)) },
		"an xattr of no space":    func() error { return xattr("name", "value") },
		"an xattr without a name": func() error { return xattr("user.", "value") },
		"a user xattr of a link": func() error {
			return f.Set("link", &varve.Entry{Xattrs: []varve.Xattr{{Name: "user.a"}}}, varve.Xattrs)
		},
		"the mode of a link":       func() error { return f.Set("link", &varve.Entry{}, varve.Mode) },
		"a write before the start": func() error { _, err := w.WriteAt([]byte("x"), -1); return err },
		"a write after the end":    func() error { _, err := w.WriteAt([]byte("x"), 1<<63-2); return err },
		"a size beyond all":        func() error { return w.Truncate(1<<63 - 1) },
		"a negative region":        func() error { _, err := r.Holes(-1, false); return err },
		"too many nanoseconds":     func() error { return f.Set("file", &varve.Entry{MTime: varve.Time{Nsec: 1e9}}, varve.MTime) },
	} {
		if call() == nil {
			t.Errorf("%s is accepted", what)
		}
	}
	_, err = f.Flags("link")
	want(t, err, disk.ErrKind)
	if info, err := f.Lookup("file"); err != nil || info.Size != 0 {
		t.Errorf("the file has %d bytes, error %v", info.Size, err)
	}
}

func TestNothingMovesBetweenDisks(t *testing.T) {
	f, g := memfs.New(memfs.Options{}).Root(), memfs.New(memfs.Options{}).Root()
	put(t, f, "file", "", false)
	want(t, f.Link("file", g, "file"), disk.ErrCrossDevice)
	want(t, f.Rename("file", g, "file"), disk.ErrCrossDevice)
	want(t, f.Replace("file", g, "file"), disk.ErrCrossDevice)
}

func TestManyFilesMadeAtOnceSurviveOnceTheirDirectoriesAreSynced(t *testing.T) {
	d := memfs.New(memfs.Options{})
	root := d.Root()
	var wait sync.WaitGroup
	for g := range 4 {
		wait.Go(func() {
			name := fmt.Sprint("dir-", g)
			if err := root.Mkdir(name, 0o755); err != nil {
				t.Error(err)
				return
			}
			sub, err := root.OpenDir(name)
			if err != nil {
				t.Error(err)
				return
			}
			fill(t, sub, 10_000)
			if err := sub.Sync(); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	must(t, root.Sync())
	d.Crash(nil)
	for g := range 4 {
		names, err := open(t, d.Root(), fmt.Sprint("dir-", g)).Names()
		if err != nil || len(names) != 10_000 {
			t.Errorf("%d names, error %v", len(names), err)
		}
	}
}

func fill(t testing.TB, f disk.FS, files int) {
	for i := range files {
		w, err := f.Create(fmt.Sprint("file-", i), 0o600)
		if err == nil {
			_, err = w.WriteAt([]byte("content"), 0)
		}
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			t.Error(err)
			return
		}
	}
}

func BenchmarkHundredThousandFiles(b *testing.B) {
	for b.Loop() {
		fill(b, memfs.New(memfs.Options{}).Root(), 100_000)
	}
}
