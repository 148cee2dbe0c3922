package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"varve"
	"varve/internal/freeze"
)

// icy is a job whose source is a btrfs of its own.
type icy struct {
	*testing.T
	dir, src, store, conf string
	env                   []string
}

// newIcy makes the job, with more in its part of the configuration file.
func newIcy(t *testing.T, more string) *icy {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	g := &icy{T: t, dir: dir, src: btrfsVolume(t), store: dir + "/store", conf: dir + "/varve.toml"}
	g.env = []string{"HOME=" + dir, "VARVE_STATE_DIR=" + dir + "/state", "VARVE_CACHE_DIR=" + dir + "/cache"}
	text := fmt.Sprintf("[store.usb]\nplace = %q\n[job.cold]\nsources = [%q]\nstores = [\"usb\"]\nsnapshot = \"btrfs\"\n%s", g.store, g.src, more)
	if err := os.WriteFile(g.conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	g.call("init", g.store)
	return g
}

// btrfsVolume returns the mount point of a btrfs of its own.
func btrfsVolume(t *testing.T) string {
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
	for _, program := range []string{"mkfs.btrfs", "btrfs"} {
		if _, err := exec.LookPath(program); err != nil {
			skip(err.Error())
		}
	}
	work, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	image, dir := work+"/image", work+"/mnt"
	if err := errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, 256<<20), os.Mkdir(dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.btrfs", "-q", "-f", image).CombinedOutput(); err != nil {
		t.Fatalf("mkfs.btrfs: %v: %s", err, out)
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

// call runs the program, which must succeed, and returns what it prints.
func (g *icy) call(args ...string) string {
	g.Helper()
	out, err := finish(child(g.T, g.env, args...))
	if err != nil {
		g.Fatalf("%q: %v: %s", args, err, out)
	}
	return out
}

// run runs the job.
func (g *icy) run() { g.Helper(); g.call("run", "cold", "--config", g.conf) }

// kept returns a file of the newest snapshot.
func (g *icy) kept(name string) string {
	return g.call("cat", "-s", g.store, "latest:"+g.src+"/"+name)
}

// subvolumes returns what subvolumes there are in the source.
func (g *icy) subvolumes() string {
	g.Helper()
	out, err := exec.Command("btrfs", "subvolume", "list", g.src).CombinedOutput()
	if err != nil {
		g.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

// gone fails where something is left of a snapshot of the source's file system.
func (g *icy) gone() {
	g.Helper()
	names, err := os.ReadDir(g.src + "/" + freeze.DirName)
	if list := g.subvolumes(); err != nil || len(names) > 0 || list != "" {
		g.Errorf("left: %v, %v\n%s", names, err, list)
	}
}

// inStep keeps two files in step until the context ends, as a database does: it writes a number to the first one, then to the second one,
// each time durably. Between their names there are many others, so that whoever reads them one after the other is late for the second.
func inStep(ctx context.Context, dir string, count *atomic.Int64) error {
	var files [2]*os.File
	for i, name := range []string{"a", "z"} {
		f, err := os.OpenFile(dir+"/"+name, os.O_WRONLY|os.O_CREATE, 0o600)
		if err != nil {
			return err
		}
		defer f.Close()
		files[i] = f
	}
	for n := count.Load(); ctx.Err() == nil; n++ {
		for _, f := range files {
			_, err := fmt.Fprintf(&at{f}, "%08d", n)
			if err = errors.Join(err, f.Sync()); err != nil {
				return err
			}
		}
		count.Store(n)
	}
	return nil
}

// at writes at the beginning of a file.
type at struct{ *os.File }

// Write writes p there.
func (a *at) Write(p []byte) (int, error) { return a.WriteAt(p, 0) }

func TestABtrfsThatChangesWhileItIsReadIsSavedAsItWasAtOneMoment(t *testing.T) {
	g := newIcy(t, "")
	for i := range 1500 {
		if err := os.WriteFile(fmt.Sprintf("%s/m%d", g.src, i), fmt.Append(nil, i), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var count atomic.Int64
	count.Store(1)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- inStep(ctx, g.src, &count) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	for count.Load() < 3 {
		time.Sleep(time.Millisecond)
	}
	for range 3 {
		before := count.Load()
		g.run()
		if after := count.Load(); after < before+3 {
			t.Errorf("the files changed %d times only while they were read", after-before)
		}
		a, z := g.kept("a"), g.kept("z")
		first, err := strconv.Atoi(a)
		second, err2 := strconv.Atoi(z)
		if err = errors.Join(err, err2); err != nil || first < second || first > second+1 {
			t.Errorf("%q and %q are not of one moment: %v", a, z, err)
		}
		if snap := g.newest(); snap.State != varve.Complete || snap.Changed != 0 {
			t.Errorf("%+v", snap)
		}
		g.gone()
	}
}

// newest returns the record of the newest snapshot.
func (g *icy) newest() varve.Snapshot {
	g.Helper()
	var list []varve.Snapshot
	if err := json.Unmarshal([]byte(g.call("snapshots", "-s", g.store, "--json")), &list); err != nil || len(list) == 0 {
		g.Fatalf("%v: %+v", err, list)
	}
	return list[len(list)-1]
}

// begun starts a run of the job that waits, when the snapshot of the file system was taken, until it is told to go on, or is ended. dump is
// what it waits for: a FIFO that gives the output of a command.
func (g *icy) begun() (process *exec.Cmd, dump *os.File) {
	g.Helper()
	process = child(g.T, g.env, "run", "cold", "--config", g.conf)
	if err := spawn(process); err != nil {
		g.Fatal(err)
	}
	dump, err := os.OpenFile(g.fifo(), os.O_WRONLY, 0) // when the command reads
	if err != nil {
		g.Fatal(err)
	}
	if list := g.subvolumes(); strings.Count(list, "\n") != 1 {
		g.Errorf("while the run goes on: %q", list)
	}
	return process, dump
}

func (g *icy) fifo() string { return g.dir + "/fifo" }

// newDumping makes a job with a command whose output comes from a FIFO.
func newDumping(t *testing.T) *icy {
	t.Helper()
	g := newIcy(t, "[[job.cold.command]]\npath = \"/dump\"\nrun = \"cat ~/fifo\"\n")
	if err := errors.Join(syscall.Mkfifo(g.fifo(), 0o600), os.WriteFile(g.src+"/file", []byte("text"), 0o600)); err != nil {
		t.Fatal(err)
	}
	return g
}

func TestARunThatIsInterruptedRemovesTheSnapshotOfTheFileSystem(t *testing.T) {
	g := newDumping(t)
	process, dump := g.begun()
	defer dump.Close()
	if err := process.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := process.Wait(); !errors.As(err, &exit) || exit.ExitCode() != exitInterrupted {
		t.Errorf("%v", err)
	}
	g.gone()
}

func TestAfterAKilledRunTheNextRemovesTheSnapshotOfTheFileSystem(t *testing.T) {
	g := newDumping(t)
	process, dump := g.begun()
	if err := process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = process.Wait() // it was killed
	if err := dump.Close(); err != nil {
		t.Error(err)
	}
	if list := g.subvolumes(); strings.Count(list, "\n") != 1 {
		t.Errorf("after the run was killed: %q", list)
	}
	g.call("backup", "-s", g.store, "--series", "live", g.src)
	if list := g.call("ls", "-s", g.store, "-R", "latest"); strings.Contains(list, freeze.DirName) || !strings.Contains(list, "file") {
		t.Errorf("what was left is saved: %s", list)
	}
	fed := make(chan error, 1)
	go func() { fed <- os.WriteFile(g.fifo(), []byte("dumped"), 0) }()
	g.run()
	if err := <-fed; err != nil {
		t.Error(err)
	}
	g.gone()
	if got := g.kept("file"); got != "text" {
		t.Errorf("%q", got)
	}
	if list := g.call("ls", "-s", g.store, "-R", "latest"); strings.Contains(list, freeze.DirName) {
		t.Errorf("the snapshot has it: %s", list)
	}
}

func TestABackupMayReadFromASnapshotOfTheFileSystem(t *testing.T) {
	g := newIcy(t, "")
	if out := g.call("config", "check", "--config", g.conf); out != "" {
		t.Error(out)
	}
	if out, err := exec.Command("btrfs", "subvolume", "create", g.src+"/nested").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, name := range []string{"/file", "/nested/file"} {
		if err := os.WriteFile(g.src+name, []byte("text"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out := g.call("backup", "-s", g.store, "--snapshot", "btrfs", g.src)
	if want := "left out file system: " + g.src + "/nested "; strings.Count(out, "\n") != 1 || !strings.Contains(out, want) {
		t.Errorf("%s", out)
	}
	if got := g.kept("file"); got != "text" {
		t.Errorf("%q", got)
	}
	if out := g.call("backup", "-s", g.store, "--snapshot", "btrfs", g.src, g.src+"/nested"); out != "" {
		t.Error(out)
	}
	if got := g.kept("nested/file"); got != "text" {
		t.Errorf("%q", got)
	}
	if out := g.call("backup", "-n", "-v", "-s", g.store, "--snapshot", "btrfs", g.src, g.src+"/nested"); !strings.Contains(out, "0 to add, 0 changed") {
		t.Error(out)
	}
	if out := g.call("backup", "-n", "-s", g.store, "--snapshot", "btrfs", "--series", "x", g.src); strings.Contains(out, "nested/file") {
		t.Errorf("a dry run tells of what would be left out: %s", out)
	}
	g.call("init", g.src+"/store")
	if out := g.call("backup", "-s", g.src+"/store", "--snapshot", "btrfs", g.src, g.src+"/nested"); out != "" {
		t.Error(out)
	}
	if list := g.call("ls", "-s", g.src+"/store", "-R", "latest"); strings.Contains(list, "store") || !strings.Contains(list, "nested/file") {
		t.Errorf("a store in the source: %s", list)
	}
	if list := g.subvolumes(); strings.Count(list, "\n") != 1 {
		t.Errorf("left: %s", list)
	}
}
