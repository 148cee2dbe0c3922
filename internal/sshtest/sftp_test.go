//go:build unix

package sshtest

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// hello is SSH_FXP_INIT of version 3.
const hello = "\x00\x00\x00\x05\x01\x00\x00\x00\x03"

// greet sends hello, and returns the type and the version of what answers.
func greet(t *testing.T, conn io.ReadWriter) (kind, version byte) {
	t.Helper()
	_, err := conn.Write([]byte(hello))
	ok(t, err)
	head := make([]byte, 9)
	_, err = io.ReadFull(conn, head)
	ok(t, err)
	_, err = io.CopyN(io.Discard, conn, int64(head[3])+int64(head[2])<<8-5)
	ok(t, err)
	return head[4], head[8]
}

func TestAnSFTPServerAnswersOverAPipe(t *testing.T) {
	p := SFTPServer(t, SFTPOptions{})
	if kind, version := greet(t, p); kind != 2 || version != 3 {
		t.Errorf("the server answered with packet %d, version %d", kind, version)
	}
	ok(t, p.Close())
	if _, err := p.Read(make([]byte, 1)); err == nil {
		t.Error("a server that has ended is read from")
	}
}

func TestAnSFTPServerRunsWhereAndAsWhomItIsTold(t *testing.T) {
	dir := Dir(t, Ordinary)
	p := SFTPServer(t, SFTPOptions{Dir: dir, Ordinary: true})
	greet(t, p)
	// SSH_FXP_MKDIR, request 1, "made", no attributes.
	_, err := p.Write([]byte("\x00\x00\x00\x11\x0e\x00\x00\x00\x01\x00\x00\x00\x04made\x00\x00\x00\x00"))
	ok(t, err)
	_, err = io.ReadFull(p, make([]byte, 9))
	ok(t, err)
	info, err := os.Stat(filepath.Join(dir, "made"))
	ok(t, err)
	if uid := info.Sys().(*syscall.Stat_t).Uid; uid != Ordinary {
		t.Errorf("what the server made belongs to %d", uid)
	}
}

func TestAnSFTPServerThatIsKilledIsSeenToEnd(t *testing.T) {
	p := SFTPServer(t, SFTPOptions{Args: []string{"-R"}})
	greet(t, p)
	p.Kill()
	if _, err := p.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("reading ended with %v", err)
	}
	if err := p.Close(); err == nil {
		t.Error("a server that was killed ended well")
	}
}

func TestFaultsGoAroundAnSFTPServer(t *testing.T) {
	p := Faulty(SFTPServer(t, SFTPOptions{}), Faults{Piece: 1, CutAfter: 1000, Count: Down})
	greet(t, p)
	go func() {
		for range 1000 {
			if _, err := p.Write([]byte(hello)); err != nil {
				return // the cut
			}
		}
	}()
	if _, err := io.Copy(io.Discard, p); err != nil {
		t.Errorf("reading ended with %v", err)
	}
	if c := p.Counts(); c.Cuts != 1 || c.Down != 1000 {
		t.Errorf("counts are %+v", c)
	}
	ok(t, p.Close())
}
