package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"varve"
	"varve/internal/sshtest"
)

// patience is far more than any one command here takes.
const patience = 3 * time.Minute

// over is a machine that the program, run as a process of its own, reaches over ssh.
type over struct {
	*testing.T
	*sshtest.Server
	ssh  string   // the command that reaches it
	work string   // a directory of this machine, in which the program runs
	env  []string // more of its environment
}

// start starts a server, and a place to work in on this machine.
func start(t *testing.T, o sshtest.Options) *over {
	t.Helper()
	t.Parallel()
	return &over{T: t, Server: server(t, o), work: sshtest.Dir(t, -1)}
}

// server starts a server. It starts processes, see forks.
func server(t *testing.T, o sshtest.Options) *sshtest.Server {
	t.Helper()
	forks.Lock()
	defer forks.Unlock()
	return sshtest.Start(t, o)
}

// with returns the same machine, reached by another command.
func (o *over) with(ssh []string) *over {
	c := *o
	c.ssh = strings.Join(ssh, " ")
	return &c
}

// through returns the same machine, reached through a proxy.
func (o *over) through(f sshtest.Faults) (*over, *sshtest.Proxy) {
	p := sshtest.NewProxy(o.T, o.Addr, f)
	return o.with(p.Through(o.Command())), p
}

// key returns the same machine, reached with a key of its own that varve serve is the forced command of, and the file it logs to.
func (o *over) key(args ...string) (with *over, log string) {
	o.Helper()
	program, err := exec.LookPath("varve")
	o.must(err)
	log = filepath.Join(sshtest.Dir(o.T, -1), "log")
	command := append([]string{"env", "GORACE=atexit_sleep_ms=0", program, "serve", "--log", log}, args...)
	forks.Lock()
	defer forks.Unlock()
	return o.with(o.AddKey(o.T, strings.Join(command, " "))), log
}

func (o *over) must(err error) {
	o.Helper()
	if err != nil {
		o.Fatal(err)
	}
}

// at returns the path of something in the working directory.
func (o *over) at(name string) string { return filepath.Join(o.work, name) }

// there returns the path on this machine of what the other side has in the login directory.
func (o *over) there(name string) string { return filepath.Join(o.Dir, name) }

// far returns what the other side has in the login directory as a place over SFTP, its path absolute.
func (o *over) far(name string) string { return "far:" + o.Home + "/" + name }

// process returns the program with this command line, not started yet.
func (o *over) process(ctx context.Context, args ...string) *exec.Cmd {
	o.Helper()
	ssh := o.ssh
	if ssh == "" {
		ssh = strings.Join(o.Command(), " ")
	}
	known := filepath.Dir(o.work) // what is known of vaults; all have the same names
	env := []string{"VARVE_SSH=" + ssh, "VARVE_CACHE_DIR=" + known + "/cache", "VARVE_STATE_DIR=" + known + "/state"}
	made := child(o.T, append(env, o.env...), args...)
	cmd := exec.CommandContext(ctx, made.Path)
	cmd.Args, cmd.Env, cmd.Dir = made.Args, made.Env, o.work
	return cmd
}

// result is how a process ended.
type result struct {
	code      int
	out, errs string
}

// run runs the program to its end.
func (o *over) run(args ...string) result {
	o.Helper()
	ctx, cancel := context.WithTimeout(o.Context(), patience)
	defer cancel()
	return o.ended(o.process(ctx, args...))
}

// ended runs a process to its end.
func (o *over) ended(cmd *exec.Cmd) result {
	o.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	o.must(spawn(cmd))
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		o.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// call runs the program, which must end with a code.
func (o *over) call(want int, args ...string) result {
	o.Helper()
	r := o.run(args...)
	if r.code != want {
		o.Fatalf("varve %s: exit code %d, want %d; it printed:\n%s%s", strings.Join(args, " "), r.code, want, r.out, r.errs)
	}
	return r
}

// good runs the program, which must end well and print nothing.
func (o *over) good(args ...string) {
	o.Helper()
	if r := o.call(exitGood, args...); r.out+r.errs != "" {
		o.Errorf("varve %s printed:\n%s%s", strings.Join(args, " "), r.out, r.errs)
	}
}

// fails runs the program, which must end with a code and say all of this.
func (o *over) fails(want int, says []string, args ...string) {
	o.Helper()
	r := o.call(want, args...)
	for _, text := range says {
		if !strings.Contains(r.errs, text) {
			o.Errorf("varve %s did not say %q but:\n%s", strings.Join(args, " "), text, r.errs)
		}
	}
}

// snapshots returns what a store has, oldest first.
func (o *over) snapshots(store string, args ...string) (list []varve.Snapshot) {
	o.Helper()
	r := o.call(exitGood, append([]string{"snapshots", "--json", "-s", store}, args...)...)
	o.must(json.Unmarshal([]byte(r.out), &list))
	slices.SortFunc(list, func(a, b varve.Snapshot) int { return a.Time.Compare(b.Time) })
	return list
}

// plant makes a small tree at dir.
func (o *over) plant(dir string) {
	o.Helper()
	o.must(os.MkdirAll(filepath.Join(dir, "sub/deep"), 0o755))
	for name, content := range map[string]string{"one": "1", "sub/two": strings.Repeat("two\n", 30000), "sub/deep/three": "three", "sub/a name with ünicode": "4", "empty": ""} {
		o.write(filepath.Join(dir, name), content)
	}
	o.must(os.Symlink("sub/two", filepath.Join(dir, "symlink")))
	o.must(os.Chmod(filepath.Join(dir, "one"), 0o4750))
}

// write writes a file whose time is neither new nor a whole second.
func (o *over) write(path, content string) {
	o.Helper()
	o.must(os.WriteFile(path, []byte(content), 0o644))
	old := time.Unix(1_600_000_000+int64(len(content)), 123_456_789)
	o.must(os.Chtimes(path, old, old))
}

// give makes a tree the ordinary user's.
func (o *over) give(dir string) {
	o.Helper()
	o.must(filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, sshtest.Ordinary, sshtest.Ordinary))
	}))
}

// equal wants two trees to be the same, as far as keeps tells of them.
func (o *over) equal(got, want string, keeps func(census) census) {
	o.Helper()
	if d := keeps(takeCensus(o.T, got)).differences(keeps(takeCensus(o.T, want))); d != "" {
		o.Errorf("%s is not %s:\n%s", got, want, d)
	}
}

// whole keeps everything of a census.
func whole(c census) census { return c }

// plainly keeps what SFTP tells of files: neither fractions of seconds nor extended attributes nor hard links.
func plainly(c census) census {
	told := census{}
	for path, text := range c {
		for _, part := range []string{`\.\d{9}\b`, `\{.*\}`, ` same as .*`} {
			text = regexp.MustCompile(part).ReplaceAllString(text, "")
		}
		told[path] = text
	}
	return told
}

// contents keeps kinds and contents alone.
func contents(c census) census {
	told := census{}
	for path, text := range plainly(c) {
		words := strings.SplitN(text, " ", 5)
		told[path] = fmt.Sprint(words[0][:2], words[4])
	}
	return told
}

// latest returns where the newest snapshot of a series in a tree has a path.
func latest(store, series, path string) string { return filepath.Join(store, series, "latest", path) }

// sftpServer returns the path of the program that sshd runs for SFTP.
func sftpServer(t *testing.T) string {
	t.Helper()
	path := sftpProgram()
	switch {
	case path == "" && os.Getenv("VARVE_TEST_STRICT") == "1":
		t.Fatal("there is no sftp-server")
	case path == "":
		t.Skip("there is no sftp-server")
	}
	return path
}

// sftpProgram returns the path of sftp-server; empty where there is none.
func sftpProgram() string {
	for _, dir := range []string{"/usr/lib/openssh", "/usr/libexec/openssh", "/usr/lib/ssh", "/usr/libexec"} {
		if path := filepath.Join(dir, "sftp-server"); isThere(path) {
			return path
		}
	}
	return ""
}

// canServe reports whether the other side of an SFTP session can be played here; an error where not although everything must be tested.
func canServe() (bool, error) {
	there := sftpProgram() != ""
	if !there && os.Getenv("VARVE_TEST_STRICT") == "1" {
		return false, errors.New("there is no sftp-server")
	}
	return there, nil
}

func isThere(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// standIn makes this machine the other side of every ssh command that follows, whatever the host; its login directory is the one that is
// given.
func standIn(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: far DIR")
	}
	script := `#!/bin/sh
while [ "$1" != -- ]; do [ "$1" = -s ] && sftp=1; shift; done
shift 2
cd ` + ts.MkAbs(args[0]) + ` || exit 255
[ "$sftp" ] && exec ` + sftpProgram() + `
exec sh -c "$*"
`
	path := filepath.Join(ts.Getenv("WORK"), ".ssh-stand-in")
	ts.Check(os.WriteFile(path, []byte(script), 0o755))
	ts.Setenv("VARVE_SSH", path)
}
