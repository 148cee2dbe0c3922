package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestAVolumeIsAnEmptyFileSystemOfItsOwnAndLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	if err := canMount(t.Context(), dir); err != nil {
		if os.Getenv("VARVE_TEST_STRICT") == "1" {
			t.Fatal(err)
		}
		t.Skipf("file systems cannot be made here: %v", err)
	}
	v, err := newVolume(t.Context(), dir, "v", census{files: 10, bytes: 1 << 20}, false)
	if err != nil {
		t.Fatal(err)
	}
	defer v.close() // a second call does nothing
	if !mounted(v.dir) || len(names(t, v.dir)) != 0 {
		t.Errorf("mounted: %v; holds %v", mounted(v.dir), names(t, v.dir))
	}
	if err := os.WriteFile(filepath.Join(v.dir, "file"), []byte("text"), 0o644); err != nil {
		t.Error(err)
	}
	if err := v.close(); err != nil {
		t.Error(err)
	}
	if left := names(t, dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestAVolumeThatCannotBeMadeLeavesNothing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	dir := t.TempDir()
	if _, err := newVolume(t.Context(), dir, "v", census{}, false); err == nil {
		t.Error("no error without mkfs")
	}
	if left := names(t, dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}
