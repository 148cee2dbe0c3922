//go:build linux

package rsync

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"varve"
	"varve/internal/disk/osfs"
	"varve/internal/walk"
)

// The test program is also the remote shell of rsync clients: with a shelf in its environment it serves one push.
const (
	envShelf   = "VARVE_TEST_SHELF"
	envFake    = "VARVE_TEST_FAKE_SUPER"
	envStall   = "VARVE_TEST_STALL"
	envProgram = "VARVE_TEST_RSYNC"
	envTree    = "VARVE_TEST_TREE"
	envUncaged = "VARVE_TEST_UNCAGED"
)

func TestMain(m *testing.M) {
	dir := os.Getenv(envShelf)
	if dir == "" {
		os.Exit(m.Run())
	}
	os.Exit(serve(shelf{dir: dir, fake: os.Getenv(envFake) != ""}))
}

// serve does what a forced command does.
func serve(s shelf) int {
	stall, _ := time.ParseDuration(os.Getenv(envStall))
	r := s.receiver()
	if os.Getenv(envTree) != "" {
		r = s.treeReceiver()
	}
	r.Program, r.Stall, r.Stderr, r.Uncaged = os.Getenv(envProgram), stall, os.Stderr, os.Getenv(envUncaged) != ""
	res, err := Serve(context.Background(), ServeOptions{
		Receiver: r, Original: strings.Join(os.Args[2:], " "), Stdin: os.Stdin, Stdout: os.Stdout})
	if err != nil {
		fmt.Fprintln(os.Stderr, "varve:", err)
	}
	return res.Status
}

// shelf is a directory with snapshots as a tree store would have them, for tests of this package alone: snaps holds what was
// committed, kept what came to nothing.
type shelf struct {
	dir  string
	fake bool
	tree bool   // pushes go into a tree store
	exe  string // run by nobody; empty for this program, run by who runs the tests
}

func newShelf(t *testing.T) shelf {
	t.Helper()
	s := shelf{dir: t.TempDir()}
	s.make(t)
	return s
}

// nobody is a user without any rights.
const nobody = 65534

// nobodysShelf returns a shelf that belongs to somebody who is not root, clients and servers included, and a directory for the source.
func nobodysShelf(t *testing.T) (shelf, string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "nobodys-") // what t.TempDir makes is closed to others
	ok(t, err)
	t.Cleanup(func() { ok(t, os.RemoveAll(dir)) })
	ok(t, os.Chmod(dir, 0o755))
	s := shelf{dir: dir + "/shelf", exe: dir + "/exe"}
	exe, err := os.Executable()
	ok(t, err)
	program, err := os.ReadFile(exe)
	ok(t, err)
	ok(t, os.WriteFile(s.exe, program, 0o755))
	ok(t, os.Mkdir(s.dir, 0o755))
	s.make(t)
	s.give(t, s.dir)
	return s, dir + "/src"
}

// give makes everything below path nobody's, where root runs the tests.
func (s shelf) give(t *testing.T, path string) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	ok(t, filepath.WalkDir(path, func(path string, _ os.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, nobody, nobody))
	}))
}

func (s shelf) make(t *testing.T) {
	t.Helper()
	for _, name := range []string{"partial", "snaps", "kept"} {
		ok(t, os.Mkdir(filepath.Join(s.dir, name), 0o755))
	}
}

func (s shelf) receiver() Receiver {
	return Receiver{Stage: s.stage, Source: source, FakeSuper: s.fake, Log: s.log}
}

// log appends to a file, as several processes may do.
func (s shelf) log(line string) {
	f, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = fmt.Fprintln(f, line)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		panic(err)
	}
}

func (s shelf) logged(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(text)
}

// list returns what lies in snaps, kept or partial, the newest first.
func (s shelf) list(name string) []string {
	var found []string
	dirs, err := os.ReadDir(filepath.Join(s.dir, name))
	if err != nil {
		panic(err)
	}
	for _, d := range dirs {
		if d.IsDir() {
			found = append(found, filepath.Join(s.dir, name, d.Name()))
		}
	}
	slices.Reverse(found)
	return found
}

func (s shelf) stage(context.Context) (Stage, error) {
	name := fmt.Sprintf("%03d", len(s.list("snaps"))+len(s.list("kept"))+1)
	g := &shelfStage{shelf: s, name: name, links: append(s.list("snaps"), s.list("kept")...)}
	return g, os.MkdirAll(g.Path(), 0o755)
}

// shelfStage is a snapshot in the making.
type shelfStage struct {
	shelf shelf
	name  string
	links []string
}

func (g *shelfStage) Path() string    { return filepath.Join(g.shelf.dir, "partial", g.name, "tree") }
func (g *shelfStage) Links() []string { return g.links }
func (g *shelfStage) Keep() error     { return g.move("kept") }

func (g *shelfStage) move(to string) error {
	err := os.Rename(g.Path(), filepath.Join(g.shelf.dir, to, g.name))
	return errors.Join(err, os.Remove(filepath.Dir(g.Path())))
}

// Commit writes down what src yields.
func (g *shelfStage) Commit(ctx context.Context, src varve.Source) (varve.Snapshot, error) {
	snap := varve.Snapshot{Series: "shelf", State: varve.Complete}
	seq, _ := strconv.Atoi(g.name)
	snap.Seq = uint64(seq)
	var told []varve.Entry
	for e, err := range src.Entries(ctx) {
		switch {
		case err != nil:
			return varve.Snapshot{}, errors.Join(err, g.Keep())
		case e.Err != nil:
			snap.Miss(&e)
		default:
			told = append(told, e)
		}
	}
	var text bytes.Buffer
	err := gob.NewEncoder(&text).Encode(told)
	if err == nil {
		err = os.WriteFile(filepath.Join(g.shelf.dir, "snaps", g.name+".record"), text.Bytes(), 0o600)
	}
	return snap, errors.Join(err, g.move("snaps"))
}

// record returns what was committed with a snapshot, by path.
func (s shelf) record(t *testing.T, snap string) map[string]varve.Entry {
	t.Helper()
	text, err := os.ReadFile(snap + ".record")
	ok(t, err)
	var told []varve.Entry
	ok(t, gob.NewDecoder(bytes.NewReader(text)).Decode(&told))
	found := map[string]varve.Entry{}
	for _, e := range told {
		found[e.Path] = e
	}
	return found
}

// source walks a directory.
func source(path string) (varve.Source, io.Closer, error) {
	top, err := osfs.Open(path)
	if err != nil {
		return nil, nil, err
	}
	w, err := walk.New(top, []string{""}, walk.Options{Far: true}) // which spares writing out the disk
	return w, w, err
}

// push runs an rsync client against s and returns its exit status and what it and the server said.
func (s shelf) push(t *testing.T, args ...string) (int, string) {
	t.Helper()
	return s.run(t, s.command(t, args...))
}

func (s shelf) command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	ok(t, err)
	if s.exe != "" {
		exe = s.exe
	}
	cmd := exec.CommandContext(t.Context(), needRsync(t), append([]string{"-e", exe}, args...)...)
	cmd.Env = append(os.Environ(), envShelf+"="+s.dir, "GORACE=atexit_sleep_ms=0")
	if s.tree {
		cmd.Env = append(cmd.Env, envTree+"=1")
	}
	if s.exe != "" && os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	if s.fake {
		cmd.Env = append(cmd.Env, envFake+"=1")
	}
	return cmd
}

func (s shelf) run(t *testing.T, cmd *exec.Cmd) (int, string) {
	t.Helper()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &out, &out, 10*time.Second
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String()
}

// pushWell is push that must succeed.
func (s shelf) pushWell(t *testing.T, args ...string) string {
	t.Helper()
	status, out := s.push(t, args...)
	if status != 0 {
		t.Fatalf("rsync %q: status %d\n%s\n%s", args, status, out, s.logged(t))
	}
	return s.list("snaps")[0]
}

// same fails where rsync finds a difference between two trees, times to the nanosecond, everything included.
func same(t *testing.T, a, b string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), needRsync(t), "-aHAXnic", "--delete", "--modify-window=-1", a+"/", b+"/").CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("%s and %s differ: %v\n%s", a, b, err, out)
	}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// write makes a file, and the directories that it lies in.
func write(t *testing.T, path, text string) {
	t.Helper()
	ok(t, os.MkdirAll(filepath.Dir(path), 0o755))
	ok(t, os.WriteFile(path, []byte(text), 0o644))
}

func skip(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("VARVE_TEST_STRICT") == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		skip(t, "not root")
	}
}

func needCage(t *testing.T) {
	t.Helper()
	if !landlocked() {
		skip(t, ErrUncaged.Error())
	}
}

func needRsync(t *testing.T) string {
	t.Helper()
	needCage(t)
	path, err := exec.LookPath("rsync")
	if err != nil {
		skip(t, err.Error())
	}
	return path
}
