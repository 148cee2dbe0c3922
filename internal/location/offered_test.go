package location

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"varve/internal/remote"
)

func TestNothingOutsideOfWhatIsOfferedIsOpened(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	at := func(path string) string { return filepath.Join(dir, path) }
	for _, err := range []error{
		os.MkdirAll(at("offered/sub"), 0o755), os.MkdirAll(at("other"), 0o755), os.MkdirAll(at("offered2"), 0o755),
		os.WriteFile(at("offered/file"), nil, 0o644), os.WriteFile(at("other/file"), nil, 0o644),
		os.Symlink(at("other"), at("offered/out")), os.Symlink("sub", at("offered/in")),
		os.Symlink(at("other/absent"), at("offered/dangling")), os.Symlink("round", at("offered/round")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	within := []string{at("offered")}
	for path, want := range map[string]bool{
		"offered": true, "offered/sub": true, "offered/file": true, "offered/in": true, "offered/in/absent": true, "offered/absent/x": true,
		"offered/dangling": true, // the link itself
		"other":            false, "other/file": false, "offered2": false, "offered/out": false, "offered/out/file": false,
		"offered/out/absent": false, "offered/out/absent/x": false, "offered/../other": false,
		"offered/round": false, "offered/round/x": false, "offered/file/x": false, // nobody can tell where that leads
	} {
		if got := inside(filepath.Clean(at(path)), within); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
	for _, path := range []string{at("other/file"), "../other/file", "out/file", "sub/../../other", "a\x00b"} {
		r := remote.SourceRequest{Sources: []string{path}}
		if _, _, err := Offered(t.Context(), r, within, at("offered"), Options{}); !errors.Is(err, ErrNotOffered) {
			t.Errorf("%q: %v", path, err)
		}
	}
}
