package disk_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"varve"
	"varve/internal/disk"
	"varve/internal/disk/faultfs"
	"varve/internal/disk/memfs"
	"varve/internal/disk/osfs"
)

func write(t *testing.T, at disk.FS, name, text string) {
	t.Helper()
	f, err := at.Create(name, 0o600)
	ok(t, err)
	_, err = f.WriteAt([]byte(text), 0)
	ok(t, errors.Join(err, f.Close()))
}

// names returns how many names a directory has.
func names(t *testing.T, at disk.FS) int {
	t.Helper()
	list, err := at.Names()
	ok(t, err)
	return len(list)
}

// mixed fills at with a tree "tree" of every kind of object.
func mixed(t *testing.T, at disk.FS) {
	t.Helper()
	grow(t, at, "tree", "tree/a", "tree/b", "tree/a/x", "tree/a/y", "tree/empty")
	for _, path := range []string{"tree", "tree/a", "tree/a/x", "tree/b"} {
		dir, err := disk.OpenPath(at, path)
		ok(t, err)
		for i := range 5 {
			write(t, dir, fmt.Sprint("file", i), "x")
		}
		ok(t, dir.Symlink("link", "../../keep"))
		ok(t, dir.Mknod("fifo", varve.FIFO, 0o600, varve.Rdev{}))
		ok(t, dir.Link("file0", dir, "hard"))
		ok(t, dir.Close())
	}
}

func TestRemoveAllRemovesEveryKindAndNothingElse(t *testing.T) {
	for _, workers := range []int{0, 1, 4} {
		root := memfs.New(memfs.Options{}).Root()
		mixed(t, root)
		grow(t, root, "keep")
		write(t, root, "keep-too", "x")
		ok(t, disk.RemoveAll(root, "tree", workers))
		if names(t, root) != 2 {
			t.Errorf("%d workers: %d names are left, want 2", workers, names(t, root))
		}
		ok(t, disk.RemoveAll(root, "keep-too", workers))
		ok(t, disk.RemoveAll(root, "absent", workers))
	}
}

func TestRemoveAllDoesNotFollowSymlinks(t *testing.T) {
	root := memfs.New(memfs.Options{}).Root()
	grow(t, root, "keep", "keep/inside")
	ok(t, root.Symlink("link", "keep"))
	ok(t, disk.RemoveAll(root, "link", 2))
	keep, err := root.OpenDir("keep")
	ok(t, err)
	if names(t, keep) != 1 || names(t, root) != 1 {
		t.Error("the target of a symlink was touched, or the symlink was not removed")
	}
}

func TestRemoveAllRefusesWhatIsNotAName(t *testing.T) {
	root := memfs.New(memfs.Options{}).Root()
	grow(t, root, "keep")
	for _, name := range []string{"", ".", "..", "keep/..", "keep/"} {
		if err := disk.RemoveAll(root, name, 1); err == nil {
			t.Errorf("RemoveAll of %q: no error", name)
		}
	}
	if names(t, root) != 1 {
		t.Error("something was removed")
	}
}

func TestRemoveAllRemovesTreesOfAnyDepth(t *testing.T) {
	for _, tt := range []struct {
		name string
		open func(t *testing.T) disk.FS
	}{
		{"memory", func(*testing.T) disk.FS { return memfs.New(memfs.Options{}).Root() }},
		{"disk", real},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := tt.open(t)
			ok(t, root.Mkdir("tree", 0o755))
			tree, err := root.OpenDir("tree")
			ok(t, err)
			deep(t, tree, "d", 10_000)
			deep(t, tree, "twin", 700)
			grow(t, tree, ".varve-deep-1") // what an interrupted removal left
			deep(t, tree, ".varve-deep-2", 300)
			ok(t, tree.Close())
			ok(t, disk.RemoveAll(root, "tree", 3))
			if left := names(t, root); left != 0 {
				t.Errorf("%d names are left", left)
			}
			ok(t, root.Close())
		})
	}
}

// real returns a directory of the operating system.
func real(t *testing.T) disk.FS {
	t.Helper()
	root, err := osfs.Open(t.TempDir())
	ok(t, err)
	return root
}

func TestRemoveAllMakesAnOwnersDirectoriesWritable(t *testing.T) {
	root := memfs.New(memfs.Options{UID: 1000, GID: 1000}).Root()
	mixed(t, root)
	tree, err := root.OpenDir("tree")
	ok(t, err)
	deep(t, tree, "deep", 500)
	for _, path := range []string{"a/x", "a", "b", "empty", chain("deep", 202), chain("deep", 201)} {
		e := varve.Entry{Path: path}
		up, err := disk.OpenPath(tree, e.Parent())
		ok(t, err)
		ok(t, up.Set(e.Name(), &varve.Entry{Kind: varve.Dir}, varve.Mode))
	}
	ok(t, disk.RemoveAll(root, "tree", 2))
	if left := names(t, root); left != 0 {
		t.Errorf("%d names are left", left)
	}
}

func TestSeveralRemoveAllOfOneTreeAllSucceed(t *testing.T) {
	for _, open := range []func(t *testing.T) disk.FS{func(*testing.T) disk.FS { return memfs.New(memfs.Options{}).Root() }, real} {
		root := open(t)
		mixed(t, root)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if err := disk.RemoveAll(root, "tree", 2); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if left := names(t, root); left != 0 {
			t.Errorf("%d names are left", left)
		}
		ok(t, root.Close())
	}
}

func TestRemoveAllSaysWhatFailsAndLeavesNothingOpen(t *testing.T) {
	count := &faultfs.Injector{}
	root := memfs.New(memfs.Options{}).Root()
	mixed(t, root)
	ok(t, disk.RemoveAll(faultfs.New(root, count), "tree", 1))
	for n := 1; n <= count.Count(); n++ {
		plain := memfs.New(memfs.Options{}).Root()
		mixed(t, plain)
		c := &census{}
		c.open.Add(1)
		root := counted{plain, c}
		inj := &faultfs.Injector{At: n, Fault: faultfs.Fault{Err: syscall.EIO}}
		err := disk.RemoveAll(faultfs.New(root, inj), "tree", 2)
		if err == nil && names(t, root) > 0 {
			t.Errorf("call %d fails: no error, and the tree is still there", n)
		}
		if open := c.open.Load(); open != 1 {
			t.Fatalf("call %d fails: %d directories are left open", n, open-1)
		}
		ok(t, disk.RemoveAll(root, "tree", 2))
		if left := names(t, root); left != 0 {
			t.Errorf("call %d failed: the next removal leaves %d names", n, left)
		}
	}
}

// other is a directory in which another file system is mounted on every directory called name.
type other struct {
	disk.FS
	name    string
	touched *atomic.Int64
}

func (d other) Lookup(name string) (disk.Info, error) {
	info, err := d.FS.Lookup(name)
	if name == d.name {
		info.Stamp.Dev++
	}
	return info, err
}

func (d other) OpenDir(name string) (disk.FS, error) {
	if name == d.name {
		d.touched.Add(1)
	}
	f, err := d.FS.OpenDir(name)
	return other{f, d.name, d.touched}, err
}

func TestRemoveAllDoesNotEnterOtherFileSystems(t *testing.T) {
	for _, name := range []string{"tree", "x", "empty"} {
		root := memfs.New(memfs.Options{}).Root()
		mixed(t, root)
		mounted := other{root, name, &atomic.Int64{}}
		if err := disk.RemoveAll(mounted, "tree", 2); !errors.Is(err, disk.ErrCrossDevice) {
			t.Errorf("%s is another file system: %v, want ErrCrossDevice", name, err)
		}
		if mounted.touched.Load() > 0 {
			t.Errorf("%s is another file system, and was opened", name)
		}
	}
}

func TestRemoveAllDoesNotEnterMounts(t *testing.T) {
	if os.Geteuid() != 0 {
		skip(t, "mounting takes root")
	}
	for _, args := range [][]string{{"-t", "tmpfs", "none"}, {"--bind", "SOURCE"}} {
		dir := t.TempDir()
		at, source := filepath.Join(dir, "tree", "a", "mnt"), filepath.Join(dir, "source")
		ok(t, os.MkdirAll(at, 0o755))
		ok(t, os.Mkdir(source, 0o755))
		if args[1] == "SOURCE" {
			args[1] = source
		}
		if out, err := exec.Command("mount", append(args, at)...).CombinedOutput(); err != nil {
			skip(t, "mount: "+string(out))
		}
		defer func() {
			if out, err := exec.Command("umount", at).CombinedOutput(); err != nil {
				t.Errorf("umount: %v\n%s", err, out)
			}
		}()
		ok(t, os.WriteFile(filepath.Join(at, "precious"), []byte("x"), 0o600))
		root, err := osfs.Open(dir)
		ok(t, err)
		if err := disk.RemoveAll(root, "tree", 2); !errors.Is(err, disk.ErrCrossDevice) {
			t.Errorf("mount %v: %v, want ErrCrossDevice", args, err)
		}
		if _, err := os.Stat(filepath.Join(at, "precious")); err != nil {
			t.Errorf("mount %v: what is mounted was touched: %v", args, err)
		}
		ok(t, root.Close())
	}
}

func TestRemoveAllStopsAtWhatMayNotBeRemoved(t *testing.T) {
	root := memfs.New(memfs.Options{}).Root()
	mixed(t, root)
	inj := &faultfs.Injector{At: 1, Sticky: true, Fault: faultfs.Fault{Err: syscall.EPERM},
		Filter: func(op faultfs.Op) bool { return op.Method == "FS.Remove" && op.Name == "tree/a/x/file3" }}
	err := disk.RemoveAll(faultfs.New(root, inj), "tree", 3)
	if !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%v, want fs.ErrPermission", err)
	}
}

// stale is a directory whose objects were other ones when they were looked at: directories of mode 0.
type stale struct{ disk.FS }

func (d stale) Lookup(name string) (disk.Info, error) {
	info, err := d.FS.Lookup(name)
	if name != "." {
		info.Kind, info.Mode = varve.Dir, 0
	}
	return info, err
}

func TestRemoveAllGivesNoRightsToWhatWasPutInTheOldPlace(t *testing.T) {
	for _, mode := range []uint32{0o4755, 0o6050, 0o600} {
		root := memfs.New(memfs.Options{}).Root()
		write(t, root, "swapped", "x")
		ok(t, root.Set("swapped", &varve.Entry{Mode: mode}, varve.Mode))
		if err := disk.RemoveAll(stale{root}, "swapped", 1); !errors.Is(err, disk.ErrKind) {
			t.Errorf("a file in the place of a directory: %v, want ErrKind", err)
		}
		info, err := root.Lookup("swapped")
		ok(t, err)
		if info.Mode != mode {
			t.Errorf("a file of mode %o that was put in the place of a directory has mode %o", mode, info.Mode)
		}
	}
}

func TestRemoveAllGivesNoDirectorySetIDBits(t *testing.T) {
	root := memfs.New(memfs.Options{}).Root()
	grow(t, root, "tree", "tree/a")
	tree, err := root.OpenDir("tree")
	ok(t, err)
	ok(t, tree.Set("a", &varve.Entry{Mode: 0o6050}, varve.Mode))
	inj := &faultfs.Injector{At: 1, Fault: faultfs.Fault{Err: syscall.EPERM},
		Filter: func(op faultfs.Op) bool { return op.Method == "FS.Rmdir" }}
	if err := disk.RemoveAll(faultfs.New(root, inj), "tree", 1); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%v, want fs.ErrPermission", err)
	}
	info, err := tree.Lookup("a")
	ok(t, err)
	if info.Mode != 0o750 {
		t.Errorf("the directory that stays has mode %o, want 750", info.Mode)
	}
}
