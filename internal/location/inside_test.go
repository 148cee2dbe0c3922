package location_test

import (
	"os"
	"path/filepath"
	"testing"

	"varve/internal/location"
)

func TestWhatLiesInAStoreIsKnownByEitherName(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	store, other := filepath.Join(dir, "store"), filepath.Join(dir, "store2")
	if err := os.MkdirAll(filepath.Join(store, "s"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(store, filepath.Join(dir, "alias")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path, store string
		in          bool
	}{
		{store, store, true},
		{store + "/s", store, true},
		{store + "/missing/too", store, true},
		{dir + "/alias/s", store, true},
		{store + "/s", dir + "/alias", true},
		{dir + "/alias/missing", dir + "/alias", true},
		{other, store, false},
		{dir, store, false},
		{store, "host:" + store, false},
	} {
		at, err := location.Parse(c.store)
		if err != nil {
			t.Fatal(err)
		}
		if got := location.InStore(c.path, at); got != c.in {
			t.Errorf("InStore(%s, %s) = %v", c.path, c.store, got)
		}
	}
}
