//go:build linux

package walk_test

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"varve"
	"varve/internal/walk"
)

// extFour mounts a new file system with a page cache like any other for the duration of the test.
func extFour(t *testing.T) string {
	t.Helper()
	needRoot(t)
	dir := t.TempDir()
	ok(t, os.WriteFile(dir+"/img", nil, 0o600))
	ok(t, os.Truncate(dir+"/img", 64<<20))
	if out, err := exec.Command("mkfs.ext4", "-q", "-F", dir+"/img").CombinedOutput(); err != nil {
		skip(t, fmt.Sprintf("mkfs.ext4: %v: %s", err, out))
	}
	mount(t, dir+"/mnt", "-o", "loop", dir+"/img")
	return dir + "/mnt"
}

func TestAStoreThroughAMappingDoesNotHideBehindATrustedStamp(t *testing.T) {
	dir := extFour(t)
	ok(t, os.WriteFile(dir+"/f", make([]byte, 4096), 0o600))
	f, err := os.OpenFile(dir+"/f", os.O_RDWR, 0)
	ok(t, err)
	defer f.Close()
	memory, err := syscall.Mmap(int(f.Fd()), 0, 4096, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	ok(t, err)
	defer syscall.Munmap(memory)
	at := real(t, dir)
	changed := func(name string) varve.Time {
		info, err := at.Lookup(name)
		ok(t, err)
		return info.Stamp.CTime
	}
	memory[0] = 1 // the page is dirty from now on
	touch(t, dir+"/clock")
	for first := changed("f"); changed("clock").Time().Compare(first.Time()) <= 0; {
		touch(t, dir+"/clock") // until the kernel's clock has moved
	}
	s := start(t, at, []string{""}, walk.Options{Now: hour})
	e := entry(t, collect(t, s), "f")
	if (e.Stamp == varve.Stamp{}) {
		t.Fatal("the file has no stamp")
	}
	memory[0] = 2
	if now := changed("f"); now == e.Stamp.CTime {
		t.Errorf("the file changed, and its change time is still %v", now)
	}
}
