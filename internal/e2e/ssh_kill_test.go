//go:build linux

package e2e

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"varve"
	"varve/internal/sshtest"
)

// pushed is a tree or a vault that clients push into over a real sshd, by varve serve as a forced command.
type pushed struct {
	*testing.T
	server *sshtest.Server
	owner  *user // works on the server's machine
	client *user // has a key that may add
	line   *sshtest.Proxy
	store  string // its path on the server
	far    string // the same as a place
	run    string // a directory of what serves: the numbers of its processes, and its log
}

// push starts a server with an empty store.
func push(t *testing.T, kind string, args ...string) *pushed {
	t.Helper()
	p := &pushed{T: t, server: sshtest.Start(t, sshtest.Options{}), run: sshtest.Dir(t, -1)}
	p.owner = newUser(t, nil)
	p.owner.key = sshKey(t)
	p.store = p.server.Dir + "/store"
	p.far = "ssh://far" + p.store
	if kind == "vault" {
		p.owner.vault(p.store)
	} else {
		p.owner.good("init", p.store)
	}
	p.client, p.line = newUser(t, p.key(append([]string{"--append", "-s", p.store}, args...)...)).through(p.server.Addr, sshtest.Faults{})
	p.client.key = p.owner.key
	return p
}

// key returns an ssh command with a key of its own, which varve serve is the forced command of.
func (p *pushed) key(args ...string) []string {
	p.Helper()
	program, err := varveProgram()
	ok(p, err)
	script := fmt.Sprintf("echo $$ >> %s/pids; exec %s serve --log %s/log %s", p.run, program, p.run, strings.Join(args, " "))
	path := filepath.Join(sshtest.Dir(p.T, -1), "serve")
	ok(p, os.WriteFile(path, []byte(script), 0o644))
	return p.server.AddKey(p.T, "exec /bin/sh "+path)
}

// serving returns the number of the process that serves; 0 where none does.
func (p *pushed) serving() int {
	text, err := os.ReadFile(p.run + "/pids")
	if err != nil {
		return 0
	}
	words := strings.Fields(string(text))
	if len(words) == 0 {
		return 0
	}
	pid, err := strconv.Atoi(words[len(words)-1])
	if err != nil || syscall.Kill(pid, 0) != nil {
		return 0
	}
	return pid
}

// sshOf returns the number of the ssh that a process has started; 0 where there is none.
func sshOf(pid int) int {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // the pattern is right
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue // the thread has ended
		}
		for _, word := range strings.Fields(string(text)) {
			if child, err := strconv.Atoi(word); err == nil {
				return child
			}
		}
	}
	return 0
}

// snapshots returns what the server itself sees.
func (p *pushed) snapshots() []varve.Snapshot {
	p.Helper()
	return p.owner.snapshots(p.store)
}

// sent returns a condition that holds once so many more bytes have gone to the server.
func (p *pushed) sent(bytes int64) func() bool {
	begun := p.line.Counts().Up
	return func() bool { return p.line.Counts().Up-begun >= bytes }
}

// arrived returns how many bytes the store has of content that belongs to no snapshot of a tree yet, or to any of a vault.
func (p *pushed) arrived() (bytes int64) {
	for _, dir := range []string{"/.varve/partial", "/data"} {
		_ = filepath.WalkDir(p.store+dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() || strings.HasPrefix(d.Name(), "tmp-") {
				return nil // it may be gone again
			}
			if info, err := d.Info(); err == nil {
				bytes += info.Size()
			}
			return nil
		})
	}
	return bytes
}

// killed pushes a source, and kills the victim once a condition holds. It returns once nobody serves any more.
func (p *pushed) killed(victim string, when func() bool, source string) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.Context(), patience)
	defer cancel()
	cmd := p.client.process(ctx, "backup", "-s", p.far, "--series", "s", source)
	ok(p, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for alive := true; alive && !when(); {
		select {
		case err := <-ended:
			ended <- err
			alive = false
		case <-time.After(time.Millisecond):
		}
	}
	pid := 0
	switch victim {
	case "client":
		pid = cmd.Process.Pid
	case "ssh":
		pid = sshOf(cmd.Process.Pid)
	case "server":
		pid = p.serving()
	}
	if pid > 0 {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may just have ended
	}
	err := <-ended
	if err == nil {
		p.Logf("%s: the push was done before", victim)
	}
	resting(p, "the end of the server", func() bool { return p.serving() == 0 })
}

// sound wants all snapshots to be what was saved, and those that are complete and new to be the source.
func (p *pushed) sound(before []varve.Snapshot, source string) {
	p.Helper()
	p.owner.good("verify", "-s", p.store)
	list := p.snapshots()
	for i, snap := range list {
		switch {
		case i < len(before) && snap.ID != before[i].ID:
			p.Errorf("snapshot %d is %+v, was %+v", i, snap, before[i])
		case i >= len(before) && snap.State == varve.Complete:
			p.is(snap, source)
		}
	}
	if len(list) < len(before) {
		p.Errorf("there are %d snapshots, were %d", len(list), len(before))
	}
}

// is wants a snapshot to be what the source is.
func (p *pushed) is(snap varve.Snapshot, source string) {
	p.Helper()
	out := filepath.Join(sshtest.Dir(p.T, -1), "out")
	p.owner.good("restore", "-s", p.store, snap.ID.String()+":"+source, "-t", out)
	byRsync(p.T, source, out)
}

// TestAPushThatIsKilledHarmsNothingAndIsContinued kills the client, its ssh and the server, each at several points.
func TestAPushThatIsKilledHarmsNothingAndIsContinued(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"tree", "vault"} {
		for seed, victim := range []string{"client", "ssh", "server"} {
			t.Run(kind+" "+victim, func(t *testing.T) {
				t.Parallel()
				p := push(t, kind)
				source := sshtest.Dir(t, -1)
				fill(t, source, 1, 10, 5<<10)
				p.client.good("backup", "-s", p.far, "--series", "s", source)
				const count, size = 24, 100 << 10
				fill(t, source, 2, count, size)
				times := 2
				switch {
				case testing.Short():
					times = 1
				case every():
					times = 20
				}
				random := rand.New(rand.NewPCG(uint64(seed), 1))
				before := p.snapshots()
				for i := range times { // later and later, the last time when nearly all has arrived
					after := int64(count*size)*int64(i)/int64(times) + random.Int64N(count*size/int64(times))
					p.killed(victim, p.sent(4000+after/2), source)
					p.sound(before, source)
				}
				p.client.good("backup", "-s", p.far, "--series", "s", source)
				list := p.snapshots()
				p.is(list[len(list)-1], source)
				p.sound(before, source)
				if last := list[len(list)-1]; last.State != varve.Complete {
					t.Errorf("the last snapshot is %+v", last)
				}
			})
		}
	}
}

// TestARetryReusesWhatArrived kills a push when half of it has arrived. No more than the rest is sent afterwards.
func TestARetryReusesWhatArrived(t *testing.T) {
	if testing.Short() {
		t.Skip("sends many megabytes")
	}
	t.Parallel()
	for kind, files := range map[string]struct{ count, size int }{"tree": {2400, 4 << 10}, "vault": {40, 1 << 20}} {
		for _, victim := range []string{"client", "server"} {
			t.Run(kind+" "+victim, func(t *testing.T) {
				t.Parallel()
				source := sshtest.Dir(t, -1)
				fill(t, source, 1, files.count, files.size)
				old := time.After(4 * time.Second) // what is younger is read again in any case
				p := push(t, kind)
				<-old
				total := int64(files.count) * int64(files.size)
				p.killed(victim, func() bool { return p.arrived() > total/2 }, source)
				had := p.arrived()
				begun := p.line.Counts().Up
				p.client.good("backup", "-s", p.far, "--series", "s", source)
				again := p.line.Counts().Up - begun
				t.Logf("of %d bytes %d had arrived, %d were sent afterwards", total, had, again)
				if most := max(total-had, 0) + total/8; again > most {
					t.Errorf("of %d bytes %d had arrived, %d were sent afterwards, want %d at the most", total, had, again, most)
				}
				p.is(p.snapshots()[0], source)
				p.sound(nil, source)
			})
		}
	}
}
