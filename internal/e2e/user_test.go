//go:build linux

package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"varve"
)

// asUser says which part of a test is run again by a user without rights: its value is the directory to work in.
const asUser = "VARVE_E2E_AS_USER"

const nobody = 65534

// mixedRights makes a tree that nobody may read in part.
func mixedRights(t *testing.T, dir string) {
	t.Helper()
	text(t, dir+"/open/file", "content")
	text(t, dir+"/open/secret", "secret")
	ok(t, os.Chmod(dir+"/open/secret", 0o600))
	text(t, dir+"/closed/file", "x")
	ok(t, os.Chmod(dir+"/closed", 0o700))
	text(t, dir+"/passable/file", "x")
	ok(t, os.Chmod(dir+"/passable", 0o711))
	text(t, dir+"/also-closed/file", "x")
	ok(t, os.Chmod(dir+"/also-closed", 0o700))
	text(t, dir+"/zz/file", "after them")
	text(t, dir+"/program", "x")
	ok(t, os.Lchown(dir+"/program", 1000, 1001))
	ok(t, syscall.Chmod(dir+"/program", 0o6755))
	text(t, dir+"/own/file", "x")
	ok(t, os.Lchown(dir+"/own/file", nobody, nobody))
	ok(t, os.Lchown(dir+"/own", nobody, nobody))
	ok(t, syscall.Mknod(dir+"/null", syscall.S_IFCHR|0o666, 1<<8|3))
	ok(t, os.Lchown(dir+"/null", 1, 2))
	ok(t, os.Symlink("x", dir+"/link"))
	ok(t, os.Lchown(dir+"/link", 3, 4))
	run(t, dir, "setfattr", "-n", "user.seen", "-v", "value", "open/file")
	run(t, dir, "setfattr", "-n", "trusted.unseen", "-v", "value", "open/file")
	run(t, dir, "setfacl", "-m", "u:123:r", "open/file")
}

func TestAUserSavesWhatHeMayReadAndRootPutsItBackExactly(t *testing.T) {
	if dir := os.Getenv(asUser); dir != "" {
		saveAsUser(t, dir)
		return
	}
	need(t, "setfattr", "setfacl", "rsync")
	dir := openToAll(t)
	source := dir + "/source"
	mixedRights(t, source)
	ok(t, os.Mkdir(dir+"/user", 0o700))
	ok(t, os.Lchown(dir+"/user", nobody, nobody))
	again(t, dir)

	store := openStore(t, dir+"/user/store")
	snaps, err := store.Snapshots(t.Context())
	ok(t, err)
	if len(snaps) != 1 || snaps[0].State != varve.Incomplete || snaps[0].Skipped != 4 {
		t.Fatalf("snapshots: %+v, want an incomplete one with 4 things skipped", snaps)
	}
	exact(t, restored(t, store, snaps[0].ID, source, dir+"/restored"))
	ok(t, store.Close())
	for _, gone := range []string{"open/secret", "closed", "passable", "also-closed"} { // the content of directories, and a file
		ok(t, os.RemoveAll(source+"/"+gone))
		if strings.Contains(gone, "/") {
			continue
		}
		if rest, err := os.ReadDir(dir + "/restored/" + gone); err != nil || len(rest) > 0 {
			t.Errorf("%s: holds %v, %v", gone, rest, err)
		}
		ok(t, os.RemoveAll(dir+"/restored/"+gone))
	}
	run(t, source, "setfattr", "-x", "trusted.unseen", "open/file")
	for _, changed := range []string{"/open", ""} { // what was removed has changed their times
		when(t, source+changed, 1)
		when(t, dir+"/restored"+changed, 1)
	}
	byRsync(t, source, dir+"/restored")
}

// openToAll returns a directory that everybody may pass through; the usual one is for its owner alone.
func openToAll(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "varve-e2e-")
	ok(t, err)
	t.Cleanup(func() { clean(t, dir) })
	ok(t, os.Chmod(dir, 0o755))
	return dir
}

// again runs the test that calls it once more, as a user without rights.
func again(t *testing.T, dir string) {
	t.Helper()
	self, err := os.ReadFile("/proc/self/exe")
	ok(t, err)
	program := dir + "/test" // where the test itself lies may be out of the user's reach
	ok(t, os.WriteFile(program, self, 0o755))
	c := exec.Command(program, "-test.run", "^"+t.Name()+"$", "-test.v")
	c.Dir = dir
	c.Env = append(os.Environ(), asUser+"="+dir)
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := c.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS")) {
		t.Fatalf("as nobody: %v\n%s", err, out)
	}
}

// saveAsUser is the part that a user without rights does.
func saveAsUser(t *testing.T, dir string) {
	if os.Geteuid() != nobody {
		t.Fatal("not run as nobody")
	}
	store := openStore(t, dir+"/user/store")
	_, events := backup(t, store, dir+"/source")
	verified(t, store)
	ok(t, store.Close())
	skipped := map[string]bool{}
	for _, e := range events {
		if e.Kind == varve.Skipped {
			skipped[strings.TrimPrefix("/"+e.Path, dir+"/source/")] = true
		}
	}
	for _, path := range []string{"open/secret", "closed", "passable", "also-closed"} {
		if !skipped[path] {
			t.Errorf("%s was not reported as skipped: %v", path, events)
		}
	}
}
