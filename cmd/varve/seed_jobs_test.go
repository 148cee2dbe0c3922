package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"varve"
	"varve/internal/disk/faultfs"
	"varve/internal/sshtest"
)

// configure writes a configuration, and returns what runs its job "s".
func (o *over) configure(text string) []string {
	o.Helper()
	o.must(os.WriteFile(o.at("varve.toml"), []byte(text), 0o600))
	return []string{"run", "s", "--config", o.at("varve.toml")}
}

// pulling makes the tree "store" here, and a configuration whose job "s" pulls src from the other machine into it.
func (o *over) pulling(keys string) []string {
	o.Helper()
	o.good("init", "-s", "store")
	return o.pull(keys)
}

// pull writes that configuration with further keys of the job, and returns what runs it.
func (o *over) pull(keys string) []string {
	o.Helper()
	return o.configure(fmt.Sprintf(`
[store.here]
place = %q
keep = { last = 1 }

[job.s]
sources = [%q]
stores = ["here"]
series = "s"
retries = 0
wait-network = "0s"
%s`, o.at("store"), o.far("src"), keys))
}

func TestSeed_L4_AJobWhoseSourceIsAwayRecordsNoDeletion(t *testing.T) {
	o := start(t, sshtest.Options{})
	o.plant(o.there("src"))
	far, p := o.through(sshtest.Faults{})
	run := far.pulling("")
	far.good(run...)
	first := o.snapshots("store")
	untouched := func(what string) {
		t.Helper()
		if list := o.snapshots("store"); len(list) != 1 || list[0].ID != first[0].ID {
			t.Errorf("%s: the snapshots are %+v", what, list)
		}
	}
	p.Set(sshtest.Faults{MaxConns: -1})
	far.fails(exitNotRun, []string{"No snapshot was made. Nothing was removed.", "To do      is the machine on"}, run...)
	untouched("a host that is gone")
	p.Set(sshtest.Faults{})

	o.must(os.Rename(o.there("src"), o.there("away")))
	far.fails(exitFailed, []string{"FAILED", o.Home + "/src"}, run...)
	untouched("a source that is not there")

	// What the script of the original went on with: a mount point with nothing on it.
	o.must(os.Mkdir(o.there("src"), 0o755))
	far.fails(exitIncomplete, []string{"SUSPECT", "Because of it nothing is removed."}, run...)
	list := o.snapshots("store")
	if len(list) != 2 || list[0].ID != first[0].ID || list[1].State != varve.Suspect {
		t.Errorf("an empty directory: %+v", list)
	}
	o.must(os.Remove(o.there("src")))
	o.must(os.Rename(o.there("away"), o.there("src")))
	far.good(run...)
	o.equal(latest(o.at("store"), "s", o.Home+"/src"), o.there("src"), plainly)
}

func TestSeed_L5_ThreeFilesOfAJobAndBackShowThatItWorks(t *testing.T) {
	o := start(t, sshtest.Options{})
	o.must(os.Mkdir(o.there("src"), 0o755))
	for _, name := range []string{"file1", "file2", "file3"} {
		o.write(o.there("src/"+name), "content of "+name)
	}
	run := o.pulling("")
	o.good("config", "check", "--config", o.at("varve.toml"))
	if out := o.call(exitGood, "doctor", "--read-only", o.far("src")).out; strings.Contains(out, "wrong ") {
		t.Errorf("doctor says:\n%s", out)
	}
	if out := o.call(exitGood, append(run, "-v")...).out; !strings.Contains(out, "(complete): 3 files, ") {
		t.Errorf("run -v printed:\n%s", out)
	}
	out := o.call(exitGood, "drill", "-v", "s", "--config", o.at("varve.toml")).out
	if !strings.Contains(out, ": 3 files, ") || !strings.Contains(out, ", 0 are wrong\n") {
		t.Errorf("drill -v printed:\n%s", out)
	}
	o.equal(latest(o.at("store"), "s", o.Home+"/src"), o.there("src"), plainly)
}

func TestSeed_L6_TheNewestSnapshotOfAJobIsPlainFiles(t *testing.T) {
	o := start(t, sshtest.Options{})
	o.plant(o.there("src"))
	run := o.pulling("keep = { last = 9 }\n")
	for _, content := range []string{"old", "newer"} {
		o.write(o.there("src/one"), content)
		o.good(run...)
		o.equal(latest(o.at("store"), "s", o.Home+"/src"), o.there("src"), plainly)
	}
	if r := o.call(exitGood, "cat", "-s", "store", "2B:"+o.Home+"/src/one"); r.out != "old" {
		t.Errorf("the older version holds %q", r.out)
	}
}

func TestSeed_L7_AJobsSnapshotsAreFoundByTheirTimes(t *testing.T) {
	o := start(t, sshtest.Options{})
	o.plant(o.there("src"))
	run := o.pulling("keep = { last = 9 }\n")
	for _, now := range []string{"2026-11-10T10:00:00Z", "2026-11-19T10:00:00Z", "2026-11-20T09:00:00Z"} {
		o.write(o.there("src/one"), now[:10])
		old, err := time.Parse(time.RFC3339, now)
		o.must(err)
		o.must(os.Chtimes(o.there("src/one"), old, old))
		o.env = []string{"TZ=UTC", "VARVE_TEST_NOW=" + now}
		o.good(run...)
	}
	o.env = []string{"TZ=UTC", "VARVE_TEST_NOW=2026-11-20T12:00:00Z"}
	for text, want := range map[string]string{"now": "2026-11-20", "1h78m": "2026-11-20", "4h": "2026-11-19", "10D": "2026-11-10", "3B": "2026-11-10", "2026-11-19": "2026-11-19"} {
		o.good("restore", "-s", "store", text+":"+o.Home+"/src", "-t", "out "+text)
		if got, err := os.ReadFile(o.at("out " + text + "/one")); err != nil || string(got) != want {
			t.Errorf("%s is taken for the snapshot of %s, want %s: %v", text, got, want, err)
		}
	}
}

func TestSeed_L8_ARestoreOfWhatAJobSavedKeepsWhatItDoesNotKnow(t *testing.T) {
	o := start(t, sshtest.Options{})
	src := o.there("src")
	o.plant(src)
	o.good(o.pulling("")...)
	before := takeCensus(t, src)
	o.write(filepath.Join(src, "one"), "overwritten")
	o.write(filepath.Join(src, "sub/extra"), "extra")
	errs := o.call(exitFailed, o.pull("guard = { marker = [\"/nowhere\"] }\n")...).errs
	line := regexp.MustCompile(`(?m)^Restore +varve (restore -s \S+ [0-9a-f]{8}) -t DIR$`).FindStringSubmatch(errs)
	if line == nil {
		t.Fatalf("the report does not say how to restore:\n%s", errs)
	}
	restore := strings.Fields(line[1])
	restore[len(restore)-1] += ":" + o.Home + "/src"
	restore = append(restore, "-t", o.far("src"))
	changed := takeCensus(t, src)
	if out := o.run(append(slices.Clone(restore), "-n")...).out; !strings.Contains(out, "replace "+o.far("src/one")) || strings.Contains(out, "extra") {
		t.Errorf("the preview says:\n%s", out)
	}
	if d := takeCensus(t, src).differences(changed); d != "" {
		t.Errorf("a preview has changed:\n%s", d)
	}
	o.run(restore...)
	got := takeCensus(t, src)
	if got["sub/extra"] != changed["sub/extra"] {
		t.Error("what the snapshot does not know has gone")
	}
	delete(got, "sub/extra")
	if d := plainly(got).differences(plainly(before)); d != "" {
		t.Errorf("the rest is not as it was:\n%s", d)
	}
}

func TestSeed_M4_AJobThatPushesHasNoSayInTimeAndPolicy(t *testing.T) {
	p := push(t)
	client, _ := p.appender("m")
	job := `
[store.server]
place = "` + p.far + `"
verify = { every = "never" }
%s
[job.s]
sources = ["` + p.src + `"]
stores = ["server"]
series = "%s"
`
	run := client.configure(fmt.Sprintf(job, "", "m"))
	begun := time.Now()
	client.good(run...)
	client.env = []string{"VARVE_TEST_NOW=2036-11-20T10:00:00Z", "VARVE_STATE_DIR=" + client.at("another machine")}
	client.fails(exitFailed, []string{"A snapshot was made", "the clock may be wrong"}, run...)
	client.env = nil
	for i, s := range p.list() {
		if s.Seq != uint64(i+1) || s.Time.Before(begun.Add(-time.Second)) || s.Time.After(time.Now().Add(time.Second)) {
			t.Errorf("the server has taken %v for the time, %d for the number", s.Time, s.Seq)
		}
	}
	// A policy of the client is refused, and it is told; the snapshot is there all the same.
	run = client.configure(fmt.Sprintf(job, "keep = { last = 1 }", "m"))
	client.fails(exitFailed, []string{"store server: forget: ", "permission denied"}, run...)
	if list := p.list(); len(list) != 3 {
		t.Errorf("the server has %+v", list)
	}
	run = client.configure(fmt.Sprintf(job, "", "another"))
	client.fails(exitFailed, []string{"permission denied"}, run...)
	if list := p.list(); len(list) != 3 {
		t.Errorf("the server has %+v", list)
	}
	// The server changes its policy, and the client need not know.
	p.good("forget", "-s", p.store, "--series", "m", "--keep-last", "1")
	client.good(client.configure(fmt.Sprintf(job, "", "m"))...)
	p.holds("m")
}

func TestSeed_A6_AJobTakesVanishedFilesForASuccessAndErrorsForNone(t *testing.T) {
	said := filepath.Join(t.TempDir(), "said")
	path, dir := oneJob(t, fmt.Sprintf("hook = { after = \"echo after >>%s\", failed = \"echo failed >>%[1]s\" }\nkeep = { last = 1 }\n", said))
	store := filepath.Join(filepath.Dir(dir), "store")
	runs := func(inj *faultfs.Injector, want int) string {
		t.Helper()
		a, _, errs := testApp()
		a.open = faulty(inj)
		if code := run(t.Context(), a, []string{"run", "home", "--config", path}); code != want {
			t.Errorf("exit code %d, want %d: %s", code, want, errs)
		}
		return errs.String()
	}
	list := func() (list []varve.Snapshot) {
		t.Helper()
		out, _ := call(t, exitGood, "snapshots", "--json", "-s", store)
		if err := json.Unmarshal([]byte(out), &list); err != nil {
			t.Fatal(err)
		}
		return list
	}
	runs(&faultfs.Injector{}, exitGood)
	if err := os.WriteFile(filepath.Join(dir, "vanishing"), []byte("soon gone"), 0o644); err != nil {
		t.Fatal(err)
	}
	vanish := func() { _ = os.Remove(filepath.Join(dir, "vanishing")) } // whether it is gone the snapshot tells
	if errs := runs(onOpen("vanishing", faultfs.Fault{}, vanish), exitGood); errs != "" {
		t.Errorf("of a file that vanished it is said: %s", errs)
	}
	if l := list(); len(l) != 1 || l[0].Vanished != 1 || l[0].State != varve.Complete {
		t.Errorf("with a file that vanished: %+v", l)
	}
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte("closed"), 0o644); err != nil {
		t.Fatal(err)
	}
	runs(onOpen("secret", faultfs.Fault{Err: syscall.EACCES}, nil), exitIncomplete)
	if l := list(); len(l) != 2 || l[1].State != varve.Incomplete {
		t.Errorf("with a file that nobody may read: %+v", l)
	}
	if text, err := os.ReadFile(said); err != nil || string(text) != "after\nafter\nfailed\n" {
		t.Errorf("the hooks were %q, %v", text, err)
	}
}

func TestSeed_A9_HooksOfAJobTellTheMachineThatIsBackedUp(t *testing.T) {
	o := start(t, sshtest.Options{})
	o.plant(o.there("src"))
	tell := fmt.Sprintf(`{ run = "(echo \"$VARVE_HOOK $VARVE_JOB $VARVE_RESULT $VARVE_EXIT\"; cat) >>%s", on = "root@far" }`, o.there("told"))
	hooks := "hook = { before = " + tell + ", after = " + tell + ", failed = " + tell + ", finally = " + tell + " }\n"
	o.good(o.pulling(hooks)...)
	o.call(exitIncomplete, o.configure(strings.Replace(o.pulled(), o.far("src"), o.far("src")+`", "`+o.far("gone"), 1))...)
	text, err := os.ReadFile(o.there("told"))
	o.must(err)
	var said []string
	for i, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		if i%2 == 0 {
			said = append(said, line)
			continue
		}
		var facts struct {
			Hook, Job, Result string
			Snapshot          *varve.Snapshot
		}
		if err := json.Unmarshal([]byte(line), &facts); err != nil || facts.Job != "s" || !strings.HasPrefix(said[i/2], facts.Hook+" s "+facts.Result) {
			t.Errorf("standard input was %q: %v", line, err)
		}
		if made := facts.Snapshot != nil; made != (facts.Hook != "before") {
			t.Errorf("%s was told of the snapshot %+v", facts.Hook, facts.Snapshot)
		}
	}
	want := []string{"before s  ", "after s success 0", "finally s success 0", "before s  ", "failed s incomplete 3", "finally s incomplete 3"}
	if !slices.Equal(said, want) {
		t.Errorf("the machine was told %q, want %q", said, want)
	}
}

// pulled returns the configuration as it is.
func (o *over) pulled() string {
	o.Helper()
	text, err := os.ReadFile(o.at("varve.toml"))
	o.must(err)
	return string(text)
}
