package sftpfs_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"varve/internal/disk"
	"varve/internal/disk/sftpfs"
	"varve/internal/sshtest"
)

func TestAWayThatIsGoneAgainIsNotLookedAtAgainOnAStillDisk(t *testing.T) {
	t.Parallel()
	dir := sshtest.Dir(t, -1)
	must(t, os.MkdirAll(filepath.Join(dir, "a/b/c"), 0o755))
	for still, want := range map[bool]int{false: 4 * 3, true: 3} {
		spy := newSpy()
		d := open(t, dir, sftpfs.Options{Connections: 1, Still: still, Dial: dialSpied(t, spy, sshtest.SFTPOptions{})})
		spy.forget()
		for range 4 {
			at, err := disk.OpenPath(d.Root(), "a/b/c")
			must(t, err)
			must(t, at.Close())
		}
		if n := spy.count(typeLstat); n != want {
			t.Errorf("still %v: %d looks, want %d", still, n, want)
		}
	}
}

func TestAWayThatThisDiskRemovesIsForgotten(t *testing.T) {
	t.Parallel()
	root := open(t, sshtest.Dir(t, -1), sftpfs.Options{Still: true}).Root()
	for range 2 {
		must(t, root.Mkdir("d", 0o755))
		sub, err := root.OpenDir("d")
		must(t, errors.Join(err, sub.Close()))
		must(t, root.Rmdir("d"))
		if _, err := root.OpenDir("d"); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("opened what was removed: %v", err)
		}
	}
	must(t, root.Mkdir("d", 0o755))
	sub, err := root.OpenDir("d")
	must(t, errors.Join(err, sub.Close()))
	must(t, root.Rename("d", root, "e"))
	write(t, root, "d", "a file now")
	if _, err := root.OpenDir("d"); !errors.Is(err, disk.ErrKind) {
		t.Errorf("opened a file as a directory: %v", err)
	}
}
