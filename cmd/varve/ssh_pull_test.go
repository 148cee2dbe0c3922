package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"varve"
	"varve/internal/sshtest"
)

// readOnly returns the machine reached with a key that only reads.
func (o *over) readOnly() *over {
	o.Helper()
	forks.Lock()
	defer forks.Unlock()
	return o.with(o.AddKey(o.T, sftpServer(o.T)+" -R -d "+o.Home))
}

func TestSeed_L1_AServerPullsFromADeviceWithNothingInstalled(t *testing.T) {
	o := start(t, sshtest.Options{User: "rdbadmin", SFTPArgs: []string{"-R"}})
	o.plant(o.there("src"))
	o.give(o.there("src"))
	o.good("backup", "--init", "-s", "store", "--series", "s", "rdbadmin@"+o.far("src"))
	o.good("restore", "-s", "store", "latest:"+o.Home+"/src", "-t", "out")
	o.equal(o.at("out"), o.there("src"), plainly)
	o.good("verify", "-s", "store")
	log := o.Log()
	if !strings.Contains(log, "Starting session: subsystem 'sftp' for rdbadmin") || strings.Contains(log, "session: command") || strings.Contains(log, "session: shell") {
		t.Errorf("the device was asked for more than SFTP:\n%s", log)
	}
}

func TestSeed_L2_ReadAccessSufficesForABackupAndNotForARestore(t *testing.T) {
	o := start(t, sshtest.Options{})
	src := o.there("src")
	o.plant(src)
	reader := o.readOnly()
	reader.good("backup", "--init", "-s", "store", o.far("src"))
	before := takeCensus(t, src)
	o.write(filepath.Join(src, "one"), "changed since")
	o.must(os.Chmod(filepath.Join(src, "sub/two"), 0o600))
	changed := takeCensus(t, src)

	from := "latest:" + o.Home + "/src"
	reader.fails(exitRestoreGaps, []string{"not restored: " + o.far("src/one") + ": permission denied\n"}, "restore", "-s", "store", from, "-t", o.far("src"))
	reader.fails(exitFailed, []string{"restore into " + o.far("new"), "permission denied"}, "restore", "-s", "store", from, "-t", o.far("new"))
	reader.fails(exitFailed, []string{"permission denied"}, "backup", "--init", "-s", o.far("store"), o.work)
	if d := takeCensus(t, src).differences(changed); d != "" {
		t.Errorf("a session that may only read has changed:\n%s", d)
	}
	o.call(exitGood, "restore", "-s", "store", from, "-t", o.far("src"))
	if d := plainly(takeCensus(t, src)).differences(plainly(before)); d != "" {
		t.Errorf("a session that may write has not restored:\n%s", d)
	}
}

func TestSeed_L3_EveryHostHasItsOwnSeries(t *testing.T) {
	o := start(t, sshtest.Options{})
	second := &over{T: t, Server: server(t, sshtest.Options{}), work: o.work}
	for host, machine := range map[string]*over{"mail": o, "web": second} {
		machine.write(machine.there("which"), host)
		machine.good("backup", "--init", "-s", "store", host+":"+machine.Home)
		machine.fails(exitFailed, []string{machine.Home + "/nowhere"}, "backup", "-s", "store", host+":"+machine.Home+"/nowhere")
	}
	list := o.snapshots("store")
	if len(list) != 2 {
		t.Fatalf("%d snapshots, want one for each host", len(list))
	}
	for host, machine := range map[string]*over{"mail": o, "web": second} {
		r := o.call(exitGood, "cat", "-s", "store", "--series", host+":"+machine.Home, "latest:"+machine.Home+"/which")
		if r.out != host {
			t.Errorf("the series of %s holds a file of %s", host, r.out)
		}
		hosts := o.snapshots("store", "--host", host)
		if len(hosts) != 1 || hosts[0].Host != host {
			t.Errorf("the snapshots of %s are %+v", host, hosts)
		}
	}
}

func TestSeed_L4_ASourceThatCannotBeReachedRecordsNoDeletion(t *testing.T) {
	o := start(t, sshtest.Options{})
	o.plant(o.there("src"))
	far, p := o.through(sshtest.Faults{})
	backup := []string{"backup", "--init", "-s", "store", "--series", "s", o.far("src")}
	far.good(backup...)
	first := o.snapshots("store")
	untouched := func(what string) {
		t.Helper()
		if list := o.snapshots("store"); len(list) != 1 || list[0].ID != first[0].ID {
			t.Errorf("%s: the snapshots are %+v", what, list)
		}
	}

	p.Set(sshtest.Faults{MaxConns: -1})
	far.fails(exitNotRun, []string{"far", "\nhint: is the machine on"}, backup...)
	untouched("a host that is gone")
	p.Set(sshtest.Faults{})

	forks.Lock()
	_, other := o.NewKey(t)
	forks.Unlock()
	public, err := os.ReadFile(other)
	o.must(err)
	o.WriteKnownHosts(t, string(public))
	far.fails(exitFailed, []string{"host key", "\nhint: was the machine set up anew?"}, backup...)
	untouched("a host key that has changed")
	o.WriteKnownHosts(t, o.HostKey)

	o.must(os.Rename(o.there("src"), o.there("away")))
	far.fails(exitFailed, []string{o.Home + "/src", "\nhint: is it a disk that is not mounted?"}, backup...)
	untouched("a source that is not there")
	o.must(os.Rename(o.there("away"), o.there("src")))

	far.good(backup...)
	if list := o.snapshots("store"); len(list) != 2 || list[1].Added != 0 || list[1].Files != first[0].Files {
		t.Errorf("afterwards: %+v", list)
	}
}

func TestSeed_L5_ThreeFilesAndBackShowThatItWorks(t *testing.T) {
	o := start(t, sshtest.Options{})
	names := []string{"a", "b", "c"}
	o.must(os.Mkdir(o.there("src"), 0o755))
	for _, name := range names {
		o.write(o.there("src/"+name), "content of "+name)
	}
	out := o.call(exitGood, "doctor", "--read-only", o.far("src")).out
	if !strings.Contains(out, "good ") || strings.Contains(out, "wrong ") {
		t.Errorf("doctor says:\n%s", out)
	}
	o.good("init", "-s", "store")
	out = o.call(exitGood, "backup", "-n", "-s", "store", "--series", "s", o.far("src")).out
	for _, name := range names {
		if strings.Count(out, "+ "+o.Home+"/src/"+name+"\n") != 1 {
			t.Errorf("backup -n does not name %s once:\n%s", name, out)
		}
	}
	out = o.call(exitGood, "backup", "-v", "-s", "store", "--series", "s", o.far("src")).out
	if !strings.Contains(out, "(complete): 3 files, ") {
		t.Errorf("backup -v printed:\n%s", out)
	}
	out = o.call(exitGood, "restore", "-v", "-s", "store", "latest:"+o.Home+"/src", "-t", "out").out
	for _, name := range names {
		if strings.Count(out, "create "+o.at("out/"+name)+"\n") != 1 {
			t.Errorf("restore -v does not name %s once:\n%s", name, out)
		}
	}
	o.equal(o.at("out"), o.there("src"), plainly)
}

func TestSeed_L6_TheNewestVersionIsPlainFiles(t *testing.T) {
	o := start(t, sshtest.Options{})
	o.plant(o.there("src"))
	for _, content := range []string{"old", "newer"} {
		o.write(o.there("src/one"), content)
		o.good("backup", "--init", "-s", "store", "--series", "s", o.far("src"))
		o.equal(latest(o.at("store"), "s", o.Home+"/src"), o.there("src"), plainly)
	}
	r := o.call(exitGood, "cat", "-s", "store", "2B:"+o.Home+"/src/one")
	if r.out != "old" {
		t.Errorf("the older version holds %q", r.out)
	}
}

func TestSeed_L7_EveryTimeThatRdiffBackupTakesIsUnderstood(t *testing.T) {
	o := start(t, sshtest.Options{})
	o.env = []string{"TZ=UTC"}
	at := func(now string) *over {
		c := *o
		c.env = append([]string{"VARVE_TEST_NOW=" + now}, o.env...)
		return &c
	}
	for _, now := range []string{"2026-11-10T10:00:00Z", "2026-11-19T10:00:00Z", "2026-11-20T09:00:00Z"} {
		o.write(o.there("when"), now[:10])
		old, err := time.Parse(time.RFC3339, now)
		o.must(err)
		o.must(os.Chtimes(o.there("when"), old, old))
		at(now).good("backup", "--init", "-s", "store", "--series", "s", o.far("when"))
	}
	o = at("2026-11-20T12:00:00Z")
	for text, want := range map[string]string{
		"now": "2026-11-20", "1h78m": "2026-11-20", "4h": "2026-11-19", "1D": "2026-11-19", "10D": "2026-11-10", "1W": "2026-11-10",
		"3B": "2026-11-10", "2026-11-19": "2026-11-19", "2026-11-20": "2026-11-20",
		"2026-11-20T08:59": "2026-11-19", "2026-11-19T12:00:00+02:00": "2026-11-19", "@1795160000": "2026-11-19",
	} {
		if r := o.call(exitGood, "cat", "-s", "store", text+":"+o.Home+"/when"); r.out != want {
			t.Errorf("%s is taken for the snapshot of %s, want %s", text, r.out, want)
		}
	}
	o.call(exitFailed, "cat", "-s", "store", "1Y:"+o.Home+"/when")
	// Nobody knows which of two numbers is the month.
	o.fails(exitFailed, []string{"dates are written as in 2026-11-20"}, "cat", "-s", "store", "11-20-2026:"+o.Home+"/when")
}

func TestSeed_L8_ARestoreToTheDeviceKeepsWhatItDoesNotKnow(t *testing.T) {
	o := start(t, sshtest.Options{})
	src := o.there("src")
	o.plant(src)
	o.good("backup", "--init", "-s", "store", o.far("src"))
	before := takeCensus(t, src)
	o.write(filepath.Join(src, "one"), "overwritten")
	o.write(filepath.Join(src, "sub/extra"), "extra")
	o.must(os.Remove(filepath.Join(src, "sub/deep/three")))
	changed := takeCensus(t, src)

	restore := []string{"restore", "-s", "store", "latest:" + o.Home + "/src", "-t", o.far("src")}
	out := o.run(append(restore, "-n")...).out
	for _, line := range []string{"create " + o.far("src/sub/deep/three") + "\n", "replace " + o.far("src/one") + " ("} {
		if strings.Count(out, line) != 1 {
			t.Errorf("the preview does not say %q once:\n%s", line, out)
		}
	}
	if strings.Contains(out, "extra") {
		t.Errorf("the preview speaks of what stays:\n%s", out)
	}
	if d := takeCensus(t, src).differences(changed); d != "" {
		t.Errorf("a preview has changed:\n%s", d)
	}
	out = o.run(append(restore, "-n", "--delete")...).out
	if strings.Count(out, "delete "+o.far("src/sub/extra")+"\n") != 1 {
		t.Errorf("the preview of --delete says:\n%s", out)
	}
	// The paths are those of the device: on this machine something else may lie there.
	o.fails(exitUsage, []string{"is of the host far, and this is testhost"}, "restore", "-s", "store", "latest:"+o.Home+"/src", "--in-place")
	if d := takeCensus(t, src).differences(changed); d != "" {
		t.Errorf("something was restored on this machine:\n%s", d)
	}
	o.call(exitGood, restore...)
	got := takeCensus(t, src)
	if got["sub/extra"] != changed["sub/extra"] {
		t.Error("what the snapshot does not know has gone")
	}
	delete(got, "sub/extra")
	if d := plainly(got).differences(plainly(before)); d != "" {
		t.Errorf("the rest is not as it was:\n%s", d)
	}
}

func TestSeed_L10_OwnersAreTheServersAndWhatIsMissingIsSaid(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	o := start(t, sshtest.Options{})
	file := o.there("src/file")
	o.must(os.Mkdir(o.there("src"), 0o755))
	o.write(file, "before")
	o.must(unix.Setxattr(file, "user.note", []byte("lost"), 0))
	o.must(os.Lchown(file, 4242, 4343))
	backup := []string{"backup", "--init", "-s", "store", "--series", "s", "-v", o.far("src")}
	r := o.call(exitGood, backup...)
	if n := strings.Count(r.errs, "extended attributes and ACLs"); n != 1 {
		t.Errorf("that no extended attributes come over SFTP is said %d times:\n%s", n, r.errs)
	}
	r = o.call(exitGood, "ls", "-s", "store", "--json", "latest:"+o.Home+"/src")
	if !strings.Contains(r.out, `"uid":4242,"gid":4343`) {
		t.Errorf("the snapshot holds %s", r.out)
	}

	// Another file in its place, with the same size and, to the second, the next time.
	first, err := os.Stat(file)
	o.must(err)
	o.must(os.WriteFile(o.there("src/new"), []byte("behind"), 0o644))
	o.must(os.Lchown(o.there("src/new"), 4242, 4343))
	next := first.ModTime().Add(time.Second)
	o.must(os.Chtimes(o.there("src/new"), next, next))
	o.must(os.Rename(o.there("src/new"), file))
	o.call(exitGood, backup...)
	if r := o.call(exitGood, "cat", "-s", "store", "latest:"+o.Home+"/src/file"); r.out != "behind" {
		t.Errorf("the second snapshot holds %q", r.out)
	}
	if list := o.snapshots("store"); len(list) != 2 || list[1].State != varve.Complete {
		t.Errorf("the snapshots are %+v", list)
	}
}
