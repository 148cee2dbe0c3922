package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// farRunner returns a runner with a far side, which the programs of these names reach. Without an sshd the test is skipped.
func farRunner(t *testing.T, varve string, names ...string) *runner {
	t.Helper()
	need(t, "ssh", "ssh-keygen", "rsync")
	if _, err := sshdProgram(); err != nil {
		if os.Getenv("VARVE_TEST_STRICT") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	r := testRunner(t)
	dir, err := os.MkdirTemp("", "varve-bench-test-*") // the name of the test's own says more than ssh can take
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	r.dir, r.opts.varve, r.tick = dir, varve, 1100*time.Millisecond // rsync compares whole seconds
	if r.far, err = startFarSide(t.Context(), filepath.Join(dir, "ssh")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // also after a test that has cleaned up: a second time does nothing
		if err := r.far.stop(); err != nil {
			t.Error(err)
		}
	})
	for _, name := range names {
		r.peers = append(r.peers, r.newPeer(name))
	}
	return r
}

// smallJob is smallSet with something to do over ssh, and a round trip of a millisecond.
func smallJob(name string) set {
	s, job := smallSet(), newN(name, time.Millisecond, 1)
	s.name, s.job, s.trip = job.name, job.job, job.trip
	return s
}

func TestEveryJobIsDoneOverARealConnection(t *testing.T) {
	varve := fakeVarve(t)
	for _, j := range jobs() {
		t.Run(j.name, func(t *testing.T) {
			t.Parallel()
			r := farRunner(t, varve, treeSFTP, vaultSSH, rsyncSSH)
			var b bytes.Buffer
			if err := r.setAndReport(t.Context(), smallJob(j.name), &b); err != nil {
				t.Fatal(err)
			}
			report := strings.Join(strings.Fields(b.String()), " ")
			if strings.Contains(report, "failed") || strings.Contains(report, "DIFFERS") || strings.Contains(report, "CANNOT") {
				t.Errorf("the report:\n%s", &b)
			}
			for _, p := range r.peersFor(smallJob(j.name)) {
				if want := p.name() + ": the restore is identical"; isOurs(p.name()) && !strings.Contains(report, want) {
					t.Errorf("nothing says %q:\n%s", want, &b)
				}
			}
			if err := r.cleanUp(); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(r.dir); !os.IsNotExist(err) {
				t.Errorf("the work directory: %v", err)
			}
		})
	}
}

// What is only compared with may be missing, as the means to mount may.
func TestAPeerOnAMountBacksUpTheFarSource(t *testing.T) {
	t.Parallel()
	if _, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0); err != nil {
		t.Skip(err)
	}
	r := farRunner(t, "", sshfsRsync)
	if _, err := r.peers[0].version(t.Context()); err != nil {
		t.Skip(err)
	}
	r.opts.keep = true
	res, err := r.set(t.Context(), smallJob(jobPull))
	if err != nil {
		t.Fatal(err)
	}
	for _, note := range res.notes {
		t.Error(note)
	}
	work := filepath.Join(r.dir, res.set.id()+"-1-"+sshfsRsync)
	if got, want := fingerprint(t, filepath.Join(work, "store", "2")), fingerprint(t, filepath.Join(r.dir, "source-"+res.set.id(), "data")); got != want {
		t.Error("the last copy is not the source")
	}
	if left := names(t, filepath.Join(work, "scratch", "mount")); len(left) > 0 {
		t.Errorf("still mounted: %v", left)
	}
}

func TestAProgramOnAMountThatIsKilledLeavesNoMount(t *testing.T) {
	t.Parallel()
	if _, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0); err != nil {
		t.Skip(err)
	}
	r := farRunner(t, "")
	p := sshfs{peer: sleeper{started: func() {}}, line: r.far.line()}
	if _, err := p.version(t.Context()); err != nil {
		t.Skip(err)
	}
	r.peers, r.opts.limit = []peer{p}, 500*time.Millisecond
	s := smallJob(jobPull)
	s.job.peers = []string{p.name()}
	source := ""
	build := s.build
	s.build = func(ctx context.Context, dir, work string) error {
		source = dir
		return build(ctx, dir, work)
	}
	r.opts.keep = true
	res, err := r.set(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if notes := strings.Join(res.notes, "\n"); !strings.Contains(notes, "no figures from first on: it took longer than the limit of 500ms") {
		t.Errorf("notes: %s", notes)
	}
	before := fingerprint(t, source)
	if mount := filepath.Join(r.dir, s.id()+"-1-"+p.name(), "scratch", "mount"); mounted(mount) || len(names(t, mount)) > 0 {
		t.Error("the source is still mounted")
	}
	if err := r.closeFrom(1); err != nil {
		t.Error(err)
	}
	if fingerprint(t, source) != before {
		t.Error("removing the volume changed the source")
	}
}

func TestWhoTakesTooLongIsLeftOutOfLaterRounds(t *testing.T) {
	t.Parallel()
	need(t, "rsync", "sleep")
	var starts atomic.Int64
	r := testRunner(t, sleeper{started: func() { starts.Add(1) }})
	r.opts.rounds, r.opts.limit = 3, 100*time.Millisecond
	res, err := r.set(t.Context(), unchanging())
	if err != nil {
		t.Fatal(err)
	}
	if starts.Load() != 1 || len(res.samples) != 0 || len(res.notes) != 1 {
		t.Errorf("started %d times; %d samples; notes %q", starts.Load(), len(res.samples), res.notes)
	}
}

func TestAFarSideIsRefusedWhereSSHWouldNotUnderstandItsPath(t *testing.T) {
	for _, name := range []string{"a b", "a%h", "a'b", "ä", "a,b"} {
		if _, err := startFarSide(t.Context(), filepath.Join(t.TempDir(), name)); err == nil {
			t.Errorf("%q was accepted", name)
		}
	}
}

func TestTheReportOfAPullNamesOursInEveryRatio(t *testing.T) {
	r := &results{set: newN(jobPull, 20*time.Millisecond, 1), rounds: 1, peers: []string{treeSFTP, treeSSH, rsyncSSH, sshfsRdiff}}
	r.late = map[string]bool{rsyncSSH: true}
	for name, seconds := range map[string]int{treeSFTP: 12, treeSSH: 11, rsyncSSH: 10, sshfsRdiff: 230} {
		took := time.Duration(seconds) * time.Second
		r.add(sample{stepFirst, name, usage{took, took, 10e6}, 100e6})
	}
	var b bytes.Buffer
	if err := r.print(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"over ssh, 20ms round trip", "first varve-sftp 12.00 12.00 10.0 100.0 peak ≤ 256 MiB yes", "varve-ssh 11.00",
		"rsync-ssh 10.00 10.00 10.0 100.0 1.200 1.200 1.000 1.000 varve-sftp wall ≤ 1.3 yes",
		"1.100 1.100 1.000 1.000 varve-ssh wall ≤ 1 NO",
		"sshfs-rdiff-backup 230.00 230.00 10.0 100.0 0.052 0.052 1.000 1.000 varve-sftp wall ≤ 0.05 NO",
		"0.048 0.048 1.000 1.000 varve-ssh wall ≤ 0.05 yes", "unchanged varve-sftp failed varve-ssh failed rsync-ssh too long sshfs-rdiff-backup failed",
	} {
		if !strings.Contains(strings.Join(strings.Fields(b.String()), " "), want) {
			t.Errorf("the report lacks %q:\n%s", want, &b)
		}
	}
}

func TestTheFarSideHasItsOwnWordsOnTheCommandLine(t *testing.T) {
	opts, err := parse(strings.Fields("-far 0,20ms -sets pull,vault"), io.Discard)
	if err != nil || !slices.Equal(opts.far, []time.Duration{0, 20 * time.Millisecond}) || !slices.Equal(opts.peers, farNames()) {
		t.Errorf("got %+v, %v", opts, err)
	}
	var ids []string
	for _, s := range opts.allSets() {
		ids = append(ids, s.id())
	}
	if want := "pull-0s vault-0s pull-20ms vault-20ms"; strings.Join(ids, " ") != want {
		t.Errorf("the sets are %v, want %s", ids, want)
	}
	for _, args := range []string{"-far=", "-far 1", "-far -1ms", "-far 1h", "-far 0,0s", "-far 0 -sets A", "-far 0 -peers rsync", "-sets pull", "-limit 2h", "-limit -1s"} {
		if _, err := parse(strings.Fields(args), io.Discard); err == nil {
			t.Errorf("%q was accepted", args)
		}
	}
}
