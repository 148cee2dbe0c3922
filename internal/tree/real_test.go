package tree_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"varve"
	"varve/internal/disk/memfs"
	"varve/internal/disk/osfs"
	"varve/internal/storetest"
	"varve/internal/tree"
	"varve/internal/walk"
)

// walkOf walks a directory of this machine. Now lies in the future, so that what was just written is trusted like old files are.
func walkOf(t *testing.T, dir string) *walk.Source {
	t.Helper()
	top, err := osfs.Open(dir)
	must(t, err)
	src, err := walk.New(top, []string{""}, walk.Options{Now: func() time.Time { return time.Now().Add(time.Hour) }})
	must(t, err)
	return src
}

// saveDir makes a snapshot of a directory.
func saveDir(t *testing.T, s *tree.Store, dir string) (varve.Snapshot, []varve.Entry) {
	t.Helper()
	src := walkOf(t, dir)
	defer src.Close()
	snap, err := s.Save(context.Background(), src, varve.SaveOptions{Series: "s"})
	must(t, err)
	v, err := s.View(context.Background(), snap.ID)
	must(t, err)
	defer v.Close()
	var list []varve.Entry
	for e, err := range v.Entries(context.Background()) {
		must(t, err)
		list = append(list, e)
	}
	return snap, list
}

func TestOnARealDiskWhatHappensToTheSourceChangesNoSnapshot(t *testing.T) {
	top := t.TempDir()
	from, to := filepath.Join(top, "from"), filepath.Join(top, "to")
	must(t, os.Mkdir(from, 0o755))
	must(t, os.Mkdir(to, 0o755))
	for i := range 12 {
		must(t, os.WriteFile(filepath.Join(from, fmt.Sprint(i)), []byte(storetest.Text(2000+i)), 0o644))
	}
	root, err := osfs.Open(to)
	must(t, err)
	must(t, tree.Init(root))
	s, err := tree.Open(root, tree.Options{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid()), Privileged: os.Geteuid() == 0})
	must(t, err)
	defer s.Close()
	var snaps []varve.Snapshot
	var states [][]varve.Entry
	for run := range 6 {
		snap, state := saveDir(t, s, from)
		snaps, states = append(snaps, snap), append(states, state)
		for i, change := range changes() {
			must(t, change(filepath.Join(from, fmt.Sprint((i+run)%12))))
		}
	}
	for i, snap := range snaps {
		v, err := s.View(context.Background(), snap.ID)
		must(t, err)
		for _, d := range storetest.Differences(v, states[i], varve.Entry{}) {
			t.Errorf("snapshot %d: %s", i, d)
		}
		must(t, v.Close())
	}
	for _, finding := range damage(t, s) {
		t.Error(finding)
	}
}

// changes are the ways in which a program may change a file.
func changes() []func(path string) error {
	return []func(path string) error{
		func(path string) error { return os.Chmod(path, 0o600) },
		func(path string) error { return os.Truncate(path, 500) },
		func(path string) error { return os.Chtimes(path, time.Unix(1, 2), time.Unix(3, 4)) },
		func(path string) error {
			f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = f.WriteString("appended")
			return err
		},
		func(path string) error {
			if err := os.WriteFile(path+"~", []byte("replaced"), 0o640); err != nil {
				return err
			}
			return os.Rename(path+"~", path)
		},
		func(path string) error {
			if os.Geteuid() != 0 {
				return nil
			}
			return os.Chown(path, 1234, 5678)
		},
		func(path string) error {
			if err := unix.Setxattr(path, "user.varve", []byte("x"), 0); err != nil && err != unix.ENOTSUP {
				return err
			}
			return nil
		},
		func(path string) error {
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = f.WriteAt([]byte("in place"), 100)
			return err
		},
	}
}

func TestWhoeverSwapsDirectoriesAndSymlinksNothingOutsideIsRead(t *testing.T) {
	top := t.TempDir()
	outside, from := filepath.Join(top, "outside"), filepath.Join(top, "from")
	for _, dir := range []string{outside, filepath.Join(from, "victim")} {
		must(t, os.MkdirAll(filepath.Join(dir, "sub"), 0o755))
	}
	for i := range 40 {
		for _, name := range []string{fmt.Sprintf("file %d", i), fmt.Sprintf("sub/file %d", i)} {
			must(t, os.WriteFile(filepath.Join(from, "victim", name), []byte("of the source"), 0o644))
			must(t, os.WriteFile(filepath.Join(outside, name), []byte("secret canary"), 0o644))
		}
	}
	must(t, os.WriteFile(filepath.Join(outside, "canary"), nil, 0o644))
	must(t, os.Symlink(outside, filepath.Join(from, "trap")))
	must(t, os.Symlink(filepath.Join(outside, "file 1"), filepath.Join(from, "trap file")))
	stop := flip(filepath.Join(from, "victim"), filepath.Join(from, "trap"))
	defer stop()
	must(t, os.Mkdir(filepath.Join(from, "files"), 0o755))
	must(t, os.WriteFile(filepath.Join(from, "files", "file"), []byte("of the source"), 0o644))
	stopFile := flip(filepath.Join(from, "files", "file"), filepath.Join(from, "trap file"))
	defer stopFile()
	rounds := 60
	if testing.Short() {
		rounds = 10
	}
	for range rounds {
		b := newBed(t, memfs.Options{})
		s := b.store()
		snap, _ := saveDir(t, s, from)
		noCanary(t, s, snap.ID)
		b.verifies(s)
		must(t, s.Close())
	}
}

// flip exchanges two names over and over until it is stopped.
func flip(a, b string) (stop func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				_ = unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
			}
		}
	})
	return func() { close(done); wg.Wait() }
}

// noCanary checks that nothing from outside the source is in a snapshot.
func noCanary(t *testing.T, s *tree.Store, id varve.SnapshotID) {
	t.Helper()
	v, err := s.View(context.Background(), id)
	must(t, err)
	defer v.Close()
	for e, err := range v.Entries(context.Background()) {
		must(t, err)
		if strings.Contains(e.Path, "canary") {
			t.Errorf("/%s is in the snapshot", e.Path)
		}
		if e.Kind != varve.Regular {
			continue
		}
		f, err := v.Open(context.Background(), e)
		must(t, err)
		content, err := io.ReadAll(f)
		must(t, err)
		if strings.Contains(string(content), "canary") {
			t.Errorf("/%s has content from outside", e.Path)
		}
		must(t, f.Close())
	}
}
