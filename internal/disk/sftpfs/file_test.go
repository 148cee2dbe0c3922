package sftpfs_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"varve/internal/disk"
	"varve/internal/disk/sftpfs"
	"varve/internal/sshtest"
)

const (
	extFsync = "fsync@openssh.com"
)

func TestFilesAreDurableWhenTheyShouldBe(t *testing.T) {
	t.Parallel()
	for _, durable := range []bool{true, false} {
		spy := newSpy()
		d := open(t, sshtest.Dir(t, -1), sftpfs.Options{Connections: 1, Durable: durable, Dial: dialSpied(t, spy, sshtest.SFTPOptions{})})
		root := d.Root()
		must(t, root.Mkdir("dir", 0o755))
		dir, err := root.OpenDir("dir")
		must(t, err)
		write(t, dir, "a", "1")
		write(t, dir, "b", "2")
		write(t, root, "c", "3")
		must(t, root.Rename("c", root, "d"))
		must(t, root.Rename("dir", root, "moved"))
		write(t, root, "removed", "4")
		must(t, root.Remove("removed"))
		if n, want := spy.count(extFsync), map[bool]int{true: 4, false: 0}[durable]; n != want {
			t.Errorf("durable %v: %d files were flushed when they were closed, want %d", durable, n, want)
		}
		must(t, root.SyncAll())
		if n, want := spy.count(extFsync), map[bool]int{true: 4, false: 3}[durable]; n != want {
			t.Errorf("durable %v: %d files were flushed in the end, want %d", durable, n, want)
		}
		must(t, root.SyncAll())
		if n, want := spy.count(extFsync), map[bool]int{true: 4, false: 3}[durable]; n != want {
			t.Errorf("durable %v: %d files were flushed again, want %d", durable, n, want)
		}
	}
}

func TestWithoutFlushingWhatWasWrittenIsReadBack(t *testing.T) {
	t.Parallel()
	for _, altered := range []bool{false, true} {
		spy := newSpy()
		connect := hide(dialSpied(t, spy, sshtest.SFTPOptions{}), func(e string) bool { return e == extFsync })
		dir := sshtest.Dir(t, -1)
		root := open(t, dir, sftpfs.Options{Durable: true, Connections: 1, Dial: connect}).Root()
		w, err := root.Create("a", 0o600)
		must(t, err)
		_, err = w.WriteAt([]byte(strings.Repeat("x", 300_000)), 0)
		must(t, err)
		must(t, w.Sync())
		_, err = w.WriteAt([]byte("more"), 300_000)
		must(t, err)
		if altered {
			_, err := root.Lookup("a") // waits until everything has arrived
			must(t, err)
			f, err := os.OpenFile(filepath.Join(dir, "a"), os.O_WRONLY, 0)
			must(t, err)
			_, err = f.WriteAt([]byte("?"), 123_456)
			must(t, errors.Join(err, f.Close()))
		}
		if err := w.Close(); (err != nil) != altered {
			t.Errorf("altered %v: error %v", altered, err)
		}
	}
}

// crash is a server that can be killed.
type crash struct{ last *sshtest.Pipe }

func (c *crash) dial(t *testing.T) func(context.Context) (io.ReadWriteCloser, error) {
	return func(context.Context) (io.ReadWriteCloser, error) {
		c.last = sshtest.SFTPServer(t, sshtest.SFTPOptions{})
		return c.last, nil
	}
}

func TestAFileThatAServerLostInACrashIsNotTakenForWritten(t *testing.T) {
	t.Parallel()
	for what, lose := range map[string]func(path string) error{
		"nothing": func(string) error { return nil },
		"the end": func(path string) error { return os.Truncate(path, 1000) },
		"a block": func(path string) error {
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteAt(make([]byte, 512), 4096)
			return errors.Join(err, f.Close())
		},
		"all of it": os.Remove,
	} {
		dir := sshtest.Dir(t, -1)
		var c crash
		root := open(t, dir, sftpfs.Options{Connections: 1, Durable: true, Dial: c.dial(t)}).Root()
		w, err := root.Create("a", 0o600)
		must(t, err)
		_, err = w.WriteAt([]byte(strings.Repeat("0123456789abcdef", 10_000)), 0)
		must(t, err)
		_, err = root.Lookup("a") // waits until everything has arrived
		must(t, err)
		c.last.Kill()
		must(t, lose(filepath.Join(dir, "a")))
		if err := w.Close(); (err == nil) != (what == "nothing") {
			t.Errorf("lost %s: error %v", what, err)
		}
	}
}

func TestAFileWrittenOverInPartIsNotTrustedAfterALoss(t *testing.T) {
	t.Parallel()
	for _, again := range []struct {
		off  int64
		data string
		bad  bool
	}{{4, "xx", true}, {0, "0123456789", false}, {0, "a longer text", false}, {10, "appended", false}, {8, "over the end", true}} {
		var c crash
		root := open(t, sshtest.Dir(t, -1), sftpfs.Options{Connections: 1, Dial: c.dial(t)}).Root()
		w, err := root.Create("a", 0o600)
		must(t, err)
		_, err = w.WriteAt([]byte("0123456789"), 0)
		must(t, err)
		_, err = w.WriteAt([]byte(again.data), again.off)
		must(t, errors.Join(err, w.Truncate(100)))
		c.last.Kill()
		if err := w.Close(); (err != nil) != again.bad {
			t.Errorf("%q at %d: error %v", again.data, again.off, err)
		}
	}
}

func TestAFileOfAnyModeIsWrittenAcrossALoss(t *testing.T) {
	t.Parallel()
	dir := sshtest.Dir(t, sshtest.Ordinary)
	s := &scissors{}
	root := open(t, dir, swift(sftpfs.Options{Connections: 1, GiveUp: 24 * time.Hour, Dial: dialCut(t, s, sshtest.SFTPOptions{Ordinary: true})})).Root()
	for _, mode := range []uint32{0, 0o444, 0o200, 0o755} {
		w, err := root.Create("a", mode)
		must(t, err)
		_, err = w.WriteAt([]byte("before"), 0)
		must(t, err)
		s.set(false, 1)
		_, err = w.WriteAt([]byte(" and after"), 6)
		must(t, errors.Join(err, w.Close()))
		info, err := os.Stat(filepath.Join(dir, "a"))
		must(t, err)
		if got := onDisk(t, filepath.Join(dir, "a")); uint32(info.Mode()) != mode || got != "before and after" {
			t.Errorf("mode %v, content %q", info.Mode(), got)
		}
		must(t, root.Remove("a"))
	}
}

func TestAFileThatChangesAcrossALossIsNotReadOn(t *testing.T) {
	t.Parallel()
	for what, change := range map[string]func(path string) error{
		"nothing": func(string) error { return nil },
		"length":  func(path string) error { return os.Truncate(path, 99_999) },
		"time":    func(path string) error { return os.Chtimes(path, time.Time{}, time.Unix(1, 0)) },
		"kind":    func(path string) error { return errors.Join(os.Remove(path), os.Symlink("/etc/hostname", path)) },
	} {
		dir := sshtest.Dir(t, -1)
		path := filepath.Join(dir, "a")
		must(t, os.WriteFile(path, make([]byte, 100_000), 0o644))
		var c crash
		root := open(t, dir, sftpfs.Options{Connections: 1, Dial: c.dial(t)}).Root()
		r, err := root.Open("a")
		must(t, err)
		_, err = r.ReadAt(make([]byte, 10), 0)
		must(t, err)
		c.last.Kill()
		must(t, change(path))
		if _, err := r.ReadAt(make([]byte, 10), 50_000); (err == nil) != (what == "nothing") {
			t.Errorf("%s changed: error %v", what, err)
		}
		must(t, r.Close())
	}
}

func TestASymlinkPutInThePlaceOfAFileIsNotRead(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		skip(t, "needs root, who can read files of others")
	}
	dir := sshtest.Dir(t, -1)
	path := filepath.Join(dir, "a")
	must(t, os.WriteFile(path, []byte("mine"), 0o644))
	must(t, os.Chown(path, sshtest.Ordinary, sshtest.Ordinary))
	root := open(t, dir, sftpfs.Options{}).Root()
	_, err := root.Names() // tells that it is a file
	must(t, err)
	must(t, errors.Join(os.Remove(path), os.Symlink("/etc/shadow", path)))
	r, err := root.Open("a")
	must(t, err)
	buf := make([]byte, 10)
	if n, err := r.ReadAt(buf, 0); n > 0 || err == nil || err == io.EOF {
		t.Errorf("%d bytes, error %v", n, err)
	}
	if _, err := r.Info(); err == nil {
		t.Error("no error from Info")
	}
	must(t, r.Close())
}

func TestAFIFOIsNeverOpened(t *testing.T) {
	t.Parallel()
	dir := sshtest.Dir(t, -1)
	must(t, syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600))
	root := open(t, dir, sftpfs.Options{Connections: 1}).Root()
	for range 2 {
		if _, err := root.Open("fifo"); !errors.Is(err, disk.ErrKind) {
			t.Errorf("error %v", err)
		}
		_, err := root.Names()
		must(t, err)
	}
	if _, err := root.Lock("fifo"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("lock: %v", err)
	}
}

func TestManyBigFilesAreWrittenAndReadInBoundedMemory(t *testing.T) {
	t.Parallel()
	dir := sshtest.Dir(t, -1)
	root := open(t, dir, sftpfs.Options{}).Root()
	block := []byte(strings.Repeat("0123456789abcdef", 1<<16)) // 1 MiB
	var writers []disk.Writer
	for i := range 20 {
		w, err := root.Create(string(rune('a'+i)), 0o600)
		must(t, err)
		writers = append(writers, w)
	}
	for n := range 3 { // more than may wait, in files that nobody closes meanwhile
		for _, w := range writers {
			_, err := w.WriteAt(block, int64(n)<<20)
			must(t, err)
		}
	}
	for i, w := range writers {
		must(t, w.Close())
		if got := read(t, root, string(rune('a'+i))); got != strings.Repeat(string(block), 3) {
			t.Errorf("file %d: %d bytes", i, len(got))
		}
	}
}

func TestWhatIsToldOfASmallFileBelongsToWhatWasReadOfIt(t *testing.T) {
	t.Parallel()
	dir := sshtest.Dir(t, -1)
	path := filepath.Join(dir, "a")
	root := open(t, dir, sftpfs.Options{Connections: 1}).Root()
	for _, size := range []int{0, 1, 1000, 32 << 10, 32<<10 + 1, 100_000} {
		must(t, os.WriteFile(path, []byte(strings.Repeat("a", size)), 0o644))
		r, err := root.Open("a")
		must(t, err)
		first, err := r.Info()
		must(t, err)
		buf := make([]byte, size+1)
		n, err := r.ReadAt(buf[:max(size, 1)], 0)
		if n != size || size == 0 && err != io.EOF || size > 0 && err != nil && err != io.EOF || strings.Trim(string(buf[:n]), "a") != "" {
			t.Errorf("%d bytes: read %d, error %v", size, n, err)
		}
		second, err := r.Info()
		must(t, err)
		if first.Size != int64(size) || second.Size != int64(size) {
			t.Errorf("%d bytes: told %d and %d", size, first.Size, second.Size)
		}
		must(t, os.WriteFile(path, []byte(strings.Repeat("b", size+5)), 0o644))
		third, err := r.Info()
		must(t, err)
		n, err = r.ReadAt(make([]byte, size+6), 0)
		if third.Size != int64(size)+5 || n != size+5 || err != io.EOF {
			t.Errorf("%d bytes, changed: told %d, read %d, error %v", size, third.Size, n, err)
		}
		must(t, r.Close())
	}
}
