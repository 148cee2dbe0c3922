package doctor

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// answering listens on the loopback interface and hands every connection to answer; it ends with the test.
func answering(t *testing.T, answer func(net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	work.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			work.Go(func() {
				defer conn.Close()
				answer(conn)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		work.Wait()
	})
	return l.Addr().String()
}

// withRsync ends the test where there is no rsync.
func withRsync(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("rsync")
	if err != nil && os.Getenv("VARVE_TEST_STRICT") == "1" {
		t.Fatal(err)
	}
	if err != nil {
		t.Skip(err)
	}
	return path
}

func TestModulesOfARealDaemonAreFound(t *testing.T) {
	t.Parallel()
	rsync := withRsync(t)
	dir := t.TempDir()
	config := filepath.Join(dir, "rsyncd.conf")
	write(t, filepath.Join(dir, "welcome"), "@RSYNCD is what this begins with\nwelcome\n")
	write(t, filepath.Join(dir, "secrets"), "u:p\n")
	write(t, config, "use chroot = no\nmotd file = "+dir+"/welcome\n[open]\npath = "+dir+"\n[shut]\npath = "+dir+
		"\nauth users = u\nsecrets file = "+dir+"/secrets\n[denied]\npath = "+dir+"\nhosts allow = 192.0.2.1\n")
	address := answering(t, func(conn net.Conn) {
		file, err := conn.(*net.TCPConn).File()
		if err != nil {
			t.Error(err)
			return
		}
		defer file.Close()
		cmd := exec.Command(rsync, "--daemon", "--config="+config) // as inetd runs it
		cmd.Stdin, cmd.Stdout = file, file
		_ = cmd.Run() // that the other side goes away is an error to it
	})
	for place, want := range map[string]struct {
		level Level
		words string
	}{
		"rsync://" + address + "/open/dir": {Good, "open exists"},
		"rsync://" + address + "/shut":     {Warning, "--rsync-password-file"},
		"rsync://u@" + address + "/shut":   {Good, "wants a password"},
		"rsync://" + address + "/denied":   {Wrong, "refuses denied"},
		"rsync://" + address + "/none":     {Wrong, "rsync rsync://" + address + "/"},
	} {
		r := examine(t, place, Options{})
		r.has(t, Good, "daemon", "@RSYNCD:")
		r.has(t, want.level, "module", want.words)
		if want.level != Wrong {
			r.fine(t)
		}
	}
}

func TestAHostileDaemonIsOnlyWords(t *testing.T) {
	t.Parallel()
	withRsync(t)
	for name, c := range map[string]struct {
		says  string
		what  string
		words string
	}{
		"not a daemon":   {"SSH-2.0-OpenSSH\r\n", "daemon", "not an rsync daemon"},
		"nothing":        {"", "daemon", "no greeting"},
		"escapes":        {"@RSYNCD: 31.0\n@ERROR: \x1b]0;owned\x07\x1b[2J\n", "module", "refuses"},
		"goes away":      {"@RSYNCD: 31.0\n", "daemon", "no answer"},
		"ends it":        {"@RSYNCD: 31.0\n@RSYNCD: EXIT\n", "module", "ends the conversation"},
		"welcomes ever":  {"@RSYNCD: 31.0\n" + strings.Repeat("welcome\n", maxGreeting), "daemon", "no answer"},
		"a line forever": {"@RSYNCD: 31.0" + strings.Repeat(" ", 2*maxGreeting), "daemon", "no greeting"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := answering(t, func(conn net.Conn) {
				go io.Copy(io.Discard, conn)
				io.WriteString(conn, c.says)
				if tcp, ok := conn.(*net.TCPConn); ok {
					tcp.CloseWrite()
				}
			})
			r := examine(t, "rsync://"+address+"/module", Options{Patience: 20 * time.Second})
			r.has(t, Wrong, c.what, c.words)
			if strings.ContainsAny(r.String(), "\x1b\x07") {
				t.Errorf("what it says got through as it was: %q", r)
			}
		})
	}
}

func TestADaemonThatFallsSilentIsGivenUp(t *testing.T) {
	t.Parallel()
	address := answering(t, func(conn net.Conn) { _, _ = bufio.NewReader(conn).ReadByte() })
	told(func(e *exam) {
		e.o.Patience = 200 * time.Millisecond
		if _, err := e.module(address, "module"); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("silence is %v", err)
		}
	})
	if _, err := askModule(struct {
		io.Reader
		io.Writer
	}{strings.NewReader("@RSYNCD: 31.0\n"), refusing{}}, "module"); err == nil {
		t.Error("a daemon that takes nothing is good")
	}
}

// refusing takes nothing.
type refusing struct{}

func (refusing) Write([]byte) (int, error) { return 0, errors.New("full") }
