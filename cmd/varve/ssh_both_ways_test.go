package main

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"varve/internal/sshtest"
)

// latestIn returns the paths below the newest snapshot of the series s, and their inodes.
func (o *over) latestIn(store string) map[string]uint64 {
	o.Helper()
	list := o.snapshots(store)
	top := filepath.Join(store, list[len(list)-1].Location)
	inodes := map[string]uint64{}
	o.must(filepath.WalkDir(top, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		var st unix.Stat_t
		err = unix.Lstat(path, &st)
		inodes[path[len(top):]] = st.Ino
		return err
	}))
	return inodes
}

func TestATreeIsWrittenHereAndOverSFTPByTurns(t *testing.T) {
	linked := map[string]bool{"one": true, "two": true, "three": true, "symlink": true} // and not what costs nothing
	for _, first := range []string{"here", "there"} {
		t.Run(first, func(t *testing.T) {
			o := start(t, sshtest.Options{})
			src, here, there := o.at("src"), o.there("store"), o.far("store")
			o.plant(src)
			o.must(unix.Mkfifo(filepath.Join(src, "fifo"), 0o600))
			if first == "here" { // over SFTP every run stores anew what the first one could not hold
				o.must(unix.Setxattr(filepath.Join(src, "one"), "user.note", []byte("kept"), 0))
				if os.Geteuid() == 0 {
					o.must(unix.Mknod(filepath.Join(src, "device"), unix.S_IFCHR|0o600, 1<<8|3))
				}
			}
			stores := []string{here, there, here}
			if first == "there" {
				stores = []string{there, here, there}
			}
			o.good("init", "-s", stores[0])
			var before map[string]uint64
			for _, store := range stores {
				o.good("backup", "-s", store, "--series", "s", src)
				o.good("verify", "-s", here)
				o.good("verify", "-s", there)
				after := o.latestIn(here)
				for path := range after {
					if before != nil && linked[filepath.Base(path)] && after[path] != before[path] {
						t.Errorf("%s: %s was stored again", store, path)
					}
				}
				before = after
			}
		})
	}
}

func TestATreeWhereNoSymlinkCanBeMadeGoesWithoutLatest(t *testing.T) {
	o := start(t, sshtest.Options{SFTPArgs: []string{"-P", "symlink"}})
	o.write(o.at("file"), "content")
	for range 3 {
		o.good("backup", "--init", "-s", o.far("store"), "--series", "s", o.at("file"))
	}
	o.call(exitGood, "forget", "-s", o.far("store"), "--keep-last", "2")
	o.good("forget", "-s", o.far("store"), o.snapshots(o.there("store"))[0].ID.String())
	if n := len(o.snapshots(o.far("store"))); n != 1 {
		t.Errorf("%d snapshots are left, want 1", n)
	}
	o.good("verify", "-s", o.far("store"))
}

func TestAStoreInAFarSourceIsLeftOut(t *testing.T) {
	o := start(t, sshtest.Options{})
	const name = "st[o]re*"
	o.plant(o.there("src"))
	o.must(os.Mkdir(o.there("src/stoore"), 0o755))
	o.write(o.there("src/stoore/file"), "not the store")
	store := o.far("src/" + name)
	o.good("init", "-s", store)
	o.good("backup", "-s", store, "--series", "s", o.far("src"))
	o.good("backup", "-s", "far:src/"+name, "--series", "s", o.far("src"))
	var in bool
	for path := range o.latestIn(o.there("src/" + name)) {
		if filepath.Base(path) == "format" {
			t.Errorf("the store holds itself: %s", path)
		}
		in = in || filepath.Base(filepath.Dir(path)) == "stoore"
	}
	if !in {
		t.Error("a directory was left out that only looks like the store's pattern")
	}
	o.fails(exitFailed, []string{"lies in the store"}, "backup", "-s", store, "--series", "s", store+"/.varve")
}

func TestAFullFarTreeIsMadeRoomOn(t *testing.T) {
	if can, err := canMount(); err != nil || !can {
		t.Skip("file systems cannot be mounted here", err)
	}
	o := start(t, sshtest.Options{})
	disk := o.there("disk")
	o.must(os.Mkdir(disk, 0o755))
	o.must(unix.Mount("tmpfs", disk, "tmpfs", 0, "size=4m"))
	t.Cleanup(func() { o.must(unix.Unmount(disk, unix.MNT_DETACH)) })
	store := o.far("disk/store")
	o.fill(o.at("large"), 30, 200<<10)
	o.fill(o.at("small"), 5, 200<<10)
	o.good("backup", "--init", "-s", store, "--series", "small", o.at("small"))
	o.fails(exitFailed, []string{"is full"}, "backup", "-s", store, "--series", "large", o.at("large"))
	if left, err := os.ReadDir(filepath.Join(disk, "store/.varve/partial")); err != nil || len(left) > 0 {
		t.Errorf("what did not fit is still there: %v, %v", left, err)
	}
	o.good("backup", "-s", store, "--series", "other", o.at("small"))
	o.good("verify", "-s", store)
}
