//go:build linux

package freeze

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"varve"
	"varve/internal/disk/osfs"
	"varve/internal/walk"
)

func TestAPictureStaysAsItWasAndGoes(t *testing.T) {
	mnt := btrfs(t)
	write(t, mnt+"/data/file", "then")
	f := take(t, Btrfs, Options{}, mnt+"/data")
	write(t, mnt+"/data/file", "now")
	write(t, mnt+"/data/new", "new")
	if got := f.Path(mnt + "/data/file"); read(t, got) != "then" {
		t.Errorf("%s holds something else", got)
	}
	if got := f.Path(mnt + "/data"); got != f.Path(mnt)+"/data" {
		t.Errorf("%s", got)
	}
	if got := f.Path("/proc/self"); got != "" {
		t.Errorf("%s", got)
	}
	src := walked(t, f, walk.Options{}, mnt+"/data")
	found := entries(t, src, mnt)
	if _, there := found["data/new"]; there || found["data/file"].Size != 4 {
		t.Errorf("%+v", found)
	}
	ok(t, src.Close())
	if names := pictures(t, mnt); len(names) != 2 {
		t.Errorf("%q", names)
	}
	ok(t, f.Close())
	ok(t, f.Close())
	if names := pictures(t, mnt); len(names) != 0 {
		t.Errorf("left: %q", names)
	}
	if list := run(t, "btrfs", "subvolume", "list", mnt); list != "" {
		t.Errorf("left: %s", list)
	}
}

func TestEntriesOfAPictureAreThoseOfTheLiveDisk(t *testing.T) {
	mnt := btrfs(t)
	write(t, mnt+"/a/file", "x")
	ok(t, os.Link(mnt+"/a/file", mnt+"/a/link"))
	write(t, mnt+"/"+DirName+"/own", "of a run that was killed")
	ok(t, os.Chmod(mnt+"/"+DirName, 0o700))
	top, err := osfs.Open("/")
	ok(t, err)
	live, err := walk.New(top, []string{mnt[1:]}, walk.Options{SkipName: DirName, Now: later})
	ok(t, err)
	defer live.Close()
	f := take(t, Btrfs, Options{}, mnt)
	src := walked(t, f, walk.Options{}, mnt)
	defer src.Close()
	want, got := entries(t, live, "/"), entries(t, src, "/")
	for path, w := range want {
		g := got[path]
		if strings.HasPrefix(mnt[1:], path+"/") { // others write there meanwhile
			g.MTime, g.Stamp, g.Size = w.MTime, w.Stamp, w.Size
		}
		if fmt.Sprint(g) != fmt.Sprint(w) {
			t.Errorf("%s:\n%+v\n%+v", path, g, w)
		}
	}
	if len(got) != len(want) || got[mnt[1:]+"/a/link"].SameAs == "" {
		t.Errorf("%d entries, and %d of the live disk", len(got), len(want))
	}
	if _, there := got[mnt[1:]+"/"+DirName]; there {
		t.Error("the directory for pictures is among them")
	}
}

func TestTheSecondRunReadsNothingAgain(t *testing.T) {
	mnt := btrfs(t)
	for i := range 20 {
		write(t, fmt.Sprintf("%s/d%d/file", mnt, i), fmt.Sprint("text ", i))
	}
	s := store(t)
	f := take(t, Btrfs, Options{}, mnt)
	if _, opened := saved(t, s, f, mnt); len(opened) != 20 {
		t.Errorf("%d files opened at first", len(opened))
	}
	ok(t, f.Close())
	f = take(t, Btrfs, Options{}, mnt)
	if snap, opened := saved(t, s, f, mnt); len(opened) != 0 || snap.Added != 0 || snap.Files != 20 {
		t.Errorf("opened again: %q, %+v", opened, snap)
	}
	ok(t, f.Close())
	write(t, mnt+"/d3/file", "text 4")
	f = take(t, Btrfs, Options{}, mnt)
	if _, opened := saved(t, s, f, mnt); len(opened) != 1 || !strings.HasSuffix(opened[0], "d3/file") {
		t.Errorf("opened: %q", opened)
	}
	ok(t, f.Close())
	top, err := osfs.Open("/")
	ok(t, err)
	live, err := walk.New(top, []string{mnt[1:]}, walk.Options{SkipName: DirName, Now: later})
	ok(t, err)
	src := &counted{Source: live}
	_, err = s.Save(t.Context(), src, varve.SaveOptions{Series: "x", Host: "h", Sources: []string{mnt}})
	ok(t, err)
	ok(t, src.Close())
	if len(src.opened) != 0 {
		t.Errorf("after runs with pictures one without opens %q", src.opened)
	}
}

func TestWhatIsNotInAPictureIsLeftOutAndTold(t *testing.T) {
	mnt := btrfs(t)
	run(t, "btrfs", "subvolume", "create", mnt+"/nested")
	run(t, "btrfs", "subvolume", "create", mnt+"/nested/deep")
	write(t, mnt+"/nested/file", "x")
	write(t, mnt+"/nested/deep/file", "y")
	write(t, mnt+"/bound/under", "hidden")
	write(t, mnt+"/origin/file", "z")
	for _, name := range []string{"tmp", "proc", "same"} {
		ok(t, os.Mkdir(mnt+"/"+name, 0o755))
	}
	mounted(t, mnt+"/bound", "--bind", mnt+"/nested")
	mounted(t, mnt+"/same", "--bind", mnt+"/origin")
	mounted(t, mnt+"/tmp", "-t", "tmpfs", "none")
	mounted(t, mnt+"/proc", "-t", "proc", "proc")
	write(t, mnt+"/tmp/file", "x")

	f := take(t, Btrfs, Options{}, mnt)
	src := walked(t, f, walk.Options{}, mnt)
	found := entries(t, src, mnt)
	for path, want := range map[string]bool{"nested": true, "nested/file": false, "tmp": true, "tmp/file": false, "proc": true, "proc/self": false,
		"bound": true, "bound/under": false, "bound/file": false, "same/file": true, "origin/file": true} {
		if _, there := found[path]; there != want {
			t.Errorf("%s: %v", path, there)
		}
	}
	left := src.LeftOut()
	slices.Sort(left)
	if want := []string{mnt[1:] + "/bound", mnt[1:] + "/nested", mnt[1:] + "/tmp"}; !slices.Equal(left, want) {
		t.Errorf("left out: %q", left)
	}
	ok(t, src.Close())
	ok(t, f.Close())

	f = take(t, Btrfs, Options{}, mnt, mnt+"/nested/deep", mnt+"/nested/deep/file")
	src = walked(t, f, walk.Options{}, mnt, mnt+"/nested/deep")
	found = entries(t, src, mnt)
	for path, want := range map[string]bool{"nested": true, "nested/file": false, "nested/deep/file": true, "same/file": true} {
		if _, there := found[path]; there != want {
			t.Errorf("%s: %v", path, there)
		}
	}
	if len(f.pictures) != 2 {
		t.Errorf("%d pictures", len(f.pictures))
	}
	ok(t, src.Close())
	ok(t, f.Close())
	if names := append(pictures(t, mnt), pictures(t, mnt+"/nested/deep")...); len(names) > 0 {
		t.Errorf("left: %q", names)
	}
}

func TestAPartOfASubvolumeThatIsMountedReadOnlyIsFound(t *testing.T) {
	mnt := btrfs(t)
	write(t, mnt+"/etc/in/file", "then")
	mounted(t, mnt+"/etc", "--bind", mnt+"/etc")
	run(t, "mount", "-o", "remount,bind,ro", mnt+"/etc")
	elsewhere := t.TempDir()
	mounted(t, elsewhere, "--bind", mnt+"/etc/in")
	f := take(t, Btrfs, Options{}, mnt+"/etc", elsewhere)
	if len(f.pictures) != 1 {
		t.Errorf("%d pictures of one subvolume", len(f.pictures))
	}
	write(t, mnt+"/new", "new")
	for path, want := range map[string]string{mnt + "/etc/in/file": "then", elsewhere + "/file": "then"} {
		if got := read(t, f.Path(path)); got != want {
			t.Errorf("%s: %q", path, got)
		}
	}
	src := walked(t, f, walk.Options{}, mnt+"/etc", elsewhere)
	found := entries(t, src, "/")
	for _, path := range []string{mnt + "/etc/in/file", elsewhere + "/file"} {
		if _, there := found[path[1:]]; !there {
			t.Errorf("%s is missing", path)
		}
	}
	if left := src.LeftOut(); len(left) > 0 {
		t.Errorf("left out: %q", left)
	}
	ok(t, src.Close())
	ok(t, f.Close())

	whole := take(t, Btrfs, Options{}, mnt)
	src = walked(t, whole, walk.Options{}, mnt)
	if _, there := entries(t, src, mnt)["etc/in/file"]; !there {
		t.Error("what is mounted on itself is missing")
	}
	if left := src.LeftOut(); len(left) > 0 {
		t.Errorf("left out: %q", left)
	}
	ok(t, src.Close())
}

func TestPicturesOfTheDeadAreRemovedAndThoseOfTheLivingStay(t *testing.T) {
	mnt := btrfs(t)
	write(t, mnt+"/file", "then")
	alive := take(t, Btrfs, Options{}, mnt)
	dead := take(t, Btrfs, Options{}, mnt)
	gone := filepath.Base(dead.pictures[0].dir)
	crash(t, mnt, gone)
	lockless := take(t, Btrfs, Options{}, mnt)
	if names := pictures(t, mnt); slices.Contains(names, gone) || slices.Contains(names, gone+lockSuffix) || len(names) != 4 {
		t.Errorf("%q", names)
	}
	crash(t, mnt, filepath.Base(lockless.pictures[0].dir))
	ok(t, os.Remove(lockless.pictures[0].dir+lockSuffix))
	write(t, mnt+"/"+DirName+"/aaaaaaaaaaaaaaaaaaaaaaaaaa.lock", "")
	write(t, mnt+"/"+DirName+"/somebody", "")
	run(t, "btrfs", "subvolume", "create", mnt+"/"+DirName+"/other")
	sweep(t, Btrfs, Options{}, mnt+"/file")
	mine := filepath.Base(alive.pictures[0].dir)
	if got, want := pictures(t, mnt), []string{mine, mine + lockSuffix, "other", "somebody"}; !sameNames(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if read(t, alive.Path(mnt+"/file")) != "then" {
		t.Error("it is not what it was")
	}
}

// sweep removes what dead processes have left of the file system that path lies on, as taking a picture of it begins with.
func sweep(t *testing.T, kind Kind, o Options, path string) {
	t.Helper()
	p, err := plan(kind, []string{path}, o.withDefaults())
	ok(t, err)
	for _, v := range p.volumes {
		ok(t, v.sweep(t.Context()))
	}
}

func sameNames(a, b []string) bool {
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

func TestWhereNothingCanBeRemovedNothingMoreIsTaken(t *testing.T) {
	mnt := btrfs(t)
	if _, err := exec.LookPath("chattr"); err != nil {
		skip(t, "chattr is missing")
	}
	f := take(t, Btrfs, Options{}, mnt)
	crash(t, mnt, filepath.Base(f.pictures[0].dir))
	run(t, "chattr", "+i", mnt+"/"+DirName)
	_, err := Take(t.Context(), Btrfs, []string{mnt}, Options{})
	if !errors.Is(err, os.ErrPermission) || !strings.Contains(err.Error(), "by hand: btrfs subvolume delete "+f.pictures[0].dir) {
		t.Errorf("%v", err)
	}
	if err := f.Close(); !errors.Is(err, os.ErrPermission) {
		t.Errorf("%v", err)
	}
	run(t, "chattr", "-i", mnt+"/"+DirName)
	sweep(t, Btrfs, Options{}, mnt)
	if names := pictures(t, mnt); len(names) > 0 {
		t.Errorf("left: %q", names)
	}
}

// crash lets go of the lock of a picture, as the end of a process does.
func crash(t *testing.T, top, id string) {
	t.Helper()
	run(t, "cp", "-p", top+"/"+DirName+"/"+id+lockSuffix, top+"/"+DirName+"/x")
	ok(t, os.Rename(top+"/"+DirName+"/x", top+"/"+DirName+"/"+id+lockSuffix)) // another file, which nobody holds
}

func TestAPlantedDirectoryIsNotTrusted(t *testing.T) {
	mnt := btrfs(t)
	at := mnt + "/" + DirName
	outside := t.TempDir()
	for name, plant := range map[string]func() error{
		"a symlink":        func() error { return os.Symlink(outside, at) },
		"a file":           func() error { return os.WriteFile(at, nil, 0o700) },
		"open to others":   func() error { return errors.Join(os.Mkdir(at, 0o700), os.Chmod(at, 0o755)) },
		"somebody else's":  func() error { return errors.Join(os.Mkdir(at, 0o700), os.Chown(at, 1000, 1000)) },
		"a symlink inside": func() error { return errors.Join(os.Mkdir(mnt+"/x", 0o700), os.Symlink("x", at)) },
	} {
		ok(t, plant())
		f, err := Take(t.Context(), Btrfs, []string{mnt}, Options{})
		if err == nil {
			t.Errorf("%s is trusted", name)
			ok(t, f.Close())
		}
		ok(t, os.RemoveAll(at))
	}
	if names, err := os.ReadDir(outside); err != nil || len(names) > 0 {
		t.Errorf("%v, %v", names, err)
	}
	f := take(t, Btrfs, Options{}, mnt)
	ok(t, os.Rename(at, mnt+"/moved"))
	ok(t, os.MkdirAll(f.pictures[0].dir, 0o755))
	if dir, err := f.OpenDir(mnt); !errors.Is(err, errReplaced) {
		t.Errorf("%v, %v", dir, err)
	}
	ok(t, f.Close())
	if names, err := os.ReadDir(mnt + "/moved"); err != nil || len(names) > 0 {
		t.Errorf("left: %v, %v", names, err)
	}
}

func TestOnlyWhatIsInAPictureIsRead(t *testing.T) {
	mnt := btrfs(t)
	beside := t.TempDir()
	write(t, beside+"/live", "live")
	write(t, mnt+"/data/file", "then")
	ok(t, os.Symlink(mnt+"/data", beside+"/way"))
	f := take(t, Btrfs, Options{}, beside+"/way", mnt+"/nowhere")
	dir, err := f.OpenDir(beside + "/way")
	ok(t, err)
	if _, err := dir.Lookup("file"); err != nil {
		t.Error(err)
	}
	isReadOnly(t, dir)
	ok(t, dir.Close())
	dir, err = f.OpenDir(beside)
	ok(t, err)
	if _, err := dir.Names(); !errors.Is(err, errLive) {
		t.Error(err)
	}
	if _, err := dir.Open("live"); !errors.Is(err, errLive) {
		t.Error(err)
	}
	ok(t, dir.Close())
	if _, err := Take(t.Context(), Btrfs, []string{mnt, beside}, Options{}); !errors.Is(err, ErrKind) {
		t.Error(err)
	}
	ok(t, f.Close())
	if names := pictures(t, mnt); len(names) > 0 {
		t.Errorf("left: %q", names)
	}
}
