//go:build linux

package e2e

import (
	"os"
	"strings"
	"testing"
	"time"

	"varve/internal/sshtest"
)

// badLine is a way to a real sshd that fails, and as much data as makes that worth while.
type badLine struct {
	name   string
	faults sshtest.Faults
	count  int // files
	size   int // of each, in bytes
	// happened says from the counts whether the line failed at all.
	happened func(c sshtest.Counts) bool
	options  []string // of ssh
	kinds    []string // of stores; all kinds where every test is wanted
	long     bool
}

func cutOften(c sshtest.Counts) bool { return c.Cuts >= 3 }

var badLines = []badLine{
	{name: "cut every 64 KiB", faults: sshtest.Faults{CutAfter: 64 << 10}, count: 12, size: 8 << 10, happened: cutOften, kinds: []string{"tree", "vault"}},
	{name: "cut every MiB", faults: sshtest.Faults{CutAfter: 1 << 20}, count: 4, size: 1 << 20, happened: cutOften, kinds: []string{"vault"}, long: true},
	{name: "cut every 3 s", faults: sshtest.Faults{CutEvery: 3 * time.Second, Rate: 200 << 10}, count: 12, size: 40 << 10, happened: cutOften, kinds: []string{"tree"}, long: true},
	{name: "silent for ever", faults: sshtest.Faults{StallAfter: 256 << 10}, count: 12, size: 20 << 10, kinds: []string{"vault"}, long: true,
		happened: func(c sshtest.Counts) bool { return c.Stalls >= 2 }, options: []string{"-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=2"}},
	{name: "single bytes", faults: sshtest.Faults{Piece: 1}, count: 10, size: 10 << 10, kinds: []string{"tree"}, happened: func(sshtest.Counts) bool { return true }},
}

// TestBadLinesCostTimeAlone makes, changes, frees, reads and restores stores over ssh, all over lines that fail.
func TestBadLinesCostTimeAlone(t *testing.T) {
	t.Parallel()
	for _, l := range badLines {
		if l.long && testing.Short() {
			continue
		}
		kinds := l.kinds
		if every() {
			kinds = []string{"tree", "vault"}
		}
		for _, kind := range kinds {
			t.Run(l.name+" "+kind, func(t *testing.T) {
				t.Parallel()
				l.overcome(t, kind)
			})
		}
	}
}

// TestALineThatIsSilentForNinetySecondsIsReplaced takes as long.
func TestALineThatIsSilentForNinetySecondsIsReplaced(t *testing.T) {
	if !every() {
		t.Skip("takes minutes; set VARVE_TEST_EVERY=1")
	}
	t.Parallel()
	server := sshtest.Start(t, sshtest.Options{})
	near := newUser(t, server.Command())
	far, line := near.through(server.Addr, sshtest.Faults{StallAfter: 300 << 10, StallFor: 90 * time.Second})
	source, store := sshtest.Dir(t, -1), "far:"+server.Home+"/store"
	fill(t, source, 1, 20, 20<<10)
	near.good("init", store)
	far.good("backup", "-s", store, "--series", "s", source)
	near.good("verify", "-s", store)
	near.good("restore", "-s", store, "latest:"+source, "-t", "out")
	byRsync(t, source, near.within("out"))
	if c := line.Counts(); c.Stalls == 0 {
		t.Errorf("the line was never silent: %+v", c)
	}
}

// overcome lets a store live at the other end of the line.
func (l badLine) overcome(t *testing.T, kind string) {
	server := sshtest.Start(t, sshtest.Options{})
	near := newUser(t, append(server.Command(), l.options...))
	near.key = sshKey(t)
	far, line := near.through(server.Addr, l.faults)
	source, store := sshtest.Dir(t, -1), "far:"+server.Home+"/"+kind
	fill(t, source, 1, l.count, l.size)
	wholeSeconds(t, source)
	if kind == "vault" {
		far.vault(store)
	} else {
		far.good("init", store)
	}
	far.good("backup", "-s", store, "--series", "s", source)
	fill(t, source, 2, l.count/4, l.size)
	ok(t, os.Remove(source+"/file-1-000"))
	wholeSeconds(t, source)
	far.good("backup", "-s", store, "--series", "s", source)
	far.call(0, "forget", "-q", "-s", store, "--force", "latest~1")
	if kind == "vault" {
		far.call(0, "prune", "-q", "-s", store, "--now", "--max-unused", "0%")
	}
	near.good("verify", "-s", store)
	far.good("restore", "-s", store, "latest:"+source, "-t", "out")
	byRsync(t, source, near.within("out"))
	if kind == "tree" {
		far.good("restore", "-s", store, "latest:"+source, "-t", store+"-out")
		byRsync(t, source, server.Dir+"/"+kind+"-out")
	}
	if list := near.snapshots(store); len(list) != 1 || !list[0].State.Good() {
		t.Errorf("there are %+v", list)
	}
	noneTemporary(t, server.Dir+"/"+kind)
	c := line.Counts()
	t.Logf("%+v", c)
	if !l.happened(c) {
		t.Errorf("the line has not failed: %+v", c)
	}
}

// noneTemporary wants no file to be left that somebody was writing.
func noneTemporary(t *testing.T, dir string) {
	t.Helper()
	for line := range strings.Lines(run(t, "", "find", dir, "-name", "tmp-*", "-o", "-path", "*/partial/*", "-o", "-path", "*/trash/*")) {
		t.Errorf("left: %s", line)
	}
}
