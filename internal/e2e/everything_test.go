//go:build linux

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"varve"
)

// everything makes, below dir, an object of every kind with everything that an object can have.
func everything(t *testing.T, dir, kind string) {
	t.Helper()
	need(t, "setfacl", "setfattr", "setcap", "chattr", "rsync", "tar", "getfacl", "getfattr", "lsattr")
	ok(t, os.Mkdir(dir, 0o751))
	for _, part := range []func(*testing.T, string){modes, contents, names, specials, links, xattrs, times} {
		part(t, dir)
	}
	flags(t, dir, kind)
	when(t, dir, 1_234_567_890)
	ok(t, os.Lchown(dir, 12, 34))
}

func text(t *testing.T, path, content string) {
	t.Helper()
	ok(t, os.MkdirAll(filepath.Dir(path), 0o755))
	ok(t, os.WriteFile(path, []byte(content), 0o644))
}

func modes(t *testing.T, dir string) {
	for _, mode := range []uint32{0, 0o1, 0o400, 0o644, 0o777, 0o1755, 0o2755, 0o4755, 0o6711, 0o7777, 0o4000} {
		file, sub := fmt.Sprintf("%s/modes/file-%04o", dir, mode), fmt.Sprintf("%s/modes/dir-%04o", dir, mode)
		text(t, file, file)
		text(t, sub+"/inside", sub)
		for _, path := range []string{file, sub} {
			ok(t, os.Lchown(path, int(1<<32-2), 4_000_000_000))
			ok(t, syscall.Chmod(path, mode))
		}
	}
	for i, id := range []int{0, 1, 65534, 65535, 1 << 31, 1<<32 - 2} {
		path := fmt.Sprintf("%s/modes/owner-%d", dir, i)
		ok(t, os.Symlink("x", path))
		ok(t, os.Lchown(path, id, id))
	}
}

func contents(t *testing.T, dir string) {
	text(t, dir+"/contents/empty", "")
	text(t, dir+"/contents/byte", "x")
	for _, n := range []int{4095, 4096, 4097, 256 << 10, 256<<10 + 1, 3 << 20} {
		text(t, fmt.Sprintf("%s/contents/size-%d", dir, n), strings.Repeat("varve ", n/6+1)[:n])
	}
	text(t, dir+"/contents/zeros", strings.Repeat("\x00", 300<<10))
	const unit = 64 << 10
	for name, blocks := range map[string][]int64{"hole-front": {3, 4}, "hole-middle": {0, 9}, "hole-end": {0}, "hole-only": {}, "holes": {1, 3, 5, 7, 30}} {
		path := dir + "/contents/" + name
		f, err := os.Create(path)
		ok(t, err)
		for _, b := range blocks {
			_, err := f.WriteAt(bytes.Repeat([]byte{'d'}, unit), b*unit)
			ok(t, err)
		}
		size := int64(10 * unit)
		if name == "holes" {
			size = 31*unit - 100
		}
		ok(t, errors.Join(f.Truncate(size), f.Sync(), f.Close()))
	}
}

func names(t *testing.T, dir string) {
	for b := 1; b < 256; b++ {
		if b != '/' {
			text(t, dir+"/names/x"+string([]byte{byte(b)}), "")
		}
	}
	for _, name := range []string{strings.Repeat("n", 255), strings.Repeat("\xff", 255), "new\nline", "é", "e\u0301", " ", "-rf", "...", ".varve",
		"a", "a.b", "a-b", "A"} {
		text(t, dir+"/names/"+name, name)
		text(t, dir+"/names/dir"+name[:min(len(name), 252)]+"/a", "")
	}
}

func specials(t *testing.T, dir string) {
	ok(t, os.Mkdir(dir+"/specials", 0o755))
	for name, node := range map[string]struct {
		mode uint32
		dev  int
	}{
		"fifo": {syscall.S_IFIFO | 0o640, 0}, "socket": {syscall.S_IFSOCK | 0o777, 0}, "null": {syscall.S_IFCHR | 0o666, 1<<8 | 3},
		"block": {syscall.S_IFBLK | 0o660, 7<<8 | 1}, "large-numbers": {syscall.S_IFCHR | 0o600, 0x123<<8 | 0x45 | 0x123<<20},
	} {
		path := dir + "/specials/" + name
		ok(t, syscall.Mknod(path, node.mode, node.dev))
		ok(t, syscall.Chmod(path, node.mode&0o7777))
		ok(t, os.Lchown(path, 77, 78))
		ok(t, os.Link(path, dir+"/specials/linked-"+name))
	}
}

// longest makes the longest symlink that the file system takes.
func longest(t *testing.T, path string) {
	t.Helper()
	for n := 4095; ; n -= 8 {
		err := os.Symlink(strings.Repeat("t", n), path)
		if err == nil {
			return
		}
		if n < 1000 {
			t.Fatal(err)
		}
	}
}

func links(t *testing.T, dir string) {
	text(t, dir+"/links/a", "a")
	text(t, dir+"/links/sub/b", "b")
	for i := range 5 {
		ok(t, os.Link(dir+"/links/a", fmt.Sprintf("%s/links/sub/a%d", dir, i)))
	}
	ok(t, os.Link(dir+"/links/sub/b", dir+"/links/z"))
	for name, target := range map[string]string{"dangling": "no/where", "absolute": "/etc/passwd", "up": "../../..", "dir": "sub", "bytes": "\xff\n "} {
		ok(t, os.Symlink(target, dir+"/links/"+name))
		ok(t, os.Lchown(dir+"/links/"+name, 55, 66))
	}
	ok(t, os.Link(dir+"/links/dangling", dir+"/links/sub/dangling"))
	longest(t, dir+"/links/long")
}

func xattrs(t *testing.T, dir string) {
	at := dir + "/xattrs"
	text(t, at+"/file", "x")
	ok(t, os.MkdirAll(at+"/dir", 0o755))
	text(t, at+"/program", "x")
	ok(t, os.Symlink("x", at+"/link"))
	ok(t, syscall.Mkfifo(at+"/fifo", 0o600))
	for _, path := range []string{"file", "dir"} {
		run(t, at, "setfattr", "-n", "user.plain", "-v", "value", path)
		run(t, at, "setfattr", "-n", "user.empty", path)
		run(t, at, "setfattr", "-n", "user.bytes", "-v", "0x00ff0a00", path)
		run(t, at, "setfattr", "-n", "user.large", "-v", strings.Repeat("v", 1500), path)
	}
	for _, path := range []string{"file", "dir", "link", "fifo"} {
		run(t, at, "setfattr", "-h", "-n", "trusted.varve", "-v", "secret", path)
		run(t, at, "setfattr", "-h", "-n", "security.varve", "-v", "label", path)
	}
	ok(t, os.Lchown(at+"/program", 1000, 1000))
	run(t, at, "setcap", "cap_net_raw,cap_chown+ep", "program")
	run(t, at, "setfacl", "-m", "u:123:rw,g:4294967294:r,m::rwx", "file", "fifo")
	run(t, at, "setfacl", "-m", "u:123:rwx,d:u:321:rx,d:g:77:-,d:m::rx", "dir")
	ok(t, os.Mkdir(at+"/dir/inherits", 0o700))
	text(t, at+"/dir/inherits/file", "x")
	ok(t, os.Mkdir(at+"/dir/bare", 0o755)) // children that have no ACL though their directory hands one down
	for _, path := range []string{at + "/dir/file", at + "/dir/bare/file"} {
		text(t, path, "x")
		run(t, "", "setfacl", "-b", path)
	}
	run(t, "", "setfacl", "-b", "-k", at+"/dir/bare")
	ok(t, os.Mkdir(at+"/group", 0o755))
	ok(t, os.Lchown(at+"/group", 0, 99))
	ok(t, syscall.Chmod(at+"/group", 0o2775))
	text(t, at+"/group/inherits", "x")
	text(t, at+"/group/other", "x")
	ok(t, os.Lchown(at+"/group/other", 0, 0))
}

// when sets the modification time of path, not followed, to sec and some nanoseconds.
func when(t *testing.T, path string, sec int64) {
	t.Helper()
	e := varve.Entry{Path: path, MTime: varve.Time{Sec: sec, Nsec: 987_654_321}}
	at := open(t, filepath.Dir(path))
	ok(t, at.Set(filepath.Base(path), &e, varve.MTime))
	ok(t, at.Close())
}

func times(t *testing.T, dir string) {
	for i, sec := range []int64{-1<<31 + 1, -1, 0, 1, 1<<31 - 1, 1 << 31, 1<<32 + 1, 13_569_465_600} {
		for kind, make := range map[string]func(string) error{
			"file": func(path string) error { return os.WriteFile(path, []byte("x"), 0o600) },
			"dir":  func(path string) error { return os.Mkdir(path, 0o700) },
			"link": func(path string) error { return os.Symlink("x", path) },
			"fifo": func(path string) error { return syscall.Mkfifo(path, 0o600) },
		} {
			ok(t, os.MkdirAll(dir+"/times", 0o755))
			path := fmt.Sprintf("%s/times/%s-%d", dir, kind, i)
			ok(t, make(path))
			when(t, path, sec)
		}
	}
}

func flags(t *testing.T, dir, kind string) {
	list := []string{"i", "a", "d", "A", "S", "iadAS"}
	switch kind {
	case "ext4":
		list = append(list, "D", "T")
	case "btrfs":
		list = append(list, "c", "D", "m")
	}
	for _, flag := range list {
		path := dir + "/flags/file-" + flag
		text(t, path, flag)
		sub := dir + "/flags/dir-" + flag
		ok(t, os.Mkdir(sub, 0o755))
		text(t, sub+"/inside", flag)
		ok(t, os.Link(path, dir+"/flags/linked-"+flag))
		for _, p := range []string{path, sub} {
			if p == path && strings.ContainsAny(flag, "DT") {
				continue // of directories alone
			}
			when(t, p, 1_000_000_000)
			run(t, "", "chattr", "+"+flag, p)
		}
	}
	if kind == "btrfs" {
		ok(t, os.MkdirAll(dir+"/flags/nocow-dir", 0o755))
		text(t, dir+"/flags/nocow-empty", "")
		run(t, dir, "chattr", "+C", "flags/nocow-empty", "flags/nocow-dir")
		text(t, dir+"/flags/nocow-dir/inherits", "content")
	}
	t.Cleanup(func() { _ = exec.Command("chattr", "-R", "-f", "-i", "-a", dir).Run() })
}

func TestEverythingComesBackExactly(t *testing.T) {
	need(t, "mount")
	volumes := map[string]string{}
	for kind := range fileSystems {
		volumes[kind] = volume(t, kind)
		everything(t, volumes[kind]+"/source", kind)
	}
	for _, way := range [][2]string{{"ext4", "ext4"}, {"xfs", "xfs"}, {"btrfs", "btrfs"}, {"ext4", "btrfs"}, {"xfs", "ext4"}} {
		t.Run(way[0]+" to "+way[1], func(t *testing.T) {
			source, dir := volumes[way[0]]+"/source", volumes[way[1]]+"/store-"+way[0]
			store := openStore(t, dir)
			snap, events := backup(t, store, source)
			quiet(t, events)
			if snap.State != varve.Complete {
				t.Errorf("the snapshot is %s", snap.State)
			}
			verified(t, store)
			alike(t, source, within(dir, snap, source), false)
			target := volumes[way[0]] + "/restored-from-" + way[1]
			exact(t, restored(t, store, snap.ID, source, target))
			alike(t, source, target, true)

			second, events := backup(t, store, source)
			quiet(t, events)
			if second.Added > 0 && second.Added > snap.Added/10 {
				t.Errorf("an unchanged source adds %d bytes", second.Added)
			}
			verified(t, store)
			alike(t, source, within(dir, second, source), false)
			ok(t, store.Close())
		})
	}
}
