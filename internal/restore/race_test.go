package restore_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"varve/internal/disk/osfs"
	"varve/internal/restore"
	"varve/internal/storetest"
)

// flip exchanges two names over and over until the test is over.
func flip(t *testing.T, a, b string) (stop func()) {
	t.Helper()
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				_ = unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
			}
		}
	})
	return func() { close(done); wg.Wait() }
}

// canary makes a directory that nobody may touch, and returns what checks it.
func canary(t *testing.T, dir string) (check func()) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Join(dir, "sub"), 0o755))
	for _, name := range []string{"file 1", "file 2", "sub/file 1", "extra"} {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte("canary"), 0o644))
	}
	look := func() (list []string) {
		must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			var st unix.Stat_t
			if err == nil {
				err = unix.Lstat(path, &st)
			}
			list = append(list, fmt.Sprint(path, st.Ino, st.Mode, st.Uid, st.Size, st.Nlink, st.Mtim, st.Ctim))
			return err
		}))
		return list
	}
	before := look()
	return func() {
		t.Helper()
		if after := look(); !slices.Equal(before, after) {
			t.Errorf("the canary was touched:\n%q, was\n%q", after, before)
		}
	}
}

func TestWhoeverSwapsDirectoriesAndSymlinksNothingOutsideIsTouched(t *testing.T) {
	src := storetest.NewTree()
	src.Known = true
	for _, dir := range []string{"victim", "victim/sub", "victim/sub/deep"} {
		src.Dir(dir).Mode = 0o700
		for i := range 60 {
			src.File(fmt.Sprintf("%s/file %d", dir, i), storetest.Text(1000+i))
		}
		src.Link(dir+"/link", "victim/file 1")
	}
	rounds := 40
	if testing.Short() {
		rounds = 8
	}
	for _, where := range []string{"victim", "victim/sub"} {
		top := t.TempDir()
		outside, target := filepath.Join(top, "outside"), filepath.Join(top, "target")
		check := canary(t, outside)
		must(t, os.MkdirAll(filepath.Join(target, where), 0o755))
		trap := filepath.Join(target, "trap")
		must(t, os.Symlink(outside, trap))
		stop := flip(t, filepath.Join(target, where), trap)
		for range rounds {
			root, err := osfs.Open(target)
			must(t, err)
			into(root, src, restore.Options{Delete: where != "victim"})
			_ = os.MkdirAll(filepath.Join(target, "victim"), 0o755)
			if _, err := os.Lstat(trap); err != nil {
				_ = os.Symlink(outside, trap)
			}
		}
		stop()
		check()
	}
}

func TestDeleteNeverCrossesIntoAMountedFileSystem(t *testing.T) {
	needRoot(t)
	target := t.TempDir()
	mounted := filepath.Join(target, "extra", "mount")
	must(t, os.MkdirAll(mounted, 0o755))
	if err := unix.Mount("varve-test", mounted, "tmpfs", 0, "size=1m"); err != nil {
		lacking(t, "the right to mount: "+err.Error())
	}
	t.Cleanup(func() { _ = unix.Unmount(mounted, unix.MNT_DETACH) })
	must(t, os.WriteFile(filepath.Join(mounted, "precious"), nil, 0o600))
	root, err := osfs.Open(target)
	must(t, err)
	o := into(root, small(), restore.Options{Delete: true})
	if o.err != nil || !slices.Equal(o.failed(), []string{"extra"}) {
		t.Errorf("%v, failed are %q", o.err, o.failed())
	}
	if _, err := os.Lstat(filepath.Join(mounted, "precious")); err != nil {
		t.Error(err)
	}
}

func TestARealDiskBecomesIdentical(t *testing.T) {
	needRoot(t)
	src := sample()
	for _, path := range src.Paths() {
		src.Edit(path, func(o *storetest.Object) { o.Flags = 0 }) // not every file system has them
	}
	target := t.TempDir()
	for range 2 {
		root, err := osfs.Open(target)
		must(t, err)
		if o := into(root, src, restore.Options{Delete: true}); !o.exact() {
			t.Fatalf("%v, %+v", o.err, o.failed())
		}
		root, err = osfs.Open(target)
		must(t, err)
		for _, fault := range unlike(t, root, src.Want()) {
			t.Error(fault)
		}
	}
}
