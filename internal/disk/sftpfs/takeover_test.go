package sftpfs_test

import (
	"bytes"
	"context"
	"errors"
	"io"
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

// outage is a server whose line can be cut at one request, and what happens until it is there again.
type outage struct {
	s       scissors
	spy     *spy
	mu      sync.Mutex
	now     time.Time
	looks   int    // that were waited for since the outage
	while   func() // what happens; nil once it has happened
	noticed func(looks int)
}

// options let time pass only when somebody waits for a look at a lease, and by an hour during the outage; no beat comes by itself.
func (o *outage) options(t *testing.T) sftpfs.Options {
	o.now, o.spy = time.Now(), newSpy()
	return sftpfs.Options{Connections: 1,
		Now: func() time.Time { o.mu.Lock(); defer o.mu.Unlock(); return o.now },
		After: func(d time.Duration) <-chan time.Time {
			if d != time.Second { // the time between looks
				return nil
			}
			o.mu.Lock()
			defer o.mu.Unlock()
			o.now = o.now.Add(d)
			if o.looks++; o.noticed != nil && o.while == nil {
				o.noticed(o.looks)
			}
			c := make(chan time.Time, 1)
			c <- o.now
			return c
		},
		Dial: func(context.Context) (io.ReadWriteCloser, error) {
			o.mu.Lock()
			defer o.mu.Unlock()
			if o.s.counted() > 0 && o.while != nil {
				o.now, o.looks = o.now.Add(time.Hour), 0
				o.while()
				o.while = nil
			}
			return &line{conn: sshtest.SFTPServer(t, sshtest.SFTPOptions{}), s: &o.s, spy: o.spy}, nil
		}}
}

// cutAt lets the line be lost once a request has passed: with the answer to it, or with the next request.
func (o *outage) cutAt(answer bool, which func(p []byte) bool) {
	o.spy.mu.Lock()
	defer o.spy.mu.Unlock()
	o.spy.request = func(p []byte) []byte {
		if which(p) {
			o.s.set(answer, 1)
			o.spy.request = nil
		}
		return p
	}
}

// other is the lease of somebody who lives.
const other = "varve lease fedcba9876543210fedcba9876543210 0000000000000003\n"

// lay returns what puts a new file with this text at path, in the place of the one there.
func lay(t *testing.T, path, text string) func() {
	return func() {
		made := filepath.Join(t.TempDir(), "made")
		must(t, errors.Join(os.WriteFile(made, []byte(text), 0o600), os.Rename(made, path)))
	}
}

func TestAnAttemptAfterAnOutageIsMadeOnlyWithTheLeaseHeld(t *testing.T) {
	t.Parallel()
	for what, do := range map[string]func(f disk.FS) error{
		"mkdir":  func(f disk.FS) error { return f.Mkdir("made", 0o700) },
		"rename": func(f disk.FS) error { return f.Rename("old", f, "made") },
		"remove": func(f disk.FS) error { return f.Remove("old") },
		"create": func(f disk.FS) error {
			w, err := f.Create("made", 0o600)
			if err == nil {
				err = w.Close()
			}
			return err
		},
	} {
		for _, taken := range []bool{true, false} {
			dir := sshtest.Dir(t, -1)
			path := filepath.Join(dir, "lease")
			var o outage
			root := open(t, dir, o.options(t)).Root()
			write(t, root, "old", "text")
			must(t, errors.Join(root.Rename("old", root, "x"), root.Rename("x", root, "old"))) // learns how the server renames
			l := lock(t, root, "lease")
			if o.while = func() {}; taken {
				o.while = lay(t, path, other)
			}
			o.s.set(false, 1)
			if err := do(root); errors.Is(err, varve.ErrBusy) != taken || !taken && err != nil {
				t.Errorf("%s, taken over %v: error %v", what, taken, err)
			}
			if got := names(t, dir); (got == "lease old") != taken {
				t.Errorf("%s, taken over %v: there is %s", what, taken, got)
			}
			if err := l.Close(); errors.Is(err, varve.ErrBusy) != taken {
				t.Errorf("%s, taken over %v: unlock: %v", what, taken, err)
			}
		}
	}
}

func TestALeaseThatWasTakenOverInAnOutageIsNotGivenBack(t *testing.T) {
	t.Parallel()
	for _, answers := range []bool{false, true} {
		for n, cut := 1, true; cut; n++ {
			dir := sshtest.Dir(t, -1)
			path := filepath.Join(dir, "lease")
			var o outage
			d := open(t, dir, o.options(t))
			l := lock(t, d.Root(), "lease")
			o.while = lay(t, path, other)
			o.s.set(answers, n)
			err := l.Close()
			if cut = o.s.unset(); !cut {
				must(t, err)
				continue
			}
			switch _, gone := os.Stat(path); {
			case o.while != nil: // nobody came again: all was done
				must(t, err)
			case !errors.Is(err, varve.ErrBusy):
				t.Errorf("lost at %s %d: error %v", kindOf(answers), n, err)
			case gone != nil || onDisk(t, path) != other:
				t.Errorf("lost at %s %d: the lease of another was removed or changed", kindOf(answers), n)
			}
		}
	}
}

func TestALiveLeaseIsNotMovedAsideAfterAnOutage(t *testing.T) {
	t.Parallel()
	dir := sshtest.Dir(t, -1)
	path := filepath.Join(dir, "lease")
	var o outage
	root := open(t, dir, o.options(t)).Root()
	write(t, root, "x", "")
	must(t, root.Rename("x", root, "y")) // learns how the server renames
	lay(t, path, dead)()
	o.while = lay(t, path, other)
	o.spy.forget()
	o.cutAt(true, func(p []byte) bool { return p[4] == typeLstat && bytes.Contains(p, []byte("/tmp-")) })
	if _, err := root.Lock("lease"); !errors.Is(err, varve.ErrBusy) {
		t.Errorf("error %v", err)
	}
	if n := o.spy.count(typeRename); n != 0 || o.while != nil {
		t.Errorf("%d attempts to move it aside", n)
	}
	holds("lease", other)(t, dir)
}

func TestAnEmptyLeaseFoundAfterAnOutageIsThatOfAnother(t *testing.T) {
	t.Parallel()
	dir := sshtest.Dir(t, -1)
	path := filepath.Join(dir, "lease")
	var o outage
	root := open(t, dir, o.options(t)).Root()
	o.while = lay(t, path, "")
	o.noticed = func(looks int) {
		if looks == 2 { // the other one writes what it is about to write
			must(t, os.WriteFile(path, []byte(other), 0o600))
		}
	}
	o.cutAt(false, func(p []byte) bool { return strings.Contains(string(p), path) && p[4] == typeOpen })
	if _, err := root.Lock("lease"); !errors.Is(err, varve.ErrBusy) {
		t.Errorf("error %v", err)
	}
	holds("lease", other)(t, dir)
}
