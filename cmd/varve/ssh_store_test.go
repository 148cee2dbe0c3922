package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"varve/internal/sshtest"
)

// box is a server such as rented storage: no shell, no chown, nothing but one directory.
var box = sshtest.Options{User: "box", Chroot: true}

// fill writes n files of random content, of size bytes each.
func (o *over) fill(dir string, n, size int) {
	o.Helper()
	o.must(os.MkdirAll(dir, 0o755))
	r := rand.NewChaCha8([32]byte{byte(n)})
	for i := range n {
		content := make([]byte, size)
		_, _ = r.Read(content) // it never fails
		o.must(os.WriteFile(filepath.Join(dir, fmt.Sprint("file", i)), content, 0o644))
	}
}

// vault makes a vault on the other side, and returns the flags that open it.
func (o *over) vault(store string) []string {
	o.Helper()
	o.must(os.WriteFile(o.at("pass"), []byte("correct horse\n"), 0o600))
	flags := []string{"-s", store, "--passphrase-file", "pass"}
	o.good(append([]string{"init", "--kind", "vault", "--recovery", "sheet"}, flags...)...)
	return flags
}

// objects returns the digests of all files below a directory.
func (o *over) objects(dir string) map[string]string {
	o.Helper()
	sums := map[string]string{}
	o.must(filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		sums[path] = fmt.Sprintf("%x", sha256.Sum256(content))
		return err
	}))
	return sums
}

func TestSeed_B1_ARefusedChownCostsNothing(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	o := start(t, sshtest.Options{User: "box"})
	src := o.at("src")
	o.plant(src)
	for i := range 40 {
		path := filepath.Join(src, fmt.Sprint("owned", i))
		o.write(path, fmt.Sprint("content ", i))
		o.must(os.Lchown(path, 1000+i, 2000))
		o.must(os.Chmod(path, 0o640))
		o.must(unix.Setxattr(path, "user.note", []byte("kept"), 0))
	}
	far, log := o.logged()
	for range 2 {
		far.good("backup", "--init", "-s", "far:tree", "--series", "s", src)
	}
	far.good("restore", "-s", "far:tree", "latest:"+src, "-t", "from tree")
	o.equal(o.at("from tree"), src, whole)
	o.calm(log, 0)

	far, log = o.logged("-P", "setstat,fsetstat,lsetstat")
	vault := far.vault("far:vault")
	far.good(append([]string{"backup", src}, vault...)...)
	far.good(append([]string{"restore", "latest:" + src, "-t", "from vault"}, vault...)...)
	o.equal(o.at("from vault"), src, whole)
	o.calm(log, 4)
	far.good("backup", "--init", "-s", "far:bare tree", "--series", "s", src)
	far.good("restore", "-s", "far:bare tree", "latest:"+src, "-t", "from bare tree")
	o.equal(o.at("from bare tree"), src, whole)
}

// logged returns the same machine, whose sftp-server has further arguments, and the log of all requests.
func (o *over) logged(args ...string) (with *over, log string) {
	o.Helper()
	log = filepath.Join(sshtest.Dir(o.T, -1), "log")
	o.must(os.WriteFile(log, nil, 0o600))
	o.must(os.Chmod(log, 0o666))
	command := append([]string{"exec", sftpServer(o.T), "-d", o.Home, "-e", "-l", "VERBOSE"}, args...)
	forks.Lock()
	defer forks.Unlock()
	return o.with(o.AddKey(o.T, strings.Join(command, " ")+" 2>>"+log)), log
}

// calm wants no more requests than these to have been refused in a session, on average: some servers hang up after several errors.
func (o *over) calm(log string, most int) {
	o.Helper()
	text, err := os.ReadFile(log)
	o.must(err)
	sessions := bytes.Count(text, []byte("session opened"))
	refused := bytes.Count(text, []byte("sent status Permission denied"))
	if sessions == 0 || refused > most*sessions {
		o.Errorf("%d requests were refused in %d sessions", refused, sessions)
	}
}

func TestSeed_B2_AServerThatHangsUpIsComeBackToGently(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds for logging in again and again")
	}
	o := start(t, box)
	o.fill(o.at("src"), 30, 64<<10)
	cut := sshtest.Faults{CutAfter: 256 << 10}
	far, p := o.through(cut)
	var watch sync.WaitGroup
	done, stop := context.WithCancel(t.Context())
	watch.Go(func() { // hangs up for good once, and lets nobody in for a while
		for p.Counts().Up < 700<<10 {
			if sleep(done, 5*time.Millisecond) != nil {
				return
			}
		}
		p.Set(sshtest.Faults{MaxConns: -1})
		p.Cut()
		_ = sleep(done, 3*time.Second)
		p.Set(cut)
	})
	far.good("backup", "--init", "-s", "far:store", "--series", "s", o.at("src"))
	stop()
	watch.Wait()
	c := p.Counts()
	t.Logf("%+v", c)
	if c.Cuts < 5 || c.Refused == 0 || c.Refused > 40 || c.Peak > 4 {
		t.Errorf("the connections were %+v", c)
	}
	o.good("verify", "-s", "far:store")
	o.good("restore", "-s", "far:store", "latest:"+o.at("src"), "-t", "out")
	o.equal(o.at("out"), o.at("src"), whole)
}

// sleep waits, unless ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func TestSeed_B3_ASlowLineOnlyTakesLonger(t *testing.T) {
	o := start(t, box)
	const total = 40 * 64 << 10
	o.fill(o.at("src"), 40, 64<<10)
	far, p := o.through(sshtest.Faults{Rate: 1 << 20})
	backup := []string{"backup", "--init", "-s", "far:store", "--series", "s", o.at("src")}
	cmd := far.process(t.Context(), backup...)
	o.must(spawn(cmd))
	for p.Counts().Up < total*3/4 && sleep(t.Context(), time.Millisecond) == nil {
	}
	o.must(cmd.Process.Kill())
	if !killed(t, "backup", "", cmd.Wait()) {
		t.Fatal("the first run has ended before it was killed")
	}
	o.must(os.RemoveAll(o.there("store/.varve/locks/%far-s"))) // it is taken over when it was silent for a minute

	second := far.process(t.Context(), backup...)
	var text bytes.Buffer
	second.Stdout, second.Stderr = &text, &text
	sent := p.Counts().Up
	o.must(spawn(second))
	for p.Counts().Up < sent+100<<10 && sleep(t.Context(), time.Millisecond) == nil {
	}
	p.Set(sshtest.Faults{})
	if err := second.Wait(); err != nil || text.Len() > 0 {
		t.Errorf("on a line that became quicker: %v, %s", err, &text)
	}
	if list := o.snapshots("far:store"); len(list) != 1 {
		t.Errorf("there is %+v", list)
	}
	o.good("verify", "-s", "far:store")
	o.good("restore", "-s", "far:store", "latest:"+o.at("src"), "-t", "out")
	o.equal(o.at("out"), o.at("src"), whole)
}

func TestSeed_B5_TenConnectionsAndADirectoryOfOnesOwnAreEnough(t *testing.T) {
	o := start(t, sshtest.Options{User: "box", Chroot: true, MaxConns: 10})
	o.plant(o.at("src"))
	o.good("init", "-s", "far:store")
	var all sync.WaitGroup
	for i := range 5 {
		all.Go(func() {
			r := o.run("backup", "-s", "far:store", "--series", fmt.Sprint("s", i), "--connections", "4", o.at("src"))
			if r != (result{}) {
				t.Errorf("one of five: %+v", r)
			}
		})
	}
	all.Wait()
	if c := o.Counts(); c.Peak > 10 {
		t.Errorf("%+v", c)
	}
	if n := len(o.snapshots("far:store")); n != 5 {
		t.Errorf("%d snapshots, want 5", n)
	}
	if _, err := os.Stat(o.there("store/.varve/format")); err != nil {
		t.Errorf("a relative path does not lead below the login directory: %v", err)
	}
	o.good("verify", "-s", "far:store")
	o.fails(exitFailed, []string{"init store far:/etc", "permission denied"}, "init", "-s", "far:/etc")
	if log := o.Log(); strings.Contains(log, "Starting session: shell") {
		t.Errorf("the box was asked for a shell:\n%s", log)
	}
}

func TestSeed_B6_AStoreGrowsByItself(t *testing.T) {
	o := start(t, box)
	o.fill(o.at("src"), 4, 50<<10)
	vault := o.vault("far:vault")
	backup := append([]string{"backup", "--series", "s", o.at("src")}, vault...)
	o.good(backup...)
	before := o.objects(o.there("vault"))
	o.fill(o.at("src/more"), 40, 50<<10)
	o.good(backup...)
	after := o.objects(o.there("vault"))
	for path, sum := range before {
		if after[path] != sum {
			t.Errorf("%s has changed", path)
		}
	}
	if len(after) <= len(before) {
		t.Errorf("%d objects after %d", len(after), len(before))
	}
	o.good(append([]string{"restore", "latest:" + o.at("src"), "-t", "out"}, vault...)...)
	o.equal(o.at("out"), o.at("src"), whole)
}

func TestSeed_B7_NoMountPointCanBeMissing(t *testing.T) {
	o := start(t, box)
	far, p := o.through(sshtest.Faults{})
	o.plant(o.at("src"))
	p.Set(sshtest.Faults{MaxConns: -1})
	before := takeCensus(t, o.work)
	for _, store := range []string{"far:store", "far:/data/store", "sftp://far/data/store", "ssh://far/data/store"} {
		far.fails(exitNotRun, []string{"\nhint: is the machine on"}, "backup", "--init", "-s", store, "src")
	}
	if d := takeCensus(t, o.work).differences(before); d != "" {
		t.Errorf("without the other machine there are changes on this one:\n%s", d)
	}
	p.Set(sshtest.Faults{})
	far.fails(exitNoStore, []string{"far:store", "\nhint: "}, "backup", "-s", "far:store", "src")
	if names, err := os.ReadDir(o.Dir); err != nil || len(names) > 0 {
		t.Errorf("there is %v, %v", names, err)
	}
}

func TestSeed_B8_ABackupRunsUnattendedAndTheMachineCannotRead(t *testing.T) {
	o := start(t, box)
	const secret = "what only the owner may read"
	o.must(os.Mkdir(o.at("src"), 0o755))
	o.write(o.at("src/a name that tells"), secret)
	vault := o.vault("far:vault")
	o.good(append([]string{"key", "add", "--put-only", "web", "-o", "web.key"}, vault...)...)
	put := []string{"-s", "far:vault", "--key", "web.key"}

	far, p := o.through(sshtest.Faults{StallAfter: 8 << 10})
	cmd := far.process(t.Context(), append([]string{"backup", "--series", "web", "src"}, put...)...)
	o.must(spawn(cmd))
	for p.Counts().Stalls == 0 && sleep(t.Context(), time.Millisecond) == nil {
	}
	hidden := []string{o.secretOf(o.at("web.key")), "correct horse", secret}
	o.unseen("arguments", processes(cmd.Process.Pid), hidden)
	p.Set(sshtest.Faults{})
	o.must(cmd.Wait())

	for _, args := range [][]string{{"restore", "latest", "-t", "out"}, {"cat", "latest:" + o.at("src/a name that tells")}, {"snapshots"}, {"forget", "--keep-last", "1"}} {
		o.call(exitWrongKey, append(args, put...)...)
	}
	o.good(append([]string{"restore", "latest:" + o.at("src"), "-t", "out"}, vault...)...)
	o.equal(o.at("out"), o.at("src"), whole)
	o.must(filepath.WalkDir(o.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		o.unseen(path, string(content)+path, append(hidden, "a name that tells"))
		return err
	}))
}

// secretOf returns the secret in the text of a key file.
func (o *over) secretOf(path string) string {
	o.Helper()
	text, err := os.ReadFile(path)
	o.must(err)
	_, secret, found := strings.Cut(string(text), "\nsecret: ")
	secret, _, _ = strings.Cut(secret, "\n")
	if !found || len(secret) < 32 {
		o.Fatal("the key file has no secret")
	}
	return secret
}

// unseen wants none of the words in a text.
func (o *over) unseen(where, text string, words []string) {
	o.Helper()
	for _, word := range words {
		if strings.Contains(text, word) {
			o.Errorf("%s: a secret can be read: %q", where, word)
		}
	}
}

// processes returns the command lines of a process and those that it has started.
func processes(pid int) string {
	var b strings.Builder
	line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)) // it may have ended
	b.Write(line)
	children, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range children {
		text, _ := os.ReadFile(list)
		for word := range strings.FieldsSeq(string(text)) {
			line, _ := os.ReadFile("/proc/" + word + "/cmdline")
			b.Write(line)
		}
	}
	return b.String()
}

func TestSeed_B9_NothingHasToBeTypedAfterAReboot(t *testing.T) {
	o := start(t, box)
	o.plant(o.at("src"))
	vault := o.vault("far:vault")
	o.good(append([]string{"key", "add", "--put-only", "web", "-o", "web.key"}, vault...)...)
	for range 2 { // what runs the second time knows nothing but what is on the disk
		cmd := o.process(t.Context(), "backup", "-s", "far:vault", "--key", "web.key", "--series", "web", "src")
		cmd.Env = slices.DeleteFunc(cmd.Env, func(v string) bool {
			return strings.HasPrefix(v, "HOME=") || strings.HasPrefix(v, "SSH_") || strings.HasPrefix(v, "USER=") || strings.HasPrefix(v, "TERM=")
		})
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no terminal
		if r := o.ended(cmd); r != (result{}) {
			t.Errorf("%+v", r)
		}
	}
	if list := o.snapshots("far:vault", vault[2:]...); len(list) != 2 || list[1].Added != 0 {
		t.Errorf("%+v", list)
	}
}

func TestSeed_H12_NoMountAndNoImageIsNeeded(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds on a slow line")
	}
	o := start(t, box)
	o.fill(o.at("src"), 20, 100<<10)
	far, p := o.through(sshtest.Faults{CutEvery: 3 * time.Second, Rate: 400 << 10})
	far.good("backup", "--init", "-s", "far:store", "--series", "s", o.at("src"))
	if c := p.Counts(); c.Cuts == 0 {
		t.Errorf("no connection was cut: %+v", c)
	}
	o.good("verify", "-s", "far:store")
	o.equal(latest(o.there("store"), "s", o.at("src")), o.at("src"), contents)
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	o.must(err)
	if strings.Contains(string(mounts), filepath.Dir(o.work)) {
		t.Errorf("something is mounted:\n%s", mounts)
	}
	if sums := o.objects(o.there("store")); len(sums) < 20 {
		t.Errorf("the store is %v", slices.Collect(maps.Keys(sums)))
	}
}
