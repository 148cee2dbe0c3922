//go:build linux

package osfs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"varve/internal/disk"
	"varve/internal/disk/disktest"
	"varve/internal/disk/osfs"
)

func strict() bool { return os.Getenv("VARVE_TEST_STRICT") == "1" }

// skip skips a test of a real part that is missing, or fails where nothing may be missing.
func skip(t *testing.T, reason string) {
	t.Helper()
	if strict() {
		t.Fatal(reason)
	}
	t.Skip(reason)
}

func open(t *testing.T, dir string) disk.FS {
	t.Helper()
	f, err := osfs.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestTheOperatingSystemKeepsTheContract(t *testing.T) {
	root := os.Geteuid() == 0
	disktest.Run(t, func(t *testing.T) disk.FS { return open(t, t.TempDir()) }, disktest.Options{
		Root: root, Xattrs: true, Trusted: root, Links: true, Holes: true, Times: true, AnyName: true,
	})
}

func TestRealFileSystemsKeepTheContract(t *testing.T) {
	for _, kind := range []struct {
		name string
		mkfs []string
		opts disktest.Options
	}{
		{"ext4", []string{"mkfs.ext4", "-q", "-F"}, disktest.Options{Flags: true, Times: true}},
		{"ext4 with small inodes", []string{"mkfs.ext4", "-q", "-F", "-I", "128"}, disktest.Options{Flags: true}},
		{"xfs", []string{"mkfs.xfs", "-q", "-f"}, disktest.Options{Flags: true, Times: true, Reflinks: true}},
		{"btrfs", []string{"mkfs.btrfs", "-q", "-f"}, disktest.Options{Flags: true, Times: true, Reflinks: true}},
	} {
		t.Run(kind.name, func(t *testing.T) {
			mnt := mount(t, kind.mkfs)
			o := kind.opts
			o.Root, o.Xattrs, o.Trusted, o.Links, o.Holes, o.AnyName = true, true, true, true, true, true
			o.Strict = strict() && o.Reflinks // ext4 has none
			disktest.Run(t, func(t *testing.T) disk.FS {
				dir, err := os.MkdirTemp(mnt, "")
				if err != nil {
					t.Fatal(err)
				}
				return open(t, dir)
			}, o)
		})
	}
}

// mount makes a file system in a loop file and mounts it for the duration of the test.
func mount(t *testing.T, mkfs []string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		skip(t, "mounting takes root")
	}
	if _, err := exec.LookPath(mkfs[0]); err != nil {
		skip(t, mkfs[0]+" is missing")
	}
	dir := t.TempDir()
	img, mnt := filepath.Join(dir, "img"), filepath.Join(dir, "mnt")
	f, err := os.Create(img)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(600 << 20); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if err := os.Mkdir(mnt, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(mkfs[0], append(mkfs[1:], img)...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", mkfs[0], err, out)
	}
	if out, err := exec.Command("mount", "-o", "loop", img, mnt).CombinedOutput(); err != nil {
		skip(t, "mount: "+string(out))
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", mnt).CombinedOutput(); err != nil {
			t.Errorf("umount: %v\n%s", err, out)
		}
	})
	return mnt
}
