package disk_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"varve"
	"varve/internal/disk"
	"varve/internal/disk/memfs"
)

// use opens d, checks that it is the directory at its path, and lets go of it.
func use(t *testing.T, d *disk.HeldDir, ino uint64) {
	t.Helper()
	f, err := d.Use()
	if err != nil {
		t.Errorf("%s: %v", d.Path(), err)
		return
	}
	defer d.Done()
	if self, err := f.Lookup("."); err != nil || self.Stamp.Ino != ino {
		t.Errorf("%s: is inode %d, %v, want %d", d.Path(), self.Stamp.Ino, err, ino)
	}
}

// wide makes a tree of two levels with n directories each and returns their paths and inodes.
func wide(t *testing.T, root disk.FS, n int) (paths []string, inos map[string]uint64) {
	t.Helper()
	inos = map[string]uint64{}
	for i := range n {
		paths = append(paths, fmt.Sprint("d", i))
		for j := range n {
			paths = append(paths, fmt.Sprintf("d%d/e%d", i, j))
		}
	}
	grow(t, root, paths...)
	for _, path := range paths {
		f, err := disk.OpenPath(root, path)
		ok(t, err)
		self, err := f.Lookup(".")
		ok(t, err)
		inos[path] = self.Stamp.Ino
		ok(t, f.Close())
	}
	return paths, inos
}

func TestHeldKeepsNoMoreOpenThanItsBudget(t *testing.T) {
	root, c := memory(t)
	paths, inos := wide(t, root, 10)
	h := disk.NewHeld(root, 7)
	c.most.Store(0)
	for range 3 {
		for _, path := range paths {
			use(t, h.At(path), inos[path])
		}
	}
	// The root, and for the moment the one being opened and the one on the way to it.
	if most := c.most.Load(); most > 1+7+2 {
		t.Errorf("%d directories were open at once, with a budget of 7", most)
	}
	ok(t, h.Close())
	if left := c.open.Load(); left != 0 {
		t.Errorf("%d directories are open after Close", left)
	}
}

func TestHeldOpensWhatWasUsedRecentlyOnce(t *testing.T) {
	root, c := memory(t)
	paths, inos := wide(t, root, 3)
	h := disk.NewHeld(root, 100)
	for _, path := range paths {
		use(t, h.At(path), inos[path])
	}
	before := c.opened.Load()
	for _, path := range paths {
		use(t, h.At(path), inos[path])
		use(t, h.At(varve.Parent(path)).Child((&varve.Entry{Path: path}).Name()), inos[path])
	}
	if again := c.opened.Load() - before; again > int64(len(paths)) {
		t.Errorf("%d directories were opened again; only those of Child may be", again)
	}
	ok(t, h.Close())
}

func TestHeldRefusesAnotherDirectoryInTheOldPlace(t *testing.T) {
	root := memfs.New(memfs.Options{}).Root()
	grow(t, root, "a", "a/b", "x")
	h := disk.NewHeld(root, 0)
	b := h.At("a/b")
	f, err := b.Use()
	ok(t, err)
	ok(t, f.Mkdir("inside", 0o755))
	b.Done()
	use(t, h.At("x"), inode(t, root, "x")) // b is closed for want of room

	a, err := root.OpenDir("a")
	ok(t, err)
	ok(t, a.Rename("b", a, "away"))
	ok(t, a.Mkdir("b", 0o755))
	if _, err := b.Use(); err == nil {
		t.Fatal("another directory was opened under the name of the one used before")
	}
	ok(t, a.Rmdir("b"))
	if _, err := b.Use(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("use of a removed directory: %v, want fs.ErrNotExist", err)
	}
	ok(t, a.Rename("away", a, "b"))
	if _, err := b.Use(); err != nil {
		t.Errorf("the right directory is back, and is refused: %v", err)
	}
	b.Done()
	ok(t, a.Close())
	ok(t, h.Close())
}

func inode(t *testing.T, at disk.FS, name string) uint64 {
	t.Helper()
	info, err := at.Lookup(name)
	ok(t, err)
	return info.Stamp.Ino
}

func TestHeldFindsADirectoryAgainOnlyIfItIsTheSame(t *testing.T) {
	root, _ := memory(t)
	grow(t, root, "a", "a/b", "c")
	h := disk.NewHeld(root, 10)
	first := h.At("a/b")
	use(t, first, inode(t, mustOpen(t, root, "a"), "b"))
	dev, ino := first.ID()
	for _, tt := range []struct {
		path     string
		dev, ino uint64
		same     bool
	}{{"a/b", dev, ino, true}, {"a/b", 0, 0, true}, {"a/b", dev, ino + 1000, false}, {"a/b", dev, ino, true}, {"c", dev, ino, false},
		{"", dev, ino, true}, {"a", dev + 1, ino, false}} {
		d := h.Again(tt.path, tt.dev, tt.ino)
		_, err := d.Use()
		if (err == nil) != tt.same {
			t.Errorf("%q as inode %d: %v, want it to be found: %v", tt.path, tt.ino, err, tt.same)
		}
		if err == nil {
			d.Done()
		}
	}
	ok(t, h.Close())
}

func mustOpen(t *testing.T, at disk.FS, name string) disk.FS {
	t.Helper()
	f, err := at.OpenDir(name)
	ok(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

func TestHeldFollowsNoSymlink(t *testing.T) {
	root, _ := memory(t)
	grow(t, root, "real", "real/sub")
	ok(t, root.Symlink("link", "real"))
	h := disk.NewHeld(root, 10)
	for _, path := range []string{"link", "link/sub"} {
		if _, err := h.At(path).Use(); !errors.Is(err, disk.ErrKind) {
			t.Errorf("%s: %v, want ErrKind", path, err)
		}
	}
	ok(t, h.Close())
}

func TestHeldPathsAreThoseAskedFor(t *testing.T) {
	root, _ := memory(t)
	h := disk.NewHeld(root, 10)
	for _, path := range []string{"", "a", "a/b", "a/b/c", "z/y"} {
		if got := h.At(path).Path(); got != path {
			t.Errorf("At(%q).Path() = %q", path, got)
		}
	}
	if got := h.At("a").Child("b").Path(); got != "a/b" {
		t.Errorf("path of a child: %q", got)
	}
	if again := h.At("a/b"); h.At("") != h.Root() || h.At("a/b") != again {
		t.Error("At does not find directories again")
	}
	ok(t, h.Close())
}

func TestHeldWorksOnDeepChainsWithFewDescriptors(t *testing.T) {
	const depth = 3000
	root, c := memory(t)
	deep(t, root, "d", depth)
	h := disk.NewHeld(root, 5)
	c.most.Store(0)
	bottom := h.At(chain("d", depth))
	f, err := bottom.Use()
	ok(t, err)
	ok(t, f.Mkdir("bottom", 0o755))
	bottom.Done()
	for i := depth; i > 0; i -= 100 {
		if _, err := h.At(chain("d", i)).Use(); err != nil {
			t.Fatalf("depth %d: %v", i, err)
		}
		h.At(chain("d", i)).Done()
	}
	if most := c.most.Load(); most > 5+3 {
		t.Errorf("%d directories were open at once", most)
	}
	ok(t, h.Close())
}

func TestHeldGivesUpIdleDirectoriesWhereDescriptorsRunOut(t *testing.T) {
	root, c := memory(t)
	paths, inos := wide(t, root, 6)
	h := disk.NewHeld(root, 1000)
	c.refuse, c.limit = &fs.PathError{Op: "open", Path: "x", Err: syscall.EMFILE}, 8
	for _, path := range paths {
		use(t, h.At(path), inos[path])
	}
	ok(t, h.Close())
}

func TestHeldDropClosesOnlyWhatNobodyUses(t *testing.T) {
	root, c := memory(t)
	grow(t, root, "a")
	h := disk.NewHeld(root, 10)
	a := h.At("a")
	ok(t, a.Drop()) // not open
	_, err := a.Use()
	ok(t, err)
	ok(t, a.Drop())
	if c.open.Load() != 2 {
		t.Error("Drop closed a directory in use")
	}
	a.Done()
	ok(t, a.Drop())
	ok(t, h.Root().Drop())
	if c.open.Load() != 1 {
		t.Errorf("%d directories are open after Drop, want the root alone", c.open.Load())
	}
	ok(t, h.Close())
	if _, err := h.Root().Use(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("use after Close: %v, want fs.ErrClosed", err)
	}
	if _, err := a.Use(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("use below after Close: %v, want fs.ErrClosed", err)
	}
}

func TestHeldMayBeUsedByManyAtOnce(t *testing.T) {
	root, c := memory(t)
	paths, inos := wide(t, root, 8)
	h := disk.NewHeld(root, 4)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(1, uint64(g)))
			for range 500 {
				path := paths[rnd.IntN(len(paths))]
				d := h.At(path)
				use(t, d, inos[path])
				if rnd.IntN(10) == 0 {
					if err := d.Drop(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	ok(t, h.Close())
	if left := c.open.Load(); left != 0 {
		t.Errorf("%d directories are open after Close", left)
	}
}

// slow is a disk on which opening a directory takes a second.
type slow struct{ disk.FS }

func (s slow) OpenDir(name string) (disk.FS, error) {
	time.Sleep(time.Second)
	return s.FS.OpenDir(name)
}

func TestHeldLetsNobodyWaitForOneWhoTriesAgainAndAgain(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // who tries again is then always the first
	synctest.Test(t, func(t *testing.T) {
		root := memfs.New(memfs.Options{}).Root()
		h := disk.NewHeld(slow{root}, 10)
		absent, done := h.At("absent"), make(chan struct{})
		go func() {
			defer close(done)
			for range 20 {
				if _, err := absent.Use(); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("use of what is not there: %v", err)
				}
			}
		}()
		time.Sleep(time.Second / 2)
		begin := time.Now()
		if _, err := absent.Use(); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("use of what is not there: %v", err)
		}
		if took := time.Since(begin); took > 2*time.Second {
			t.Errorf("it took %v, though opening takes a second", took)
		}
		<-done
		ok(t, h.Close())
	})
}

func TestHeldFindsWhatWasMadeWhileOthersLookedForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root := memfs.New(memfs.Options{}).Root()
		late := lateFS{FS: slow{root}}
		h := disk.NewHeld(late, 10)
		made, done := h.At("made"), make(chan struct{})
		go func() {
			defer close(done)
			_, _ = made.Use() // it is looked for before it is made
		}()
		time.Sleep(3 * time.Second / 2)
		ok(t, root.Mkdir("made", 0o755))
		if _, err := made.Use(); err != nil {
			t.Errorf("it was made before, and others looked for it: %v", err)
		}
		<-done
		made.Done()
		ok(t, h.Close())
	})
}

// lateFS is a disk whose answers take a second longer on the way back.
type lateFS struct{ disk.FS }

func (l lateFS) OpenDir(name string) (disk.FS, error) {
	f, err := l.FS.OpenDir(name)
	time.Sleep(time.Second)
	return f, err
}
