package disk_test

import (
	"errors"
	"io/fs"
	"testing"

	"varve/internal/disk"
)

func TestResolveFollowsSymlinksWithinTheTop(t *testing.T) {
	root, c := memory(t)
	grow(t, root, "a", "a/b", "a/b/c", "d")
	for name, target := range map[string]string{
		"rel": "a/b", "abs": "/a/b", "out": "../../../../a", "top": "/", "dots": "./a/./../a//b/", "twice": "rel/c", "self": "self",
		"ping": "pong", "pong": "ping", "gone": "nowhere", "file-below": "f/x",
	} {
		ok(t, root.Symlink(name, target))
	}
	f, err := root.Create("f", 0o600)
	ok(t, err)
	ok(t, f.Close())
	d, err := root.OpenDir("d")
	ok(t, err)
	ok(t, d.Symlink("up", "../a"))
	ok(t, d.Close())
	for _, tt := range []struct {
		path, want string
		err        error
	}{
		{"", "", nil},
		{"a/b/c", "a/b/c", nil},
		{"f", "f", nil},
		{"rel/c", "a/b/c", nil},
		{"abs/c", "a/b/c", nil},
		{"out/b", "a/b", nil},
		{"top/rel", "a/b", nil},
		{"top", "", nil},
		{"dots/c", "a/b/c", nil},
		{"twice", "a/b/c", nil},
		{"d/up/b", "a/b", nil},
		{"rel/..", "a", nil},
		{"rel/../../d", "d", nil},
		{"../../d", "d", nil},
		{"self", "", disk.ErrKind},
		{"ping/x", "", disk.ErrKind},
		{"gone", "", fs.ErrNotExist},
		{"a/none/c", "", fs.ErrNotExist},
		{"f/x", "", disk.ErrKind},
		{"file-below", "", disk.ErrKind},
	} {
		got, err := disk.Resolve(root, tt.path)
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("Resolve(%q) = %q, %v, want %q, %v", tt.path, got, err, tt.want, tt.err)
		}
	}
	if open := c.open.Load(); open != 1 {
		t.Errorf("%d directories are left open, want the top alone", open)
	}
}

func TestResolveAllowsFortySymlinksAsLinuxDoes(t *testing.T) {
	root, _ := memory(t)
	grow(t, root, "end")
	name := "end"
	for i := range 41 {
		next := string(rune('A' + i))
		ok(t, root.Symlink(next, name))
		name = next
	}
	if got, err := disk.Resolve(root, string(rune('A'+39))); got != "end" || err != nil {
		t.Errorf("40 symlinks: %q, %v", got, err)
	}
	if _, err := disk.Resolve(root, name); !errors.Is(err, disk.ErrKind) {
		t.Errorf("41 symlinks: %v, want ErrKind", err)
	}
}

func TestOpenPathFollowsNothing(t *testing.T) {
	root, c := memory(t)
	grow(t, root, "a", "a/b")
	ok(t, root.Symlink("l", "a"))
	if f, err := disk.OpenPath(root, ""); err != nil || f != root {
		t.Errorf("OpenPath of the top: %v, %v", f, err)
	}
	if _, err := disk.OpenPath(root, "l/b"); !errors.Is(err, disk.ErrKind) {
		t.Errorf("OpenPath through a symlink: %v, want ErrKind", err)
	}
	if _, err := disk.OpenPath(root, "a/b/c/d"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("OpenPath of what does not exist: %v", err)
	}
	f, err := disk.OpenPath(root, "a/b")
	ok(t, err)
	ok(t, f.Close())
	if open := c.open.Load(); open != 1 {
		t.Errorf("%d directories are left open", open)
	}
}
