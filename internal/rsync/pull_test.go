//go:build linux

package rsync

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"varve"
)

// daemon runs an rsync daemon on loopback with the modules open, and locked for user u with password p, that hold dir.
func daemon(t *testing.T, dir string, more ...string) Location {
	t.Helper()
	rsync := needRsync(t)
	home := t.TempDir()
	write(t, home+"/secrets", "u:p\n")
	ok(t, os.Chmod(home+"/secrets", 0o600))
	port := reserve(t)
	conf := fmt.Sprintf("address = 127.0.0.1\nport = %d\nuse chroot = no\nlog file = %s/log\npid file = %s/pid\n%s\n", port, home, home, strings.Join(more, "\n"))
	if os.Geteuid() == 0 {
		conf += "uid = root\ngid = *\n"
	}
	conf += fmt.Sprintf("[open]\npath = %s\n[locked]\npath = %s\nauth users = u\nsecrets file = %s/secrets\n", dir, dir, home)
	write(t, home+"/conf", conf)
	cmd := exec.CommandContext(t.Context(), rsync, "--daemon", "--no-detach", "--config="+home+"/conf")
	ok(t, cmd.Start())
	t.Cleanup(func() {
		ok(t, cmd.Process.Kill())
		_ = cmd.Wait() // it was killed
	})
	at := Location{Host: "127.0.0.1", Port: port, Module: "open"}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		c, err := net.Dial("tcp", net.JoinHostPort(at.Host, fmt.Sprint(port)))
		if err == nil {
			ok(t, c.Close())
			return at
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// reserve returns a TCP port on which nobody listens, but for who says that it may be used again, as rsync does. Nobody is given it by
// chance until the test ends.
func reserve(t *testing.T) int {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	ok(t, err)
	t.Cleanup(func() { ok(t, syscall.Close(fd)) })
	ok(t, syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1))
	ok(t, syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	at, err := syscall.Getsockname(fd)
	ok(t, err)
	return at.(*syscall.SockaddrInet4).Port
}

func (s shelf) pull(t *testing.T, o PullOptions) (Result, string, error) {
	t.Helper()
	var told bytes.Buffer
	o.Receiver = s.receiver()
	o.Stderr = &told
	res, err := Pull(t.Context(), o)
	return res, told.String(), err
}

func TestADaemonIsPulledFromAgainAndAgain(t *testing.T) {
	t.Parallel()
	needRoot(t)
	src := sample(t)
	s, at := newShelf(t), daemon(t, src)
	var snaps []string
	for range 3 {
		res, told, err := s.pull(t, PullOptions{From: at})
		if err != nil || !res.Made || res.Status != 0 || res.Snapshot.State != varve.Complete {
			t.Fatalf("%+v, %v\n%s", res, err, told)
		}
		snaps = append(snaps, s.list("snaps")[0])
		same(t, src, snaps[len(snaps)-1])
		ok(t, os.Chmod(src+"/sub/exec", os.FileMode(0o700+len(snaps))))
	}
	for i := range snaps[1:] {
		if inode(t, snaps[i]+"/file") != inode(t, snaps[i+1]+"/file") || inode(t, snaps[i]+"/sub/exec") == inode(t, snaps[i+1]+"/sub/exec") {
			t.Errorf("%s shares the wrong files with the snapshot before it", snaps[i+1])
		}
	}
	part := at
	part.Path = "sub/deep"
	res, told, err := s.pull(t, PullOptions{From: part})
	if got := paths(t, s.list("snaps")[0]); err != nil || !res.Made || !slices.Equal(got, []string{"er"}) {
		t.Errorf("%q, %+v, %v\n%s", got, res, err, told)
	}
}

func TestPasswordsOpenAModuleAndAreNotTold(t *testing.T) {
	t.Parallel()
	src := t.TempDir()
	write(t, src+"/f", "x")
	s, at := newShelf(t), daemon(t, src)
	at.Module, at.User = "locked", "u"
	for password, want := range map[string]bool{"p": true, "sesame": false, "": false} {
		res, told, err := s.pull(t, PullOptions{From: at, Password: password})
		if res.Made != want || (err == nil) != want || !want && res.Status != 5 {
			t.Errorf("%q: %+v, %v\n%s", password, res, err, told)
		}
		if strings.Contains(s.logged(t)+told+fmt.Sprint(err), "sesame") {
			t.Error("the password is told")
		}
	}
	if _, _, err := s.pull(t, PullOptions{From: at, Password: "p\nq"}); err == nil {
		t.Error("a password of two lines is taken")
	}
}

func TestPatternsAndLimitsHoldForAPull(t *testing.T) {
	t.Parallel()
	src := t.TempDir()
	for _, name := range []string{"a/keep.o", "a/x.o", "b/y.o", "b/z", "cache/c"} {
		write(t, src+"/"+name, name)
	}
	write(t, src+"/large", strings.Repeat("x", 1001))
	write(t, src+"/fits", strings.Repeat("x", 1000))
	s, at := newShelf(t), daemon(t, src)
	at.Host = "localhost" // which has to be looked up from within the cage
	res, told, err := s.pull(t, PullOptions{From: at, Exclude: []string{"*.o", "!keep.o", "/cache"}, LargerThan: 1000, OneFileSystem: true})
	got := paths(t, s.list("snaps")[0])
	if want := []string{"a/", "a/keep.o", "b/", "b/z", "fits"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %+v, %v\n%s", got, res, err, told)
	}
}

func TestWhatTheDaemonCannotReadMakesTheSnapshotIncomplete(t *testing.T) {
	t.Parallel()
	needRoot(t)
	src, err := os.MkdirTemp("", "daemons-")
	ok(t, err)
	t.Cleanup(func() { ok(t, os.RemoveAll(src)) })
	ok(t, os.Chmod(src, 0o755))
	write(t, src+"/good", "good")
	write(t, src+"/bad", "bad")
	ok(t, os.Chmod(src+"/bad", 0o600))
	s, at := newShelf(t), daemon(t, src, "[nobodys]", "path = "+src, "uid = 65534", "gid = 65534", "[more]", "path = "+src)
	at.Module = "nobodys"
	res, told, err := s.pull(t, PullOptions{From: at})
	if err != nil || res.Status != statusPartial || res.Snapshot.State != varve.Incomplete || res.Snapshot.Skipped != 1 {
		t.Errorf("%+v, %v\n%s", res, err, told)
	}
}

func TestAPullThatFailsMakesNoSnapshot(t *testing.T) {
	t.Parallel()
	src := t.TempDir()
	write(t, src+"/f", "x")
	s, at := newShelf(t), daemon(t, src)
	missing, unknown, nobodyThere := at, at, at
	missing.Path, unknown.Module = "not/there", "unknown"
	nobodyThere.Port = reserve(t)
	for _, from := range []Location{missing, unknown, nobodyThere} {
		res, told, err := s.pull(t, PullOptions{From: from})
		if err == nil || res.Made || res.Status == 0 || !strings.Contains(err.Error(), from.String()) {
			t.Errorf("%s: %+v, %v\n%s", from, res, err, told)
		}
	}
	if _, _, err := s.pull(t, PullOptions{From: at, Exclude: []string{`a\b`}}); err == nil {
		t.Error("a pattern that rsync cannot express is passed over")
	}
	if snaps := s.list("snaps"); len(snaps) != 0 {
		t.Errorf("%v", snaps)
	}
	if left, _ := filepath.Glob(s.dir + "/partial/*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestADaemonThatTalksNonsenseMakesNoSnapshot(t *testing.T) {
	t.Parallel()
	needRsync(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ok(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = c.Write(append([]byte("@RSYNCD: 32.0 md5\n@RSYNCD: OK\n"), noise(6, 1<<16)...)) // the client may hang up
		_ = c.Close()
	}()
	s := newShelf(t)
	res, told, err := s.pull(t, PullOptions{From: Location{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, Module: "m"}})
	if err == nil || res.Made {
		t.Errorf("%+v, %v\n%s", res, err, told)
	}
	ok(t, l.Close())
	<-done
}
