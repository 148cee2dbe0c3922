package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// readme returns the lines of the indented blocks in a section of the README, without comments at their ends; those before the first
// section where it is empty.
func readme(t *testing.T, section string) (lines []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(checkout, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	at := ""
	for line := range strings.Lines(string(text)) {
		if heading, ok := strings.CutPrefix(line, "## "); ok {
			at = strings.TrimSpace(heading)
		}
		if code, indented := strings.CutPrefix(line, "    "); indented && at == section {
			code, _, _ = strings.Cut(code, " #")
			lines = append(lines, strings.TrimSpace(code))
		}
	}
	if len(lines) == 0 {
		t.Fatalf("the README has no commands in the section %q", section)
	}
	return lines
}

// tool runs a program of the system in dir, and skips the test where there is none.
func tool(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil && os.Getenv("VARVE_TEST_STRICT") != "1" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(path, args...)
	c.Dir = dir
	text, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, text)
	}
	return string(text)
}

// checkout is the top of the project.
const checkout = "../.."

func TestTheReadmesTwoCommandsWork(t *testing.T) {
	first := readme(t, "")
	want := []string{"go run ./cmd/varve backup --init -s /tmp/store /etc", "make test"}
	if !slices.Equal(first, want) {
		t.Fatalf("the first commands of the README are %q, want %q", first, want)
	}
	if makefile, err := os.ReadFile(filepath.Join(checkout, "Makefile")); err != nil || !strings.Contains(string(makefile), "\ntest:") {
		t.Errorf("make test: %v, or there is no such target", err)
	}
	store, src := filepath.Join(t.TempDir(), "store"), t.TempDir()
	if err := os.WriteFile(filepath.Join(src, "file"), []byte("content"), 0o644); err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(strings.NewReplacer("/tmp/store", store, "/etc", src).Replace(first[0]))
	if text := tool(t, checkout, words[0], words[1:]...); text != "" {
		t.Errorf("it printed %q", text)
	}
	call(t, exitGood, "restore", "-s", store, "latest:"+src+"/file", "-t", filepath.Join(t.TempDir(), "out"))
}

func TestTheReadmesFirstBackupAndRestoreWorkFromAnEmptyDirectory(t *testing.T) {
	bin, top, empty := filepath.Join(t.TempDir(), "varve"), t.TempDir(), t.TempDir()
	tool(t, checkout, "go", "build", "-buildvcs=false", "-o", bin, "./cmd/varve")
	for _, name := range []string{"etc/hosts", "home/u/notes/one", "var/cache/x"} {
		path := filepath.Join(top, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	commands := append(readme(t, "The first backup"), readme(t, "Restore")...)
	script := "set -e\n"
	for _, line := range commands {
		// All paths but those of --exclude are of another system.
		line = strings.NewReplacer("latest:/", "latest:"+top+"/", "-e /", "-e /", " /", " "+top+"/", "=/", "="+top+"/").Replace(line)
		script += line + "\n"
		if strings.Contains(line, " backup ") {
			script += line + "\n" // as often as you like
		}
	}
	t.Setenv("PATH", filepath.Dir(bin)+":"+os.Getenv("PATH"))
	text := tool(t, empty, "sh", "-c", script)
	if !strings.Contains(text, top+"/etc/hosts\n") || !strings.Contains(text, "keep") {
		t.Errorf("they printed\n%s", text)
	}
	if data, err := os.ReadFile(filepath.Join(top, "tmp/etc/hosts")); err != nil || string(data) != "etc/hosts" {
		t.Errorf("restored %q, %v", data, err)
	}
	store := filepath.Join(top, "backup")
	if out, _ := call(t, exitGood, "ls", "-R", "-s", store, "latest"); strings.Contains(out, "var/cache") || strings.Contains(out, "/backup/") {
		t.Errorf("the snapshot holds\n%s", out)
	}
	if len(commands) < 8 {
		t.Errorf("the README has only %q", commands)
	}
	if names, err := os.ReadDir(empty); err != nil || len(names) > 0 {
		t.Errorf("left in the working directory: %v, %v", names, err)
	}
}
