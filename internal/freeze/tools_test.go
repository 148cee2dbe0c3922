//go:build linux

package freeze

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// desk is a machine with programs in the place of those of LVM and ZFS, and of mount and umount. Each writes down how it was called. What
// is mounted where, and which volumes there are, stands in files.
type desk struct {
	*testing.T
	dir  string
	live string // where the file system is mounted
	o    Options
	warn []string
}

// programs are what is in the place of the tools. Each fails at the call whose number is in the file fail, and that call alone: before it
// has done anything, or with a number that ends in "late" after it. What exists is a directory in volumes.
const programs = `#!/bin/sh
me=${0##*/}
cd "$DESK" || exit 9
echo "$me $*" >>calls
n=$(wc -l <calls)
case "$(cat fail 2>/dev/null)" in
$n) echo "$me: broken" >&2; exit 5;;
esac
last() { for last; do :; done; echo "$last"; }
case $me in
lvs)
	echo "  WARNING: a warning" >&2
	case "$*" in
	*lv_name,origin*) echo "  home"; for v in volumes/*; do [ -d "$v" ] && echo "  ${v##*/} home"; done; echo "  varve-aaaaaaaaaaaaaaaaaaaaaaaaab other";;
	*) echo "  vg0 home $(cat segtype)";;
	esac;;
lvcreate) mkdir "volumes/$3" && cp -a live/. "volumes/$3";;
lvremove) v=volumes/${2#vg0/}; [ -d "$v" ] || exit 5; rm -r "$v";;
mount) v=volumes/${5##*/}; [ -d "$v" ] || exit 32; cp -a "$v/." "$6"; echo "90 1 8:1 / $6 ro - ext4 x ro" >>mountinfo;;
umount) grep -q " $1 " mountinfo || exit 32; rm -rf "$1"/*; grep -v " $1 " mountinfo >m; mv m mountinfo;;
zfs)
	name=$(last "$@"); at=live/.zfs/snapshot/${name#*@}
	case $1 in
	snapshot) mkdir -p "$at"; cp -a live/file "$at"; echo "91 2 8:2 / $PWD/$at ro - zfs $name ro" >>mountinfo;;
	destroy) [ -d "$at" ] || exit 1; rm -r "$at"; grep -v " $PWD/$at " mountinfo >m; mv m mountinfo;;
	list) for v in live/.zfs/snapshot/*; do [ -d "$v" ] && echo "tank/home@${v##*/}"; done; echo tank/home@daily;;
	esac;;
esac
case "$(cat fail 2>/dev/null)" in
"$n late") echo "$me: broken" >&2; exit 5;;
esac
exit 0
`

// newDesk makes a machine whose file system is of this kind, on a device that is what uuid says.
func newDesk(t *testing.T, kind, source, uuid string) *desk {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	ok(t, err)
	d := &desk{T: t, dir: dir, live: dir + "/live"}
	write(t, dir+"/program", programs)
	ok(t, errors.Join(os.Chmod(dir+"/program", 0o755), os.Mkdir(dir+"/bin", 0o755), os.Mkdir(dir+"/volumes", 0o755)))
	for _, name := range []string{"lvs", "lvcreate", "lvremove", "mount", "umount", "zfs"} {
		ok(t, os.Symlink("../program", dir+"/bin/"+name))
	}
	write(t, d.live+"/file", "then")
	write(t, dir+"/segtype", "linear")
	write(t, dir+"/sys/dev/block/8:7/dm/uuid", uuid)
	write(t, dir+"/sys/dev/block/8:7/dm/name", "vg0-home\n")
	write(t, dir+"/mountinfo", fmt.Sprintf("1 0 0:1 / / rw - ext4 /dev/sda1 rw\n2 1 8:7 / %s rw - %s %s rw\n", d.live, kind, source))
	t.Setenv("PATH", dir+"/bin:"+os.Getenv("PATH"))
	t.Setenv("DESK", dir)
	n := 0
	random := func() string { n++; return strings.Repeat("a", 25) + string(rune('B'+n)) }
	d.o = Options{Dir: dir + "/run/freeze", Random: random, Warn: func(err error) { d.warn = append(d.warn, err.Error()) },
		mountInfo: dir + "/mountinfo", sys: dir + "/sys"}
	return d
}

// calls returns what was called, without the directory of the desk, and forgets it.
func (d *desk) calls() []string {
	d.Helper()
	text, err := os.ReadFile(d.dir + "/calls")
	if !errors.Is(err, os.ErrNotExist) {
		ok(d.T, err)
	}
	_ = os.Remove(d.dir + "/calls")
	return strings.Split(strings.TrimSpace(strings.ReplaceAll(string(text), d.dir+"/", "")), "\n")
}

func (d *desk) called(want ...string) {
	d.Helper()
	if got := d.calls(); !slices.Equal(got, want) {
		d.Errorf("called:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// left returns what is left of pictures.
func (d *desk) left() (names []string) {
	d.Helper()
	for _, pattern := range []string{"/volumes/*", "/run/freeze/*", "/live/.zfs/snapshot/*"} {
		found, err := filepath.Glob(d.dir + pattern)
		ok(d.T, err)
		names = append(names, found...)
	}
	if text := read(d.T, d.dir+"/mountinfo"); strings.Count(text, "\n") != 2 {
		names = append(names, text)
	}
	return names
}

const idC = "aaaaaaaaaaaaaaaaaaaaaaaaac" // the first that a desk gives

var lvmTake = []string{
	"lvs --noheadings --options vg_name,lv_name,segtype /dev/mapper/vg0-home",
	"lvs --noheadings --options lv_name,origin vg0",
	"lvs --noheadings --options vg_name,lv_name,segtype /dev/mapper/vg0-home",
	"lvcreate --snapshot --name varve-" + idC + " --extents 20%ORIGIN vg0/home",
	"mount -t ext4 -o ro,nodev,nosuid,noexec /dev/vg0/varve-" + idC + " run/freeze/" + idC,
}

var lvmClose = []string{"umount run/freeze/" + idC, "lvremove --force vg0/varve-" + idC}

var zfsTake = []string{"zfs list -H -t snapshot -d 1 -o name tank/home", "zfs snapshot tank/home@varve-" + idC}

var zfsClose = []string{"zfs destroy tank/home@varve-" + idC}

func lvmDesk(t *testing.T) *desk { return newDesk(t, "ext4", "/dev/mapper/vg0-home", "LVM-xyz\n") }

func zfsDesk(t *testing.T) *desk { return newDesk(t, "zfs", "tank/home", "") }

func TestToolsAreCalledInOrder(t *testing.T) {
	for kind, tt := range map[Kind]struct {
		desk        func(*testing.T) *desk
		take, close []string
	}{LVM: {lvmDesk, lvmTake, lvmClose}, ZFS: {zfsDesk, zfsTake, zfsClose}} {
		d := tt.desk(t)
		f := take(t, kind, d.o, d.live+"/file", d.live)
		d.called(tt.take...)
		write(t, d.live+"/file", "now")
		if got := read(t, f.Path(d.live+"/file")); got != "then" {
			t.Errorf("%s: %q", kind, got)
		}
		ok(t, f.Close())
		d.called(tt.close...)
		if left := d.left(); len(left) > 0 || len(d.warn) > 0 {
			t.Errorf("%s: left: %q, %q", kind, left, d.warn)
		}
	}
}

func TestThinVolumesAndXFSGetWhatTheyNeed(t *testing.T) {
	d := newDesk(t, "xfs", "/dev/mapper/vg0-home", "LVM-xyz\n")
	write(t, d.dir+"/segtype", "thin")
	ok(t, take(t, LVM, d.o, d.live).Close())
	calls := strings.Join(d.calls(), "\n")
	for _, want := range []string{"--name varve-" + idC + " --setactivationskip n vg0/home\n", "mount -t xfs -o ro,nodev,nosuid,noexec,nouuid /dev/vg0"} {
		if !strings.Contains(calls, want) {
			t.Errorf("%s\nis not in\n%s", want, calls)
		}
	}
}

func TestWhereAToolFailsNothingIsLeft(t *testing.T) {
	for kind, tt := range map[Kind]struct {
		desk func(*testing.T) *desk
		take []string
	}{LVM: {lvmDesk, lvmTake}, ZFS: {zfsDesk, zfsTake}} {
		for n := range tt.take {
			for _, late := range []string{"", " late"} {
				d := tt.desk(t)
				write(t, d.dir+"/fail", fmt.Sprint(n+1, late))
				f, err := Take(t.Context(), kind, []string{d.live}, d.o)
				if err == nil { // it was about what others have left behind
					if len(d.warn) != 1 || !strings.Contains(d.warn[0], "broken") {
						t.Errorf("%s fails%s: %q", tt.take[n], late, d.warn)
					}
					err = errors.Join(f.Close(), errors.New("broken"))
				}
				if !strings.Contains(err.Error(), "broken") || strings.Contains(err.Error(), "by hand") {
					t.Errorf("%s fails%s: %v", tt.take[n], late, err)
				}
				if left := d.left(); len(left) > 0 {
					t.Errorf("%s fails%s: left: %q\n%s", tt.take[n], late, left, strings.Join(d.calls(), "\n"))
				}
			}
		}
	}
}

func TestWhatCannotBeRemovedIsToldAndTheNextTakeRemovesIt(t *testing.T) {
	for kind, tt := range map[Kind]struct {
		desk        func(*testing.T) *desk
		take, close []string
	}{LVM: {lvmDesk, lvmTake, lvmClose}, ZFS: {zfsDesk, zfsTake, zfsClose}} {
		for n, call := range tt.close {
			d := tt.desk(t)
			f := take(t, kind, d.o, d.live)
			write(t, d.dir+"/fail", fmt.Sprint(len(tt.take)+n+1))
			err := f.Close()
			want := strings.ReplaceAll(strings.Join(tt.close[n:], " && "), "run/freeze", d.dir+"/run/freeze")
			if err == nil || !strings.Contains(err.Error(), "broken") || !strings.HasSuffix(err.Error(), "; by hand: "+want) {
				t.Errorf("%s fails: %v", call, err)
			}
			if left := d.left(); len(left) < 2 {
				t.Errorf("%s fails: left: %q", call, left)
			}
			ok(t, os.Remove(d.dir+"/fail"))
			ok(t, take(t, kind, d.o, d.live).Close())
			if left := d.left(); len(left) > 0 || len(d.warn) > 0 {
				t.Errorf("%s failed: left: %q, %q", call, left, d.warn)
			}
		}
	}
}

func TestPicturesOfOtherRunsAreLeftAlone(t *testing.T) {
	for kind, desk := range map[Kind]func(*testing.T) *desk{LVM: lvmDesk, ZFS: zfsDesk} {
		d := desk(t)
		alive := take(t, kind, d.o, d.live)
		ok(t, take(t, kind, d.o, d.live).Close())
		sweep(t, kind, d.o, d.live)
		if got := read(t, alive.Path(d.live+"/file")); got != "then" {
			t.Errorf("%s: %q", kind, got)
		}
		ok(t, alive.Close())
		if left := d.left(); len(left) > 0 || len(d.warn) > 0 {
			t.Errorf("%s: left: %q, %q", kind, left, d.warn)
		}
	}
}

func TestAMountThatDidNotHappenIsNoticed(t *testing.T) {
	d := lvmDesk(t)
	ok(t, os.Remove(d.dir+"/bin/mount"))
	ok(t, os.Symlink("/bin/true", d.dir+"/bin/mount"))
	f, err := Take(t.Context(), LVM, []string{d.live}, d.o)
	if err == nil || !strings.Contains(err.Error(), "nothing is mounted on "+d.o.Dir) {
		t.Errorf("%v, %v", f, err)
	}
}

func TestWhatLiesOnSomethingElseIsRefused(t *testing.T) {
	crypt := newDesk(t, "ext4", "/dev/mapper/x", "CRYPT-LUKS2-x")
	onLVM := newDesk(t, "btrfs", "/dev/mapper/vg0-home", "LVM-xyz")
	for _, err := range []error{
		Check(LVM, []string{crypt.live}, crypt.o), Check(LVM, []string{"/"}, crypt.o), Check(LVM, []string{onLVM.live}, onLVM.o),
		Check(ZFS, []string{crypt.live}, crypt.o), Check(Btrfs, []string{crypt.live + "/file"}, crypt.o), Check("ntfs", []string{"/"}, crypt.o),
	} {
		if !errors.Is(err, ErrKind) {
			t.Error(err)
		}
	}
	if err := Check(LVM, []string{crypt.live + "/nowhere", crypt.live + "/file/x"}, crypt.o); err != nil {
		t.Error(err)
	}
}
