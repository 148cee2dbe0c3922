package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// volume is a place to write to: an ext4 of its own in a file, or a plain directory where that is impossible.
type volume struct {
	dir   string // where to write
	image string // the file behind it; empty for a plain directory
}

// makers are the programs that a file system in a file takes.
var makers = [...]string{"mkfs.ext4", "losetup", "mount", "umount"}

// canMount says why file systems cannot be made in dir; nil where they can.
func canMount(ctx context.Context, dir string) error {
	if os.Geteuid() != 0 {
		return errors.New("not root")
	}
	for _, name := range makers {
		if _, err := exec.LookPath(name); err != nil {
			return err
		}
	}
	v, err := newVolume(ctx, dir, "probe", census{}, false)
	if err != nil {
		return err
	}
	return v.close()
}

// newVolume makes a volume NAME in parent for so many bytes and files. The file system has a journal and nothing left to do in the
// background, and its file is sparse. With plain set it is a directory.
func newVolume(ctx context.Context, parent, name string, size census, plain bool) (*volume, error) {
	v := &volume{dir: filepath.Join(parent, name)}
	if err := os.MkdirAll(v.dir, 0o755); err != nil || plain {
		return v, err
	}
	v.image = v.dir + ".ext4"
	if err := v.mount(ctx, size); err != nil {
		return nil, errors.Join(fmt.Errorf("make volume %s: %w", name, err), v.close())
	}
	return v, nil
}

func (v *volume) mount(ctx context.Context, size census) error {
	f, err := os.Create(v.image)
	if err != nil {
		return err
	}
	entries := size.files + size.dirs
	if err := errors.Join(f.Truncate(256<<20+size.bytes+entries*8<<10), f.Close()); err != nil {
		return err
	}
	_, err = output(ctx, "mkfs.ext4", "-q", "-F", "-N", strconv.FormatInt(entries+20_000, 10), "-m", "0",
		"-E", "lazy_itable_init=0,lazy_journal_init=0", v.image)
	if err != nil {
		return err
	}
	device, err := attach(ctx, v.image)
	if err != nil {
		return err
	}
	_, err = output(ctx, "mount", device, v.dir)
	// The device stays for as long as something is mounted from it, and goes by itself.
	if _, detachErr := output(ctx, "losetup", "-d", device); err != nil || detachErr != nil {
		return errors.Join(err, detachErr)
	}
	return os.Remove(filepath.Join(v.dir, "lost+found"))
}

// attach makes a block device of a file. Where it can, the device goes past the page cache of the file system below: else every byte is in
// memory twice and copied by the kernel beside the program that is measured, and the program that comes last finds no memory free.
func attach(ctx context.Context, image string) (string, error) {
	device, err := output(ctx, "losetup", "--find", "--show", "--direct-io=on", image)
	if err != nil {
		device, err = output(ctx, "losetup", "--find", "--show", image)
	}
	return strings.TrimSpace(device), err
}

// close unmounts and removes the volume with everything in it. It may be called again, and after a mount that failed.
func (v *volume) close() error {
	if v.image != "" && mounted(v.dir) {
		if err := unmount(v.dir); err != nil {
			return err
		}
	}
	err := os.RemoveAll(v.dir)
	if v.image != "" {
		err = errors.Join(err, os.RemoveAll(v.image))
	}
	return err
}

// unmount does not depend on a context: it has to happen after an interrupt too.
func unmount(dir string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	var err error
	for range 20 { // a program that was just killed may still hold it
		if _, err = output(ctx, "umount", dir); err == nil {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	if _, lazyErr := output(ctx, "umount", "-l", dir); lazyErr != nil {
		return err
	}
	return nil
}

// mounted reports whether dir is the root of a file system.
func mounted(dir string) bool {
	here, err := os.Stat(dir)
	if err != nil {
		return false
	}
	above, err := os.Stat(filepath.Dir(dir))
	return err == nil && !sameDevice(here, above)
}
