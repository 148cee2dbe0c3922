package sftpfs_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"varve"
	"varve/internal/disk"
	"varve/internal/disk/sftpfs"
	"varve/internal/sshtest"
)

// held is what Lock returns.
type held interface {
	Close() error
	Err() error
}

func lock(t *testing.T, f disk.FS, name string) held {
	t.Helper()
	l, err := f.Lock(name)
	must(t, err)
	return l.(held)
}

// dead is what a holder leaves that is gone.
const dead = "varve lease 0123456789abcdef0123456789abcdef 0000000000000007\n"

func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return strings.Join(list, " ")
}

func TestALeaseThatIsHeldIsBusyAndFreeAfterwards(t *testing.T) {
	t.Parallel()
	dir := sshtest.Dir(t, -1)
	o := brisk(sftpfs.Options{Connections: 1})
	one, two := open(t, dir, o).Root(), open(t, dir, o).Root()
	l := lock(t, one, "lease")
	begin := o.Now()
	if _, err := two.Lock("lease"); !errors.Is(err, varve.ErrBusy) {
		t.Errorf("error %v", err)
	}
	if took := o.Now().Sub(begin); took > 50*time.Second {
		t.Errorf("that took %v", took)
	}
	must(t, l.Err())
	must(t, l.Close())
	if err := l.Close(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("closed twice: %v", err)
	}
	must(t, lock(t, two, "lease").Close())
	if got := names(t, dir); got != "" {
		t.Errorf("left behind: %s", got)
	}
}

func TestALeaseOfSomebodyWhoIsGoneIsTakenOver(t *testing.T) {
	t.Parallel()
	for content, least := range map[string]time.Duration{dead: time.Minute, "": 15 * time.Second, "something else": 15 * time.Second} {
		dir := sshtest.Dir(t, -1)
		must(t, os.WriteFile(filepath.Join(dir, "lease"), []byte(content), 0o600))
		told := 0
		o := swift(sftpfs.Options{Connections: 1, Warn: func(error) { told++ }})
		begin := o.Now()
		l := lock(t, open(t, dir, o).Root(), "lease")
		if took := o.Now().Sub(begin); took < least || told != 1 {
			t.Errorf("%q was taken over after %v, told %d times", content, took, told)
		}
		must(t, l.Err())
		must(t, l.Close())
		if got := names(t, dir); got != "" {
			t.Errorf("left behind: %s", got)
		}
	}
}

func TestOfManyThatTakeALeaseOverOneGetsIt(t *testing.T) {
	t.Parallel()
	dir := sshtest.Dir(t, -1)
	must(t, os.WriteFile(filepath.Join(dir, "lease"), []byte(dead), 0o600))
	o := brisk(sftpfs.Options{Connections: 1})
	var wg sync.WaitGroup
	results := make([]error, 4)
	for i := range results {
		root := open(t, dir, o).Root()
		wg.Go(func() { _, results[i] = root.Lock("lease") })
	}
	wg.Wait()
	won := 0
	for _, err := range results {
		if err == nil {
			won++
		} else if !errors.Is(err, varve.ErrBusy) {
			t.Errorf("error %v", err)
		}
	}
	if won != 1 {
		t.Errorf("%d hold it", won)
	}
}

func TestNothingIsChangedOnceALeaseWasLost(t *testing.T) {
	t.Parallel()
	for what, rob := range map[string]func(path string) error{
		"taken over": func(path string) error { return os.WriteFile(path, []byte(dead), 0o600) },
		"removed":    os.Remove,
	} {
		dir := sshtest.Dir(t, -1)
		d := open(t, dir, swift(sftpfs.Options{Connections: 1}))
		root := d.Root()
		l := lock(t, root, "lease")
		must(t, root.Mkdir("before", 0o700))
		must(t, rob(filepath.Join(dir, "lease")))
		err := l.Err()
		for range 6000 {
			if err != nil {
				break
			}
			time.Sleep(10 * time.Millisecond) // beats are told by nothing but the clock
			err = l.Err()
		}
		if !errors.Is(err, varve.ErrBusy) {
			t.Errorf("%s: error %v", what, err)
		}
		for op, err := range map[string]error{
			"mkdir": root.Mkdir("after", 0o700), "rename": root.Rename("before", root, "after"), "rmdir": root.Rmdir("before"),
			"close": l.Close(),
		} {
			if !errors.Is(err, varve.ErrBusy) {
				t.Errorf("%s: %s: error %v", what, op, err)
			}
		}
		if _, err := root.Lookup("before"); err != nil {
			t.Errorf("%s: a look: %v", what, err)
		}
	}
}

func TestALeaseThatIsRemovedByItsHolderIsOver(t *testing.T) {
	t.Parallel()
	dir := sshtest.Dir(t, -1)
	root := open(t, dir, swift(sftpfs.Options{Connections: 1})).Root()
	l := lock(t, root, "lease")
	must(t, root.Remove("lease"))
	must(t, root.Mkdir("after", 0o700))
	must(t, l.Close())
	if got := names(t, dir); got != "after" {
		t.Errorf("there is %s", got)
	}
}

func TestADiskThatIsClosedGivesItsLeasesBack(t *testing.T) {
	t.Parallel()
	dir := sshtest.Dir(t, -1)
	d, err := sftpfs.Open(t.Context(), dir, swift(sftpfs.Options{Dial: dial(t, sshtest.SFTPOptions{})}))
	must(t, err)
	for i := range 3 {
		lock(t, d.Root(), fmt.Sprint("lease-", i))
	}
	must(t, d.Close())
	if got := names(t, dir); got != "" {
		t.Errorf("left behind: %s", got)
	}
}

func TestAHolderThatWasSilentForLongMakesSureBeforeItChangesAnything(t *testing.T) {
	t.Parallel()
	dir := sshtest.Dir(t, -1)
	var mu sync.Mutex
	now := time.Now()
	o := sftpfs.Options{Connections: 1,
		Now:   func() time.Time { mu.Lock(); defer mu.Unlock(); return now },
		After: func(time.Duration) <-chan time.Time { return nil }, // no beat comes by itself
	}
	root := open(t, dir, o).Root()
	l := lock(t, root, "lease")
	later := func(d time.Duration) { mu.Lock(); defer mu.Unlock(); now = now.Add(d) }
	later(39 * time.Second)
	before := onDisk(t, filepath.Join(dir, "lease"))
	must(t, root.Mkdir("a", 0o700))
	if onDisk(t, filepath.Join(dir, "lease")) != before {
		t.Error("a beat that nobody needs")
	}
	later(2 * time.Second)
	must(t, root.Mkdir("b", 0o700))
	if onDisk(t, filepath.Join(dir, "lease")) == before {
		t.Error("no beat before a change")
	}
	later(time.Hour)
	must(t, os.WriteFile(filepath.Join(dir, "lease"), []byte(dead), 0o600))
	if err := root.Mkdir("c", 0o700); !errors.Is(err, varve.ErrBusy) {
		t.Errorf("after somebody took it over: %v", err)
	}
	if err := l.Close(); !errors.Is(err, varve.ErrBusy) {
		t.Errorf("close: %v", err)
	}
	if got := names(t, dir); got != "a b lease" {
		t.Errorf("there is %s", got)
	}
}
