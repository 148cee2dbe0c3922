package main

import (
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"varve"
	"varve/internal/disk/faultfs"
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

// noise returns bytes that nothing could make smaller.
func noise(n int) string {
	data := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{}).Read(data) // which never fails
	return string(data)
}

// twoVersions makes two snapshots, of which the first holds content of its own.
func twoVersions(g *ground) {
	g.Helper()
	g.write("old", noise(2<<20))
	g.now = takeCensus(g.T, g.src)
	g.backup()
	g.must(os.Remove(filepath.Join(g.src, "old")))
	g.change()
	g.backup()
}

// keepNewest checks that of all snapshots the newest is left, and no longer expects the others.
func (g *ground) keepNewest() {
	g.Helper()
	list := g.list()
	if len(list) != 1 || g.states[list[0].ID] == nil {
		g.Fatalf("forget left %v", list)
	}
	g.states = map[varve.SnapshotID]census{list[0].ID: g.states[list[0].ID]}
}

// fillUp writes until not a byte more gets onto a disk.
func fillUp(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if errors.Is(err, syscall.ENOSPC) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
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

// saysFull checks that a message names the store that is full, and the way out.
func saysFull(t *testing.T, errs, store string) {
	t.Helper()
	for _, want := range []string{"varve: store " + store + " is full: ", "\nhint: varve forget makes room, in a vault together with varve prune; both work on a full disk"} {
		if !strings.Contains(errs, want) {
			t.Errorf("%q is missing from %q", want, errs)
		}
	}
}

func TestAFullDiskLosesNothingAndLetsForgetMakeRoom(t *testing.T) {
	for _, full := range []struct {
		name   string
		inodes int
		// crowd puts more into the source than the disk can take, all of it below the directory "many".
		crowd func(g *ground)
	}{
		{"of content", 2000, func(g *ground) { g.write("many/big", noise(48<<20)) }},
		{"of inodes", 300, func(g *ground) {
			for i := range 300 {
				g.write("many/"+strconv.Itoa(i), "x")
			}
		}},
	} {
		t.Run(full.name, func(t *testing.T) {
			t.Parallel()
			g := newGround(t, t.TempDir())
			disk := smallVolume(t, 32, full.inodes)
			g.store = filepath.Join(disk, "store")
			twoVersions(g)
			g.must(os.Mkdir(filepath.Join(g.src, "many"), 0o755))
			full.crowd(g)
			_, errs := g.call(exitFailed, g.backupArgs()...)
			saysFull(t, errs, g.store)
			fillUp(t, filepath.Join(disk, "filler"))
			g.check = t.TempDir()
			g.sound()

			g.call(exitGood, "forget", "--keep-last", "1")
			g.keepNewest()
			g.must(os.RemoveAll(filepath.Join(g.src, "many")))
			g.write("newer", noise(1<<19)) // needs the room that forget made
			g.now = takeCensus(t, g.src)
			g.backup()
			g.sound()
			g.tidy()
		})
	}
}

func TestAQuotaThatIsReachedLosesNothingAndLetsForgetMakeRoom(t *testing.T) {
	template := newGround(t, memoryDir(t))
	twoVersions(template)
	template.write("newer", noise(1<<16))
	template.now = takeCensus(t, template.src)
	work := memoryDir(t)
	quota := func(at int) *faultfs.Injector {
		return &faultfs.Injector{At: at, Sticky: true, Filter: charged, Fault: faultfs.Fault{Err: syscall.EDQUOT}}
	}
	count := quota(0)
	if code, errs := template.copy(t, filepath.Join(work, "count")).under(count, template.backupArgs()...); code != exitGood {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	for at := 1; at <= count.Count(); at++ {
		g := template.copy(t, filepath.Join(work, strconv.Itoa(at)))
		code, errs := g.under(quota(at), g.backupArgs()...)
		if code != exitGood { // where latest alone could not be made, the snapshot is there
			saysFull(t, errs, g.store)
		} else {
			g.acknowledge()
		}
		g.sound()
		if code, errs := g.under(untilRemoved(), "forget", "--keep-last", "1"); code != exitGood {
			t.Errorf("forget: exit code %d: %s", code, errs)
		}
		g.keepNewest()
		g.backup()
		g.sound()
		g.tidy()
		if t.Failed() {
			t.Fatalf("the quota was reached at operation %d", at)
		}
		g.must(os.RemoveAll(filepath.Dir(g.store)))
	}
}

// charged reports whether op takes of a quota.
func charged(op faultfs.Op) bool {
	switch op.Method {
	case "FS.Create", "FS.Mkdir", "FS.Symlink", "FS.Mknod", "Writer.WriteAt":
		return true
	}
	return false
}

// untilRemoved returns the fault of a quota that is reached until something is removed.
func untilRemoved() *faultfs.Injector {
	relieved := false
	return &faultfs.Injector{At: 1, Sticky: true, Fault: faultfs.Fault{Err: syscall.EDQUOT}, Filter: func(op faultfs.Op) bool {
		if op.Method == "FS.Remove" && strings.HasPrefix(op.Name, ".varve/trash/") {
			relieved = true
		}
		return !relieved && charged(op)
	}}
}

// under runs a command line in this process, on a disk that inj befalls.
func (g *ground) under(inj *faultfs.Injector, args ...string) (code int, errs string) {
	g.Helper()
	forks.RLock()
	defer forks.RUnlock()
	a, _, text := testApp()
	a.open = faulty(inj)
	code = run(g.Context(), a, append([]string{"-s", g.store}, args...))
	return code, text.String()
}

func TestAFullTargetOfARestoreIsNotTakenForAFullStore(t *testing.T) {
	g := newGround(t, memoryDir(t))
	g.write("big", noise(1<<16))
	g.now = takeCensus(t, g.src)
	g.backup()
	full := &faultfs.Injector{At: 1, Sticky: true, Filter: charged, Fault: faultfs.Fault{Err: syscall.ENOSPC}}
	code, errs := g.under(full, "restore", "latest:"+g.src, "-t", g.out)
	if code != exitFailed && code != exitRestoreGaps || !strings.Contains(errs, "no space left") {
		t.Errorf("exit code %d, printed %s", code, errs)
	}
	if strings.Contains(errs, "forget") {
		t.Errorf("the store is said to be full: %s", errs)
	}
}
