package sftpfs_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"varve/internal/disk"
	"varve/internal/disk/sftpfs"
	"varve/internal/sshtest"
)

// closed is the content of files that are written and closed.
var closed = strings.Repeat("0123456789abcdef", 10_000)

// alter changes a block of a file and neither its size nor its time.
func alter(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(make([]byte, 512), 4096)
	return errors.Join(err, f.Close(), os.Chtimes(path, info.ModTime(), info.ModTime()))
}

// mishaps are what a crash may do to a file that nobody has flushed.
func mishaps() map[string]func(path string) error {
	return map[string]func(path string) error{
		"nothing":  func(string) error { return nil },
		"content":  func(path string) error { return os.Truncate(path, 0) },
		"the end":  func(path string) error { return os.Truncate(path, 1000) },
		"a block":  alter,
		"the file": os.Remove,
	}
}

func TestAClosedFileThatAServerLostInACrashFailsSyncAllUntilItIsRemoved(t *testing.T) {
	t.Parallel()
	for _, flushes := range []bool{true, false} {
		for what, lose := range mishaps() {
			dir := sshtest.Dir(t, -1)
			var c crash
			connect := hide(c.dial(t), func(e string) bool { return !flushes && e == extFsync })
			root := open(t, dir, sftpfs.Options{Connections: 1, Dial: connect}).Root()
			write(t, root, "a", closed)
			write(t, root, "b", "")
			c.last.Kill()
			must(t, lose(filepath.Join(dir, "a")))
			for n := range 2 {
				if err := root.SyncAll(); (err == nil) != (what == "nothing") || err != nil && !strings.Contains(err.Error(), dir+"/a") {
					t.Errorf("lost %s, call %d: error %v", what, n, err)
				}
			}
			if err := root.Remove("a"); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Error(err)
			}
			if err := root.SyncAll(); err != nil {
				t.Errorf("lost %s and removed it: error %v", what, err)
			}
		}
	}
}

func TestALossThatShowsOnlyWhileFilesAreFlushedCounts(t *testing.T) {
	t.Parallel()
	for _, altered := range []bool{true, false} {
		for _, answers := range []bool{true, false} {
			n := 0
			for cut := true; cut; {
				n++
				dir := sshtest.Dir(t, -1)
				s := &scissors{}
				root := open(t, dir, swift(sftpfs.Options{Connections: 1, Dial: dialCut(t, s, sshtest.SFTPOptions{})})).Root()
				write(t, root, "a", closed)
				if altered {
					must(t, alter(filepath.Join(dir, "a")))
				}
				s.set(answers, n)
				err := root.SyncAll()
				cut = s.unset()
				if (err == nil) != (!altered || !cut) {
					t.Errorf("altered %v, lost at %s %d: error %v", altered, kindOf(answers), n, err)
				}
			}
			if n != 6 {
				t.Errorf("%d %ss were waited for", n-1, kindOf(answers))
			}
		}
	}
}

func TestAFileThatIsFlushedHasTheSizeItWasWrittenWith(t *testing.T) {
	t.Parallel()
	dir := sshtest.Dir(t, -1)
	root := open(t, dir, sftpfs.Options{Connections: 1}).Root()
	write(t, root, "a", closed)
	must(t, os.Truncate(filepath.Join(dir, "a"), 1000))
	if err := root.SyncAll(); err == nil {
		t.Error("no error")
	}
}

func TestWhatIsFoundWhereAFileWasBeforeSaysNothingOfIt(t *testing.T) {
	t.Parallel()
	errBroken := errors.New("broken")
	for _, c := range []struct {
		found, want error
		gone        bool
		calls       string
	}{
		{calls: "a b"}, {found: fs.ErrNotExist, calls: "a b"}, {found: errBroken, want: errBroken, calls: "a"},
		{found: fs.ErrNotExist, gone: true, calls: "a"}, {found: errBroken, gone: true, calls: "a"},
	} {
		d := open(t, sshtest.Dir(t, -1), sftpfs.Options{Connections: 1})
		root := d.Root()
		write(t, root, "a", closed)
		var calls []string
		err := d.Follow(d.Path()+"/a", func(path string) error {
			switch calls = append(calls, filepath.Base(path)); {
			case len(calls) > 1:
				return nil
			case c.gone:
				must(t, root.Remove("a"))
			default:
				must(t, root.Rename("a", root, "b"))
			}
			return c.found
		})
		if got := strings.Join(calls, " "); got != c.calls || !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%+v: tried %s, error %v", c, got, err)
		}
	}
}

func TestAFileIsFollowedToWhereItIsMoved(t *testing.T) {
	t.Parallel()
	for how, move := range map[string]func(f disk.FS) error{
		"rename":  func(f disk.FS) error { return f.Rename("a", f, "there") },
		"replace": func(f disk.FS) error { return f.Replace("a", f, "there") },
		"replace another": func(f disk.FS) error {
			return errors.Join(put(f, "there", false), f.Replace("a", f, "there"))
		},
		"replace itself": func(f disk.FS) error {
			return errors.Join(f.Rename("a", f, "there"), f.Replace("there", f, "there"))
		},
		"link": func(f disk.FS) error { return errors.Join(f.Link("a", f, "there"), f.Remove("a")) },
		"with its directory": func(f disk.FS) error {
			err := f.Mkdir("dir", 0o755)
			sub, openErr := f.OpenDir("dir")
			return errors.Join(err, openErr, f.Rename("a", sub, "there"), f.Rename("dir", f, "moved"))
		},
	} {
		for _, lost := range []bool{false, true} {
			dir := sshtest.Dir(t, -1)
			var c crash
			root := open(t, dir, sftpfs.Options{Connections: 1, Dial: c.dial(t)}).Root()
			write(t, root, "a", closed)
			must(t, move(root))
			c.last.Kill()
			if lost {
				at, err := filepath.Glob(filepath.Join(dir, "moved", "there"))
				must(t, err)
				must(t, alter(append(at, filepath.Join(dir, "there"))[0]))
			}
			if err := root.SyncAll(); (err != nil) != lost {
				t.Errorf("%s, lost %v: error %v", how, lost, err)
			}
		}
	}
}

func TestAFileThatWasRemovedHereIsNotMissed(t *testing.T) {
	t.Parallel()
	for how, remove := range map[string]func(f disk.FS, dir string) error{
		"removed": func(f disk.FS, _ string) error { return f.Remove("a") },
		"replaced": func(f disk.FS, _ string) error {
			return errors.Join(f.Symlink("new", "x"), f.Replace("new", f, "a"))
		},
		"lost, then removed with its directory": func(f disk.FS, dir string) error {
			err := f.Mkdir("dir", 0o755)
			sub, openErr := f.OpenDir("dir")
			return errors.Join(err, openErr, f.Rename("a", sub, "a"), os.Remove(filepath.Join(dir, "dir", "a")), f.Rmdir("dir"))
		},
		"lost, then made again": func(f disk.FS, dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, "a")), put(f, "a", false))
		},
		"removed while another was written": func(f disk.FS, _ string) error {
			w, err := f.Create("b", 0o644)
			if err != nil {
				return err
			}
			_, err = w.WriteAt([]byte("text"), 0)
			return errors.Join(err, f.Remove("b"), w.Close(), f.Remove("a"))
		},
		"replaced while it was written": func(f disk.FS, _ string) error {
			w, err := f.Create("b", 0o644)
			if err != nil {
				return err
			}
			_, err = w.WriteAt([]byte("text"), 0)
			return errors.Join(err, f.Replace("a", f, "b"), w.Close())
		},
	} {
		dir := sshtest.Dir(t, -1)
		var c crash
		root := open(t, dir, sftpfs.Options{Connections: 1, Dial: c.dial(t)}).Root()
		write(t, root, "a", closed)
		must(t, remove(root, dir))
		for n := range 2 {
			if err := root.SyncAll(); err != nil {
				t.Errorf("%s, call %d: error %v", how, n, err)
			}
			c.last.Kill()
		}
	}
}

// failing makes the server say that it could not flush a file, the first time.
func failing(spy *spy) {
	done := false
	spy.answer = func(request, p []byte) []byte {
		if done || request[4] != typeExtra || !strings.Contains(string(request), extFsync) {
			return p
		}
		done = true
		return frame(typeStatus, request, number(4), word("Input/output error"), word(""))
	}
}

func TestAFlushThatFailedIsNotRepeatedAndNotForgotten(t *testing.T) {
	t.Parallel()
	spy := newSpy()
	root := open(t, sshtest.Dir(t, -1), sftpfs.Options{Connections: 1, Dial: dialSpied(t, spy, sshtest.SFTPOptions{})}).Root()
	failing(spy)
	write(t, root, "a", closed)
	for n := range 3 {
		if err := root.SyncAll(); err == nil {
			t.Errorf("call %d: no error", n)
		}
		if n := spy.count(extFsync); n != 1 {
			t.Errorf("%d flushes", n)
		}
		write(t, root, fmt.Sprint(n), "another")
	}
	must(t, root.Rename("a", root, "b"))
	if err := root.SyncAll(); err == nil {
		t.Error("forgotten when it was moved")
	}
	must(t, root.Remove("b"))
	must(t, root.SyncAll())
	if n := spy.count(extFsync); n != 4 {
		t.Errorf("%d flushes of one file and three others", n)
	}
}

func TestWhereManyFilesWaitTheyAreFlushedBeforeMoreAreMade(t *testing.T) {
	t.Parallel()
	spy := newSpy()
	d := open(t, sshtest.Dir(t, -1), sftpfs.Options{Connections: 1, Dial: dialSpied(t, spy, sshtest.SFTPOptions{})})
	root := d.Root()
	d.SetRoom(40_000)
	const files, least, atOnce = 500, 350, 150
	var wg sync.WaitGroup
	for part := range 4 {
		wg.Go(func() {
			for i := part; i < files; i += 4 {
				w, err := root.Create(fmt.Sprint(i), 0o644)
				if err == nil {
					err = w.Close()
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := spy.count(extFsync); n < least {
		t.Errorf("%d files flushed of %d, while no more than %d may wait", n, files, atOnce)
	}
	must(t, root.SyncAll())
	if n := spy.count(extFsync); n != files {
		t.Errorf("%d flushes of %d files", n, files)
	}
	failing(spy)
	var err error
	for i := 0; err == nil && i < files; i++ {
		err = put(root, fmt.Sprint("more ", i), false)
	}
	if err == nil || !strings.Contains(err.Error(), "Input/output error") {
		t.Errorf("after a flush that failed files are made without end: error %v", err)
	}
}

func TestWhileSessionsAreLostFilesAreFlushedWhenTheyAreClosed(t *testing.T) {
	t.Parallel()
	spy := newSpy()
	var last *line
	dir := sshtest.Dir(t, -1)
	root := open(t, dir, sftpfs.Options{Connections: 1, Dial: func(context.Context) (io.ReadWriteCloser, error) {
		last = &line{conn: sshtest.SFTPServer(t, sshtest.SFTPOptions{}), s: &scissors{}, spy: spy}
		return last, nil
	}}).Root()
	must(t, last.Close())
	write(t, root, "a", closed)
	if n := spy.count(extFsync); n != 1 {
		t.Errorf("%d flushes", n)
	}
	spy.forget()
	must(t, last.Close())
	must(t, root.SyncAll())
	if n := spy.count(extFsync, typeRead); n != 0 {
		t.Errorf("%d requests for a file that was durable", n)
	}
}

func TestWhatNeverArrivedIsSentAgainAndNotReadBack(t *testing.T) {
	t.Parallel()
	spy, s := newSpy(), &scissors{}
	dir := sshtest.Dir(t, -1)
	root := open(t, dir, sftpfs.Options{Connections: 1, Durable: true, Dial: func(context.Context) (io.ReadWriteCloser, error) {
		return &line{conn: sshtest.SFTPServer(t, sshtest.SFTPOptions{}), s: s, spy: spy}, nil
	}}).Root()
	w, err := root.Create("a", 0o644)
	must(t, err)
	s.set(false, 1)
	_, err = w.WriteAt([]byte(closed), 0)
	must(t, errors.Join(err, w.Close()))
	holds("a", closed)(t, dir)
	if n := spy.count(typeRead); n != 0 {
		t.Errorf("%d requests to read", n)
	}
}

func TestFilesMayBeMovedAndRemovedWhileTheyAreFlushed(t *testing.T) {
	t.Parallel()
	root := open(t, sshtest.Dir(t, -1), sftpfs.Options{Connections: 2}).Root()
	must(t, root.Mkdir("one", 0o755))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := 0; n < 60; n++ {
				a, b := fmt.Sprint("a", i), fmt.Sprint("b", i)
				if err := errors.Join(put(root, a, false), root.Rename(a, root, b), root.Rename(b, root, a), root.Remove(a)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	var flusher sync.WaitGroup
	flusher.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if err := root.SyncAll(); err != nil {
				t.Error(err)
				return
			}
		}
	})
	wg.Wait()
	close(stop)
	flusher.Wait()
}

func TestAFileOfAnyModeIsSecuredAndKeepsItsMode(t *testing.T) {
	t.Parallel()
	for _, mode := range []uint32{0, 0o200, 0o444} {
		for what, lose := range mishaps() {
			for _, cut := range []int{0, 9, 14} { // requests; the smallest lets one part be read and the file be closed
				dir := sshtest.Dir(t, sshtest.Ordinary)
				path := filepath.Join(dir, "a")
				s := &scissors{}
				root := open(t, dir, swift(sftpfs.Options{Connections: 1, Dial: dialCut(t, s, sshtest.SFTPOptions{Ordinary: true})})).Root()
				w, err := root.Create("a", mode)
				must(t, err)
				_, err = w.WriteAt([]byte(closed), 0)
				must(t, errors.Join(err, w.Close()))
				s.set(false, 1)
				_, err = root.Lookup("a")
				must(t, errors.Join(err, lose(path)))
				s.repeat(false, cut)
				err = root.SyncAll()
				s.set(false, 0)
				if (err == nil) != (what == "nothing") {
					t.Errorf("mode %o, lost %s, cut every %d: error %v", mode, what, cut, err)
				}
				if info, gone := os.Lstat(path); gone == nil && err == nil && uint32(info.Mode()) != mode {
					t.Errorf("mode %o, cut every %d: mode %v afterwards", mode, cut, info.Mode())
				}
			}
		}
	}
}
