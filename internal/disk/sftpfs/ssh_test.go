package sftpfs_test

import (
	"context"
	"io"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"varve/internal/disk/sftpfs"
	"varve/internal/ssh"
	"varve/internal/sshtest"
)

// dialSSH runs ssh.
func dialSSH(t *testing.T, s *sshtest.Server, command []string) func(context.Context) (io.ReadWriteCloser, error) {
	t.Helper()
	target := ssh.Target{User: s.User, Host: "127.0.0.1"}
	return func(ctx context.Context) (io.ReadWriteCloser, error) {
		return ssh.Dial(ctx, target, ssh.Subsystem("sftp"), ssh.Options{Command: command})
	}
}

func TestOverSSHThatIsCutEvery64KiBEverythingArrives(t *testing.T) {
	t.Parallel()
	s := sshtest.Start(t, sshtest.Options{})
	proxy := sshtest.NewProxy(t, s.Addr, sshtest.Faults{CutAfter: 64 << 10})
	d := open(t, s.Dir, sftpfs.Options{Connections: 2, Durable: true, Dial: dialSSH(t, s, proxy.Through(s.Command()))})
	root := d.Root()
	data := make([]byte, 60_000)
	_, _ = rand.NewChaCha8([32]byte{7}).Read(data)
	write(t, root, "file", string(data))
	if read(t, root, "file") != string(data) || onDisk(t, filepath.Join(d.Path(), "file")) != string(data) {
		t.Error("the content is another one")
	}
	if n := proxy.Counts().Cuts; n < 3 {
		t.Errorf("%d cuts only", n)
	}
}
