package sshtest

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"testing"
	"time"
)

// SFTPOptions say how sftp-server is run. The zero value serves this process's user in the current directory.
type SFTPOptions struct {
	// Args are arguments, such as "-R", or "-P" and "setstat,fsetstat".
	Args []string
	// Dir is where it starts, what relative paths begin at; empty for the current directory.
	Dir string
	// Ordinary runs it as the ordinary user with the ids Ordinary. Needs root.
	Ordinary bool
}

// Pipe is the connection to an sftp-server.
type Pipe struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    io.ReadCloser
	errors bytes.Buffer
	once   sync.Once
	err    error
}

// SFTPServer starts the real sftp-server program, without an sshd, and returns the pipe to it. It ends with Close, and at the latest
// with the test.
func SFTPServer(t testing.TB, o SFTPOptions) *Pipe {
	t.Helper()
	p := &Pipe{cmd: exec.Command(sftpProgram(t), append([]string{"-e"}, o.Args...)...)}
	p.cmd.Dir = o.Dir
	p.cmd.Stderr = &p.errors
	if o.Ordinary {
		if os.Getuid() != 0 || runtime.GOOS != "linux" {
			missing(t, "only root can run programs as another user")
		}
		p.cmd.SysProcAttr = asUser(Ordinary)
	}
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		t.Fatalf("sftp-server: %v", err)
	}
	if p.out, err = p.cmd.StdoutPipe(); err != nil {
		t.Fatalf("sftp-server: %v", err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("sftp-server: %v", err)
	}
	t.Cleanup(func() {
		p.Close()
		if t.Failed() {
			t.Logf("sftp-server said:\n%s", &p.errors)
		}
	})
	return p
}

// Read returns what the server sent; io.EOF once it has ended.
func (p *Pipe) Read(b []byte) (int, error) { return p.out.Read(b) }

// Write sends b to the server.
func (p *Pipe) Write(b []byte) (int, error) { return p.in.Write(b) }

// Close ends the server, whatever it is doing, and waits for it. The error says how it ended, and is nil where it did so by itself.
func (p *Pipe) Close() error {
	p.once.Do(func() {
		p.in.Close()
		p.out.Close()
		late := time.AfterFunc(stopTimeout, func() { _ = p.cmd.Process.Kill() })
		defer late.Stop()
		p.err = p.cmd.Wait()
		if errors.Is(p.err, os.ErrClosed) {
			p.err = nil
		}
	})
	return p.err
}

// Kill ends the server as a crash would. What it has sent can still be read.
func (p *Pipe) Kill() { _ = p.cmd.Process.Kill() }

// sftpProgram returns the path of sftp-server.
func sftpProgram(t testing.TB) string {
	t.Helper()
	path, err := find("sftp-server", "/usr/lib/openssh", "/usr/libexec/openssh", "/usr/lib/ssh", "/usr/libexec/ssh", "/usr/lib/sftp-server",
		"/usr/libexec", "/usr/lib", "/usr/local/libexec", "/usr/local/lib/openssh")
	if err != nil {
		missing(t, "no sftp-server: %v", err)
	}
	return path
}
