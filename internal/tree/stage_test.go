package tree_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"varve"
	"varve/internal/disk"
	"varve/internal/disk/memfs"
	"varve/internal/restore"
	"varve/internal/storetest"
	"varve/internal/tree"
)

// pushable returns a tree that a stage can be filled with.
func pushable() *storetest.Tree {
	t := storetest.NewTree()
	for d := range 3 {
		dir := fmt.Sprintf("dir %d", d)
		t.Dir(dir)
		for i := range 4 {
			t.File(fmt.Sprintf("%s/file %d", dir, i), storetest.Text(1000*i+d))
		}
	}
	t.Edit("dir 1", func(o *storetest.Object) { o.Mode, o.UID = 0o1770, 33 })
	t.Edit("dir 1/file 1", func(o *storetest.Object) { o.Mode, o.UID, o.GID = 0o4755, 5, 6 })
	t.Put("dir 0/symlink", varve.Entry{Kind: varve.Symlink, Mode: 0o777, Target: "file 1"}, "")
	t.Put("null", varve.Entry{Kind: varve.CharDevice, Mode: 0o666, Rdev: varve.Rdev{Major: 1, Minor: 3}}, "")
	t.File("twin", "two names")
	t.Link("dir 2/twin", "twin")
	t.File("with attributes", "x").Xattrs = []varve.Xattr{{Name: "user.a", Value: "b"}}
	return t
}

func TestStagedFilesBecomeSnapshotsThatShareWhatIsUnchanged(t *testing.T) {
	b := newBed(t, memfs.Options{})
	src := pushable()
	first := b.push(src)
	for i := range 4 {
		src.Write(fmt.Sprintf("dir 0/file %d", i), fmt.Sprintf("new in push %d", i))
		src.Edit("dir 2/file 2", func(o *storetest.Object) { o.Mode ^= 0o011 })
		if i == 2 {
			src.Remove("dir 1")
		}
		b.push(src)
	}
	b.sound()
	b.tidy()
	if first.Added != src.Size()+6000+3 && first.Added == 0 {
		t.Errorf("%d bytes were added", first.Added)
	}
	if last := b.snaps[4]; last.Added != int64(len("new in push 3")+2002) {
		t.Errorf("the last push added %d bytes", last.Added)
	}
	old, now := b.lookup(first.Location+"/dir 2/file 3"), b.lookup(b.snaps[4].Location+"/dir 2/file 3")
	if old.Stamp.Ino != now.Stamp.Ino || now.Links != 5 {
		t.Errorf("an unchanged file has %d links", now.Links)
	}
	must(t, forgetNow(b, first.ID))
	b.sound()
}

func TestStagesAndSavesShareFiles(t *testing.T) {
	b := newBed(t, memfs.Options{})
	src := pushable()
	src.Remove("null")
	b.push(src)
	src.Blind = true
	if snap := b.save(src); snap.Added != 0 {
		t.Errorf("a save after a push added %d bytes", snap.Added)
	}
	if snap := b.push(src); snap.Added != 0 {
		t.Errorf("a push after a save added %d bytes", snap.Added)
	}
	b.sound()
}

func TestAChangeThroughALinkIsFoundAndMended(t *testing.T) {
	for name, c := range map[string]struct {
		path   string
		change func(dir disk.FS, name string) error
	}{
		"mode":       {"dir 0/file 2", func(d disk.FS, n string) error { return d.Set(n, &varve.Entry{Mode: 0o777}, varve.Mode) }},
		"owner":      {"dir 0/file 2", func(d disk.FS, n string) error { return d.Set(n, &varve.Entry{UID: 77}, varve.Owner) }},
		"time":       {"dir 0/file 2", func(d disk.FS, n string) error { return d.Set(n, &varve.Entry{}, varve.MTime) }},
		"attributes": {"with attributes", func(d disk.FS, n string) error { return d.Set(n, &varve.Entry{}, varve.Xattrs) }},
		"moved": {"dir 0/file 2", func(d disk.FS, n string) error {
			return errors.Join(d.Rename(n, d, "elsewhere"), d.Set("elsewhere", &varve.Entry{Mode: 0o777}, varve.Mode))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, memfs.Options{})
			src := pushable()
			b.push(src)
			s := b.store()
			defer s.Close()
			g := b.stage(s)
			b.fill(g, src)
			e := varve.Entry{Path: c.path}
			must(t, c.change(b.dir(strings.TrimSuffix(varve.Join(g.Path(), e.Parent()), "/")), e.Name()))
			_, err := g.Commit(context.Background(), b.look(g))
			if !errors.Is(err, varve.ErrDamaged) || !strings.Contains(err.Error(), c.path) || b.damaged() != 1 {
				t.Errorf("%d times damage was told, error %v", b.damaged(), err)
			}
			b.sound() // the older snapshot is as it was
			b.push(src)
			b.sound()
			b.tidy()
		})
	}
}

func TestAChangeThroughALinkIsMendedAlsoWhereNothingIsCommitted(t *testing.T) {
	b := newBed(t, memfs.Options{})
	src := pushable()
	b.push(src)
	s := b.store()
	defer s.Close()
	g := b.stage(s)
	b.fill(g, src)
	must(t, b.dir(g.Path()+"/dir 0").Set("file 2", &varve.Entry{Mode: 0o4777}, varve.Mode))
	if err := g.Keep(); !errors.Is(err, varve.ErrDamaged) || !strings.Contains(err.Error(), "dir 0/file 2") || b.damaged() != 1 {
		t.Errorf("%d times damage was told, error %v", b.damaged(), err)
	}
	b.sound()
	b.push(src)
	b.sound()
	b.tidy()
}

func TestContentWrittenThroughALinkIsNoSnapshot(t *testing.T) {
	b := newBed(t, memfs.Options{})
	src := pushable()
	first := b.push(src)
	s := b.store()
	defer s.Close()
	g := b.stage(s)
	b.fill(g, src)
	b.shorten(first.Location, "dir 0/file 2")
	dir := b.dir(g.Path() + "/dir 0")
	must(t, dir.Remove("file 2"))
	must(t, b.dir(first.Location+"/dir 0").Link("file 2", dir, "file 2"))
	_, err := g.Commit(context.Background(), b.look(g))
	if !errors.Is(err, varve.ErrDamaged) {
		t.Errorf("error %v", err)
	}
}

// shorten cuts a file of a snapshot.
func (b *bed) shorten(snapshot, path string) { b.overwrite(snapshot+"/"+path, "x") }

func TestWhatIsStagedAndWhatIsRecordedMustBeTheSame(t *testing.T) {
	for name, change := range map[string]func(e *varve.Entry) bool{
		"a file is not yielded":      func(e *varve.Entry) bool { return e.Path != "dir 0/file 1" },
		"a directory is not yielded": func(e *varve.Entry) bool { return !varve.Within(e.Path, "dir 1") },
		"another name":               func(e *varve.Entry) bool { e.Path = strings.Replace(e.Path, "file 3", "file 4", 1); return true },
		"another size": func(e *varve.Entry) bool {
			if e.Path == "dir 0/file 1" {
				e.Size++
			}
			return true
		},
		"a directory for a file": func(e *varve.Entry) bool {
			if e.Path == "dir 0/file 1" {
				e.Kind, e.Size = varve.Dir, 0
			}
			return true
		},
		"a device for a file": func(e *varve.Entry) bool {
			if e.Path == "dir 0/file 1" {
				e.Kind, e.Size = varve.CharDevice, 0
			}
			return true
		},
		"a file that cannot be read": func(e *varve.Entry) bool {
			if e.Path == "dir 0/file 1" {
				e.Err = fs.ErrPermission
			}
			return true
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, memfs.Options{})
			b.push(pushable())
			s := b.store()
			defer s.Close()
			g := b.stage(s)
			b.fill(g, pushable())
			src := b.look(g)
			src.change = change
			if snap, err := g.Commit(context.Background(), src); err == nil {
				t.Errorf("it became snapshot %+v", snap)
			}
			b.sound()
		})
	}
}

func TestAStageThatWasGivenUpServesTheNextOne(t *testing.T) {
	b := newBed(t, memfs.Options{})
	src := pushable()
	first := b.push(src)
	src.Write("dir 0/file 2", "a longer new content")
	give := func(fill bool) []string {
		s := b.store()
		defer s.Close()
		g := b.stage(s)
		if fill {
			b.fill(g, src)
		}
		links := g.Links()
		must(t, g.Keep())
		return links
	}
	give(true)
	kept := give(false)
	if len(kept) != 2 || kept[0] != first.Location || !strings.HasSuffix(kept[1], "/tree") {
		t.Fatalf("links: %q", kept)
	}
	b.disk.Crash(nil) // what was kept is durable
	if again := give(false); !slices.Equal(again, kept) {
		t.Errorf("after a stage in which nothing arrived: %q, want %q", again, kept)
	}
	for range 6 {
		give(true)
	}
	if links := give(false); len(links) != 5 {
		t.Errorf("%d directories to link from, want the snapshot and 4 stages", len(links))
	}
	dir := b.dir(kept[0])
	info, err := dir.Lookup("twin")
	must(t, err)
	if info.Links < 3 {
		t.Errorf("a file that did not change has %d links", info.Links)
	}
	b.push(src)
	b.sound()
	b.tidy()
}

func TestAKilledStageIsClearedAway(t *testing.T) {
	b := newBed(t, memfs.Options{})
	src := pushable()
	b.push(src)
	s := b.store()
	g := b.stage(s)
	b.fill(g, src)
	must(t, b.dir(varve.Parent(g.Path())).Mkdir("transit-1", 0o700)) // somebody else's
	b.disk.Kill()
	s = b.store()
	g = b.stage(s)
	if links := g.Links(); len(links) != 1 {
		t.Errorf("links: %q: nothing vouches for what a killed stage left", links)
	}
	must(t, g.Keep())
	must(t, s.Close())
	b.push(src)
	b.sound()
	b.tidy()
}

func TestAStageHoldsTheLeaseOfItsSeries(t *testing.T) {
	b := newBed(t, memfs.Options{})
	s := b.store()
	defer s.Close()
	g := b.stage(s)
	if _, err := s.Stage(context.Background(), b.options()); !errors.Is(err, varve.ErrBusy) {
		t.Errorf("a second stage: %v", err)
	}
	if err := b.trySave(s, small()); !errors.Is(err, varve.ErrBusy) {
		t.Errorf("a save: %v", err)
	}
	must(t, g.Keep())
	must(t, b.trySave(s, small()))
}

func TestATransferThatMissedSomethingIsIncomplete(t *testing.T) {
	b := newBed(t, memfs.Options{})
	for want, reason := range map[varve.State]error{varve.Incomplete: fs.ErrPermission, varve.Complete: fs.ErrNotExist} {
		s := b.store()
		g := b.stage(s)
		b.fill(g, pushable())
		src := b.look(g)
		src.after = []varve.Entry{{Kind: varve.Dir, Err: reason}}
		snap, err := g.Commit(context.Background(), src)
		must(t, err)
		if snap.State != want || snap.Skipped+snap.Vanished != 1 {
			t.Errorf("%v: state %s, %d skipped, %d vanished", reason, snap.State, snap.Skipped, snap.Vanished)
		}
		must(t, s.Close())
		b.snaps, b.states = append(b.snaps, snap), append(b.states, staged(pushable()))
	}
	b.sound()
}

func TestAUserWithoutPrivilegesStagesWhatHeCannotRead(t *testing.T) {
	b := newBed(t, memfs.Options{UID: 1000, GID: 1000})
	src := storetest.NewTree()
	src.Edit("", func(o *storetest.Object) { o.UID, o.GID, o.Mode = 1000, 1000, 0o555 })
	for _, path := range []string{"shut", "shut/inner", "open"} {
		src.Put(path, varve.Entry{Kind: varve.Dir, Mode: 0o755, UID: 1000, GID: 1000}, "")
	}
	for _, path := range []string{"shut/inner/file", "open/secret"} {
		src.Put(path, varve.Entry{Kind: varve.Regular, Mode: 0o640, UID: 1000, GID: 1000}, "content of "+path)
	}
	src.At("shut").Mode, src.At("shut/inner").Mode, src.At("open/secret").Mode = 0, 0o500, 0
	for range 3 {
		b.push(src)
	}
	b.sound()
}

func TestStandInsOfAnUnprivilegedTransferAreRecordedAsWhatTheyStandFor(t *testing.T) {
	b := newBed(t, memfs.Options{UID: 1000, GID: 1000})
	stand := storetest.NewTree() // what rsync --fake-super makes
	stand.Edit("", func(o *storetest.Object) { o.UID, o.GID = 1000, 1000 })
	put := func(path, content string) {
		stand.Put(path, varve.Entry{Kind: varve.Regular, Mode: 0o600, UID: 1000, GID: 1000,
			Xattrs: []varve.Xattr{{Name: "user.rsync.%stat", Value: "x"}}}, content)
	}
	put("device", "")
	put("symlink", "where/to")
	put("set-id", "a program")
	put("plain", "text")
	truth := storetest.NewTree()
	truth.Edit("", func(o *storetest.Object) { *o = *stand.At(""); o.UID, o.GID = 0, 0 })
	same := func(path string) varve.Time { return stand.At(path).MTime }
	truth.Put("device", varve.Entry{Kind: varve.BlockDevice, Mode: 0o640, GID: 6, Rdev: varve.Rdev{Major: 8}, MTime: same("device")}, "")
	truth.Put("symlink", varve.Entry{Kind: varve.Symlink, Mode: 0o777, Target: "where/to", MTime: same("symlink")}, "")
	truth.Put("set-id", varve.Entry{Kind: varve.Regular, Mode: 0o4755, MTime: same("set-id")}, "a program")
	truth.Put("plain", varve.Entry{Kind: varve.Regular, Mode: 0o600, UID: 5, MTime: same("plain")}, "text")
	for range 2 {
		s := b.store()
		g := b.stage(s)
		b.fill(g, stand)
		src := b.look(g)
		src.change = func(e *varve.Entry) bool {
			was := truth.At(e.Path)
			*e = was.Entry
			e.Path, e.Err = pathOf(truth, was), nil
			if e.Kind == varve.Regular {
				e.Size = int64(len(was.Stream))
			}
			return true
		}
		snap, err := g.Commit(context.Background(), src)
		must(t, err)
		must(t, s.Close())
		b.snaps, b.states = append(b.snaps, snap), append(b.states, staged(truth))
	}
	b.sound()
	if b.snaps[1].Added != 0 {
		t.Errorf("the second one added %d bytes", b.snaps[1].Added)
	}
	s := b.store()
	defer s.Close()
	v, err := s.View(context.Background(), b.snaps[1].ID)
	must(t, err)
	defer v.Close()
	target := memfs.New(memfs.Options{})
	_, err = restore.Run(context.Background(), v, target.Root(), restore.Options{Privileged: true})
	must(t, err)
	if info, err := target.Root().Lookup("device"); err != nil || info.Kind != varve.BlockDevice {
		t.Errorf("the device comes back as a %s, error %v", info.Kind, err)
	}
}

func pathOf(t *storetest.Tree, o *storetest.Object) string {
	for _, path := range t.Paths() {
		if t.At(path) == o {
			return path
		}
	}
	return ""
}

// stagedStories are stories of staged snapshots: the second shares files with the first.
func stagedStories() []story {
	src := func() *storetest.Tree {
		t := small()
		t.Blind = true
		return t
	}
	next := func() *storetest.Tree {
		t := src()
		t.Write("dir/file", "new content of the file")
		return t
	}
	act := func(t *storetest.Tree) func(b *bed, s *tree.Store) error {
		return func(b *bed, s *tree.Store) error {
			g, err := s.Stage(context.Background(), b.options())
			if err != nil {
				return err
			}
			if err := b.tryFill(b.disk.Root(), g, t); err != nil {
				return errors.Join(err, g.Keep())
			}
			snap, err := g.Commit(context.Background(), b.look(g))
			if err == nil {
				b.snaps, b.states = append(b.snaps, snap), append(b.states, staged(t))
			}
			return err
		}
	}
	also := [][]varve.Entry{staged(src()), staged(next())}
	return []story{
		{name: "first push", prepare: func(*bed) {}, act: act(src()), also: also},
		{name: "second push", prepare: func(b *bed) { b.push(src()) }, act: act(next()), also: also},
	}
}
