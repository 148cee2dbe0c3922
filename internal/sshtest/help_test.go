package sshtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is far more than anything here takes.
const patience = 30 * time.Second

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// run runs a command with this input and returns what it printed, errors included.
func run(t *testing.T, input string, words ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// over runs a command on the other side and returns what it printed.
func over(t *testing.T, ssh []string, command ...string) string {
	t.Helper()
	out, err := run(t, "", append(append(ssh, "far"), command...)...)
	if err != nil {
		t.Fatalf("%q: %v\n%s", command, err, out)
	}
	return strings.TrimSpace(out)
}

// batch runs commands of the program sftp, which stops at the first that fails.
func batch(t *testing.T, ssh []string, commands ...string) (string, error) {
	t.Helper()
	words := append([]string{"sftp", "-q", "-b", "-"}, ssh[1:]...)
	return run(t, strings.Join(commands, "\n")+"\n", append(words, "far")...)
}

// listenEcho starts a server that sends back what it gets, and returns its address.
func listenEcho(t *testing.T) string {
	t.Helper()
	listen, err := net.Listen("tcp", "127.0.0.1:0")
	ok(t, err)
	var work sync.WaitGroup
	work.Go(func() {
		for {
			conn, err := listen.Accept()
			if err != nil {
				return
			}
			work.Go(func() { echo(conn) })
		}
	})
	t.Cleanup(func() { listen.Close(); work.Wait() })
	return listen.Addr().String()
}

func echo(conn net.Conn) {
	defer conn.Close()
	_, _ = io.Copy(conn, conn) // ends with the connection
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	ok(t, err)
	t.Cleanup(func() { conn.Close() })
	ok(t, conn.SetDeadline(time.Now().Add(patience)))
	return conn
}

// refused wants a connection to be reset, be it while it is made or after that.
func refused(t *testing.T, addr string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err == nil {
		defer conn.Close()
		ok(t, conn.SetDeadline(time.Now().Add(patience)))
		_, err = io.ReadAll(conn)
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the connection ended with %v, want a reset", err)
	}
}

// bounce sends n bytes and wants them back.
func bounce(t *testing.T, conn io.ReadWriter, n int) {
	t.Helper()
	want := pattern(n)
	var sender sync.WaitGroup
	sender.Go(func() { _, _ = conn.Write(want) }) // what was not sent does not come back
	got := make([]byte, n)
	_, err := io.ReadFull(conn, got)
	ok(t, err)
	sender.Wait()
	if !bytes.Equal(got, want) {
		t.Fatal("other bytes came back than were sent")
	}
}

// pattern returns n bytes in which a loss or a change of order shows.
func pattern(n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return data
}
