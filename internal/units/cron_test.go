package units

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func cronJob(words ...string) CronJob {
	return CronJob{Job: "home", Fields: []string{"0 2 * * *", "30 3 * * 0"}, Words: append([]string{"/usr/bin/varve"}, words...)}
}

func TestOtherLinesOfACrontabStayByteForByte(t *testing.T) {
	jobs := []CronJob{cronJob("run", "home")}
	line := rapid.SampledFrom([]string{"", "# comment", "0 1 * * * /bin/other", "MAILTO=root", " # BEGIN varve", "# END varve!", "# BEGIN varve and others", "x\r"})
	rapid.Check(t, func(rt *rapid.T) {
		old := strings.Join(rapid.SliceOf(line).Draw(rt, "lines"), "\n")
		if rapid.Bool().Draw(rt, "ends") {
			old += "\n"
		}
		if rapid.Bool().Draw(rt, "other") {
			old = "# BEGIN varve other-01234567\n0 0 * * * x\n# END varve other-01234567\n" + old
		}
		with, err := Edit([]byte(old), "", jobs)
		if err != nil {
			rt.Fatal(err)
		}
		twice, err := Edit(with, "", jobs)
		if err != nil || !bytes.Equal(with, twice) {
			rt.Fatalf("the second time: %q, %v", twice, err)
		}
		without, err := Edit(with, "", nil)
		if err != nil || string(without) != old && string(without) != old+"\n" {
			rt.Fatalf("%q became %q: %v", old, without, err)
		}
		if ours, err := Ours(with, ""); err != nil || len(ours) != 2 {
			rt.Fatalf("ours: %q, %v", ours, err)
		}
	})
}

func TestOurLinesAreReplacedInTheirPlace(t *testing.T) {
	old := "first\n# BEGIN varve\n0 0 * * * old\n# END varve\nlast"
	got, err := Edit([]byte(old), "", []CronJob{cronJob("run")})
	if err != nil {
		t.Fatal(err)
	}
	if s := string(got); !strings.HasPrefix(s, "first\n# BEGIN varve\n0 2 * * * PATH=") || !strings.HasSuffix(s, "\n# END varve\nlast") || strings.Contains(s, "old") {
		t.Errorf("%s", got)
	}
}

func TestLinesOfTwoConfigurationFilesLeaveEachOtherAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "varve")
	usual, other := Crontab{File: path}, Crontab{File: path, Config: "other-01234567"}
	for i, c := range []Crontab{usual, other, usual} {
		if _, err := c.Install(t.Context(), []CronJob{cronJob("run", fmt.Sprint(i))}); err != nil {
			t.Fatal(err)
		}
	}
	for last, c := range map[string]Crontab{" run 2": usual, " run 1": other} {
		if lines, err := c.Installed(t.Context()); err != nil || len(lines) != 2 || !strings.HasSuffix(lines[0], last) {
			t.Errorf("%q: %q, %v", c.Config, lines, err)
		}
	}
	if _, err := usual.Install(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if configs, err := usual.Configs(t.Context()); err != nil || !slices.Equal(configs, []string{other.Config}) {
		t.Errorf("left are the lines of %q: %v", configs, err)
	}
	if _, err := Edit(nil, "no name", nil); err == nil {
		t.Error("marks that nobody would find again were taken")
	}
}

func TestACrontabWithBrokenMarksIsLeftAlone(t *testing.T) {
	for _, old := range []string{"# BEGIN varve\nx\n", "# END varve\n", "# BEGIN varve\n# BEGIN varve\n# END varve\n", "# END varve\n# BEGIN varve\n",
		"# BEGIN varve\n# END varve\n# BEGIN varve\n# END varve\n", "# BEGIN varve\n# END varve\n# END varve",
		"# BEGIN varve\n# END varve other-01234567\n", "# BEGIN varve\n# BEGIN varve other-01234567\n# END varve other-01234567\n# END varve\n"} {
		if _, err := Edit([]byte(old), "", nil); err == nil {
			t.Errorf("%q was edited", old)
		}
		if _, err := Ours([]byte(old), ""); err == nil {
			t.Errorf("%q was read", old)
		}
	}
}

func TestWordsOfACronLineReachTheProgram(t *testing.T) {
	words := []string{"a b", "100%", `\%`, "it's", "$HOME", "`id`", "*", ""}
	c := CronJob{Job: "x", Fields: []string{"@ 1 2 3 4"}, Words: append([]string{"/usr/bin/printf", "%s|"}, words...)}
	lines, err := c.lines()
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range lines[0] {
		if r == '%' && lines[0][i-1] != '\\' {
			t.Errorf("cron would end the command at %d: %s", i, lines[0])
		}
	}
	run := strings.ReplaceAll(strings.TrimPrefix(lines[0], "@ 1 2 3 4 "), `\%`, "%") // as cron does
	out, err := exec.CommandContext(t.Context(), "/bin/sh", "-c", run).Output()
	if err != nil || string(out) != strings.Join(words, "|")+"|" {
		t.Errorf("%q, %v", out, err)
	}
}

func TestCronJobsThatMakeNoSenseAreRefused(t *testing.T) {
	for name, spoil := range map[string]func(*CronJob){
		"name":                  func(c *CronJob) { c.Job = "a\nb" },
		"program":               func(c *CronJob) { c.Words = []string{"varve"} },
		"nothing":               func(c *CronJob) { c.Words = nil },
		"newline":               func(c *CronJob) { c.Words = append(c.Words, "a\n* * * * * x") },
		"fields":                func(c *CronJob) { c.Fields = []string{"0 2 * *"} },
		"new line":              func(c *CronJob) { c.Fields = []string{"0 2 * *\n*"} },
		"variable":              func(c *CronJob) { c.Env = []string{"a b=c"} },
		"no value":              func(c *CronJob) { c.Env = []string{"A"} },
		"newline in a variable": func(c *CronJob) { c.Env = []string{"A=b\n* * * * * x"} },
		"length":                func(c *CronJob) { c.Words = append(c.Words, strings.Repeat("x", 1000)) },
		"user":                  func(c *CronJob) { c.As = "root /bin/x" },
	} {
		c := cronJob()
		spoil(&c)
		if got, err := Edit(nil, "", []CronJob{c}); err == nil {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestACrontabInAFileIsMadeAndTakenAway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "varve")
	c := cronJob("run")
	c.As = "root"
	for i, want := range []bool{true, false} {
		if changed, err := EditFile(path, "", []CronJob{c}); err != nil || changed != want {
			t.Fatalf("%d: %v, %v", i, changed, err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), "0 2 * * * root PATH=") {
		t.Errorf("%s, %v", text, err)
	}
	if changed, err := EditFile(path, "", nil); err != nil || !changed {
		t.Errorf("%v, %v", changed, err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("an empty file was left")
	}
}

func TestTheUsersCrontabIsEditedThroughTheProgram(t *testing.T) {
	bin := t.TempDir()
	script := `#!/bin/sh
f="${0%/*}/tab"
case $1 in
-l) [ -f "$f" ] || { echo "no crontab for me" >&2; exit 1; }; cat "$f";;
-) cat > "$f";;
esac
`
	if err := os.WriteFile(filepath.Join(bin, "crontab"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	for i, want := range []bool{true, false} {
		if changed, err := EditUser(t.Context(), "", []CronJob{cronJob("run")}); err != nil || changed != want {
			t.Fatalf("%d: %v, %v", i, changed, err)
		}
	}
	large := strings.Repeat("# a line of somebody else's\n", 20_000)
	tab := filepath.Join(bin, "tab")
	if err := os.WriteFile(tab, []byte(large), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := EditUser(t.Context(), "", []CronJob{cronJob("run")}); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(tab); err != nil || !strings.HasPrefix(string(text), large) {
		t.Errorf("somebody else's lines were lost: %d bytes, %v", len(text), err)
	}
	if err := os.WriteFile(filepath.Join(bin, "crontab"), []byte("#!/bin/sh\necho you may not >&2; exit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := EditUser(t.Context(), "", nil); err == nil || !strings.Contains(err.Error(), "you may not") {
		t.Errorf("%v", err)
	}
}
