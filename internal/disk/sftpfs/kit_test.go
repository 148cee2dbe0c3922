package sftpfs_test

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"varve/internal/disk"
	"varve/internal/disk/sftpfs"
	"varve/internal/sshtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// skip skips a test of what is missing, or fails where nothing may be missing.
func skip(t *testing.T, reason string) {
	t.Helper()
	if os.Getenv("VARVE_TEST_STRICT") == "1" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}

// dial connects to a new sftp-server each time.
func dial(t *testing.T, o sshtest.SFTPOptions) func(context.Context) (io.ReadWriteCloser, error) {
	return func(context.Context) (io.ReadWriteCloser, error) { return sshtest.SFTPServer(t, o), nil }
}

// open opens the directory dir through o, until the test ends.
func open(t *testing.T, dir string, o sftpfs.Options) *sftpfs.Disk {
	t.Helper()
	if o.Dial == nil {
		o.Dial = dial(t, sshtest.SFTPOptions{})
	}
	d, err := sftpfs.Open(t.Context(), dir, o)
	must(t, err)
	t.Cleanup(func() {
		if err := d.Close(); err != nil && !errors.Is(err, disk.ErrLost) {
			t.Errorf("close: %v", err)
		}
	})
	return d
}

// swift lets o's clock run a hundred times as fast.
func swift(o sftpfs.Options) sftpfs.Options { return faster(o, 100) }

// brisk lets it run thirty times as fast, for tests in which somebody must be heard in time.
func brisk(o sftpfs.Options) sftpfs.Options { return faster(o, 30) }

func faster(o sftpfs.Options, times time.Duration) sftpfs.Options {
	begin := time.Now()
	o.Now = func() time.Time { return begin.Add(times * time.Since(begin)) }
	o.After = func(d time.Duration) <-chan time.Time { return time.After(d / times) }
	return o
}

// write makes a file.
func write(t *testing.T, f disk.FS, name, data string) {
	t.Helper()
	w, err := f.Create(name, 0o644)
	must(t, err)
	_, err = w.WriteAt([]byte(data), 0)
	must(t, err)
	must(t, w.Close())
}

// read returns the content of a file.
func read(t *testing.T, f disk.FS, name string) string {
	t.Helper()
	r, err := f.Open(name)
	must(t, err)
	defer r.Close()
	var b strings.Builder
	_, err = io.Copy(&b, io.NewSectionReader(r, 0, 1<<40))
	must(t, err)
	return b.String()
}

func onDisk(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	return string(data)
}
