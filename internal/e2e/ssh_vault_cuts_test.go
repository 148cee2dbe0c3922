//go:build linux

package e2e

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"varve/internal/sshtest"
)

// cutting cuts a line so many times, each time after so many more bytes went up, until ctx ends.
func cutting(ctx context.Context, line *sshtest.Proxy, times int, bytes int64) {
	for range times {
		for begun := line.Counts().Up; line.Counts().Up-begun < bytes; {
			select {
			case <-ctx.Done():
				return
			case <-time.After(time.Millisecond):
			}
		}
		line.Cut()
	}
}

// TestAVaultBehindVarveGoesOnAfterCuts fills, reads and frees a vault that a varve on another machine serves, while the line is cut in
// the middle of packs.
func TestAVaultBehindVarveGoesOnAfterCuts(t *testing.T) {
	t.Parallel()
	program, err := varveProgram()
	ok(t, err)
	server := sshtest.Start(t, sshtest.Options{})
	near := newUser(t, server.Command())
	near.key = sshKey(t)
	far, line := near.through(server.Addr, sshtest.Faults{})
	store := "ssh://far" + server.Dir + "/vault"
	far.vault(server.Dir + "/vault")
	source := sshtest.Dir(t, -1)
	fill(t, source, 1, 40, 100<<10)
	args := func(args ...string) []string { return append(args, "-s", store, "--remote-varve", program) }
	const cuts = 4
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		cutting(ctx, line, cuts, 300<<10)
	}()
	r := far.call(0, append(args("backup", "-v", "--series", "s"), source)...)
	cancel()
	<-done
	if n := strings.Count(r.errs, "connecting again"); n < cuts/2 || line.Counts().Conns < cuts {
		t.Errorf("%d losses are told, of %+v:\n%s", n, line.Counts(), clip(r.errs))
	}
	before := line.Counts().Cuts
	line.Set(sshtest.Faults{CutAfter: 3 << 20})
	far.good(args("verify")...)
	far.good(append(args("restore", "-t", "out", "--no-cache"), "latest:"+source)...)
	byRsync(t, source, near.within("out"))
	ok(t, os.Remove(source+"/file-1-000"))
	far.good(append(args("backup", "--series", "s"), source)...)
	far.call(0, append(args("forget", "-q", "--force"), "latest~1")...)
	far.call(0, args("prune", "-q", "--now", "--max-unused", "0%")...)
	if n := line.Counts().Cuts - before; n < 2 {
		t.Errorf("the line was cut %d times while it was read", n)
	}
	line.Set(sshtest.Faults{})
	near.good(args("verify")...)
	if list := near.snapshots(server.Dir + "/vault"); len(list) != 1 || !list[0].State.Good() {
		t.Errorf("there are %+v", list)
	}
	noneTemporary(t, server.Dir+"/vault")
	t.Logf("%+v", line.Counts())
}
