package tree_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"varve"
	"varve/internal/disk"
	"varve/internal/disk/faultfs"
	"varve/internal/disk/memfs"
	"varve/internal/tree"
)

func TestAdoptedDirectoriesAreSnapshotsAndTheirInodesStay(t *testing.T) {
	for _, path := range []string{"", "srv", "srv/www/site"} {
		t.Run("below /"+path, func(t *testing.T) {
			b := newBed(t, memfs.Options{})
			list := newPast(b)
			before := b.lookup("old/day.2/dir/sub/other")
			s := b.store()
			must(t, b.adoptAll(s, list, adopting{path: path}))
			must(t, s.Close())
			b.sound()
			b.tidyBeside("old")
			if len(b.snaps) != 3 || len(b.names("old")) != 0 {
				t.Fatalf("%d snapshots, %q are left", len(b.snaps), b.names("old"))
			}
			last := b.snaps[2]
			if !last.Time.Equal(list[2].time) || !last.End.Equal(list[2].time) || last.Seq != 3 || last.State != varve.Complete {
				t.Errorf("%+v", last)
			}
			if after := b.lookup(last.Location + "/" + varve.Join(path, "dir/sub/other")); after.Stamp.Ino != before.Stamp.Ino {
				t.Errorf("the inode was %d, and is %d", before.Stamp.Ino, after.Stamp.Ino)
			}
			must(t, forgetNow(b, b.snaps[0].ID))
			b.sound()
		})
	}
}

func TestContentThatAdoptedDirectoriesShareIsReadOnce(t *testing.T) {
	b := newBed(t, memfs.Options{})
	src := pushable()
	list := b.past(src, src)
	read := &faultfs.Injector{Filter: func(op faultfs.Op) bool { return op.Method == "Reader.ReadAt" && op.Name[:4] == "old/" }}
	s, err := b.open(read)
	must(t, err)
	root := faultfs.New(b.disk.Root(), read)
	must(t, b.adoptOne(s, list[0], adopting{root: root}))
	first := read.Count()
	must(t, b.adoptOne(s, list[1], adopting{root: root}))
	must(t, s.Close())
	if first == 0 || read.Count() != first {
		t.Errorf("%d reads for the first, %d for both", first, read.Count())
	}
	if b.snaps[0].Added != src.Size() || b.snaps[1].Added != 0 {
		t.Errorf("added %d of %d, then %d bytes", b.snaps[0].Added, src.Size(), b.snaps[1].Added)
	}
	b.sound()
}

func TestALaterSaveLinksToAdoptedFiles(t *testing.T) {
	b := newBed(t, memfs.Options{})
	src := pushable()
	src.Remove("null") // as for a push
	list := b.past(src)
	s := b.store()
	must(t, b.adoptAll(s, list, adopting{}))
	must(t, s.Close())
	if snap := b.save(src); snap.Added != 0 {
		t.Errorf("%d bytes were added", snap.Added)
	}
	path := "/dir 0/file 3"
	if a, c := b.lookup(b.snaps[0].Location+path), b.lookup(b.snaps[1].Location+path); a.Stamp.Ino != c.Stamp.Ino {
		t.Error("the file is there twice")
	}
	b.sound()
	b.tidyBeside("old")
}

func TestAFarSourceOfAnAdoptedHistoryIsNotRead(t *testing.T) {
	b := newBed(t, memfs.Options{})
	src := pushable()
	src.Remove("null")
	list := b.past(src)
	s := b.store()
	must(t, b.adoptAll(s, list, adopting{}))
	far := &farSource{Source: src}
	snap, err := s.Save(context.Background(), far, b.options())
	must(t, err)
	must(t, s.Close())
	if far.opened != 0 || snap.Added != 0 {
		t.Errorf("%d files were opened, %d bytes added", far.opened, snap.Added)
	}
}

func TestNamesOutsideOfWhatWasAdoptedAreCounted(t *testing.T) {
	b := newBed(t, memfs.Options{})
	list := newPast(b)
	s := b.store()
	defer s.Close()
	links := &tree.Links{}
	must(t, b.adoptOne(s, list[0], adopting{links: links}))
	if n, all := links.Outside(); n == 0 || !all {
		t.Errorf("%d inodes have other names (%v) while two days are left", n, all)
	}
	must(t, b.adoptOne(s, list[1], adopting{links: links}))
	must(t, b.adoptOne(s, list[2], adopting{links: links}))
	if n, all := links.Outside(); n != 0 || !all {
		t.Errorf("%d inodes have other names (%v) in the end", n, all)
	}
}

func TestWhatCannotBeAdoptedStaysAsItIs(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(b *bed, list []found)
		how     adopting
		want    error
	}{
		"the series is newer": {func(b *bed, _ []found) {
			b.now = b.now.AddDate(0, 0, -20)
			b.save(small())
			b.now = b.now.AddDate(0, 0, 19)
		},
			adopting{}, nil},
		"the series has one of the same time": {func(b *bed, list []found) { b.now = list[0].time; b.save(small()) }, adopting{}, tree.ErrOrder},
		"the series has a later one":          {func(b *bed, _ []found) { b.save(small()) }, adopting{}, tree.ErrOrder},
		"a file instead": {func(b *bed, list []found) {
			must(b.T, disk.RemoveAll(b.dir("old"), list[0].name, 1))
			w, err := b.dir("old").Create(list[0].name, 0o600)
			must(b.T, errors.Join(err, w.Close()))
		}, adopting{}, disk.ErrKind},
		"a path that leads up": {func(*bed, []found) {}, adopting{path: "a/../b"}, disk.ErrName},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, memfs.Options{})
			list := newPast(b)
			c.prepare(b, list)
			s := b.store()
			defer s.Close()
			err := b.adoptOne(s, list[0], c.how)
			if !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
			if err != nil && !b.left(list[0]) {
				t.Error("it is gone")
			}
			if c.want != disk.ErrKind {
				b.intact(list)
			}
			b.sound()
		})
	}
}

func TestAStoreIsNotAdoptedByItself(t *testing.T) {
	b := &bed{T: t, disk: memfs.New(memfs.Options{}), now: time.Date(2024, 2, 28, 12, 0, 0, 0, time.UTC)}
	b.use = tree.Options{Privileged: true, Workers: 1, Random: &counter{}}
	top := b.disk.Root()
	must(t, top.Mkdir("old", 0o755))
	must(t, b.dir("old").Mkdir("day.0", 0o755))
	must(t, b.dir("old/day.0").Mkdir("store", 0o755))
	must(t, tree.Init(b.dir("old/day.0/store")))
	s, err := tree.Open(b.dir("old/day.0/store"), b.use)
	must(t, err)
	defer s.Close()
	if err := b.adoptOne(s, found{name: "day.0", time: b.now}, adopting{}); err == nil {
		t.Error("it was")
	}
}

func TestADirectoryThatIsWrittenToIsNotAdopted(t *testing.T) {
	for name, method := range map[string]string{"while it is looked at": "FS.Xattrs", "while it is read": "Reader.ReadAt"} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, memfs.Options{})
			list := b.past(small())
			inj := &faultfs.Injector{At: 1, Filter: func(op faultfs.Op) bool {
				return op.Method == method && op.Name == "old/day.0/dir/file"
			}}
			inj.Do = func(faultfs.Op) {
				must(t, b.dir("old/day.0/dir").Set("file", &varve.Entry{MTime: varve.Time{Sec: 5}}, varve.MTime))
			}
			s := b.store()
			defer s.Close()
			if err := b.adoptOne(s, list[0], adopting{root: faultfs.New(b.disk.Root(), inj)}); err == nil || !b.left(list[0]) {
				t.Errorf("it was: %v", err)
			}
		})
	}
}
