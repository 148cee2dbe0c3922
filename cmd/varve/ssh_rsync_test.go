package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"varve"
)

// needs returns the path of a program, without which the test cannot be made.
func needs(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv("VARVE_TEST_STRICT") == "1" {
		t.Fatal(err)
	}
	t.Skip(err)
	return ""
}

// receiver returns the server with a key whose forced command takes what stock rsync clients push.
func (p *pushed) receiver() (*pushed, string) {
	p.Helper()
	needs(p.T, "rsync")
	if os.Geteuid() != 0 {
		p.Skip("owners are only kept as such by root")
	}
	c := *p
	var log string
	c.over, log = p.key("--rsync", "--series", "r", "-s", p.store)
	return &c, log
}

// rsync pushes the source with more options, by way of another program where one is given.
func (p *pushed) rsync(by []string, options ...string) result {
	p.Helper()
	words := append(by, "rsync", "-aHAX", "--numeric-ids", "--delete", "-e", p.ssh)
	words = append(append(words, options...), p.src+"/", "far:/any/where")
	return p.ended(exec.CommandContext(p.Context(), words[0], words[1:]...))
}

// pushedAs wants the newest snapshot to be what the source is.
func (p *pushed) pushedAs(n int) varve.Snapshot {
	p.Helper()
	list := p.list()
	if len(list) != n || !list[n-1].State.Good() {
		p.Fatalf("the server has %+v, want %d", list, n)
	}
	p.equal(filepath.Join(p.store, list[n-1].Location), p.src, whole)
	return list[n-1]
}

func TestSeed_M1_M5_M6_RsyncClientsPushWithAKeyAndNothingElse(t *testing.T) {
	p := push(t)
	client, _ := p.receiver()
	if r := client.rsync(nil); r != (result{}) {
		t.Errorf("%+v", r)
	}
	first := p.pushedAs(1)
	before := takeCensus(t, filepath.Join(p.store, first.Location))
	p.must(os.Chmod(filepath.Join(p.src, "one"), 0o600))
	p.write(filepath.Join(p.src, "sub/deep/three"), "another three")
	if r := client.rsync(nil); r != (result{}) {
		t.Errorf("%+v", r)
	}
	second := p.pushedAs(2)
	at := func(s varve.Snapshot) string { return filepath.Join(p.store, s.Location, "sub/two") }
	if p.inode(at(first)) != p.inode(at(second)) {
		t.Error("what has not changed is not linked")
	}
	if d := takeCensus(t, filepath.Join(p.store, first.Location)).differences(before); d != "" {
		t.Errorf("the first snapshot has changed:\n%s", d)
	}
	p.good("verify", "-s", p.store)

	// What the author of the mail did: the client says what is run.
	sign := p.there("sign")
	if r := client.rsync(nil, "--rsync-path=touch "+sign+" && rsync"); r.code == 0 || isThere(sign) {
		t.Errorf("a client has run a command of its own: %+v", r)
	}
	p.pushedAs(2)
}

func TestSeed_M3_AReadErrorOfAnRsyncClientIsNotACompleteSnapshot(t *testing.T) {
	p := push(t)
	client, _ := p.receiver()
	secret := filepath.Join(p.src, "secret")
	p.write(secret, "closed")
	p.must(os.Chmod(secret, 0o600))
	p.must(os.Lchown(secret, 4242, 4242))
	r := client.rsync([]string{needs(t, "setpriv"), "--bounding-set", "-dac_override,-dac_read_search"})
	if r.code != 23 || !strings.Contains(r.errs, "Permission denied") {
		t.Errorf("%+v", r)
	}
	if list := p.list(); len(list) != 1 || list[0].State != varve.Incomplete {
		t.Errorf("the server has %+v", list)
	}
	if r := client.rsync(nil); r != (result{}) {
		t.Errorf("%+v", r)
	}
	p.pushedAs(2)
}

func TestSeed_M7_TheServerLinksAndTheClientMayNotPointElsewhere(t *testing.T) {
	p := push(t)
	client, log := p.receiver()
	for _, option := range []string{"--link-dest=/etc", "--link-dest=../../..", "--copy-dest=/etc", "--compare-dest=/etc", "--inplace", "--backup-dir=/etc", "--temp-dir=/etc"} {
		r := client.rsync(nil, option)
		if r.code == 0 || !strings.Contains(r.errs, "varve: rsync option -") || !strings.Contains(r.errs, " refused: ") {
			t.Errorf("%s: %+v", option, r)
		}
	}
	if list := p.list(); len(list) != 0 {
		t.Errorf("the server has %+v", list)
	}
	if text, err := os.ReadFile(log); err != nil || strings.Count(string(text), "no transfer: ") != 7 {
		t.Errorf("the log is %s, %v", text, err)
	}
	for n := range 2 {
		if r := client.rsync(nil); r != (result{}) {
			t.Errorf("%+v", r)
		}
		p.pushedAs(n + 1)
	}
	list := p.list()
	if p.inode(filepath.Join(p.store, list[0].Location, "one")) != p.inode(filepath.Join(p.store, list[1].Location, "one")) {
		t.Error("the server does not link")
	}
}
