package tree_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"

	"varve"
	"varve/internal/disk"
	"varve/internal/disk/faultfs"
	"varve/internal/disk/memfs"
	"varve/internal/storetest"
)

// garden returns a tree of n files in some directories.
func garden(n int) *storetest.Tree {
	t := storetest.NewTree()
	for i := range n {
		dir := fmt.Sprintf("dir %d", i/20)
		if i%20 == 0 {
			t.Dir(dir)
		}
		t.File(fmt.Sprintf("%s/file %d", dir, i), fmt.Sprintf("content %d", i))
	}
	return t
}

func TestWhateverIsEditedEveryOlderSnapshotStaysAsItWas(t *testing.T) {
	runs, edits := 20, 1000
	if testing.Short() {
		runs, edits = 6, 200
	}
	b := newBed(t, memfs.Options{MaxLinks: 12})
	r := rand.New(rand.NewPCG(1, 2))
	src := garden(400)
	for range runs {
		b.save(src)
		for range edits / 25 {
			paths := src.Paths()[1:]
			for range 25 {
				edit(r, src, paths)
			}
		}
	}
	b.sound()
	b.tidy()
}

// edit does one random thing to a file or directory among paths.
func edit(r *rand.Rand, src *storetest.Tree, paths []string) {
	path := paths[r.IntN(len(paths))]
	if src.At(path) == nil {
		return
	}
	file := src.At(path).Kind == varve.Regular
	fresh := fmt.Sprintf("%s.%d", path, r.IntN(1000))
	if src.At(fresh) != nil {
		return
	}
	switch n := r.IntN(12); {
	case n == 0:
		src.Edit(path, func(o *storetest.Object) { o.Mode = r.Uint32() & 0o7777 })
	case n == 1:
		src.Edit(path, func(o *storetest.Object) { o.UID, o.GID = r.Uint32N(9), r.Uint32N(9) })
	case n == 2:
		src.Edit(path, func(o *storetest.Object) { o.MTime.Nsec = r.Int32N(1e9) })
	case n == 3:
		src.Edit(path, func(o *storetest.Object) { o.Xattrs = []varve.Xattr{{Name: "user.n", Value: fmt.Sprint(n)}} })
	case n == 4 && len(paths) > 200:
		src.Move(path, fresh)
	case n == 5 && file && len(paths) > 300:
		src.Remove(path)
	case n == 6 && file:
		src.Link(fresh, path)
	case n == 7:
		src.File(fresh+"!", "new")
		src.Move(fresh+"!", varve.Join(varve.Parent(path), fmt.Sprintf("new %d", r.IntN(1e6))))
	case n == 8 && file:
		src.Edit(path, func(o *storetest.Object) { o.Stream = o.Stream[:r.IntN(len(o.Stream)+1)] })
	case n == 9 && file:
		src.Write(path, src.At(path).Stream+"!")
	case n == 10 && file: // in place, without a trace but the change time
		src.Edit(path, func(o *storetest.Object) { o.Stream = "X" + o.Stream[min(1, len(o.Stream)):] })
	case n == 11 && file:
		src.File(path, "replaced")
	}
}

func TestNoRunChangesAnInodeOfAnOlderSnapshot(t *testing.T) {
	src := storetest.Sample()
	b := newBed(t, memfs.Options{})
	b.save(src)
	before := inodes(b, b.snaps[0].Location)
	for _, path := range src.Paths() {
		src.Edit(path, func(o *storetest.Object) { o.Mode, o.UID, o.MTime.Nsec = o.Mode^1, o.UID+1, o.MTime.Nsec^1 })
	}
	b.save(src)
	for path, o := range inodes(b, b.snaps[1].Location) {
		if old, ok := before[path]; ok && path != "" && old.Stamp.Ino == o.Stamp.Ino {
			t.Errorf("/%s changed and is the same inode", path)
		}
	}
	after := inodes(b, b.snaps[0].Location)
	for path, o := range before {
		if now := after[path]; now.Stamp != o.Stamp {
			t.Errorf("/%s was touched: %+v, was %+v", path, now.Stamp, o.Stamp)
		}
	}
}

// inodes returns the objects below a directory of the store.
func inodes(b *bed, path string) map[string]disk.Info {
	b.Helper()
	list := map[string]disk.Info{}
	var walk func(dir disk.FS, path string)
	walk = func(dir disk.FS, path string) {
		defer dir.Close()
		names, err := dir.Names()
		must(b.T, err)
		for _, n := range names {
			info, err := dir.Lookup(n.Name)
			must(b.T, err)
			below := varve.Join(path, n.Name)
			list[below] = info
			if info.Kind == varve.Dir {
				sub, err := dir.OpenDir(n.Name)
				must(b.T, err)
				walk(sub, below)
			}
		}
	}
	top, err := disk.OpenPath(b.disk.Root(), path)
	must(b.T, err)
	walk(top, "")
	return list
}

func TestUnchangedMovedAndRenamedFilesAreTheSameInode(t *testing.T) {
	src := garden(60)
	b := newBed(t, memfs.Options{})
	b.save(src)
	old := inodes(b, b.snaps[0].Location)
	src.Move("dir 0", "renamed")
	src.Move("dir 1/file 25", "dir 2/moved")
	snap := b.save(src)
	now := inodes(b, snap.Location)
	for path, was := range map[string]string{"renamed/file 3": "dir 0/file 3", "dir 2/moved": "dir 1/file 25",
		"dir 2/file 47": "dir 2/file 47"} {
		if now[path].Stamp.Ino != old[was].Stamp.Ino {
			t.Errorf("/%s is not the inode of /%s", path, was)
		}
	}
	if snap.Added != 0 {
		t.Errorf("%d bytes were added", snap.Added)
	}
	b.sound()
}

func TestFilesThatAreSeparateAtTheSourceAreSeparateInTheStore(t *testing.T) {
	for _, blind := range []bool{false, true} {
		src := storetest.NewTree()
		src.Blind = blind
		file := varve.Entry{Kind: varve.Regular, Mode: 0o644, MTime: varve.Time{Sec: 5}}
		src.Put("b", file, "content")
		src.Put("c", file, "content")
		src.Link("d", "c")
		b := newBed(t, memfs.Options{})
		b.save(src)
		src.Put("a", file, "content") // cp -p
		src.Put("d", file, "content") // no longer a link
		src.Put("e", file, "content")
		snap := b.save(src)
		met := map[uint64]string{}
		for path, info := range inodes(b, snap.Location) {
			if other, ok := met[info.Stamp.Ino]; ok {
				t.Errorf("/%s and /%s share an inode (blind: %v)", path, other, blind)
			}
			met[info.Stamp.Ino] = path
		}
		b.sound()
	}
}

func TestHardLinksAreLinkedUpToWhatAnInodeTakes(t *testing.T) {
	n := 100_000
	if testing.Short() {
		n = 5000
	}
	src := storetest.NewTree()
	src.File("link", "shared by many")
	for i := range n {
		src.Link(fmt.Sprintf("link %06d", i), "link")
	}
	b := newBed(t, memfs.Options{MaxLinks: 40_000})
	b.save(src)
	src.Write("link 000007", "changed for all")
	b.save(src)
	b.sound()
}

func TestACutRunIsResumedWithoutCopyingAgain(t *testing.T) {
	src := garden(20_000)
	size := src.Size()
	for i, end := range []func(*memfs.Disk){(*memfs.Disk).Kill, func(d *memfs.Disk) { d.Crash(func() bool { return true }) },
		(*memfs.Disk).Kill} {
		if testing.Short() && i == 1 {
			continue
		}
		b := newBed(t, memfs.Options{NoLinks: i == 2})
		inj := &faultfs.Injector{At: 16_000, Fault: faultfs.Kill(faultfs.Nothing),
			Filter: func(op faultfs.Op) bool { return op.Method == "FS.Create" }}
		s, err := b.open(inj)
		must(t, err)
		if b.trySave(s, src) == nil {
			t.Fatal("the run was not cut")
		}
		end(b.disk)
		snap := b.save(src)
		if snap.Added > size*6/10 {
			t.Errorf("%d of %d bytes were copied again", snap.Added, size)
		}
		b.sound()
		b.tidy()
	}
}

func TestAFullDiskIsToldAndNothingIsLost(t *testing.T) {
	b := newBed(t, memfs.Options{Capacity: 2 << 20})
	src := garden(60)
	b.save(src)
	src.File("big", storetest.Text(900_000))
	old := b.save(src)
	src.File("bigger", storetest.Text(1_000_000))
	s := b.store()
	err := b.trySave(s, src)
	if !errors.Is(err, disk.ErrNoSpace) {
		t.Errorf("the error does not match ErrNoSpace: %v", err)
	}
	must(t, s.Close())
	b.sound()
	src.Remove("big")
	must(t, forgetNow(b, old.ID))
	b.save(src)
	b.sound()
	b.tidy()
}

func forgetNow(b *bed, id varve.SnapshotID) error {
	s := b.store()
	defer s.Close()
	b.forgot(id)
	return s.Forget(context.Background(), id)
}

func TestWithoutRoomForANewLatestThereIsNone(t *testing.T) {
	b := newBed(t, memfs.Options{})
	b.save(small())
	gone := b.save(moved())
	s, err := b.open(&faultfs.Injector{At: 1, Sticky: true, Fault: faultfs.Fault{Err: syscall.ENOSPC},
		Filter: func(op faultfs.Op) bool { return op.Method == "FS.Symlink" }})
	must(t, err)
	must(t, s.Forget(context.Background(), gone.ID))
	must(t, s.Close())
	b.forgot(gone.ID)
	if _, err := b.dir("s").Lookup("latest"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("latest is still there: %v", err)
	}
	must(t, b.store().Forget(context.Background()))
	b.sound()
	b.tidy()
}

func TestALatestThatCannotBeMadeAnewIsRemovedAndMissed(t *testing.T) {
	for refusal, again := range map[error]int{syscall.ENOSPC: 1, syscall.EACCES: 0} {
		b := newBed(t, memfs.Options{})
		b.save(small())
		for run, told := range []int{1, again} {
			s, err := b.open(&faultfs.Injector{At: 1, Sticky: true, Fault: faultfs.Fault{Err: refusal},
				Filter: func(op faultfs.Op) bool { return op.Method == "FS.Symlink" }})
			must(t, err)
			must(t, b.trySave(s, small()))
			must(t, s.Close())
			if _, err := b.dir("s").Lookup("latest"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("latest leads to an older snapshot: %v", err)
			}
			unkept := slices.DeleteFunc(b.events, func(e varve.Event) bool { return e.Kind != varve.Unkept })
			if len(unkept) != told || told == 1 && !errors.Is(unkept[0].Err, refusal) {
				t.Errorf("run %d after %v reports %v", run, refusal, unkept)
			}
		}
		b.save(small())
		b.sound()
		b.tidy()
	}
}
