package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"varve"
	"varve/internal/disk"
	"varve/internal/disk/faultfs"
	"varve/internal/disk/osfs"
)

// faulty returns an app.open that lets inj befall every operation on the real disk.
func faulty(inj *faultfs.Injector) func(path string) (disk.FS, error) {
	return func(path string) (disk.FS, error) {
		dir, err := osfs.Open(path)
		if err != nil {
			return nil, err
		}
		return faultfs.New(dir, inj), nil
	}
}

// memoryDir returns a directory for this test, in memory where there is such a place that has room and keeps everything.
func memoryDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "varve-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // what is left is gone with the machine
	var s unix.Statfs_t
	err = errors.Join(unix.Setxattr(dir, "user.varve", []byte("x"), 0), unix.Statfs(dir, &s))
	if err != nil || s.Bavail*uint64(s.Bsize) < 128<<20 {
		return t.TempDir()
	}
	return dir
}

// ground is where the command line runs: a source, a store with one series, and a place to restore to.
type ground struct {
	*testing.T
	src, store, out string
	check           string // where a restore is looked at; beside the store where empty
	// states are what acknowledged snapshots of the series "s" hold, those forgotten or being so left out.
	states map[varve.SnapshotID]census
	now    census // what the source is
	// going are those that a run forgets: they may be missing, and are whole as long as they are there.
	going map[varve.SnapshotID]census
}

// newGround returns a place in the directory work with a source of every kind.
func newGround(t *testing.T, work string) *ground {
	g := &ground{T: t, src: filepath.Join(work, "src"), store: filepath.Join(work, "store"), out: filepath.Join(work, "out"),
		states: map[varve.SnapshotID]census{}}
	g.must(os.Mkdir(g.src, 0o755))
	g.fill()
	g.now = takeCensus(t, g.src)
	return g
}

func (g *ground) must(err error) {
	g.Helper()
	if err != nil {
		g.Fatal(err)
	}
}

func (g *ground) write(name, content string) {
	g.Helper()
	g.must(os.WriteFile(filepath.Join(g.src, name), []byte(content), 0o644))
}

// fill makes the source.
func (g *ground) fill() {
	at := func(name string) string { return filepath.Join(g.src, name) }
	g.must(os.MkdirAll(at("dir/sub"), 0o750))
	g.write("dir/file", strings.Repeat("content of a file\n", 500))
	g.write("dir/sub/linked", "content with two names")
	g.must(os.Link(at("dir/sub/linked"), at("zz linked")))
	g.write("dir/sub/other", "other content")
	g.write("empty", "")
	g.must(os.Symlink("../nowhere", at("dir/symlink")))
	g.must(syscall.Mkfifo(at("fifo"), 0o600))
	g.must(os.Chmod(at("dir/file"), 0o4711))
	g.must(unix.Lsetxattr(at("dir/sub/other"), "user.note", []byte("kept"), 0))
	if os.Geteuid() == 0 {
		g.must(os.Lchown(at("dir/sub/other"), 12345, 54321))
	}
}

// change changes the source in every way there is.
func (g *ground) change() {
	at := func(name string) string { return filepath.Join(g.src, name) }
	g.write("dir/file", "new content")
	g.must(os.Rename(at("dir/sub"), at("dir/renamed")))
	g.must(os.Link(at("dir/renamed/other"), at("hard link")))
	g.must(os.Chmod(at("dir/renamed/other"), 0o600))
	g.must(os.Remove(at("empty")))
	g.must(os.Mkdir(at("empty"), 0o700)) // a directory where a file was
	g.write("new", "a new file")
	g.now = takeCensus(g.T, g.src)
}

// forks is held by who starts a process, and by many who run commands within this one: as long as a new process is not yet a
// program of its own, it holds the leases of this one.
var forks sync.RWMutex

// spawn starts a process.
func spawn(process *exec.Cmd) error {
	forks.Lock()
	defer forks.Unlock()
	return process.Start()
}

// finish runs a process and returns what it prints.
func finish(process *exec.Cmd) (string, error) {
	var text bytes.Buffer
	process.Stdout, process.Stderr = &text, &text
	if err := spawn(process); err != nil {
		return "", err
	}
	err := process.Wait()
	return text.String(), err
}

// call runs a command line in this process, with the store.
func (g *ground) call(want int, args ...string) (out, errs string) {
	g.Helper()
	forks.RLock()
	defer forks.RUnlock()
	return call(g.T, want, append([]string{"-s", g.store}, args...)...)
}

// backup makes a snapshot that counts as acknowledged.
func (g *ground) backup(args ...string) {
	g.Helper()
	g.call(exitGood, g.backupArgs(args...)...)
	g.acknowledge()
}

func (g *ground) backupArgs(args ...string) []string {
	return append([]string{"backup", "--init", "--series", "s", g.src}, args...)
}

// acknowledge takes the newest snapshot for one of the source as it is.
func (g *ground) acknowledge() {
	g.Helper()
	list := g.list()
	g.states[list[len(list)-1].ID] = g.now
}

// list returns the snapshots, by sequence; none where there is no store yet.
func (g *ground) list() (list []varve.Snapshot) {
	g.Helper()
	if _, err := os.Stat(filepath.Join(g.store, ".varve/format")); err != nil {
		return nil
	}
	out, _ := g.call(exitGood, "snapshots", "--json")
	g.must(json.Unmarshal([]byte(out), &list))
	slices.SortFunc(list, func(a, b varve.Snapshot) int { return int(a.Seq) - int(b.Seq) })
	return list
}

// copy returns a ground with a store and a target of its own, and the same source.
func (g *ground) copy(t *testing.T, dir string) *ground {
	t.Helper()
	c := *g
	c.T, c.store, c.out, c.states = t, filepath.Join(dir, "store"), filepath.Join(dir, "out"), maps.Clone(g.states)
	c.must(os.Mkdir(dir, 0o755))
	for from, to := range map[string]string{g.store: c.store, g.out: c.out} {
		if _, err := os.Lstat(from); err != nil {
			continue
		}
		if text, err := finish(exec.Command("cp", "-a", from, to)); err != nil {
			t.Fatalf("cp: %v: %s", err, text)
		}
	}
	return &c
}

// sound checks that verify finds nothing, that every acknowledged snapshot is listed, and that what is listed restores to what was
// saved.
func (g *ground) sound() {
	g.Helper()
	list := g.list()
	if list == nil && len(g.states) == 0 {
		return
	}
	g.call(exitGood, "verify")
	listed := map[varve.SnapshotID]bool{}
	for _, s := range list {
		listed[s.ID] = true
		if s.State.Good() {
			g.restores(s)
		} else if g.states[s.ID] != nil {
			g.Errorf("snapshot %s is incomplete", s.ID.Short())
		}
	}
	for id := range g.states {
		if !listed[id] {
			g.Errorf("snapshot %s is lost", id.Short())
		}
	}
}

// restores checks what a snapshot restores to. One that nobody was told of is one of the source as it is, or one being forgotten.
func (g *ground) restores(s varve.Snapshot) {
	g.Helper()
	to := filepath.Join(filepath.Dir(g.store), "check")
	if g.check != "" {
		to = filepath.Join(g.check, "check")
	}
	g.call(exitGood, "restore", s.ID.String()+":"+g.src, "-t", to)
	got := takeCensus(g.T, to)
	g.must(os.RemoveAll(to))
	want := g.now
	for _, known := range []map[varve.SnapshotID]census{g.states, g.going} {
		if state, ok := known[s.ID]; ok {
			want = state
		}
	}
	if d := got.differences(want); d != "" {
		g.Errorf("snapshot %s is not what was saved:\n%s", s.ID.Short(), d)
	}
}

// tidy checks that nothing of an interrupted run is left, and that latest is the newest.
func (g *ground) tidy() {
	g.Helper()
	for _, name := range []string{".varve/partial", ".varve/trash"} {
		left, err := os.ReadDir(filepath.Join(g.store, name))
		g.must(err)
		if len(left) > 0 {
			g.Errorf("%s holds %q", name, left)
		}
	}
	list := g.list()
	target, err := os.Readlink(filepath.Join(g.store, "s", "latest"))
	g.must(err)
	if want := filepath.Base(list[len(list)-1].Location); target != want {
		g.Errorf("latest is %s, want %s", target, want)
	}
	if names, err := os.ReadDir(filepath.Join(g.store, "s")); err != nil || len(names) != len(list)+1 {
		g.Errorf("the series' directory holds %q with %d snapshots, %v", names, len(list), err)
	}
	if names, err := filepath.Glob(filepath.Join(g.store, ".varve/manifests/*")); err != nil || len(names) != len(list) {
		g.Errorf("%d manifests of %d snapshots, %v", len(names), len(list), err)
	}
}
