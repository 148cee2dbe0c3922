package match_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"varve/internal/match"
)

func parse(t testing.TB, patterns ...string) []*match.Rule {
	t.Helper()
	var rules []*match.Rule
	for _, pattern := range patterns {
		r, err := match.Parse(pattern, "--exclude")
		if err != nil {
			t.Fatal(err)
		}
		rules = append(rules, r)
	}
	return rules
}

func parseIgnoreFile(t testing.TB, name, text string) []*match.Rule {
	t.Helper()
	rules, err := match.ParseIgnoreFile(name, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

func TestTheLastRuleThatMatchesDecides(t *testing.T) {
	rules := parse(t, "*.o", "!keep.o", "keep.*")
	m := match.New(rules, nil)
	for path, want := range map[string]struct {
		excluded bool
		by       *match.Rule
	}{
		"a.o":    {true, rules[0]},
		"keep.o": {true, rules[2]},
		"b.c":    {false, nil},
	} {
		if excluded, by := m.Match(path, false); excluded != want.excluded || by != want.by {
			t.Errorf("%s: %v by %v, want %v by %v", path, excluded, by, want.excluded, want.by)
		}
	}
	m = match.New(rules[:2], nil)
	if excluded, by := m.Match("x/keep.o", false); excluded || by != rules[1] {
		t.Errorf("keep.o: %v by %v, want it included by %v", excluded, by, rules[1])
	}
}

func TestAnchoredPatternsOfTheCommandLineHoldAtEverySourceAndAtTheRoot(t *testing.T) {
	m := match.New(parse(t, "/cache", "/home/u/tmp", "sub/x"), []string{"home/u", "srv"})
	for path, want := range map[string]bool{
		"home/u/cache":      true,
		"srv/cache":         true,
		"home/u/tmp":        true,
		"home/u/home/u/tmp": true,
		"home/u/sub/x":      true,
		"srv/sub/x":         true,
		"home/u/a/cache":    false,
		"home/u/a/sub/x":    false,
		"srv/tmp":           false,
		"srvcache":          false,
		"home/usr/cache":    false,
	} {
		if excluded, _ := m.Match(path, true); excluded != want {
			t.Errorf("%s: excluded %v, want %v", path, excluded, want)
		}
	}
}

func TestSourcesAndWhatLeadsToThemAreNeverExcluded(t *testing.T) {
	m := match.New(parse(t, "*"), []string{"home/u", "/srv/data.bak/"})
	m = m.Below("", parse(t, "*"))
	for path, want := range map[string]bool{
		"":               false,
		"home":           false,
		"home/u":         false,
		"srv":            false,
		"srv/data.bak":   false,
		"home/u/x":       true,
		"srv/data.bak/x": true,
		"hom":            true,
		"home/v":         true,
	} {
		excluded, by := m.Match(path, true)
		if excluded != want || (by != nil) != want {
			t.Errorf("%q: excluded %v by %v, want %v", path, excluded, by, want)
		}
	}
	if excluded, _ := match.New(parse(t, "*"), nil).Match("", true); excluded {
		t.Error("the root of the whole file system is excluded")
	}
}

func TestDeeperIgnoreFilesBeatShallowerAndTheCommandLineBeatsAll(t *testing.T) {
	m := match.New(parse(t, "!always", "*.tmp"), nil)
	m = m.Below("a", parseIgnoreFile(t, "a/.varveignore", "*.log\n/only\nalways\nsub/deep\n"))
	deep := m.Below("a/b", parseIgnoreFile(t, "a/b/.varveignore", "!keep.log\n*.tmpx\n!x.tmp\n"))
	for path, want := range map[string]string{
		"a/b/x.log":    "a/.varveignore:1",
		"a/b/keep.log": "!a/b/.varveignore:1",
		"a/b/x.tmp":    "--exclude",
		"a/b/always":   "!--exclude",
		"a/b/only":     "",
		"a/only":       "a/.varveignore:2",
		"a/keep.log":   "a/.varveignore:1",
		"a/sub/deep":   "a/.varveignore:4",
		"a/b/sub/deep": "",
		"a/b":          "",
		"ab/x.log":     "",
		"x.log":        "",
	} {
		excluded, by := deep.Match(path, false)
		got := ""
		if by != nil {
			got = by.Origin()
		}
		if by != nil && !excluded {
			got = "!" + got
		}
		if got != want {
			t.Errorf("%s: decided by %q, want %q", path, got, want)
		}
	}
	if excluded, _ := m.Match("a/b/keep.log", false); !excluded {
		t.Error("the rules of a/b hold in the matcher of a")
	}
}

func TestMatchersOfSiblingsDoNotShareRules(t *testing.T) {
	m := match.New(nil, nil)
	for i := range 5 {
		m = m.Below("", parse(t, fmt.Sprintf("common%d", i)))
	}
	a, b := m.Below("a", parse(t, "x")), m.Below("b", parse(t, "y"))
	for _, test := range []struct {
		m    *match.Matcher
		path string
		want bool
	}{{a, "a/x", true}, {a, "a/y", false}, {b, "b/y", true}, {b, "b/x", false}, {m, "a/x", false}, {b, "b/common4", true}} {
		if got, _ := test.m.Match(test.path, false); got != test.want {
			t.Errorf("%s: excluded %v, want %v", test.path, got, test.want)
		}
	}
	if m.Below("a", nil) != m {
		t.Error("no rules make a new matcher")
	}
}

func TestAMatcherServesSeveralGoroutines(t *testing.T) {
	m := match.New(parse(t, "*.o", "/a/**/b", "[ab]c"), []string{"a"})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			below := m.Below(fmt.Sprintf("a/%d", i), parse(t, "x"))
			for j := range 100 {
				if excluded, _ := below.Match(fmt.Sprintf("a/%d/%d/b", i, j), false); !excluded {
					t.Errorf("a/%d/%d/b is not excluded", i, j)
				}
			}
		})
	}
	wg.Wait()
}

func TestMatchPathAsksEveryDirectoryOnTheWay(t *testing.T) {
	files := map[string]string{
		"home":         "*\n", // above the source: not asked
		"home/u":       "build/\n*.log\n",
		"home/u/a":     "!x.log\n",
		"home/u/build": "!*\n", // in an excluded directory: not asked
	}
	var asked []string
	ignoreFile := func(dir string) ([]*match.Rule, error) {
		asked = append(asked, dir)
		return match.ParseIgnoreFile(dir+"/.varveignore", []byte(files[dir]))
	}
	for _, test := range []struct {
		path, at, by string
		excluded     bool
		asked        string
	}{
		{"home/u/build/x/y", "home/u/build", "home/u/.varveignore:1", true, "home/u"},
		{"home/u/build", "home/u/build", "", false, "home/u"},
		{"home/u/a/x.log", "home/u/a/x.log", "home/u/a/.varveignore:1", false, "home/u home/u/a"},
		{"home/u/a/y.log", "home/u/a/y.log", "home/u/.varveignore:2", true, "home/u home/u/a"},
		{"home/u/b/c/d", "home/u/b/c/d", "", false, "home/u home/u/b home/u/b/c"},
		{"home/u", "home/u", "", false, ""},
		{"", "", "", false, ""},
	} {
		asked = nil
		d, err := match.New(nil, []string{"home/u"}).MatchPath(test.path, false, ignoreFile)
		if err != nil {
			t.Fatal(err)
		}
		by := ""
		if d.By != nil {
			by = d.By.Origin()
		}
		if d.Excluded != test.excluded || d.Path != test.at || by != test.by || strings.Join(asked, " ") != test.asked {
			t.Errorf("%q: got %v at %q by %q asking %q, want %v at %q by %q asking %q",
				test.path, d.Excluded, d.Path, by, asked, test.excluded, test.at, test.by, test.asked)
		}
	}
}

func TestMatchPathReturnsTheErrorOfAnIgnoreFile(t *testing.T) {
	unreadable := errors.New("unreadable")
	_, err := match.New(nil, nil).MatchPath("a/b", false, func(dir string) ([]*match.Rule, error) {
		if dir == "a" {
			return nil, unreadable
		}
		return nil, nil
	})
	if !errors.Is(err, unreadable) {
		t.Errorf("got %v, want %v", err, unreadable)
	}
}

func TestMatchAllocatesNothing(t *testing.T) {
	m := match.New(parse(t, typicalRules...), []string{"home/u"}).Below("home/u", parse(t, "*.log", "/a/**/b*c"))
	if n := testing.AllocsPerRun(100, func() { m.Match("home/u/src/project/main.go", false) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

var typicalRules = []string{
	"/proc", "/sys", "/dev", "/run", "/tmp", "/var/tmp", "/var/cache", "/swapfile", "lost+found/", "node_modules/", "__pycache__/",
	".cache/", "*.o", "*.pyc", "*~", ".#*", "*.sw[op]", "**/target/debug", "/home/*/.local/share/Trash", "!important.o",
}

func BenchmarkMatch(b *testing.B) {
	paths := []string{"home/u/src/project/internal/walk/walk.go", "home/u/src/project/obj/walk.o", "home/u/.cache", "usr/share/doc/git/README"}
	for name, rules := range map[string][]*match.Rule{"none": nil, "typical": parse(b, typicalRules...)} {
		b.Run(name, func(b *testing.B) {
			m := match.New(rules, nil)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				m.Match(paths[i%len(paths)], false)
			}
		})
	}
}
