package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"varve/internal/disk/faultfs"
)

func TestMain(m *testing.M) {
	testscript.Main(homeless{m}, map[string]func(){"varve": varveForTests})
}

// homeless runs tests with their own directories for what is known of vaults, and with the usual modes of new files.
type homeless struct{ m *testing.M }

// Run runs the tests.
func (h homeless) Run() int {
	syscall.Umask(0o022)
	dir, err := os.MkdirTemp("", "varve-known-")
	if err == nil {
		defer os.RemoveAll(dir)
		err = errors.Join(os.Setenv("VARVE_CACHE_DIR", filepath.Join(dir, "cache")), os.Setenv("VARVE_STATE_DIR", filepath.Join(dir, "state")))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitFailed
	}
	return h.m.Run()
}

// varveForTests is the program as scripts call it: VARVE_TEST_NOW sets the clock, VARVE_TEST_TTY makes both outputs terminals,
// VARVE_TEST_KILL_AT kills the process before the disk operation with this number, VARVE_TEST_DENY is the name of a file that may not be
// opened. VARVE_TEST_SENDMAIL is the program that takes mail, VARVE_TEST_SYSLOG the socket of the log. There is nobody to ask, passphrases are
// weak, and the configuration file of the system is never meant. VARVE_TEST_SYSTEM is the directory that stands for the root directory, with etc
// and run, and makes who calls root; VARVE_TEST_PROGRAM is where the program is.
func varveForTests() {
	a := newApp()
	a.tty, a.workFactor, a.root = nil, 1, false
	a.sendmail, a.syslog = os.Getenv("VARVE_TEST_SENDMAIL"), os.Getenv("VARVE_TEST_SYSLOG")
	if text := os.Getenv("VARVE_TEST_NOW"); text != "" {
		now, err := time.Parse(time.RFC3339, text)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		a.now = func() time.Time { return now }
	}
	if os.Getenv("VARVE_TEST_TTY") != "" {
		a.outTTY, a.errTTY = true, true
	}
	if text := os.Getenv("VARVE_TEST_KILL_AT"); text != "" {
		at, err := strconv.Atoi(text)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		a.open = faulty(&faultfs.Injector{At: at, Do: func(faultfs.Op) { killSelf() }})
	}
	if dir := os.Getenv("VARVE_TEST_SYSTEM"); dir != "" {
		a.system, a.root = dir, true
	}
	if path := os.Getenv("VARVE_TEST_PROGRAM"); path != "" {
		a.program = func() (string, error) { return path, nil }
	}
	if name := os.Getenv("VARVE_TEST_DENY"); name != "" {
		a.open = faulty(onOpen(name, faultfs.Fault{Err: syscall.EACCES}, nil))
	}
	a.host = func() (string, error) { return "testhost", nil }
	ctx, stop := a.watchSignals(os.Exit)
	code := run(ctx, a, os.Args[1:])
	stop()
	os.Exit(code)
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("TZ", "UTC")
			env.Setenv("GORACE", "atexit_sleep_ms=0") // else every command under the race detector takes a second longer
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("VARVE_STORE", "")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code":   code,
			"state":  state,
			"silent": silent,
			"mount":  mountTmpfs,
			"lines":  lines,
			"far":    standIn,
		},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "mounts":
				return canMount()
			case "root":
				return isRoot()
			case "sftp":
				return canServe()
			}
			return false, fmt.Errorf("unknown condition %s", cond)
		},
	})
}

// code runs a command that must end with the exit code given first.
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND [ARG...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := err.(*exec.ExitError)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// silent checks that the last command printed nothing at all.
func silent(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: silent")
	}
	if out, errs := ts.ReadFile("stdout"), ts.ReadFile("stderr"); out+errs != "" {
		ts.Fatalf("not silent: stdout %q, stderr %q", out, errs)
	}
}

// lines checks how many lines the last command printed to standard output.
func lines(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: lines N")
	}
	if got := strconv.Itoa(strings.Count(ts.ReadFile("stdout"), "\n")); got != args[0] {
		ts.Fatalf("%s lines, want %s", got, args[0])
	}
}

// state writes everything that lstat tells of a tree, access times left out, to a file.
func state(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: state FILE DIR")
	}
	var b strings.Builder
	root := ts.MkAbs(args[1])
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var s syscall.Stat_t
		if err := syscall.Lstat(path, &s); err != nil {
			return err
		}
		_, err = fmt.Fprintf(&b, "%s %d %o %d %d %d %d %v %v\n", path, s.Ino, s.Mode, s.Nlink, s.Uid, s.Gid, s.Size, s.Mtim, s.Ctim)
		return err
	})
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(b.String()), 0o644))
}

// mountTmpfs mounts a tmpfs for the time of the script.
func mountTmpfs(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: mount DIR")
	}
	dir := ts.MkAbs(args[0])
	ts.Check(syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"))
	ts.Defer(func() { ts.Check(syscall.Unmount(dir, 0)) })
}

// isRoot reports whether root runs the tests; an error where not although everything must be tested.
func isRoot() (bool, error) {
	root := os.Geteuid() == 0
	if !root && os.Getenv("VARVE_TEST_STRICT") == "1" {
		return false, errors.New("not root")
	}
	return root, nil
}

// canMount reports whether file systems can be mounted here; an error where not although everything must be tested.
func canMount() (bool, error) {
	dir, err := os.MkdirTemp("", "varve-mount")
	if err != nil {
		return false, err
	}
	defer os.Remove(dir)
	if err = syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err == nil {
		return true, syscall.Unmount(dir, 0)
	}
	if os.Getenv("VARVE_TEST_STRICT") == "1" {
		return false, fmt.Errorf("mount tmpfs: %w", err)
	}
	return false, nil
}
