//go:build linux

package freeze

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

func newShelf(t *testing.T) *shelf {
	t.Helper()
	s, err := Options{Dir: t.TempDir() + "/up/shelf"}.toolShelf()
	ok(t, err)
	t.Cleanup(func() { ok(t, s.close()) })
	return s
}

// idWith returns an ID that ends in this character.
func idWith(end string) string { return strings.Repeat("a", 25) + end }

func TestALockTellsTheLivingFromTheDead(t *testing.T) {
	s := newShelf(t)
	alive, err := s.claim(func() string { return idWith("B") })
	ok(t, err)
	dead, err := s.claim(func() string { return idWith("C") })
	ok(t, err)
	ok(t, dead.abandon())
	if c, err := s.ofDead(alive.id); c != nil || err != nil {
		t.Errorf("%+v, %v", c, err)
	}
	c, err := s.ofDead(dead.id)
	if err != nil || c == nil {
		t.Fatalf("%+v, %v", c, err)
	}
	if other, err := s.ofDead(dead.id); other != nil || err != nil {
		t.Errorf("two have it: %+v, %v", other, err)
	}
	ok(t, c.release())
	ok(t, alive.release())
	if ids, err := s.ids(); err != nil || len(ids) != 0 {
		t.Errorf("%q, %v", ids, err)
	}
}

func TestWhatSomebodyElseHasPutInThePlaceOfADirectoryIsNamedAndLeftAlone(t *testing.T) {
	top, outside := t.TempDir(), t.TempDir()
	at := top + "/" + DirName
	root, err := os.OpenRoot(top)
	ok(t, err)
	defer root.Close()
	plants := map[string]func() error{
		"is no directory":     func() error { return os.WriteFile(at, nil, 0o700) },
		"is no directory, so": func() error { return os.Symlink(outside, at) },
		"mode 0750":           func() error { return errors.Join(os.Mkdir(at, 0o700), os.Chmod(at, 0o750)) },
	}
	if os.Geteuid() == 0 {
		plants["belongs to user 1000"] = func() error { return errors.Join(os.Mkdir(at, 0o700), os.Chown(at, 1000, 1000)) }
	}
	for want, plant := range plants {
		ok(t, plant())
		before, err := os.Lstat(at)
		ok(t, err)
		if s, err := openShelf(root, DirName, true); err == nil || !strings.Contains(err.Error(), at+": ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v", want, s, err)
		}
		if after, err := os.Lstat(at); err != nil || !os.SameFile(before, after) || after.Mode() != before.Mode() {
			t.Errorf("%s: it was touched: %v", want, err)
		}
		ok(t, os.Remove(at))
	}
	if names, err := os.ReadDir(outside); err != nil || len(names) > 0 {
		t.Errorf("%v, %v", names, err)
	}
}

func TestALockCountsOnlyWhileItsFileIsThere(t *testing.T) {
	s := newShelf(t)
	c, err := s.claim(func() string { return idWith("B") })
	ok(t, err)
	gone, err := s.root.OpenFile(c.id+lockSuffix, os.O_RDWR, 0)
	ok(t, err)
	ok(t, c.release())
	if held, err := hold(gone); held || err != nil {
		t.Errorf("a lock whose file is gone is held: %v", err)
	}
	ok(t, gone.Close())
}

func TestNamesAreCheckedAndNeverTakenTwice(t *testing.T) {
	s := newShelf(t)
	if _, err := s.claim(func() string { return "../x" }); err == nil {
		t.Error("a name that leads out of the directory is taken")
	}
	write(t, s.root.Name()+"/"+idWith("z")+lockSuffix, "")
	if _, err := s.claim(func() string { return idWith("z") }); !errors.Is(err, os.ErrExist) {
		t.Errorf("%v", err)
	}
}

func TestMountsAreReadAsTheKernelWritesThem(t *testing.T) {
	table := `21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
22 21 0:5 / /proc rw - proc proc rw
30 21 8:2 /@ /a rw shared:2 master:3 - btrfs /dev/sdb ro,subvol=/@
31 30 8:2 /@/x\040y /a/b\134c ro - btrfs /dev/sdb rw
32 21 8:3 / /c rw - xfs /dev/sdc rw
33 30 8:4 / /a rw - ext4 /dev/sdd rw
a line that makes no sense
34 33 8:5 / /a/b\134c rw - tmpfs none
`
	path := t.TempDir() + "/mountinfo"
	write(t, path, table)
	all, err := readMounts(path)
	ok(t, err)
	for path, want := range map[string]string{"/": "21", "/x": "21", "/proc/self": "22", "/a": "33", "/a/x/y": "33", `/a/b\c`: "34", `/a/b\c/d`: "34",
		"/ab": "21", "/c/x": "32"} {
		if got := all.at(path); got == nil || got.id != want {
			t.Errorf("%s: %+v, want %s", path, got, want)
		}
	}
	if len(all) != 7 || !all[2].readOnly || !all[3].readOnly || all[6].readOnly || all[3].root != "/@/x y" || all[3].kind != "btrfs" {
		t.Errorf("%d of them, %+v", len(all), all[3])
	}
	var below []string
	for _, m := range all.below("/") {
		below = append(below, m.id)
	}
	if got := fmt.Sprint(below); got != "[22 32 33 34]" {
		t.Errorf("seen below the root: %s", got)
	}
	if got := all[3].inside(`/a/b\c/d`); got != "/@/x y/d" {
		t.Error(got)
	}
	if got, shown := all[2].shows("/@/u"); got != "/a/u" || !shown {
		t.Error(got)
	}
	if got, shown := all[3].shows("/@/u"); shown {
		t.Error(got)
	}
	if (mounts{}).at("/x") != nil {
		t.Error("nothing is mounted, and something found")
	}
}

func TestAToolThatFailsSaysWhy(t *testing.T) {
	out, err := runTool(t.Context(), "sh", "-c", "echo text; echo warned >&2")
	if out != "text\n" || err != nil {
		t.Errorf("%q, %v", out, err)
	}
	if _, err := runTool(t.Context(), "sh", "-c", "echo lost >&2; exit 3"); err == nil || err.Error() != "sh: exit status 3: lost" {
		t.Error(err)
	}
	if _, err := runTool(t.Context(), "sh", "-c", "yes"); err == nil || !strings.Contains(err.Error(), "prints too much") {
		t.Error(err)
	}
	if _, err := runTool(t.Context(), "no-such-tool"); err == nil || !strings.Contains(err.Error(), "no-such-tool") {
		t.Error(err)
	}
}

func TestTheTimeOfAPictureIsWhenTakingItBegan(t *testing.T) {
	d := lvmDesk(t)
	then := time.Unix(1e9, 5)
	d.o.Now = func() time.Time { return then }
	f := take(t, LVM, d.o, d.live)
	if !f.Since().Equal(then) {
		t.Error(f.Since())
	}
}
