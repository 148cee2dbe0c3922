package match

import (
	"strings"
	"testing"
)

func FuzzParse(f *testing.F) {
	for _, pattern := range []string{
		"a", "!/a/", "**/a*[!b-c]?", `[[:alpha:]\]]`, "a\\", "[[:", "- a/***\n+ b\n!\n", "merge x\n- y\n", "\xef\xbb\xbf#\r\n;\n\\ \n", "a/**/b/**",
	} {
		f.Add(pattern, "a/b", true)
	}
	f.Fuzz(func(t *testing.T, pattern, path string, isDir bool) {
		if len(pattern) > 300 || len(path) > 300 {
			return
		}
		r, err := Parse(pattern, "--exclude")
		if (r == nil) == (err == nil) {
			t.Fatalf("%q: rule %v and error %v", pattern, r, err)
		}
		if r != nil {
			checkRule(t, r, path)
			if r.String() != pattern {
				t.Errorf("%q is written as %q", pattern, r)
			}
		}
		for _, read := range []func(string, []byte) ([]*Rule, error){ParseIgnoreFile, ParseExcludeFile} {
			rules, _ := read("f", []byte(pattern))
			for _, r := range rules {
				checkRule(t, r, path)
			}
			checkDecision(t, rules, path, isDir)
		}
	})
}

// checkRule compares a rule with the regular expression of its glob.
func checkRule(t *testing.T, r *Rule, path string) {
	if r.shape != wild {
		if r.literal == "" && r.shape == literal {
			t.Errorf("%q: the literal is empty", r)
		}
		return
	}
	if got, want := r.glob.match(path), r.glob.expression().MatchString(latin1(path)); got != want {
		t.Errorf("%q on %q: %v, want %v", r, path, got, want)
	}
}

// checkDecision holds MatchPath against Match at the place it names.
func checkDecision(t *testing.T, rules []*Rule, path string, isDir bool) {
	path = strings.Trim(path, "/")
	m := New(nil, []string{"", "a/b"}).Below("", rules)
	d, err := New(nil, []string{"", "a/b"}).MatchPath(path, isDir, func(dir string) ([]*Rule, error) {
		if dir == "" {
			return rules, nil
		}
		return nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if excluded, by := m.Match(d.Path, isDir || d.Path != path); excluded != d.Excluded || by != d.By {
		t.Errorf("%q: MatchPath says %v by %v, Match %v by %v", path, d.Excluded, d.By, excluded, by)
	}
	if !d.Excluded && d.Path != path {
		t.Errorf("%q: included already at %q", path, d.Path)
	}
}
