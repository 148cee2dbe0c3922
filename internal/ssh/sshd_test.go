//go:build unix

package ssh_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"

	"varve/internal/ssh"
	"varve/internal/sshtest"
)

// through is a target that the command's own configuration says everything about but the name.
func through(s *sshtest.Server) ssh.Target {
	host, _, _ := net.SplitHostPort(s.Addr)
	return ssh.Target{User: s.User, Host: host}
}

// failure dials and returns the error of the first read.
func failure(t *testing.T, target ssh.Target, s ssh.Service, command []string) error {
	t.Helper()
	c, err := ssh.Dial(context.Background(), target, s, ssh.Options{Command: command})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	text, err := io.ReadAll(c)
	if err == nil {
		t.Fatalf("it went well, and said %q", text)
	}
	return err
}

func TestRealSSHCarriesBytesAndWords(t *testing.T) {
	server := sshtest.Start(t, sshtest.Options{})
	for _, interactive := range []bool{false, true} {
		words := []string{"printf", `%s\n`, "it's", `a "b" $c \d`, ""}
		c, err := ssh.Dial(context.Background(), through(server), ssh.Command(words...),
			ssh.Options{Command: server.Command(), Interactive: interactive})
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(c)
		if want := strings.Join(words[2:], "\n") + "\n"; err != nil || string(got) != want {
			t.Errorf("%q came back, %v", got, err)
		}
		c.Close()
	}
	c, err := ssh.Dial(context.Background(), through(server), ssh.Command("cat"), ssh.Options{Command: server.Command()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	sent := bytes.Repeat([]byte("\x00\x01~.\n\r~?\x1c\x03"), 30000)
	go c.Write(sent)
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("the bytes came back changed, %v", err)
	}
}

func TestRealSSHFaultsAreToldByTheirNames(t *testing.T) {
	server := sshtest.Start(t, sshtest.Options{})
	target, command := through(server), server.Command()
	if err := failure(t, target, ssh.Command("/no/such/program"), command); !errors.Is(err, ssh.ErrCommand) {
		t.Errorf("missing program: %v", err)
	}
	if err := failure(t, target, ssh.Subsystem("nonsense"), command); !errors.Is(err, ssh.ErrCommand) {
		t.Errorf("missing subsystem: %v", err)
	}
	if err := failure(t, target, ssh.Command("sh", "-c", "echo sorry >&2; exit 9"), command); !strings.HasSuffix(err.Error(), ": sorry") {
		t.Errorf("failing program: %v", err)
	}
	stranger := target
	stranger.User = "nobody-of-that-name"
	if err := failure(t, stranger, ssh.Subsystem("sftp"), command); !errors.Is(err, ssh.ErrLogin) {
		t.Errorf("unknown user: %v", err)
	}
	server.WriteKnownHosts(t)
	if err := failure(t, target, ssh.Subsystem("sftp"), command); !errors.Is(err, ssh.ErrHostKey) || errors.Is(err, ssh.ErrHostChanged) {
		t.Errorf("unknown host key: %v", err)
	}
	_, path := server.NewKey(t)
	other, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	server.WriteKnownHosts(t, string(other))
	if err := failure(t, target, ssh.Subsystem("sftp"), command); !errors.Is(err, ssh.ErrHostKey) || !errors.Is(err, ssh.ErrHostChanged) {
		t.Errorf("changed host key: %v", err)
	}
}

func TestRealSSHTellsThatNobodyListens(t *testing.T) {
	server := sshtest.Start(t, sshtest.Options{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	listener.Close()
	err = failure(t, ssh.Target{Host: "127.0.0.1", Port: port}, ssh.Subsystem("sftp"), []string{server.Command()[0], "-F", "none"})
	if !errors.Is(err, ssh.ErrUnreachable) {
		t.Errorf("got %v", err)
	}
}

func TestRealSSHTellsThatTheConnectionBroke(t *testing.T) {
	server := sshtest.Start(t, sshtest.Options{})
	proxy := sshtest.NewProxy(t, server.Addr, sshtest.Faults{})
	c, err := ssh.Dial(context.Background(), through(server), ssh.Command("cat"), ssh.Options{Command: proxy.Through(server.Command())})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	proxy.Cut()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, ssh.ErrUnreachable) {
		t.Errorf("got %v", err)
	}
}
