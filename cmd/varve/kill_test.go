package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"varve"
	"varve/internal/disk/faultfs"
)

// killSelf ends the process as SIGKILL does: nothing is closed, nothing is flushed.
func killSelf() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL) // which cannot fail
	select {}
}

// child returns a process of the program, from the binary of the tests, with more in its environment.
func child(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return &exec.Cmd{Path: self, Args: append([]string{"varve"}, args...), Env: append(os.Environ(), append(env, "GORACE=atexit_sleep_ms=0")...)}
}

// killed reports whether a process was killed. One that ended by itself must have succeeded.
func killed(t *testing.T, what, text string, err error) bool {
	t.Helper()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return false
	case errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL:
		return true
	}
	t.Fatalf("%s: %v, printed %s", what, err, text)
	return false
}

// story is a run that is killed, on a ground that was prepared.
type story struct {
	name    string
	prepare func(g *ground)
	args    func(g *ground) []string
	// again is the run after the killed one; nil stands for the same.
	again func(g *ground) []string
	// done checks what must have come about when the run has succeeded.
	done func(g *ground)
}

func stories() []story {
	backup := func(g *ground) []string { return g.backupArgs() }
	restore := func(args ...string) func(*ground) []string {
		return func(g *ground) []string { return append([]string{"restore", "latest:" + g.src, "-t", g.out}, args...) }
	}
	keep := func(n string) func(*ground) []string {
		return func(*ground) []string { return []string{"forget", "--keep-last", n} }
	}
	return []story{
		{name: "first backup", prepare: func(*ground) {}, args: backup, done: (*ground).saved},
		{name: "second backup", prepare: func(g *ground) { g.backup(); g.change() }, args: backup, done: (*ground).saved},
		{name: "restore", prepare: func(g *ground) { g.backup(); g.must(os.Mkdir(g.out, 0o700)) }, args: restore(), done: (*ground).restored},
		{name: "restore over others", prepare: crowded, args: restore("--delete"), done: (*ground).restored},
		{name: "forget by a policy", prepare: three(0), args: keep("2"), done: (*ground).forgotten},
		{name: "forget the newest", prepare: three(2), again: keep("3"), done: (*ground).sound,
			args: func(g *ground) []string { return []string{"forget", g.list()[2].ID.String()} }},
	}
}

// crowded makes a target that holds something else than the snapshot.
func crowded(g *ground) {
	g.backup()
	g.call(exitGood, "restore", "latest:"+g.src, "-t", g.out)
	g.change()
	g.backup()
	g.must(os.MkdirAll(filepath.Join(g.out, "extra/deep"), 0o755))
	g.must(os.WriteFile(filepath.Join(g.out, "extra/deep/file"), []byte("extra"), 0o644))
	g.must(os.Mkdir(filepath.Join(g.out, "new"), 0o755)) // in the place of a file
}

// three makes three snapshots, of which one is going to be forgotten.
func three(goes int) func(*ground) {
	return func(g *ground) {
		g.backup()
		g.change()
		g.backup()
		g.backup()
		id := g.list()[goes].ID
		g.going = map[varve.SnapshotID]census{id: g.states[id]}
		delete(g.states, id)
	}
}

// saved checks that the newest snapshot is one of the source.
func (g *ground) saved() {
	g.Helper()
	g.acknowledge()
	g.sound()
}

// restored checks that the target is what the source is.
func (g *ground) restored() {
	g.Helper()
	if d := takeCensus(g.T, g.out).differences(g.now); d != "" {
		g.Errorf("the target is not the snapshot:\n%s", d)
	}
}

// forgotten checks that what was to go has gone, and nothing else.
func (g *ground) forgotten() {
	g.Helper()
	g.going = nil
	if n := len(g.list()); n != len(g.states) {
		g.Errorf("%d snapshots are left, want %d", n, len(g.states))
	}
	g.sound()
}

// operations returns how many disk operations the run makes.
func (s *story) operations(template *ground, dir string) int {
	g := template.copy(template.T, dir)
	inj := &faultfs.Injector{}
	if code, errs := g.under(inj, s.args(g)...); code != exitGood {
		g.Fatalf("exit code %d: %s", code, errs)
	}
	s.done(g)
	g.tidy()
	g.judge()
	return inj.Count()
}

// judge asks rsync, where it is, whether the newest snapshot is the source.
func (g *ground) judge() {
	g.Helper()
	if _, err := exec.LookPath("rsync"); err != nil {
		if os.Getenv("VARVE_TEST_STRICT") == "1" {
			g.Fatal(err)
		}
		return
	}
	to := filepath.Join(filepath.Dir(g.store), "judged")
	g.call(exitGood, "restore", "latest:"+g.src, "-t", to)
	text, err := finish(exec.Command("rsync", "-aHAXnic", "--delete", g.src+"/", to+"/"))
	if err != nil || len(text) > 0 {
		g.Errorf("rsync: %v: %s", err, text)
	}
	g.must(os.RemoveAll(to))
}

func TestWhereverACommandIsKilledTheNextRunSucceedsUnattended(t *testing.T) {
	for _, s := range stories() {
		t.Run(s.name+" in memory", func(t *testing.T) { s.killEverywhere(t, memoryDir(t), 1) })
		t.Run(s.name+" on disk", func(t *testing.T) { s.killEverywhere(t, t.TempDir(), 5) })
	}
}

// killEverywhere kills the run at every step-th operation.
func (s *story) killEverywhere(t *testing.T, work string, step int) {
	t.Parallel()
	if testing.Short() {
		step *= 7
	}
	template := newGround(t, work)
	s.prepare(template)
	n, points := s.operations(template, filepath.Join(work, "count")), 0
	for at := 1; at <= n && !t.Failed(); at += step {
		if s.kill(t, template, filepath.Join(work, strconv.Itoa(at)), at) {
			points++
		}
	}
	if points < n/step*9/10 { // the order of operations varies a little, and so does their number
		t.Errorf("only %d runs were killed", points)
	}
	t.Logf("%d operations, killed at %d of them", n, points)
}

// kill plays the story up to one operation, and then the run after it. It reports whether the process was killed.
func (s *story) kill(t *testing.T, template *ground, dir string, at int) (dead bool) {
	g := template.copy(t, dir)
	defer os.RemoveAll(dir)
	defer func() {
		if t.Failed() {
			t.Logf("killed at operation %d", at)
		}
	}()
	args := append([]string{"-s", g.store}, s.args(g)...)
	text, err := finish(child(t, []string{"VARVE_TEST_KILL_AT=" + strconv.Itoa(at)}, args...))
	dead = killed(t, s.name, text, err)
	s.repeat(g)
	return dead
}

// repeat does the run after the one that broke off.
func (s *story) repeat(g *ground) {
	g.Helper()
	if len(g.list()) > 0 {
		g.call(exitGood, "verify")
	}
	again := s.again
	if again == nil {
		again = s.args
	}
	g.call(exitGood, again(g)...)
	s.done(g)
	g.tidy()
}
