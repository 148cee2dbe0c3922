package sshtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Dir makes an empty directory that ends with the test. With a uid of 0 or more it belongs to that user and group, and needs root.
// Unlike those of testing.T it can be reached by everybody, and its path needs no quoting anywhere.
func Dir(t testing.TB, uid int) string {
	t.Helper()
	top, err := os.MkdirTemp("", "sshtest-")
	if err != nil {
		t.Fatalf("make a directory: %v", err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(top); err != nil {
			t.Errorf("remove a directory: %v", err)
		}
	})
	if strings.ContainsAny(top, " \t\n\"'\\%$#:") {
		missing(t, "the path of temporary files would need quoting: %q", top)
	}
	chmod(t, top, 0o711)
	dir := filepath.Join(top, "d")
	mkdir(t, dir, uid)
	return dir
}

// mkdir makes a directory, whatever the umask.
func mkdir(t testing.TB, dir string, uid int) {
	t.Helper()
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatalf("make a directory: %v", err)
	}
	chmod(t, dir, 0o755)
	if uid < 0 {
		return
	}
	if err := os.Chown(dir, uid, uid); err != nil {
		missing(t, "give a directory away: %v", err)
	}
}

// write writes a file of the rig's own, all at once and whatever the umask, and returns its path.
func (s *Server) write(t testing.TB, name, content string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path+".new", []byte(content), 0o600); err != nil {
		t.Fatalf("write: %v", err)
	}
	chmod(t, path+".new", mode)
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatalf("write: %v", err)
	}
	return path
}

func chmod(t testing.TB, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatalf("change mode: %v", err)
	}
}

// find returns the absolute path of a program in PATH or one of these directories.
func find(name string, dirs ...string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return filepath.Abs(path)
	}
	for _, dir := range dirs {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("find %s: %w", name, exec.ErrNotFound)
}

// missing ends a test because of what the machine lacks.
func missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("VARVE_TEST_STRICT") == "1" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}
