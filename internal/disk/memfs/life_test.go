package memfs_test

import (
	"io/fs"
	"testing"

	"varve"
	"varve/internal/disk/memfs"
)

func TestHandlesAndLocksEndWithCrashAndKill(t *testing.T) {
	d := memfs.New(memfs.Options{})
	for what, end := range map[string]func(){"crash": func() { d.Crash(all) }, "kill": d.Kill} {
		f := d.Root()
		put(t, f, what, "content", false)
		w, err := f.Create(what+" w", 0o600)
		must(t, err)
		r, err := f.Open(what)
		must(t, err)
		lock, err := f.Lock("lock")
		must(t, err)
		end()
		_, err = f.Names()
		want(t, err, fs.ErrClosed)
		want(t, f.Mkdir("late", 0o700), fs.ErrClosed)
		_, err = w.WriteAt([]byte("late"), 0)
		want(t, err, fs.ErrClosed)
		_, err = r.ReadAt(make([]byte, 1), 0)
		want(t, err, fs.ErrClosed)
		want(t, d.Root().Rename(what, f, "late"), fs.ErrClosed)

		next, err := d.Root().Lock("lock")
		must(t, err)
		want(t, lock.Close(), fs.ErrClosed)
		_, err = d.Root().Lock("lock")
		want(t, err, varve.ErrBusy)
		must(t, next.Close())
		if got := get(t, d.Root(), what); got != "content" {
			t.Errorf("after the %s the file holds %q", what, got)
		}
	}
}

func TestAKillLosesNothingAndACrashAfterItLosesWhatWasNotSynced(t *testing.T) {
	d := memfs.New(memfs.Options{})
	put(t, d.Root(), "synced", "1", true)
	must(t, d.Root().Sync())
	put(t, d.Root(), "unsynced", "2", false)
	d.Kill()
	if f := d.Root(); get(t, f, "synced") != "1" || get(t, f, "unsynced") != "2" {
		t.Error("the kill changed something")
	}
	d.Crash(nil)
	if f := d.Root(); get(t, f, "synced") != "1" || has(f, "unsynced") {
		t.Error("the crash lost too much or too little")
	}
}

func TestUnnamedFilesGiveTheirRoomBackWhenTheProcessEnds(t *testing.T) {
	d := memfs.New(memfs.Options{})
	before, err := d.Root().Space()
	must(t, err)
	for _, end := range []func(){d.Kill, func() { d.Crash(nil) }} {
		f := d.Root()
		w, err := f.Create("file", 0o600)
		must(t, err)
		_, err = w.WriteAt(make([]byte, 1<<20), 0)
		must(t, err)
		must(t, f.Remove("file"))
		if s, err := f.Space(); err != nil || s.Free > before.Free-1<<20 {
			t.Errorf("an open file takes no room: %+v, error %v", s, err)
		}
		end()
		if s, err := d.Root().Space(); err != nil || s != before {
			t.Errorf("room is %+v, want %+v, error %v", s, before, err)
		}
	}
}

func TestInodeNumbersAreNeverUsedAgain(t *testing.T) {
	d := memfs.New(memfs.Options{})
	seen := map[uint64]bool{}
	for range 5 {
		f := d.Root()
		put(t, f, "file", "", false)
		info, err := f.Lookup("file")
		must(t, err)
		if seen[info.Stamp.Ino] {
			t.Errorf("the inode number %d comes again", info.Stamp.Ino)
		}
		seen[info.Stamp.Ino] = true
		d.Crash(nil)
	}
}
