package location

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"varve"
	"varve/internal/disk"
	"varve/internal/disk/osfs"
)

func TestAPlaceThatIsNoStoreIsToldApart(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, spec := range []string{dir, file, filepath.Join(dir, "nowhere"), filepath.Join(dir, "no", "where"), filepath.Join(file, "x")} {
		if _, err := Open(t.Context(), spec, Options{}); !errors.Is(err, varve.ErrNoStore) {
			t.Errorf("%s: %v", spec, err)
		}
	}
}

func TestInitMakesMissingDirectoriesAndIsNotRepeated(t *testing.T) {
	spec := filepath.Join(t.TempDir(), "a", "b", "store")
	if err := Init(t.Context(), spec, Options{}); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(spec)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	place, err := Open(t.Context(), spec, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer place.Close()
	if place.Path != spec || len(place.Skip) != 1 || place.Skip[0].Ino == 0 {
		t.Errorf("%+v", place)
	}
	// A snapshot's directory stands in front of the control directory's name; it is a store nevertheless.
	for _, name := range []string{"-series", "zeries"} {
		if err := os.Mkdir(filepath.Join(spec, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := Init(t.Context(), spec, Options{}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second time: %v", err)
	}
}

func TestInitTakesNoDirectoryInUse(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Init(t.Context(), dir, Options{}); !errors.Is(err, disk.ErrNotEmpty) {
		t.Errorf("%v", err)
	}
	if err := Init(t.Context(), filepath.Join(dir, "file"), Options{}); err == nil {
		t.Error("a file became a store")
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := Init(t.Context(), filepath.Join(dir, "link"), Options{}); err == nil {
		t.Error("a symlink to nowhere became a store")
	}
}

func TestTheDiskIsTheOneThatIsHandedIn(t *testing.T) {
	spec := filepath.Join(t.TempDir(), "store")
	var opened []string
	opts := Options{OpenDir: func(path string) (disk.FS, error) {
		opened = append(opened, path)
		return osfs.Open(path)
	}}
	if err := Init(t.Context(), spec, opts); err != nil || len(opened) == 0 {
		t.Fatalf("%v, %v", opened, err)
	}
	broken := errors.New("test")
	opts.OpenDir = func(string) (disk.FS, error) { return nil, broken }
	if _, err := Open(t.Context(), spec, opts); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	if err := Init(t.Context(), spec, opts); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}

func TestACancelledContextOpensNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	spec := filepath.Join(t.TempDir(), "store")
	if err := Init(ctx, spec, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(spec); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}
