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
	"varve/internal/storetest"
	"varve/internal/tree"
)

// meadow returns a tree of a few directories with files, some of which are one file under several names.
func meadow() *storetest.Tree {
	t := storetest.NewTree()
	for d := range 3 {
		dir := fmt.Sprintf("dir %d", d)
		t.Dir(dir)
		t.Dir(dir + "/sub")
		for i := range 5 {
			t.File(fmt.Sprintf("%s/file %d", dir, i), storetest.Text(100*i+d+1))
			t.File(fmt.Sprintf("%s/sub/file %d", dir, i), storetest.Text(100*i+d+51))
		}
	}
	t.File("twin", "one content under three names")
	t.Link("twin 2", "twin")
	t.Link("dir 0/twin 3", "twin")
	t.File("nothing", "")
	t.Put("symlink", varve.Entry{Kind: varve.Symlink, Mode: 0o777, Target: "twin"}, "")
	return t
}

// files returns the paths of all regular files with content below a directory of the store.
func (b *bed) files(path string) (list []string) {
	b.Helper()
	for _, name := range b.names(path) {
		at := varve.Join(path, name)
		switch info := b.lookup(at); {
		case info.Kind == varve.Dir:
			list = append(list, b.files(at)...)
		case info.Kind == varve.Regular && info.Size > 0:
			list = append(list, at)
		}
	}
	return list
}

// damaged counts the events of the last save that tell of damage.
func (b *bed) damaged() (n int) {
	for _, e := range b.events {
		if e.Kind == varve.Damage {
			n++
		}
	}
	return n
}

func TestWithoutHardLinksUnchangedContentIsStoredOnce(t *testing.T) {
	b := newBed(t, memfs.Options{NoLinks: true})
	src := meadow()
	first := b.save(src)
	if first.Added != src.Size() {
		t.Errorf("%d bytes were added, want %d: each hard link once", first.Added, src.Size())
	}
	src.Edit("dir 1/file 2", func(o *storetest.Object) { o.Mode = 0o600 })
	src.Move("dir 0/sub", "dir 2/moved")
	second := b.save(src)
	src.Write("dir 1/file 3", "new content")
	third := b.save(src)
	for _, snap := range []varve.Snapshot{second, third} {
		want := []string(nil)
		if snap.ID == third.ID {
			want = []string{snap.Location + "/dir 1/file 3"}
		}
		if got := b.files(snap.Location); !slices.Equal(got, want) {
			t.Errorf("snapshot %d holds files of its own: %q, want %q", snap.Seq, got, want)
		}
		if snap.Seq == 2 && snap.Added != 0 || snap.Seq == 3 && snap.Added != 11 {
			t.Errorf("snapshot %d added %d bytes", snap.Seq, snap.Added)
		}
	}
	for _, e := range b.events {
		if e.Kind == varve.Unkept {
			t.Errorf("/%s is reported as not kept: %s", e.Path, e.Aspect)
		}
	}
	b.sound()
	b.tidy()
}

func TestAStoreSaysThatItLendsOnlyOnceItDoes(t *testing.T) {
	for _, c := range []struct {
		disk memfs.Options
		src  *storetest.Tree
		want string
	}{
		{memfs.Options{}, meadow(), "varve tree store\nformat: 1\n"},
		{memfs.Options{NoLinks: true}, garden(5), "varve tree store\nformat: 1\n"},
		{memfs.Options{NoLinks: true}, meadow(), "varve tree store\nformat: 2\n"}, // it has hard links
	} {
		b := newBed(t, c.disk)
		b.save(c.src)
		if got := b.read(".varve/format"); got != c.want {
			t.Errorf("%+v: the marker is %q, want %q", c.disk, got, c.want)
		}
		b.save(c.src)
		if got := b.read(".varve/format"); strings.Contains(got, "2") != c.disk.NoLinks {
			t.Errorf("%+v: after the second save the marker is %q", c.disk, got)
		}
	}
}

func TestAStoreOfAFormatToComeIsRefused(t *testing.T) {
	b := newBed(t, memfs.Options{})
	b.overwrite(".varve/format", "varve tree store\nformat: 3\n")
	if _, err := b.open(nil); err == nil || !strings.Contains(err.Error(), "not known to this version") || errors.Is(err, varve.ErrNoStore) {
		t.Errorf("error %v", err)
	}
}

func TestForgettingKeepsWhatLaterSnapshotsNeedAndNothingElse(t *testing.T) {
	b := newBed(t, memfs.Options{NoLinks: true})
	src := meadow()
	first := b.save(src)
	src.Remove("dir 2")
	src.Write("dir 1/file 3", "second content")
	second := b.save(src)
	src.Move("dir 1/sub", "dir 1/moved")
	src.Write("dir 1/file 3", "third content")
	b.save(src)
	must(t, forgetNow(b, first.ID))
	b.sound()
	b.tidy()
	kept := ".varve/kept/" + first.ID.String()
	for _, path := range b.files(kept) {
		if strings.HasPrefix(path, kept+"/dir 2") || path == kept+"/dir 1/file 3" {
			t.Errorf("%s is kept and nobody needs it", path)
		}
	}
	if names := b.names(kept); slices.Contains(names, "dir 2") || slices.Contains(names, "symlink") {
		t.Errorf("/ holds %q", names)
	}
	src.Remove("dir 1/moved")
	b.save(src)
	must(t, forgetNow(b, second.ID))
	must(t, forgetNow(b, b.snaps[0].ID))
	b.sound()
	if names := b.names(kept + "/dir 1"); slices.Contains(names, "sub") {
		t.Errorf("/dir 1 holds %q", names)
	}
	last := b.save(garden(3))
	must(t, forgetNow(b, b.snaps[0].ID))
	b.sound()
	b.tidy()
	if names := b.names(".varve/kept"); len(names) > 0 {
		t.Errorf("%q are kept for nobody", names)
	}
	must(t, forgetNow(b, last.ID))
	if names := b.names(""); !slices.Equal(names, []string{".varve"}) {
		t.Errorf("the empty store holds %q", names)
	}
}

func TestEverySubsetOfSnapshotsThatIsLeftIsWhole(t *testing.T) {
	for which := range 1 << 4 {
		b := newBed(t, memfs.Options{NoLinks: true})
		src := meadow()
		for i := range 4 {
			b.save(src)
			src.Write(fmt.Sprintf("dir 1/file %d", i), fmt.Sprintf("content %d", i))
			src.Move(fmt.Sprintf("dir 0/file %d", i), fmt.Sprintf("dir 2/here %d", i))
			src.Remove(fmt.Sprintf("dir 2/sub/file %d", i))
		}
		ids := make([]varve.SnapshotID, len(b.snaps))
		for i := range ids {
			ids[i] = b.snaps[i].ID
		}
		for i, id := range ids {
			if which&(1<<i) != 0 {
				must(t, forgetNow(b, id))
			}
		}
		b.sound()
		b.save(src)
		b.sound()
		b.tidy()
		if t.Failed() {
			t.Fatalf("after forgetting %04b", which)
		}
	}
}

func TestLentContentThatIsGoneOrRottenIsFoundAndStoredAnew(t *testing.T) {
	for name, harm := range map[string]func(b *bed, path string) error{
		"gone":   func(b *bed, path string) error { return b.dir(varve.Parent(path)).Remove("file 4") },
		"cut":    func(b *bed, path string) error { b.overwrite(path, "x"); return nil },
		"rotten": func(b *bed, path string) error { b.overwrite(path, strings.ToUpper(b.read(path))); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, memfs.Options{NoLinks: true})
			src := meadow()
			first := b.save(src)
			b.save(src)
			b.save(src)
			at := first.Location
			if name != "cut" {
				must(t, forgetNow(b, first.ID))
				at = ".varve/kept/" + first.ID.String()
			}
			must(t, harm(b, at+"/dir 1/file 4"))
			s := b.store()
			defer s.Close()
			if n := len(damage(t, s)); n < len(b.snaps) {
				t.Errorf("%d findings in %d snapshots", n, len(b.snaps))
			}
			opts := b.options()
			opts.Recheck = true
			snap, err := s.Save(context.Background(), src, opts)
			must(t, err)
			if b.damaged() == 0 || snap.Added == 0 {
				t.Errorf("%d times damage was told, %d bytes were added", b.damaged(), snap.Added)
			}
			b.holds(s, snap.ID, [][]varve.Entry{src.Want()})
		})
	}
}

func TestAViewShowsNothingOfWhereContentLies(t *testing.T) {
	b := newBed(t, memfs.Options{NoLinks: true})
	src := meadow()
	b.save(src)
	id := b.save(src).ID
	s := b.store()
	defer s.Close()
	v, err := s.View(context.Background(), id)
	must(t, err)
	defer v.Close()
	list, err := storetest.ReadDir(context.Background(), v, "dir 1")
	must(t, err)
	for e, err := range v.Entries(context.Background()) {
		must(t, err)
		list = append(list, e)
	}
	for _, e := range list {
		if len(e.Chunks) != 0 {
			t.Errorf("/%s has %d chunks", e.Path, len(e.Chunks))
		}
		if e.Kind != varve.Regular {
			continue
		}
		e.Unkept = 0 // as one that was handed on may come back
		f, err := v.Open(context.Background(), e)
		must(t, err)
		must(t, f.Close())
	}
	other := newBed(t, memfs.Options{})
	to := other.store()
	defer to.Close()
	snap, err := to.Save(context.Background(), v, other.options())
	must(t, err)
	other.holds(to, snap.ID, [][]varve.Entry{src.Want()})
	other.verifies(to)
}

func TestAStoreThatLendsGoesOnOnADiskWithHardLinks(t *testing.T) {
	b := newBed(t, memfs.Options{NoLinks: true})
	src := meadow()
	b.save(src)
	src.Write("dir 1/file 0", "second")
	b.save(src)
	able := moveDisk(t, b)
	src.Write("dir 1/file 1", "third")
	snap := able.save(src)
	if snap.Added != int64(len("third")) {
		t.Errorf("%d bytes were added", snap.Added)
	}
	src.Write("dir 1/file 2", "fourth")
	able.save(src)
	able.sound()
	must(t, forgetNow(able, able.snaps[0].ID))
	must(t, forgetNow(able, able.snaps[1].ID))
	able.sound()
}

// moveDisk copies a store to a disk with hard links.
func moveDisk(t *testing.T, b *bed) *bed {
	t.Helper()
	to := *b
	to.disk = memfs.New(memfs.Options{})
	copyTree(t, b.disk.Root(), to.disk.Root())
	return &to
}

func copyTree(t *testing.T, from, to disk.FS) {
	t.Helper()
	names, err := from.Names()
	must(t, err)
	for _, n := range names {
		info, err := from.Lookup(n.Name)
		must(t, err)
		switch info.Kind {
		case varve.Dir:
			must(t, to.Mkdir(n.Name, info.Mode))
			a, err := from.OpenDir(n.Name)
			must(t, err)
			b, err := to.OpenDir(n.Name)
			must(t, err)
			copyTree(t, a, b)
		case varve.Symlink:
			must(t, to.Symlink(n.Name, info.Target))
		case varve.Regular:
			copyFile(t, from, to, &info)
		default:
			must(t, to.Mknod(n.Name, info.Kind, info.Mode, info.Rdev))
		}
		for _, aspect := range []varve.Aspect{varve.Owner, varve.Mode, varve.Xattrs, varve.MTime} {
			if info.Kind != varve.Symlink || aspect != varve.Mode {
				info.Xattrs, err = from.Xattrs(n.Name)
				must(t, err)
				must(t, to.Set(n.Name, &info.Entry, aspect))
			}
		}
	}
}

func copyFile(t *testing.T, from, to disk.FS, info *disk.Info) {
	t.Helper()
	r, err := from.Open(info.Path)
	must(t, err)
	w, err := to.Create(info.Path, info.Mode)
	must(t, err)
	data := make([]byte, info.Size)
	if len(data) > 0 {
		_, err = r.ReadAt(data, 0)
		must(t, err)
		_, err = w.WriteAt(data, 0)
		must(t, err)
	}
	must(t, errors.Join(r.Close(), w.Close()))
}

func TestAnotherSeriesIsNeverLentTo(t *testing.T) {
	b := newBed(t, memfs.Options{NoLinks: true})
	src := meadow()
	first := b.save(src)
	b.save(src)
	s := b.store()
	defer s.Close()
	opts := b.options()
	opts.Series = "other"
	snap, err := s.Save(context.Background(), src, opts)
	must(t, err)
	if snap.Added != src.Size() {
		t.Errorf("%d bytes were added, want %d", snap.Added, src.Size())
	}
	must(t, s.Forget(context.Background(), first.ID))
	b.holds(s, snap.ID, [][]varve.Entry{src.Want()})
}

func TestAnInterruptedRemovalLosesNothingThatIsLent(t *testing.T) {
	// A process that opened the store before it lent anything finishes what another one began.
	b := newBed(t, memfs.Options{NoLinks: true})
	old, err := tree.Open(b.disk.Root(), b.use)
	must(t, err)
	defer old.Close()
	src := meadow()
	first := b.save(src)
	b.save(src)
	dir, trash := b.dir("s"), b.dir(".varve/trash")
	must(t, dir.Rename(strings.TrimPrefix(first.Location, "s/"), trash, first.ID.String()))
	b.forgot(first.ID)
	b.sound()
	must(t, old.Forget(context.Background()))
	b.sound()
	if _, err := trash.Lookup(first.ID.String()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the trash is not empty: %v", err)
	}
}

func TestNothingIsDeletedThatADamagedManifestMayNeed(t *testing.T) {
	b := newBed(t, memfs.Options{NoLinks: true})
	src := meadow()
	first := b.save(src)
	b.save(src)
	path := b.manifestOf(1)
	whole := b.read(path)
	b.overwrite(path, whole[:40])
	if err := forgetNow(b, first.ID); !errors.Is(err, varve.ErrDamaged) || !strings.Contains(err.Error(), b.snaps[0].ID.String()) {
		t.Errorf("forgetting what it needs: %v", err)
	}
	b.save(src)
	b.overwrite(path, whole)
	b.sound()
	must(t, forgetNow(b, b.snaps[1].ID))
	b.sound()
	b.tidy()
	b.overwrite(b.manifestOf(0), "rubbish")
	must(t, forgetNow(b, b.snaps[0].ID)) // the damaged one itself can always go
	b.save(src)
	s := b.store()
	defer s.Close()
	b.holds(s, b.snaps[0].ID, b.states)
}

// barred is a disk that refuses links to some files alone, as Linux does with those of other users.
type barred struct {
	disk.FS
	name string
}

func (b barred) Link(name string, to disk.FS, toName string) error {
	if name == b.name {
		return &fs.PathError{Op: "link", Path: name, Err: disk.ErrUnsupported}
	}
	return b.FS.Link(name, to.(barred).FS, toName)
}

func (b barred) Rename(name string, to disk.FS, toName string) error {
	return b.FS.Rename(name, to.(barred).FS, toName)
}

func (b barred) Replace(name string, to disk.FS, toName string) error {
	return b.FS.Replace(name, to.(barred).FS, toName)
}

func (b barred) OpenDir(name string) (disk.FS, error) {
	sub, err := b.FS.OpenDir(name)
	return barred{sub, b.name}, err
}

func TestALinkThatIsRefusedForOneFileAloneLendsNothing(t *testing.T) {
	b := newBed(t, memfs.Options{})
	src := meadow()
	b.save(src)
	s, err := tree.Open(barred{b.disk.Root(), "file 3"}, b.use)
	must(t, err)
	defer s.Close()
	must(t, b.trySave(s, src))
	if got := b.read(".varve/format"); got != "varve tree store\nformat: 1\n" {
		t.Errorf("the marker is %q", got)
	}
	first, second := b.lookup(b.snaps[0].Location+"/dir 0/file 2"), b.lookup(b.snaps[1].Location+"/dir 0/file 2")
	if first.Stamp.Ino != second.Stamp.Ino {
		t.Error("other files are not linked any more")
	}
	b.sound()
}
