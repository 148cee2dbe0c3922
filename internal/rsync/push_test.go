//go:build linux

package rsync

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// sample makes a tree with all that rsync carries.
func sample(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "src")
	write(t, dir+"/file", "content")
	write(t, dir+"/sub/deep/er", "other content")
	write(t, dir+"/sub/exec", "#!/bin/sh\n")
	ok(t, os.Chmod(dir+"/sub/exec", 0o4755))
	ok(t, os.Symlink("../file", dir+"/sub/link"))
	ok(t, os.Symlink("/nowhere/at all", dir+"/dangling"))
	ok(t, os.Link(dir+"/file", dir+"/sub/hard"))
	ok(t, syscall.Mkfifo(dir+"/fifo", 0o600))
	ok(t, syscall.Setxattr(dir+"/file", "user.note", []byte("a\x00b"), 0))
	write(t, dir+"/odd/new\nline \"and\" \xff\\", "odd")
	ok(t, os.Mkdir(dir+"/empty", 0o700))
	past := time.Date(2001, 2, 3, 4, 5, 6, 123456789, time.UTC)
	ok(t, os.Chtimes(dir+"/file", past, past))
	if os.Geteuid() == 0 {
		ok(t, syscall.Mknod(dir+"/null", syscall.S_IFCHR|0o640, 1<<8|3))
		ok(t, os.Chown(dir+"/sub/deep/er", 1234, 4321))
		ok(t, os.Lchown(dir+"/dangling", 77, 88))
		ok(t, syscall.Setxattr(dir+"/odd", "trusted.t", []byte("x"), 0))
	}
	return dir
}

func inode(t *testing.T, path string) uint64 {
	t.Helper()
	var st syscall.Stat_t
	ok(t, syscall.Lstat(path, &st))
	return st.Ino
}

func TestFivePushesMakeFiveLinkedSnapshotsAndLeaveOlderOnesAlone(t *testing.T) {
	t.Parallel()
	needRoot(t)
	s, src := newShelf(t), sample(t)
	write(t, src+"/big", string(noise(1, 1<<20)))
	all := []string{"-aHAX", "--delete", "--numeric-ids", src + "/", "host:/any/where"}
	copies := t.TempDir()
	var snaps []string
	push := func() {
		t.Helper()
		snap := s.pushWell(t, all...)
		same(t, src, snap)
		snaps = append(snaps, snap)
		// a copy of its own of what was pushed shows what must not change
		out, err := exec.CommandContext(t.Context(), "cp", "-a", src, filepath.Join(copies, filepath.Base(snap))).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	push()
	ok(t, os.Chmod(src+"/sub/deep/er", 0o600))
	push()
	ok(t, os.RemoveAll(src+"/sub/exec"))
	write(t, src+"/file2", "new")
	push()
	write(t, src+"/big2", string(noise(2, 4<<20)))
	s.breakOff(t, "-aHAX", "--delete", "--numeric-ids", "--bwlimit=1000", src+"/", "host:/any/where")
	push()
	ok(t, os.Chtimes(src+"/empty", time.Unix(5, 6), time.Unix(5, 6)))
	ok(t, os.RemoveAll(src+"/odd"))
	push()

	if len(snaps) != 5 || len(s.list("snaps")) != 5 || len(s.list("kept")) != 1 {
		t.Fatalf("snapshots %v, kept %v", s.list("snaps"), s.list("kept"))
	}
	for _, snap := range snaps {
		same(t, filepath.Join(copies, filepath.Base(snap)), snap)
	}
	for i := range snaps[1:] {
		if inode(t, snaps[i]+"/big") != inode(t, snaps[i+1]+"/big") {
			t.Errorf("%s/big is not linked from the snapshot before it", snaps[i+1])
		}
	}
	if inode(t, snaps[0]+"/sub/deep/er") == inode(t, snaps[1]+"/sub/deep/er") {
		t.Error("a file with another mode shares the inode of the older snapshot")
	}
}

// noise returns bytes that do not compress.
func noise(seed byte, n int) []byte {
	data := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(data)
	return data
}

// breakOff begins a push and ends the client once something has arrived. It waits until the server is done.
func (s shelf) breakOff(t *testing.T, args ...string) {
	t.Helper()
	cmd := s.command(t, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	kept := len(s.list("kept"))
	ok(t, cmd.Start())
	s.await(t, func() bool { return s.arrivingIn("partial/*/transit-*/*") > 1<<19 })
	ok(t, cmd.Process.Kill())
	if err := cmd.Wait(); err == nil {
		t.Fatal("the client was done before it could be ended")
	}
	s.await(t, func() bool { return len(s.list("kept")) > kept })
}

// arrivingIn returns the bytes of the files that match patterns.
func (s shelf) arrivingIn(patterns ...string) (n int64) {
	for _, p := range patterns {
		found, err := filepath.Glob(filepath.Join(s.dir, p))
		if err != nil {
			panic(err)
		}
		for _, path := range found {
			if info, err := os.Lstat(path); err == nil {
				n += info.Size()
			}
		}
	}
	return n
}

// await waits for another process.
func (s shelf) await(t *testing.T, until func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !until(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited for two minutes\n%s", s.logged(t))
		}
	}
}

func TestWhatABrokenPushLeftIsBuiltOn(t *testing.T) {
	t.Parallel()
	needRoot(t)
	s, src := newShelf(t), filepath.Join(t.TempDir(), "src")
	write(t, src+"/big", string(noise(3, 8<<20)))
	s.breakOff(t, "-a", "--bwlimit=1000", src+"/", "host:x")
	part, err := os.Stat(s.list("kept")[0] + "/big")
	ok(t, err)
	if part.Size() < 1<<19 || part.Size() >= 8<<20 {
		t.Fatalf("%d bytes were kept", part.Size())
	}
	status, out := s.push(t, "-a", "--stats", "--no-h", src+"/", "host:x")
	if status != 0 {
		t.Fatalf("status %d\n%s", status, out)
	}
	same(t, src, s.list("snaps")[0])
	if !strings.Contains(out, "Matched data: ") || strings.Contains(out, "Matched data: 0 ") {
		t.Errorf("nothing of what was kept was used:\n%s", out)
	}
	if left, _ := filepath.Glob(s.dir + "/partial/*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestClientsExitWithZeroOnlyWhereThereIsASnapshot(t *testing.T) {
	t.Parallel()
	s, src := newShelf(t), sample(t)
	cmd := s.command(t, "-a", src+"/", "host:x")
	ok(t, os.Mkdir(s.dir+"/snaps/002.record", 0o755)) // counts as a snapshot; the record of the next one cannot be written
	status, out := s.run(t, cmd)
	if status != statusFileIO || !strings.Contains(out, "002.record") {
		t.Errorf("status %d\n%s", status, out)
	}
}

func TestFilesThatTheClientCannotReadMakeTheSnapshotIncomplete(t *testing.T) {
	t.Parallel()
	s, src := nobodysShelf(t)
	write(t, src+"/good", "good")
	write(t, src+"/bad", "bad")
	ok(t, os.Chmod(src+"/bad", 0))
	ok(t, os.MkdirAll(src+"/closed", 0))
	s.give(t, src)
	for i, old := range [][]string{nil, {"--protocol=30"}, {"--no-inc-recursive"}} {
		status, out := s.push(t, append(old, "-a", src+"/", "host:x")...)
		if status != statusPartial || strings.Count(s.logged(t), ": incomplete, rsync status 23") != i+1 {
			t.Errorf("%v: status %d\n%s\n%s", old, status, out, s.logged(t))
		}
	}
}

func TestAMissingSourceMakesNoSnapshotOfNothing(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	status, out := s.push(t, "-a", filepath.Join(t.TempDir(), "nope"), "host:x")
	if status != statusPartial || !strings.Contains(out, "nothing has arrived") || len(s.list("snaps")) != 0 {
		t.Errorf("status %d\n%s", status, out)
	}
}

func TestADryRunMakesNoSnapshot(t *testing.T) {
	t.Parallel()
	s, src := newShelf(t), sample(t)
	s.pushWell(t, "-a", src+"/", "host:x")
	write(t, src+"/more", "more")
	status, out := s.push(t, "-ani", src+"/", "host:x")
	if status != 0 || !strings.Contains(out, "more") || strings.Contains(out, "er\n") || len(s.list("snaps")) != 1 {
		t.Errorf("status %d, snapshots %v\n%s", status, s.list("snaps"), out)
	}
}

func TestStockOptionsArePushedWith(t *testing.T) {
	t.Parallel()
	src := sample(t)
	for _, args := range []string{
		"-aHAXv --delete --numeric-ids",
		"-avzh --progress --partial --stats --delete-excluded",
		"-azz --info=progress2 --no-inc-recursive --delete-after",
		"-aSWcx --bwlimit=100000 --timeout=30 --delete-before",
		"-ai -u --out-format=%i --delete-delay --max-delete=7 --modify-window=2",
		"-aII --zc=zstd --zl=3 -z --cc=xxh64 --block-size=8192",
		"-aR --no-implied-dirs --safe-links --msgs2stderr",
		"-a -yy --usermap=*:0 --min-size=1 --max-size=3g --fsync --mkpath",
		"-rlt --specials -E -m -O -J --force",
		"-asHAX --delete",
		"-a --secluded-args --chmod=F600 --exclude=*.o --filter=P_x -C",
		"-a -M--fake-super --rsync-path=/opt/other/rsync",
	} {
		s := newShelf(t)
		status, out := s.push(t, append(strings.Fields(args), src+"/", "host:/x y/$z'")...)
		if status != 0 || len(s.list("snaps")) != 1 {
			t.Errorf("%s: status %d\n%s\n%s", args, status, out, s.logged(t))
		}
	}
}

func TestWhatMayNotBeIsRefusedByNameAndNothingIsBegun(t *testing.T) {
	t.Parallel()
	s, src := newShelf(t), sample(t)
	for args, named := range map[string]string{
		"-a --inplace":                      "--inplace",
		"-a --append":                       "--append",
		"-a --partial-dir=.p":               "--partial-dir",
		"-a --temp-dir=/tmp":                "--temp-dir",
		"-a --link-dest=/etc":               "--link-dest",
		"-ab --backup-dir=/x":               "-b",
		"-aK":                               "-K",
		"-a --size-only":                    "--size-only",
		"-a --ignore-errors":                "--ignore-errors",
		"-a --remove-source-files":          "--remove-source-files",
		"-a -M--write-devices":              "--write-devices",
		"-a -M--log-file=/tmp/x":            "--log-file",
		"-a -M--daemon":                     "--daemon",
		"-s -M--config=/tmp/x -a":           "--config",
		"-aXX":                              "-X",
		"-aU":                               "-U",
		"-a --protocol=29":                  "rsync 3.1 or newer",
		"-a --rsync-path=sudo%20rsync":      "this key is for pushing with rsync",
		"-a --rsync-path=/bin/sh%20rsync":   "this key is for pushing with rsync",
		"-a --rsync-path=rsync;id;rsync":    "means something to a shell",
		"-a --rsync-path=$(id)rsync":        "means something to a shell",
		"-a --existing --delete":            "--existing",
		"-a --iconv=latin1":                 "--iconv=latin1",
		"-a --cc=none":                      "--checksum-choice=none",
		"-a -M-e/bin/sh":                    "-e",
		"-a -M--rsh=/bin/sh":                "--rsh",
		"-a -M--files-from=/etc/passwd":     "--files-from",
		"-a -M--copy-as=root":               "--copy-as",
		"-a --delete-missing-args --delete": "--delete-missing-args",
	} {
		words := strings.Fields(args)
		for i := range words {
			words[i] = strings.ReplaceAll(words[i], "%20", " ")
		}
		status, out := s.push(t, append(words, src+"/", "host:x")...)
		if status == 0 || !strings.Contains(out, "refused") || !strings.Contains(out, named) {
			t.Errorf("%s: status %d\n%s", args, status, out)
		}
	}
	status, out := s.push(t, "-a", "host:/etc/", t.TempDir()+"/")
	if status == 0 || !strings.Contains(out, "--sender refused") {
		t.Errorf("pull: status %d\n%s", status, out)
	}
	if len(s.list("snaps"))+len(s.list("kept"))+len(s.list("partial")) != 0 {
		t.Error("something was begun")
	}
}
