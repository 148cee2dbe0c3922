package match

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// expression writes g as a regular expression over latin-1 text, an independent judge of the matcher.
func (g glob) expression() *regexp.Regexp {
	var b strings.Builder
	b.WriteString(`(?s)\A`)
	for _, t := range g {
		switch t.op {
		case opByte:
			fmt.Fprintf(&b, `\x{%x}`, t.c)
		case opAny:
			b.WriteString(`[^/]`)
		case opSet:
			b.WriteString(t.set.expression())
		case opStar:
			b.WriteString(`[^/]*`)
		case opDeep:
			b.WriteString(`.*`)
		case opDirs:
			b.WriteString(`(?:.*/)?`)
		}
	}
	return regexp.MustCompile(b.String() + `\z`)
}

func (s *set) expression() string {
	var b strings.Builder
	for c := range 256 {
		if s.has(byte(c)) {
			fmt.Fprintf(&b, `\x{%x}`, c)
		}
	}
	if b.Len() == 0 {
		return `[^\x{0}-\x{10ffff}]`
	}
	return "[" + b.String() + "]"
}

// latin1 returns s with every byte as a character.
func latin1(s string) string {
	runes := make([]rune, len(s))
	for i := range len(s) {
		runes[i] = rune(s[i])
	}
	return string(runes)
}

func TestGlobsMatchWhatTheirRegularExpressionsMatch(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	random := func(n int, parts ...string) string {
		var b strings.Builder
		for range r.IntN(n) {
			b.WriteString(parts[r.IntN(len(parts))])
		}
		return b.String()
	}
	matched := 0
	for range 1500 {
		pattern := random(10, "a", "b", "/", "*", "*", "**", "/**/", "?", "[ab]", "[!a]")
		floating := r.IntN(2) == 0
		for _, d := range []dialect{gitignore, rsyncWild} {
			g, err := parseGlob(pattern, d)
			if err != nil {
				continue
			}
			if floating {
				g = append(glob{{op: opDirs}}, g...)
			}
			judge := g.expression()
			for range 8 {
				path := random(14, "a", "b", "a", "/", "c")
				want := judge.MatchString(path)
				if want {
					matched++
				}
				if got := g.match(path); got != want {
					t.Errorf("%q (dialect %d, floating %v) on %q: %v, want %v", pattern, d, floating, path, got, want)
				}
			}
		}
	}
	if matched < 500 {
		t.Errorf("only %d matches: this compares nothing", matched)
	}
}

// An exponential matcher does not come to an end here.
func TestManyStarsTakeNoExponentialTime(t *testing.T) {
	name := strings.Repeat("a", 255)
	deep := strings.Repeat("aaaaaaaa/", 500)
	for _, test := range []struct{ pattern, path string }{ // the path with a "b" after it matches
		{strings.Repeat("a*", 60) + "b", name},
		{strings.Repeat("*a", 60) + "?*b", name},
		{"x/**/" + strings.Repeat("a*", 60) + "b", "x/" + deep + name},
		{strings.Repeat("**/a/", 40) + "b", strings.Repeat("a/", 2000)},
		{"x/" + strings.Repeat("**/*a*a/", 20) + "b", "x/" + deep},
		{"**/" + strings.Repeat("a*a*a*/**/", 50) + "*a*a*/a*a*b", deep + "a" + name},
	} {
		for _, d := range []dialect{gitignore, rsyncWild} {
			g, err := parseGlob(test.pattern, d)
			if err != nil {
				t.Fatal(err)
			}
			if g.match(test.path) || !g.match(test.path+"b") {
				t.Errorf("%.40q (dialect %d) matches %v without a b at the end, %v with it", test.pattern, d, g.match(test.path), g.match(test.path+"b"))
			}
		}
	}
}
