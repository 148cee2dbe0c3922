package match_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"varve/internal/match"
)

// tool returns the path of a program to compare with. Without it the test is skipped, or fails where strictness is asked for.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil && os.Getenv("VARVE_TEST_STRICT") == "1" {
		t.Fatalf("%s is needed to compare with: %v", name, err)
	}
	if err != nil {
		t.Skipf("%s is needed to compare with: %v", name, err)
	}
	return path
}

// tree is a file tree made for a comparison: the paths below root, and which of them are directories.
type tree struct {
	root  string
	paths []string
	dirs  map[string]bool
}

func newTree(t *testing.T) *tree {
	return &tree{root: t.TempDir(), dirs: map[string]bool{}}
}

// add makes the file path, a directory where it ends in "/", and the directories on the way. What is there already stays.
func (tr *tree) add(t *testing.T, path string) {
	t.Helper()
	path, isDir := strings.CutSuffix(path, "/")
	if _, exists := tr.dirs[path]; exists {
		return
	}
	if parent := filepath.Dir(path); parent != "." {
		tr.add(t, parent+"/")
		if !tr.dirs[parent] {
			return
		}
	}
	tr.paths = append(tr.paths, path)
	tr.dirs[path] = isDir
	full := filepath.Join(tr.root, path)
	var err error
	if isDir {
		err = os.Mkdir(full, 0o755)
	} else {
		err = os.WriteFile(full, nil, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// kept returns the paths that m does not exclude.
func (tr *tree) kept(t *testing.T, m *match.Matcher, ignoreFile func(string) ([]*match.Rule, error)) []string {
	t.Helper()
	var kept []string
	for _, path := range tr.paths {
		d, err := m.MatchPath(path, tr.dirs[path], ignoreFile)
		if err != nil {
			t.Fatal(err)
		}
		if !d.Excluded {
			kept = append(kept, path)
		}
	}
	return kept
}

func noIgnoreFile(string) ([]*match.Rule, error) { return nil, nil }

// growth makes random trees and patterns of few different parts, so that they meet often.
type growth struct{ *rand.Rand }

func newGrowth(seed uint64) growth { return growth{rand.New(rand.NewPCG(seed, 1))} }

func (g growth) pick(from ...string) string { return from[g.IntN(len(from))] }

// name returns the name of a file; plain ones hold only what every program prints as it is.
func (g growth) name(plain bool) string {
	names := []string{"a", "b", "ab", "abc", "a.o", "b.o", "core", "a-b", ".x"}
	if !plain {
		names = append(names, " ", "a ", "#a", "!a", `a\b`, "[a]", "*", "a*", "\xff\xfe", "ü", "a\nb", "]", "-", "\t", "A", "a\r")
	}
	return g.pick(names...)
}

func (g growth) path(depth int, plain bool) string {
	names := make([]string, 1+g.IntN(depth))
	for i := range names {
		names[i] = g.name(plain)
	}
	return strings.Join(names, "/")
}

// element returns an element of a pattern. "**" is never a part of one: older versions of git take "a**/b" for "a" and "**/b".
func (g growth) element() string {
	if g.IntN(3) == 0 {
		return g.name(true)
	}
	var b strings.Builder
	for range 1 + g.IntN(3) {
		b.WriteString(g.pick("a", "b", ".o", "c", "?", "*", "*", "[a-c]", "[!a]", "[^b]", `[\]a]`, "[]-]", "[[:alpha:]]", "[[:punct:].]",
			"[a-]", `\a`, `\*`, "[b-a]", "[[:a]", "[a/b]"))
	}
	return strings.ReplaceAll(strings.ReplaceAll(b.String(), "**", "*"), "**", "*")
}

// pattern returns a pattern of up to three elements.
func (g growth) pattern() string {
	elements := make([]string, 1+g.IntN(3)*g.IntN(2))
	for i := range elements {
		elements[i] = g.element()
		if g.IntN(5) == 0 {
			elements[i] = "**"
		}
	}
	return g.pick("", "", "", "/") + strings.Join(elements, "/") + g.pick("", "", "", "/")
}

// ignoreFile returns the text of an ignore file with line ends and spaces of all kinds.
func (g growth) ignoreFile() []byte {
	var b bytes.Buffer
	b.WriteString(g.pick("", "", "\xef\xbb\xbf"))
	for range 1 + g.IntN(8) {
		b.WriteString(g.pick("", "", "", "!", `\!`, `\#`, "#"))
		b.WriteString(g.pattern())
		b.WriteString(g.pick("", "", "", " ", `\ `, `\  `, "\t", `\`, "["))
		b.WriteString(g.pick("\n", "\n", "\r\n", "\n\n", "\n  \n", "\n!\n", "\n/\n", "\r"))
	}
	return b.Bytes()
}
