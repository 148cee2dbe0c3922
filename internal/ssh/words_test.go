//go:build unix

package ssh

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

func TestCommandLinesAreSplitAsAShellDoes(t *testing.T) {
	for line, want := range map[string][]string{
		"ssh":                                 {"ssh"},
		"  ssh\t-i \n/root/key ":              {"ssh", "-i", "/root/key"},
		`ssh -i "/my keys/it's"`:              {"ssh", "-i", "/my keys/it's"},
		`ssh -o 'ProxyCommand=a "b" $c'`:      {"ssh", "-o", `ProxyCommand=a "b" $c`},
		`a\ b "c\"d\\e\$f\` + "`" + `g\h" ''`: {"a b", "c\"d\\e$f`g\\h", ""},
		"a\\\nb \"c\\\nd\"":                   {"ab", "cd"},
		`$HOME/*.x ~ a;b`:                     {"$HOME/*.x", "~", "a;b"},
	} {
		if got, err := SplitCommand(line); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v; want %q", line, got, err, want)
		}
	}
}

func TestUnfinishedCommandLinesAreRefused(t *testing.T) {
	for _, line := range []string{"", " \n", `"a`, `'a`, `a\`, `"a\`, "a\x00", `'' a`, `"" `} {
		if got, err := SplitCommand(line); err == nil {
			t.Errorf("%q gave %q", line, got)
		}
	}
}

func TestQuotedWordsArriveAsTheyAre(t *testing.T) {
	words := []string{"varve", "", "it's", `a"b\c`, "$HOME `id` $(id)", "new\nline", "*", "~", "a=b", "-n", "#", "!", "\xff\xfe", "ü", "a;b&c|d"}
	if got := throughShell(t, words); !slices.Equal(got, words) {
		t.Errorf("%q became %q", words, got)
	}
}

// throughShell returns the words that /bin/sh makes of a quoted line.
func throughShell(t *testing.T, words []string) []string {
	t.Helper()
	line, err := Quote(words)
	if err != nil {
		t.Fatal(err)
	}
	return shellWords(t, line)
}

func shellWords(t *testing.T, line string) []string {
	t.Helper()
	out, err := exec.Command("/bin/sh", "-c", `printf '%s\0' `+line).Output()
	if err != nil {
		t.Fatalf("sh does not take %q: %v", line, err)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
}

func FuzzQuote(f *testing.F) {
	f.Add("a", "b c")
	f.Add("'", `\`)
	f.Add("\n", "")
	f.Add("\x00", "a")
	f.Fuzz(func(t *testing.T, a, b string) {
		words := []string{a, b}
		if strings.Contains(a+b, "\x00") {
			if _, err := Quote(words); err == nil {
				t.Error("a NUL was let through")
			}
			return
		}
		if got := throughShell(t, words); !slices.Equal(got, words) {
			t.Errorf("%q became %q", words, got)
		}
		line, _ := Quote(append([]string{"x"}, words...))
		if got, err := SplitCommand(line); err != nil || !slices.Equal(got[1:], words) {
			t.Errorf("%q was split into %q, %v", line, got, err)
		}
	})
}

func FuzzSplitCommand(f *testing.F) {
	for _, line := range []string{"a b", `a\ b`, `"a\"b" 'c'd`, "a\\\nb", `a ''`, `"`, `'`, `\`} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		words, err := SplitCommand(line)
		if err != nil || strings.ContainsAny(line, "$`;&|<>()*?[]#~{}!=%\n\r") {
			return
		}
		if got := shellWords(t, line); !slices.Equal(got, words) {
			t.Errorf("%q: the shell says %q, we say %q", line, got, words)
		}
	})
}
