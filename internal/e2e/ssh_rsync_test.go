//go:build linux

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"varve"
	"varve/internal/sshtest"
)

// TestFiveRsyncPushesMakeFiveSnapshots lets a stock rsync push five states of a tree, in between a push that breaks.
func TestFiveRsyncPushesMakeFiveSnapshots(t *testing.T) {
	need(t, "rsync", "ssh-keygen")
	t.Parallel()
	p := push(t, "tree")
	p.client, p.line = newUser(t, p.key("--rsync", "--series", "r", "-s", p.store)).through(p.server.Addr, sshtest.Faults{})
	source := sshtest.Dir(t, -1)
	made := []string{} // copies of the states
	snaps := []varve.Snapshot{}
	rsync := func() error {
		c := exec.CommandContext(t.Context(), "rsync", "-aHAX", "--numeric-ids", "--delete", "-e", strings.Join(p.client.ssh, " "), source+"/", "far:/any/where")
		out, err := c.CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
		return err
	}
	for i, alter := range states {
		alter(t, source)
		if i == 3 { // the line is cut in the middle
			p.line.Set(sshtest.Faults{CutAfter: 100 << 10, Count: sshtest.Up})
			if err := rsync(); err == nil {
				t.Error("the push over a line that was cut succeeded")
			}
			p.line.Set(sshtest.Faults{})
			resting(t, "the end of the server", func() bool { return p.serving() == 0 })
			for _, s := range p.snapshots()[3:] {
				if s.State.Good() {
					t.Errorf("the push over a line that was cut made %+v", s)
				}
			}
		}
		ok(t, rsync())
		list := p.snapshots()
		snaps = append(snaps, list[len(list)-1])
		state := filepath.Join(sshtest.Dir(t, -1), "state")
		run(t, "", "cp", "-a", source, state)
		made = append(made, state)
		for j, snap := range snaps { // older ones as well
			if snap.State != varve.Complete {
				t.Errorf("snapshot %d: %+v", j, snap)
			}
			byRsync(t, made[j], filepath.Join(p.store, snap.Location))
		}
	}
	if n := len(snaps); n != 5 {
		t.Fatalf("%d snapshots", n)
	}
	p.owner.good("verify", "-s", p.store)
	for name, linked := range map[string]bool{"file-1-001": true, "file-1-002": false} {
		a, errA := os.Lstat(filepath.Join(p.store, snaps[0].Location, name))
		b, errB := os.Lstat(filepath.Join(p.store, snaps[4].Location, name))
		if errA != nil || errB != nil || os.SameFile(a, b) != linked {
			t.Errorf("%s: linked is to be %v; %v, %v", name, linked, errA, errB)
		}
	}
}

// states makes five states of a tree, one after another.
var states = []func(t *testing.T, dir string){
	func(t *testing.T, dir string) {
		fill(t, dir, 1, 5, 30<<10)
		fill(t, dir+"/sub", 2, 5, 3000)
		links(t, dir)
		ok(t, os.MkdirAll(dir+"/xattrs", 0o755))
		text(t, dir+"/xattrs/file", "x")
		run(t, dir, "setfattr", "-n", "user.plain", "-v", "value", "xattrs/file")
		run(t, dir, "setfacl", "-m", "u:123:rw", "xattrs/file")
	},
	func(t *testing.T, dir string) { // modes alone
		ok(t, os.Chmod(dir+"/file-1-002", 0o600))
		ok(t, os.Chmod(dir+"/sub", 0o700))
		ok(t, os.Lchown(dir+"/sub/file-2-001", 12, 34))
	},
	func(t *testing.T, dir string) {
		ok(t, os.Remove(dir+"/file-1-000"))
		ok(t, os.RemoveAll(dir+"/links/sub"))
		ok(t, os.Rename(dir+"/file-1-003", dir+"/sub/moved"))
	},
	func(t *testing.T, dir string) { // the push of this breaks at first
		fill(t, dir+"/more", 3, 10, 60<<10)
		ok(t, os.WriteFile(dir+"/file-1-004", []byte("another"), 0o644))
	},
	func(t *testing.T, dir string) {
		ok(t, os.RemoveAll(dir+"/sub"))
		text(t, dir+"/sub", "a file where there was a directory")
		ok(t, os.Remove(dir+"/more/file-3-001"))
		ok(t, os.Mkdir(dir+"/more/file-3-001", 0o755))
		ok(t, os.Chmod(dir+"/more/file-3-002", 0o4755))
	},
}
