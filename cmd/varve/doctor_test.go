package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDoctorEndsWithOneWhereSomethingIsWrong(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	out, _ := call(t, exitGood, "doctor", dir)
	if !strings.Contains(out, "good     writing: ") {
		t.Errorf("it printed\n%s", out)
	}
	out, errs := call(t, exitFailed, "doctor", dir, filepath.Join(file, "store"))
	if !strings.HasPrefix(out, dir+"\n") || !strings.Contains(out, "\n\n"+file+"/store\n") || !strings.Contains(out, "wrong    place: ") {
		t.Errorf("it printed\n%s", out)
	}
	if !strings.Contains(errs, "doctor: 1 thing is wrong") {
		t.Errorf("on standard error it printed\n%s", errs)
	}
	call(t, exitUsage, "doctor")
}

func TestDoctorLooksAtTheStoreUnlessAPlaceIsNamed(t *testing.T) {
	store := filepath.Join(t.TempDir(), "store")
	call(t, exitGood, "init", store)
	if out, _ := call(t, exitGood, "doctor", "-s", store); !strings.Contains(out, "store: a tree") {
		t.Errorf("it printed\n%s", out)
	}
}

func TestDoctorSaysOnlyWhatMattersWhenQuiet(t *testing.T) {
	dir := t.TempDir()
	out, _ := call(t, exitGood, "doctor", "-q", "--read-only", filepath.Join(dir, "none"))
	if !strings.HasPrefix(out, "warning  ") || strings.Contains(out, "good ") || !strings.Contains(out, "\n         > ") {
		t.Errorf("it printed\n%s", out)
	}
}

func TestDoctorPrintsAnObjectForEachFinding(t *testing.T) {
	dir := t.TempDir()
	out, _ := call(t, exitGood, "doctor", "--json", filepath.Join(dir, "none"))
	mended := 0
	for line := range strings.Lines(out) {
		var f struct{ Event, Place, Level, What, Detail, Mend string }
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		if f.Event != "finding" || f.Place != dir+"/none" || f.Level == "" || f.What == "" || f.Detail == "" {
			t.Errorf("a finding is %s", line)
		}
		if f.Mend != "" {
			mended++
		}
	}
	if mended == 0 {
		t.Errorf("nothing is mended:\n%s", out)
	}
}
