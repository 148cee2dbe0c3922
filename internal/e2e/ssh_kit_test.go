//go:build linux

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"varve"
	"varve/internal/sshtest"
)

// TestMain makes room for the program that tests build. The test program is also the SFTP server of some tests; see villainous.
func TestMain(m *testing.M) {
	if name := os.Getenv(villainous); name != "" {
		os.Exit(serveSFTP(name))
	}
	syscall.Umask(0o022) // what tests make has the usual modes
	dir, err := os.MkdirTemp("", "varve-e2e-program-")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	programDir = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// programDir is where the program is built.
var programDir string

// varveProgram returns the path of the program, which is built at the first call.
var varveProgram = sync.OnceValues(func() (string, error) {
	path := filepath.Join(programDir, "varve")
	// That it is made of these files is something the go command must know before it takes an earlier outcome for this one.
	for _, top := range []string{"../../cmd/varve", ".."} {
		if err := filepath.WalkDir(top, func(_ string, _ fs.DirEntry, err error) error { return err }); err != nil {
			return "", err
		}
	}
	out, err := exec.Command("go", "build", "-buildvcs=false", "-o", path, "varve/cmd/varve").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, out)
	}
	return path, err
})

// patience is far more than any one command here takes.
const patience = 5 * time.Minute

// user is somebody who runs the program on this machine and reaches other ones with an ssh command.
type user struct {
	*testing.T
	ssh  []string
	work string // where the program runs, and keeps what it knows
	key  string // the file with the key that opens vaults; empty for none
	// ready, where set, is called before each run.
	ready func()
}

// newUser returns one who works in a directory of his own.
func newUser(t *testing.T, ssh []string) *user {
	t.Helper()
	return &user{T: t, ssh: ssh, work: sshtest.Dir(t, -1)}
}

// by returns the same user, reaching others by another command.
func (u *user) by(ssh []string) *user {
	c := *u
	c.ssh = ssh
	return &c
}

// in returns the same user within another test.
func (u *user) in(t *testing.T) *user {
	c := *u
	c.T = t
	return &c
}

// through returns the same user, whose way to a server leads through a proxy.
func (u *user) through(addr string, f sshtest.Faults) (*user, *sshtest.Proxy) {
	u.Helper()
	p := sshtest.NewProxy(u.T, addr, f)
	return u.by(p.Through(u.ssh)), p
}

// outcome is how a command ended.
type outcome struct {
	code   int
	out    string
	errs   string
	memory int64 // the most bytes it had in memory
}

// process returns the program with this command line, not started yet.
func (u *user) process(ctx context.Context, args ...string) *exec.Cmd {
	u.Helper()
	path, err := varveProgram()
	if err != nil {
		u.Fatalf("build varve: %v", err)
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = u.work
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "HOME=" + u.work, "TMPDIR=" + u.work, "VARVE_SSH=" + strings.Join(u.ssh, " "),
		"VARVE_CACHE_DIR=" + u.work + "/.cache", "VARVE_STATE_DIR=" + u.work + "/.state"}
	if u.ready != nil {
		u.ready()
	}
	if u.key != "" {
		cmd.Env = append(cmd.Env, "VARVE_KEY_FILE="+u.key)
	}
	return cmd
}

// run runs the program to its end.
func (u *user) run(args ...string) outcome {
	u.Helper()
	ctx, cancel := context.WithTimeout(u.Context(), patience)
	defer cancel()
	return u.ended(u.process(ctx, args...))
}

// ended runs a command to its end.
func (u *user) ended(cmd *exec.Cmd) outcome {
	u.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.WaitDelay = time.Minute
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		u.Fatalf("%q: %v", cmd.Args, err)
	}
	return outcome{cmd.ProcessState.ExitCode(), out.String(), errs.String(), residentPeak(cmd.ProcessState)}
}

// call runs the program, which must end with a code.
func (u *user) call(want int, args ...string) outcome {
	u.Helper()
	r := u.run(args...)
	if r.code != want {
		u.Fatalf("varve %s: exit code %d, want %d; it printed:\n%s", strings.Join(args, " "), r.code, want, clip(r.out+r.errs))
	}
	return r
}

// good runs the program, which must end well and print nothing.
func (u *user) good(args ...string) {
	u.Helper()
	if r := u.call(0, args...); r.out+r.errs != "" {
		u.Errorf("varve %s printed:\n%s", strings.Join(args, " "), clip(r.out+r.errs))
	}
}

// sshKey makes a key for ssh, which opens vaults as well, and returns the file it is in.
func sshKey(t *testing.T) string {
	t.Helper()
	key := filepath.Join(sshtest.Dir(t, -1), "id")
	run(t, "", "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
	return key
}

// vault makes a vault that the user's key opens.
func (u *user) vault(store string) {
	u.Helper()
	public, err := os.ReadFile(u.key + ".pub")
	ok(u, err)
	sheet := filepath.Join(sshtest.Dir(u.T, -1), "sheet")
	u.good("init", "--kind", "vault", "--recipient", strings.TrimSpace(string(public)), "--recovery", sheet, store)
}

// snapshots returns what a store has, oldest first.
func (u *user) snapshots(store string) (list []varve.Snapshot) {
	u.Helper()
	r := u.call(0, "snapshots", "--json", "-s", store)
	ok(u, json.Unmarshal([]byte(r.out), &list))
	slices.SortFunc(list, func(a, b varve.Snapshot) int { return a.Time.Compare(b.Time) })
	return list
}

// within returns the path of something in the working directory.
func (u *user) within(name string) string { return filepath.Join(u.work, name) }

// fill writes files of random content, count of them with size bytes each.
func fill(t testing.TB, dir string, seed byte, count, size int) {
	t.Helper()
	ok(t, os.MkdirAll(dir, 0o755))
	r := rand.NewChaCha8([32]byte{seed})
	content := make([]byte, size)
	for i := range count {
		_, _ = r.Read(content) // it never fails
		ok(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("file-%d-%03d", seed, i)), content, 0o644))
	}
}

// wholeSeconds gives everything in a directory a time of an hour ago that SFTP can tell.
func wholeSeconds(t testing.TB, dir string) {
	t.Helper()
	old := time.Now().Add(-time.Hour).Truncate(time.Second)
	ok(t, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Chtimes(path, old, old))
	}))
}

// every reports whether tests that take long are wanted.
func every() bool { return os.Getenv("VARVE_TEST_EVERY") == "1" }

// resting waits until a condition holds.
func resting(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for begin := time.Now(); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Since(begin) > patience {
			t.Fatalf("%s: has not come about", what)
		}
	}
}

// residentPeak returns the most bytes that an ended process had in memory, at least as many as this one had when it started it.
func residentPeak(s *os.ProcessState) int64 {
	usage, is := s.SysUsage().(*syscall.Rusage)
	if !is {
		return 0
	}
	return usage.Maxrss << 10
}

// ownPeak returns the most bytes that this process has had in memory: a smaller peak of a child cannot be told from it.
func ownPeak() int64 {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return usage.Maxrss << 10
}

// clip returns the beginning of what a command printed, made harmless.
func clip(s string) string {
	s = strings.ToValidUTF8(s, "?")
	if len(s) > 4000 {
		return s[:4000] + "..."
	}
	return s
}
