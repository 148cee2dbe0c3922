package sftp

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"testing"

	"varve/internal/ssh"
	"varve/internal/sshtest"
)

func TestASessionOverSSHCarriesFilesAndTellsWhyItEnds(t *testing.T) {
	server := sshtest.Start(t, sshtest.Options{})
	proxy := sshtest.NewProxy(t, server.Addr, sshtest.Faults{})
	host, _, _ := net.SplitHostPort(server.Addr)
	open := func(user string) (*Session, error) {
		target := ssh.Target{User: user, Host: host}
		conn, err := ssh.Dial(context.Background(), target, ssh.Subsystem("sftp"), ssh.Options{Command: proxy.Through(server.Command())})
		if err != nil {
			t.Fatal(err)
		}
		return Open(context.Background(), conn, Options{})
	}
	s, err := open(server.User)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	want := content(1 << 20)
	h := must(t, s, OpenFile("file", FlagWrite|FlagCreate, Attrs{}))
	if _, err := s.WriteAt(context.Background(), h, want, 0); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(server.Dir + "/file"); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes arrived, %v", len(got), err)
	}
	proxy.Cut()
	if err := awaitEnd(t, s); !errors.Is(err, ErrLost) || !errors.Is(err, ssh.ErrUnreachable) {
		t.Errorf("the session ended with %v", err)
	}
	if _, err := open("nobody-of-that-name"); !errors.Is(err, ErrLost) || !errors.Is(err, ssh.ErrLogin) {
		t.Errorf("a login that must fail: %v", err)
	}
}
