//go:build linux

package rsync

import (
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"varve/internal/match"
)

// paths returns everything below dir, relative to it.
func paths(t *testing.T, dir string) (found []string) {
	t.Helper()
	ok(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if rel := strings.TrimPrefix(strings.TrimPrefix(path, dir), "/"); rel != "" {
			if d.IsDir() {
				rel += "/"
			}
			found = append(found, rel)
		}
		return err
	}))
	return found
}

func TestRsyncLeavesOutWhatVarveWouldLeaveOut(t *testing.T) {
	t.Parallel()
	rsync := needRsync(t)
	src, dst := t.TempDir(), t.TempDir()
	for _, path := range []string{"a", "b/a", "b/c/a", "b/c/d/a", "b/x.o", "x.o", "c/x.oo", "c/.x", "d e/f", "b/ab", "b/abc", "ab/c", "a b", "b/c/d/e/f/a",
		"cache/x/y", "b/cache/keep/z", "[x]/q", "x/[x]"} {
		write(t, src+"/"+path, path)
	}
	all := paths(t, src)
	for _, patterns := range []string{
		"a", "a/", "b", "b/", "/a", "/b/a", "b/a", "*.o", "/*.o", "b/*", "b/*/a", "b/**", "b/**/a", "**/a", "**/c/a", "**/c/**", "/**", "**", "**/",
		"*", "?", "b/?", "[ab]", "[!a]", "[a-c]/", "x.o**", "a**", "b/a**", "*b*", ".*", "d e", "d e/f", "a b", "c/**/", "/**/a",
		"*.o|!x.o", "!x.o|*.o", "b/*|!b/c|!b/c/", "b|!b/c/a", "*|!*/|!a", "cache/*|!keep", "cache/*|!cache/keep/", "**/d/**|!**/e/|!a", "*/c", "b/c/**/f",
	} {
		list := strings.Split(patterns, "|")
		var rules []*match.Rule
		for _, p := range list {
			r, err := match.Parse(p, "test")
			ok(t, err)
			rules = append(rules, r)
		}
		args, err := filterRules(list)
		ok(t, err)
		out, err := exec.CommandContext(t.Context(), rsync, append(args, "-rn", "--out-format=%n", src+"/", dst+"/")...).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", patterns, err, out)
		}
		got := strings.FieldsFunc(strings.TrimPrefix(string(out), "./\n"), func(r rune) bool { return r == '\n' })
		slices.Sort(got)
		m := match.New(rules, nil)
		want := slices.Clone(all)
		want = slices.DeleteFunc(want, func(path string) bool {
			bare, isDir := strings.CutSuffix(path, "/")
			d, err := m.MatchPath(bare, isDir, noRules)
			ok(t, err)
			return d.Excluded
		})
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s, for rsync %q:\ngot  %q\nwant %q", patterns, args, got, want)
		}
	}
}

func TestPatternsThatRsyncCannotExpressAreErrors(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{"", "!", "/", `a\*`, "a***", "**/**/a", "a/**/b/**/c", "a\nb", "a\x00"} {
		if args, err := filterRules([]string{"good", pattern}); err == nil || !strings.Contains(err.Error(), "cannot be handed to rsync") {
			t.Errorf("%q: %q, %v", pattern, args, err)
		}
	}
	if _, err := filterRules(slices.Repeat([]string{"x"}, maxRules+1)); err == nil {
		t.Error("any number of patterns is taken")
	}
}

// noRules is for directories without ignore files.
func noRules(string) ([]*match.Rule, error) { return nil, nil }
