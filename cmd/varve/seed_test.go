package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"varve"
	"varve/internal/disk/faultfs"
)

// onOpen returns what befalls the opening of the file called name in any directory.
func onOpen(name string, fault faultfs.Fault, do func()) *faultfs.Injector {
	inj := &faultfs.Injector{At: 1, Fault: fault, Filter: func(op faultfs.Op) bool {
		return op.Method == "FS.Open" && strings.HasSuffix(op.Name, "/"+name)
	}}
	if do != nil {
		inj.Do = func(faultfs.Op) { do() }
	}
	return inj
}

// newest returns what varve snapshots tells of the newest one.
func (g *ground) newest() varve.Snapshot {
	g.Helper()
	list := g.list()
	if len(list) == 0 {
		g.Fatal("there is no snapshot")
	}
	return list[len(list)-1]
}

func TestSeed_HF7_A6_AFileThatVanishesWhileItIsReadIsCountedAndNoFailure(t *testing.T) {
	g := newGround(t, memoryDir(t))
	g.backup()
	g.write("vanishing", "soon gone")
	vanish := onOpen("vanishing", faultfs.Fault{}, func() { _ = os.Remove(filepath.Join(g.src, "vanishing")) })
	code, errs := g.under(vanish, g.backupArgs()...)
	if code != exitGood || errs != "" {
		t.Errorf("exit code %d, printed %q", code, errs)
	}
	if s := g.newest(); s.Seq != 2 || s.Vanished != 1 || s.Skipped != 0 || s.State != varve.Complete {
		t.Errorf("%+v", s)
	}
	g.now = takeCensus(t, g.src) // without the file
	delete(g.states, g.newest().ID)
	g.call(exitGood, "verify")
	// After that, what comes after a success does its work.
	g.call(exitGood, "forget", "--keep-last", "1")
	if list := g.list(); len(list) != 1 || list[0].Vanished != 1 {
		t.Errorf("%+v is left", list)
	}
}

func TestSeed_HF7_AnUnreadableFileCostsItselfAndMarksTheSnapshot(t *testing.T) {
	g := newGround(t, memoryDir(t))
	g.backup()
	g.write("dir/secret", "closed")
	code, errs := g.under(onOpen("secret", faultfs.Fault{Err: syscall.EACCES}, nil), g.backupArgs()...)
	if code != exitIncomplete || !strings.Contains(errs, "varve: warning: skipped: "+g.src+"/dir/secret: permission denied\n") {
		t.Errorf("exit code %d, printed %q", code, errs)
	}
	s := g.newest()
	if s.Seq != 2 || s.Skipped != 1 || s.State != varve.Incomplete {
		t.Errorf("%+v", s)
	}
	out, _ := g.call(exitGood, "ls", "-R", s.ID.String()+":"+g.src)
	if strings.Contains(out, "secret") || !strings.Contains(out, "/dir/file\n") || !strings.Contains(out, "/zz linked\n") {
		t.Errorf("the snapshot holds\n%s", out)
	}
	// It never takes the place of a good one, and is not the last one that retention leaves.
	g.call(exitGood, "forget", "--keep-last", "1")
	if list := g.list(); len(list) != 2 || !list[0].State.Good() {
		t.Errorf("%+v is left", list)
	}
	g.sound()
}

func TestSeed_HF8_AnInterruptedRunIsNeitherASnapshotNorLatest(t *testing.T) {
	template := newGround(t, memoryDir(t))
	template.backup()
	before := template.newest()
	template.change()
	work := memoryDir(t)
	seen := map[int]bool{}
	for at := 5; at < 280; at += 25 {
		g := template.copy(t, filepath.Join(work, strconv.Itoa(at)))
		args := append([]string{"-s", g.store}, g.backupArgs()...)
		text, err := finish(child(t, []string{"VARVE_TEST_KILL_AT=" + strconv.Itoa(at)}, args...))
		if !killed(t, "backup", text, err) {
			break // the run has fewer operations
		}
		partial, err := filepath.Glob(filepath.Join(g.store, ".varve/partial/*"))
		g.must(err)
		seen[len(partial)] = true
		if s := g.newest(); s.ID != before.ID {
			continue // it was killed when the snapshot was there
		}
		if target, err := os.Readlink(filepath.Join(g.store, "s/latest")); err != nil || target != filepath.Base(before.Location) {
			t.Errorf("killed at operation %d: latest is %s, %v", at, target, err)
		}
		out, _ := g.call(exitGood, "snapshots", "--json", "latest")
		var list []varve.Snapshot
		g.must(json.Unmarshal([]byte(out), &list))
		if len(list) != 1 || list[0].ID != before.ID {
			t.Errorf("killed at operation %d: latest means %+v", at, list)
		}
		g.backup() // builds on the good one, and on what the interrupted run has finished
		g.sound()
		g.tidy()
	}
	if !seen[1] {
		t.Error("no run was interrupted while it made a snapshot")
	}
}

func TestSeed_HF10_SeriesOfOneStoreAreWrittenAtOnceAndOneSeriesOnce(t *testing.T) {
	g := newGround(t, memoryDir(t))
	for _, series := range []string{"web", "mail"} {
		g.call(exitGood, "backup", "--init", "--series", series, g.src)
	}
	g.write("new", "new")
	g.now = takeCensus(t, g.src)
	inside, leave := make(chan struct{}), make(chan struct{})
	done := make(chan int)
	go func() {
		hold := onOpen("new", faultfs.Fault{}, func() { close(inside); <-leave })
		code, errs := g.under(hold, "backup", "--series", "web", g.src)
		if code != exitGood {
			t.Errorf("the first: exit code %d: %s", code, errs)
		}
		done <- code
	}()
	<-inside

	for _, args := range [][]string{{"backup", "--series", "web", g.src}, {"forget", "--force", "--series", "web", "latest"}} {
		if code, errs := g.under(&faultfs.Injector{}, args...); code != exitBusy || !strings.Contains(errs, "series web: ") {
			t.Errorf("%q: exit code %d, printed %q", args, code, errs)
		}
	}
	g.call(exitGood, "backup", "--series", "mail", g.src)
	g.call(exitGood, "backup", "--series", "fresh", g.src)
	g.call(exitGood, "forget", "--series", "mail", "--keep-last", "1")
	g.call(exitGood, "verify")
	g.call(exitGood, "restore", "--series", "web", "latest:"+g.src, "-t", g.out) // reading never waits
	close(leave)
	<-done

	for series, want := range map[string]int{"web": 2, "mail": 1, "fresh": 1} {
		out, _ := g.call(exitGood, "snapshots", "--series", series)
		if n := strings.Count(out, "\n") - 1; n != want {
			t.Errorf("series %s has %d snapshots, want %d", series, n, want)
		}
		to := filepath.Join(t.TempDir(), series)
		g.call(exitGood, "restore", "--series", series, "latest:"+g.src, "-t", to)
		if d := takeCensus(t, to).differences(g.now); d != "" {
			t.Errorf("series %s:\n%s", series, d)
		}
	}
	g.call(exitGood, "verify")
}
