//go:build unix

package sshtest

import (
	"bufio"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestNoSessionOutlivesItsServer(t *testing.T) {
	t.Parallel()
	var client *exec.Cmd
	var session string
	t.Run("server", func(t *testing.T) {
		s := Start(t, Options{})
		client = exec.Command(s.Command()[0], append(s.Command()[1:], "far", "echo $PPID; exec cat")...)
		_, err := client.StdinPipe() // stays open until the client has ended
		ok(t, err)
		out, err := client.StdoutPipe()
		ok(t, err)
		ok(t, client.Start())
		session, err = bufio.NewReader(out).ReadString('\n')
		ok(t, err)
	})
	if err := client.Wait(); err == nil {
		t.Error("the client does not know that its server is gone")
	}
	state, err := os.ReadFile("/proc/" + strings.TrimSpace(session) + "/stat")
	if err == nil && !strings.Contains(string(state), ") Z ") {
		t.Errorf("the session is still there: %s", state)
	}
}

func TestASecondServerStandsBesideTheFirst(t *testing.T) {
	t.Parallel()
	first, second := Start(t, Options{}), Start(t, Options{})
	if first.Addr == second.Addr || first.Dir == second.Dir {
		t.Fatalf("two servers share %s, %s", first.Addr, first.Dir)
	}
	second.WriteKnownHosts(t, first.HostKey)
	if out, err := run(t, "", append(second.Command(), "far", "true")...); err == nil {
		t.Errorf("one server passes for the other\n%s", out)
	}
	over(t, first.Command(), "true")
}

func TestDirectoriesEndWithTheirTest(t *testing.T) {
	t.Parallel()
	var dir string
	t.Run("server", func(t *testing.T) { dir = Start(t, Options{}).dir })
	if _, err := os.Stat(filepath.Dir(dir)); !os.IsNotExist(err) {
		t.Errorf("the directory is still there: %v", err)
	}
}

func TestUnknownSettingsAreNotGivenToSSHD(t *testing.T) {
	t.Parallel()
	s := Start(t, Options{})
	program, err := find("sshd", "/usr/sbin")
	ok(t, err)
	if !knows(program, s.dir, "UseDNS=no") || knows(program, s.dir, "Nonsense=no") {
		t.Error("what sshd knows is not told from what it does not")
	}
}

func TestTheEmptyDirectoryIsMadeWhereItIsMissing(t *testing.T) {
	old := syscall.Umask(0o777)
	defer syscall.Umask(old)
	dir := filepath.Join(Dir(t, -1), "sshd")
	for range 2 {
		ok(t, makeEmpty(dir))
		info, err := os.Stat(dir)
		ok(t, err)
		if info.Mode() != fs.ModeDir|0o755 {
			t.Errorf("the mode is %v", info.Mode())
		}
	}
}

func TestADirectoryCanBeReachedByAll(t *testing.T) {
	old := syscall.Umask(0o777)
	defer syscall.Umask(old)
	dir := Dir(t, -1)
	for path, want := range map[string]fs.FileMode{dir: fs.ModeDir | 0o755, filepath.Dir(dir): fs.ModeDir | 0o711} {
		info, err := os.Stat(path)
		ok(t, err)
		if info.Mode() != want {
			t.Errorf("the mode of %s is %v", path, info.Mode())
		}
	}
}
