package match_test

import (
	"fmt"
	"strings"
	"testing"

	"varve/internal/match"
)

// list writes rules as "LINE:PATTERN", separated by "|".
func list(rules []*match.Rule) string {
	var words []string
	for _, r := range rules {
		words = append(words, strings.TrimPrefix(r.Origin(), "f:")+":"+r.String())
	}
	return strings.Join(words, "|")
}

func TestLinesOfPatternFilesAreReadAsGitignoreSays(t *testing.T) {
	for text, want := range map[string]string{
		"":                        "",
		"\n\n":                    "",
		"a":                       "1:a",
		"a\nb\n":                  "1:a|2:b",
		"a\r\nb\r\n":              "1:a|2:b",
		"a\r":                     "1:a",
		"a\rb\n":                  "1:a\rb",
		"\xef\xbb\xbfa\n":         "1:a",
		"\xef\xbb\xbf# a\nb\n":    "2:b",
		"# a\n#\n\\#b\n #c\n":     "3:\\#b|4: #c",
		"a  \n":                   "1:a",
		"a\\ \n":                  "1:a\\ ",
		"a\\  \n":                 "1:a\\ ",
		"a \\\\ \n":               "1:a \\\\",
		" a\n":                    "1: a",
		"a\t\n":                   "1:a\t",
		"   \n":                   "",
		" \r\n":                   "",
		"a  b \n!c\n!#d\n":        "1:a  b|2:!c|3:!#d",
		strings.Repeat("x", 9000): "1:" + strings.Repeat("x", 9000),
	} {
		if rules := parseIgnoreFile(t, "f", text); list(rules) != want {
			t.Errorf("%q: got %q, want %q", text, list(rules), want)
		}
		rules, err := match.ParseExcludeFile("f", []byte(text))
		if err != nil || list(rules) != want {
			t.Errorf("%q as exclude file: got %q, %v, want %q", text, list(rules), err, want)
		}
	}
}

func TestSemicolonsBeginCommentsInExcludeFilesOnly(t *testing.T) {
	const text = "; a\nb\n"
	rules, err := match.ParseExcludeFile("f", []byte(text))
	if err != nil || list(rules) != "2:b" {
		t.Errorf("exclude file: got %q, %v", list(rules), err)
	}
	if rules := parseIgnoreFile(t, "f", text); list(rules) != "1:; a|2:b" {
		t.Errorf("ignore file: got %q", list(rules))
	}
}

func TestWrongLinesAreNamedAndTheOthersKept(t *testing.T) {
	const text = "a\n[b\n\nc\\\nd\n"
	for _, read := range []func(string, []byte) ([]*match.Rule, error){match.ParseIgnoreFile, match.ParseExcludeFile} {
		rules, err := read("f", []byte(text))
		if list(rules) != "1:a|5:d" {
			t.Errorf("got %q", list(rules))
		}
		if err == nil || !strings.Contains(err.Error(), "f:2: ") || !strings.Contains(err.Error(), "f:4: ") {
			t.Errorf("error %v does not name lines 2 and 4", err)
		}
	}
}

func TestTheErrorOfAFileThatIsNoTextStaysShort(t *testing.T) {
	_, err := match.ParseIgnoreFile("f", []byte(strings.Repeat("a\x00\n", 5000)))
	if err == nil || strings.Count(err.Error(), "\n") > 20 || !strings.Contains(err.Error(), "4990 more lines") {
		t.Errorf("got %v", err)
	}
}

func TestFilterFilesAreReadFirstMatchWins(t *testing.T) {
	for text, want := range map[string]string{
		"+ a\n- b\n":            "2:- b|1:+ a",
		"- a\nb\n":              "2:b|1:- a",
		"a\n!\n- b\n":           "3:- b",
		"a\n!\nb\n":             "3:b",
		"a\n- b\n!\n":           "",
		"- a/***\n":             "1:- a/***|1:- a/***",
		"- /***\n":              "1:- /***",
		"# + a\n; - b\n- c\r\n": "3:- c",
		"- a \n":                "1:- a ",
		"-a\n+b\n- .cache\n":    "3:- .cache|2:+b|1:-a",
		".cache x\n- merged\n":  "2:- merged|1:.cache x",
	} {
		rules, err := match.ParseExcludeFile("f", []byte(text))
		if err != nil || list(rules) != want {
			t.Errorf("%q: got %q, %v, want %q", text, list(rules), err, want)
		}
	}
}

func TestFilterRulesIncludeAndFloat(t *testing.T) {
	rules, err := match.ParseExcludeFile("f", []byte("+ keep/*.o\n- /top\n- b/c\n- lit\\eral\n- *.o\n- all/***\n- esc\\aped/***\n- **/deep/\n"))
	if err != nil {
		t.Fatal(err)
	}
	m := match.New(rules, []string{"src"})
	for path, want := range map[string]bool{
		"src/keep/x.o":   false,
		"src/a/keep/x.o": false,
		"src/x.o":        true,
		"src/top":        true,
		"src/a/top":      false,
		"src/b/c":        true,
		"src/a/b/c":      true,
		"src/ab/c":       false,
		`src/lit\eral`:   true,
		"src/literal":    false,
		"src/all":        true,
		"src/escaped":    true,
		"src/escaped/x":  true,
		"src/all/x/y":    true,
		"src/deep":       true,
		"src/a/deep":     true,
		"src/a/deeper":   false,
	} {
		if excluded, _ := m.Match(path, true); excluded != want {
			t.Errorf("%s: excluded %v, want %v", path, excluded, want)
		}
	}
}

func TestOtherFilterDirectivesAreErrorsThatSayWhatIsSupported(t *testing.T) {
	for _, line := range []string{
		"merge /etc/other", "merge,e /etc/other", "dir-merge .rules", ". /etc/other", ": .rules", ":- .gitignore", ":C", "-C",
		"P a", "R a", "H a", "S a", "hide a", "show a", "protect a", "risk a", "include a", "exclude a", "-! a", "-,s a", "+p a", "clear x",
	} {
		_, err := match.ParseExcludeFile("f", []byte("- b\n"+line+"\n"))
		if err == nil {
			t.Errorf("%q: no error", line)
			continue
		}
		for _, part := range []string{"f:2: ", fmt.Sprintf("%q", line), `"+ PATTERN"`} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("error %q does not say %q", err, part)
			}
		}
	}
	for line, cause := range map[string]string{"!a": "stands alone", "- ": "empty", "- /": "empty", "+ [a": "not closed", "- [a/b]": "matches nothing"} {
		_, err := match.ParseExcludeFile("f", []byte("- b\n"+line+"\n"))
		if err == nil || !strings.Contains(err.Error(), "f:2: ") || !strings.Contains(err.Error(), cause) {
			t.Errorf("%q: error %v does not name line 2 and say %q", line, err, cause)
		}
	}
}
