package match_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"varve/internal/match"
)

func TestGitDecidesTheSame(t *testing.T) {
	t.Parallel()
	git := tool(t, "git")
	tr := newTree(t)
	g := newGrowth(7)
	files := map[string][]byte{}
	for i := range 100 {
		top := fmt.Sprintf("case%d", i)
		for range 25 {
			tr.add(t, top+"/"+g.path(4, false)+g.pick("", "/"))
		}
		files[top] = g.ignoreFile()
		for range 2 {
			if dir := top + "/" + g.path(2, false); tr.dirs[dir] {
				files[dir] = g.ignoreFile()
			}
		}
	}
	for dir, data := range files {
		if err := os.WriteFile(filepath.Join(tr.root, dir, ".gitignore"), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ignoreFile := func(dir string) ([]*match.Rule, error) {
		rules, _ := match.ParseIgnoreFile(dir+"/.gitignore", files[dir]) // git, too, passes over what is wrong
		return rules, nil
	}
	compareWithGit(t, git, tr, match.New(nil, nil), ignoreFile)
}

// compareWithGit compares every decision on tr, and the line that it rests on, with git check-ignore.
func compareWithGit(t *testing.T, git string, tr *tree, m *match.Matcher, ignoreFile func(string) ([]*match.Rule, error)) {
	t.Helper()
	runGit(t, git, tr.root, nil, "init", "-q")
	input := []byte(strings.Join(tr.paths, "\x00") + "\x00")
	output := runGit(t, git, tr.root, input, "-c", "core.ignoreCase=false", "check-ignore", "--no-index", "-v", "-n", "-z", "--stdin")
	fields := strings.Split(strings.TrimSuffix(string(output), "\x00"), "\x00")
	if len(fields) != 4*len(tr.paths) {
		t.Fatalf("git answered with %d fields for %d paths", len(fields), len(tr.paths))
	}
	matched := 0
	for i, path := range tr.paths {
		source, line, pattern := fields[4*i], fields[4*i+1], fields[4*i+2]
		want := ""
		if pattern != "" {
			want = source + ":" + line
			matched++
		}
		d, err := m.MatchPath(path, tr.dirs[path], ignoreFile)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if d.By != nil {
			got = d.By.Origin()
		}
		if excluded := pattern != "" && pattern[0] != '!'; got != want || d.Excluded != excluded {
			t.Errorf("%q: excluded %v by %q (%v), but git says %v by %q (%s)", path, d.Excluded, got, d.By, excluded, want, pattern)
		}
	}
	if matched < len(tr.paths)/10 {
		t.Errorf("only %d of %d paths are matched by a rule: this compares nothing", matched, len(tr.paths))
	}
}

func runGit(t *testing.T, git, dir string, input []byte, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(git, args...)
	cmd.Dir = dir
	cmd.Stdin = bytes.NewReader(input)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "XDG_CONFIG_HOME="+dir, "HOME="+dir,
		"GIT_DIR="+filepath.Join(dir, ".git"), "GIT_WORK_TREE="+dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	output, err := cmd.Output()
	if err != nil && cmd.ProcessState.ExitCode() != 1 { // 1: nothing is ignored
		t.Fatalf("git %s: %v: %s", args[0], err, stderr.Bytes())
	}
	return output
}

func TestEveryByteIsInTheClassesThatGitPutsItIn(t *testing.T) {
	t.Parallel()
	git := tool(t, "git")
	tr := newTree(t)
	files := map[string][]byte{}
	for _, class := range []string{"alnum", "alpha", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "xdigit"} {
		for c := 1; c < 256; c++ {
			if c != '/' {
				tr.add(t, class+"/x"+string([]byte{byte(c)}))
			}
		}
		files[class] = []byte("x[[:" + class + ":]]\n")
	}
	for dir, data := range files {
		if err := os.WriteFile(filepath.Join(tr.root, dir, ".gitignore"), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	compareWithGit(t, git, tr, match.New(nil, nil), func(dir string) ([]*match.Rule, error) {
		return match.ParseIgnoreFile(dir+"/.gitignore", files[dir])
	})
}
