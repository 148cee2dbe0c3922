package match_test

import (
	"fmt"
	"strings"
	"testing"

	"varve/internal/match"
)

func TestPatternsMatchAsGitignoreSays(t *testing.T) {
	tests := []struct {
		pattern string
		yes     string // paths that match, separated by "|"; those of directories end in "/"
		no      string
	}{
		{"core", "core|a/core|a/b/core/", "cores|core.c|Core|xcore"},
		{"core/", "core/|a/core/", "core|a/core"},
		{"/core", "core|core/", "a/core"},
		{"a/core", "a/core|a/core/", "core|b/a/core"},
		{"/a/core/", "a/core/", "a/core|b/a/core/"},
		{"*.o", "x.o|a/x.o|.o|a/.o", "x.oo|x.o.c|a.o/x"},
		{"*", "a|a/b|.x", ""},
		{"**", "a|a/b", ""},
		{"/*", "a|a/", "a/b"},
		{"/a*", "a|ab", "a/b|b/a"},
		{"a*b", "ab|axxb|x/aab", "a/b|abx"},
		{"a*b*c*", "abc|aXbXcX|abbcc", "acb|ab"},
		{"?", "a|x/b|\xff", "ab|ü"},
		{"a?c", "abc|x/a\nc", "ac|abbc|a/c"},
		{"[abc]", "a|b|c", "d|ab|[abc]"},
		{"[!abc]", "d|]|!", "a|/|dd"},
		{"[^abc]", "d|^", "a|b"},
		{"[a-c]x", "ax|cx", "dx|-x"},
		{"[]a]", "]|a", "b|[]a]"},
		{"[!]a]", "b", "]|a"},
		{"[a-]", "a|-", "b"},
		{`[\]]`, "]", `\`},
		{`[\a-c]`, "a|b|c", `\|-`},
		{"[b-a]", "b", "a"},
		{"[[:digit:]x]", "7|x", "d|:"},
		{"[[:]", "[|:", "]"},
		{"[\x80-\xff]", "\x80|\xfe", "a"},
		{"a[!x]b", "a.b", "a/b|axb"},
		{"**/b", "b|a/b|x/a/b", "ab|b/x"},
		{"**/a/b", "a/b|x/a/b", "a/x/b|xa/b"},
		{"a/**", "a/b|a/b/c", "a|xa/b|b/a/c"},
		{"a/**/b", "a/b|a/x/b|a/x/y/b", "ab|a/xb|x/a/b"},
		{"a/**/b/**/c", "a/b/c|a/x/b/y/z/c|a/b/b/c/c", "a/c|a/b/cc|a/c/b"},
		{"**/", "a/|a/b/", "a|a/b"},
		{"a/**/", "a/b/", "a/|a/b"},
		{"/**/b", "b|a/b", "ab"},
		{"a**/b", "a/b|axx/b", "a/x/b|ax/y/b|ab"},
		{"x/a**b", "x/ab|x/axb", "x/a/b"},
		{"a/***/b", "a/b|a/x/b", "ab"},
		{"*/b", "a/b|.x/b", "b|a/x/b"},
		{`\#a`, "#a", `a|\#a`},
		{`\!a`, "!a", "a"},
		{`a\*`, "a*", "ab|a"},
		{`\a\b`, "ab", `\a\b`},
		{`a\\b`, `a\b`, "ab"},
		{"#a", "#a|x/#a", "a"},
		{" a ", " a ", "a|a |_ a"},
		{"a\nb", "a\nb", "a|b"},
	}
	for _, test := range tests {
		m := match.New(parse(t, test.pattern), nil)
		for want, paths := range map[bool]string{true: test.yes, false: test.no} {
			for path := range strings.SplitSeq(paths, "|") {
				path, isDir := strings.CutSuffix(path, "/")
				if got, _ := m.Match(path, isDir); got != want {
					t.Errorf("%q on %q (directory %v): excluded %v, want %v", test.pattern, path, isDir, got, want)
				}
			}
		}
	}
}

func TestPatternsThatCannotMatchAreErrors(t *testing.T) {
	for pattern, cause := range map[string]string{
		"":            "empty",
		"!":           "empty",
		"/":           "empty",
		"!/":          "empty",
		"a\\":         "escapes nothing",
		`a\/`:         "escapes nothing",
		"[":           "not closed",
		"a[b":         "not closed",
		"[]":          "not closed",
		"[!]":         "not closed",
		"[a-":         "not closed",
		`[a\]`:        "not closed",
		`[a\`:         "not closed",
		"[[:alpha:":   "not closed",
		"[[:alpha:]":  "not closed",
		"[[:letter:]": "not closed",
		"[[:word:]]":  `no character class "word"`,
		"[[::]]":      `no character class ""`,
		"a//b":        "nothing between",
		"//a":         "nothing between",
		"a//":         "nothing between",
		`\/a`:         "nothing between",
		"**//a":       "nothing between",
		"./a":         "never match",
		"../a":        "never match",
		"a/./b":       "never match",
		"..":          "never match",
		"a\x00b":      "NUL",
	} {
		if pattern == "[[:letter:]" {
			cause = "character class" // named before the missing "]" is
		}
		r, err := match.Parse(pattern, "--exclude")
		if err == nil {
			t.Errorf("%q: no error", pattern)
			continue
		}
		if r != nil {
			t.Errorf("%q: a rule and an error", pattern)
		}
		for _, part := range []string{cause, "--exclude: pattern ", fmt.Sprintf("%q", pattern)} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("error %q does not say %q", err, part)
			}
		}
	}
}
