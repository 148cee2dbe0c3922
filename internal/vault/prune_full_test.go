package vault

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"varve"
	"varve/internal/backend/files"
	"varve/internal/disk"
	"varve/internal/disk/osfs"
	"varve/internal/seal"
	"varve/internal/storetest"
)

// smallVolume returns the mount point of an ext4 of its own with so many MiB and inodes.
func smallVolume(t *testing.T, size, inodes int) string {
	t.Helper()
	skip := func(reason string) {
		if os.Getenv("VARVE_TEST_STRICT") == "1" {
			t.Fatal(reason)
		}
		t.Skip(reason)
	}
	if os.Geteuid() != 0 {
		skip("only root can mount a file system")
	}
	mkfs, err := exec.LookPath("mkfs.ext4")
	if err != nil {
		skip(err.Error())
	}
	image, dir := filepath.Join(t.TempDir(), "image"), t.TempDir()
	if err := errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, int64(size)<<20)); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(mkfs, "-q", "-F", "-m", "0", "-N", strconv.Itoa(inodes), image).CombinedOutput(); err != nil {
		t.Fatalf("mkfs.ext4: %v: %s", err, out)
	}
	if out, err := exec.Command("mount", "-o", "loop", image, dir).CombinedOutput(); err != nil {
		skip("mount: " + string(out))
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	return dir
}

// fillBytes writes until not a byte more gets onto a disk, and fillInodes until no file more does.
func fillBytes(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "filler"))
	for size := 1 << 20; err == nil || size > 1; {
		if _, err = f.Write(make([]byte, size)); err != nil && size > 1 {
			size, err = size/2, nil
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func fillInodes(t *testing.T, dir string) {
	t.Helper()
	for n := 0; ; n++ {
		f, err := os.Create(filepath.Join(dir, "filler-"+strconv.Itoa(n)))
		if errors.Is(err, syscall.ENOSPC) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// openFiles opens a vault in a directory until the end of the test.
func openFiles(t *testing.T, dir string, key *seal.KeyFile) *Store {
	t.Helper()
	fsys, err := osfs.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	b := files.Open(fsys, files.Options{})
	if key.Secret == (seal.Secret{}) {
		if *key, err = Init(t.Context(), b, InitOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(t.Context(), b, Credentials{Key: key}, Options{Cache: t.TempDir(), State: t.TempDir(), Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestForgetAndPruneWorkOnAFullDisk(t *testing.T) {
	for name, fill := range map[string]func(*testing.T, string){"bytes": fillBytes, "inodes": fillInodes} {
		t.Run(name, func(t *testing.T) {
			dir := smallVolume(t, 24, 600)
			var key seal.KeyFile
			store := openFiles(t, dir, &key)
			tree := storetest.NewTree()
			tree.File("a", noise(1, 1_000_000))
			opts := varve.SaveOptions{Series: "a"}
			var old []varve.SnapshotID
			for range 3 {
				snap, err := store.Save(t.Context(), tree, opts)
				if err != nil {
					t.Fatal(err)
				}
				old = append(old, snap.ID)
			}
			tree.Remove("a")
			tree.File("b", noise(2, 1_000_000))
			last, err := store.Save(t.Context(), tree, opts)
			if err != nil {
				t.Fatal(err)
			}
			fill(t, dir)
			tree.File("c", noise(3, 1_000_000))
			if _, err := store.Save(t.Context(), tree, opts); !errors.Is(err, disk.ErrNoSpace) {
				t.Fatalf("the disk is not full: %v", err)
			}
			tree.Remove("c")
			fresh := openFiles(t, dir, &key)
			for i, id := range old {
				if err := fresh.Forget(t.Context(), id); err != nil && (i == 0 || !errors.Is(err, disk.ErrNoSpace)) {
					t.Fatal(err)
				}
			}
			report, err := fresh.Prune(t.Context(), everything) // also where not all could be forgotten
			if err != nil || report.Snapshots == 0 || report.More {
				t.Fatalf("%+v, error %v", report, err)
			}
			list, err := fresh.Snapshots(t.Context())
			for i := 0; i < len(list)-1 && err == nil; i++ {
				err = fresh.Forget(t.Context(), list[i].ID)
			}
			if err != nil {
				t.Fatal(err)
			}
			if report, err = fresh.Prune(t.Context(), everything); err != nil || report.More {
				t.Fatalf("%+v, error %v", report, err)
			}
			v, err := fresh.View(t.Context(), last.ID)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range storetest.Differences(v, tree.Want(), varve.Entry{}) {
				t.Error(d)
			}
			if name == "inodes" { // the directories of packs keep theirs
				return
			}
			tree.File("e", noise(4, 100_000))
			if _, err := fresh.Save(t.Context(), tree, opts); err != nil {
				t.Errorf("there is no room after all that: %v", err)
			}
		})
	}
}
