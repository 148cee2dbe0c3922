package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"varve"
	"varve/internal/restore"
)

func TestASignalForProgressNeverEndsTheProgram(t *testing.T) {
	a, _, _ := testApp()
	_, stop := a.watchSignals(func(code int) { t.Errorf("it exits with %d", code) })
	for range 3 { // more than anybody takes
		if err := syscall.Kill(os.Getpid(), syscall.SIGUSR1); err != nil {
			t.Fatal(err)
		}
	}
	<-a.signals
	stop()
	if err := syscall.Kill(os.Getpid(), syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	<-a.signals
}

func TestFileSystemsMadeAtBootAreNotMissed(t *testing.T) {
	a, _, errs := testApp()
	newBackupReport(a, a.newMeter()).leftOut([]string{"dev", "run", "run/user/0", "dev/shm", "device", "home"})
	if text := errs.String(); strings.Count(text, "\n") != 2 || !strings.Contains(text, " /device ") || !strings.Contains(text, " /home ") {
		t.Errorf("printed %q", text)
	}
}

func TestDamageWithoutAPathNamesNone(t *testing.T) {
	e := varve.Event{Kind: varve.Damage, Err: errors.New("manifest x: damaged")}
	for _, json := range []bool{false, true} {
		a, out, errs := testApp()
		a.json = json
		newBackupReport(a, a.newMeter()).event(e)
		a.finding(e)
		if err := a.out.Flush(); err != nil {
			t.Fatal(err)
		}
		if text := out.String() + errs.String(); strings.Contains(text, "/") || strings.Contains(text, "path") || strings.Count(text, "manifest x") != 2 {
			t.Errorf("printed %q", text)
		}
	}
}

func TestThePartsOfALargeFileCountAsBytesAndNotAsFiles(t *testing.T) {
	a, _, _ := testApp()
	m := a.newMeter()
	r := newBackupReport(a, m)
	r.event(varve.Event{Kind: varve.Partly, Bytes: 10})
	r.event(varve.Event{Kind: varve.Done, Bytes: 1})
	back := &restoreReport{restoring: &restoring{app: a}, meter: m}
	back.event(restore.Event{Action: restore.Partly, Bytes: 100})
	back.event(restore.Event{Action: restore.Same, Bytes: 1000})
	if j := m.json(); j.Files != 2 || j.Bytes != 1111 {
		t.Errorf("%+v", j)
	}
}

func TestARestoreIntoTheStoreIsRefusedWhateverPathLeadsThere(t *testing.T) {
	a, _, _ := testApp()
	store := t.TempDir()
	below := filepath.Join(store, "a", "missing", "too")
	if err := os.Mkdir(filepath.Join(store, "a"), 0o755); err != nil {
		t.Fatal(err)
	}
	dir, err := a.open(store)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	info, err := dir.Lookup(".")
	if err != nil {
		t.Fatal(err)
	}
	r := &restoring{app: a}
	for path, want := range map[string]bool{store: true, below: true, filepath.Dir(store): false, "/": false} {
		if got := r.inside(path, []varve.Stamp{info.Stamp}); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}

func TestTheStoreInASourceOfAnyNameSurvivesARestoreInPlaceThatDeletes(t *testing.T) {
	src := filepath.Join(t.TempDir(), "s\xff")
	store := filepath.Join(src, "sub", "store")
	if err := os.MkdirAll(filepath.Dir(store), 0o755); err != nil {
		t.Fatal(err)
	}
	call(t, exitGood, "init", store, "-q")
	call(t, exitGood, "backup", "-s", store, src)
	if err := os.WriteFile(filepath.Join(src, "extra"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	a, _, errs := testApp()
	if code := run(t.Context(), a, []string{"restore", "-s", store, "latest", "--in-place", "--delete"}); code == exitGood {
		t.Errorf("nothing is said about the store: %s", errs)
	}
	call(t, exitGood, "verify", "-s", store)
}
