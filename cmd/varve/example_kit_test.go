package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"varve"
	"varve/internal/sshtest"
)

// setup is the machine that a configuration of examples/ is for, beside another one that it reaches over ssh. It has a clock and programs of
// its own. Of the example nothing is replaced but what the test says, which are its places.
type setup struct {
	*over
	text  string // the example, with the places of this test
	bin   string // what comes first in PATH: the program, and what stands in for others
	home  string // where the program remembers
	clock string // the file with the time
}

// exampleText returns an example. Places are texts of it, each followed by what takes its place.
func exampleText(t *testing.T, name string, places ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../examples", name))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(places); i += 2 {
		if !strings.Contains(string(text), places[i]) {
			t.Fatalf("%s does not say %q", name, places[i])
		}
	}
	return strings.NewReplacer(places...).Replace(string(text))
}

// forcedIn returns the command of the line for authorized_keys in an example's comments.
func forcedIn(t *testing.T, text string) string {
	t.Helper()
	m := regexp.MustCompile(`(?m)^#     restrict,command="(.*)" ssh-ed25519 `).FindStringSubmatch(text)
	if m == nil {
		t.Fatal("the example has no line for authorized_keys")
	}
	return m[1]
}

// newKey lets another key log in, with a forced command, and returns the command that uses it.
func (o *over) newKey(forced string) []string {
	o.Helper()
	forks.Lock()
	defer forks.Unlock()
	return o.AddKey(o.T, forced)
}

// setUp returns the machine of an example.
func (o *over) setUp(text string) *setup {
	o.Helper()
	s := &setup{over: o, text: text, bin: sshtest.Dir(o.T, -1), home: sshtest.Dir(o.T, -1), clock: o.at("clock")}
	o.must(os.MkdirAll(o.at(".config/varve"), 0o755))
	o.must(os.WriteFile(o.at(".config/varve/varve.toml"), []byte(s.text), 0o600))
	path, err := exec.LookPath("varve")
	o.must(err)
	s.launch(s.bin, path, s.home)
	script(o.T, s.bin, "crontab", fmt.Sprintf(`case "$1" in
-l) test -e %s || { echo "no crontab for root" >&2; exit 1; }; cat %[1]s;;
-) cat >%[1]s;;
esac`, o.at("crontab")))
	s.day(1)
	s.silent("varve config check 2>/dev/null")                   // which tells of files with secrets that are made later
	s.silent("varve schedule install --system cron 2>/dev/null") // which tells whether a cron runs here: that is no matter
	return s
}

// launch writes a script that runs the program into a directory of PATH. What the program remembers is in a directory of its own.
func (s *setup) launch(bin, program, home string) {
	s.Helper()
	script(s.T, bin, "varve", fmt.Sprintf(`GORACE=atexit_sleep_ms=0 VARVE_TEST_NOW=$(cat %s) VARVE_STATE_DIR=%s/state VARVE_CACHE_DIR=%[2]s/cache VARVE_TEST_PROGRAM=$0
export GORACE VARVE_TEST_NOW VARVE_STATE_DIR VARVE_CACHE_DIR VARVE_TEST_PROGRAM
exec %[3]s "$@"`, s.clock, home, program))
}

// script writes a script for the shell.
func script(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

// day sets the clock to the small hours of a day, the first of which is a Sunday.
func (s *setup) day(n int) {
	s.Helper()
	now := time.Date(2026, 11, n, 3, 30, 0, 0, time.UTC).Format(time.RFC3339)
	s.must(os.WriteFile(s.clock, []byte(now), 0o644))
	s.env = []string{"TZ=UTC", "VARVE_TEST_NOW=" + now, "VARVE_STATE_DIR=" + s.home + "/state", "VARVE_CACHE_DIR=" + s.home + "/cache"}
}

// bare runs a line of the shell as cron does, with nothing in its environment but what cron gives.
func (s *setup) bare(line string) result {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", line)
	cmd.Dir = s.work
	cmd.Env = []string{"HOME=" + s.work, "LOGNAME=root", "SHELL=/bin/sh", "PATH=" + s.bin + ":/usr/bin:/bin"}
	return s.ended(cmd)
}

// told runs the lines of the example's comments that begin so, after the variables that are exported above them. They must end well, and print
// nothing but what is returned.
func (s *setup) told(begin string) string {
	s.Helper()
	var exports, out string
	found := false
	for line := range strings.Lines(s.text) {
		command, block := strings.CutPrefix(strings.TrimSpace(line), "#     ")
		command = regexp.MustCompile(`^(?:[0-9*,/-]+ ){5} *`).ReplaceAllString(command, "") // a line of a crontab
		switch {
		case !block:
			exports = ""
		case strings.HasPrefix(command, "export "):
			exports = command + "; "
		case strings.HasPrefix(command, begin):
			found = true
			r := s.bare(exports + command)
			if r.code != exitGood || r.errs != "" {
				s.Fatalf("%s: %+v", command, r)
			}
			out += r.out
		}
	}
	if !found {
		s.Fatalf("no line of the example begins with %q", begin)
	}
	return out
}

// silent runs a line of the shell, which must end well and print nothing.
func (s *setup) silent(line string) {
	s.Helper()
	if r := s.bare(line); r != (result{}) {
		s.Fatalf("%s: %+v", line, r)
	}
}

// cron returns the command in the crontab that varve schedule has written.
func (s *setup) cron() string {
	s.Helper()
	text, err := os.ReadFile(s.at("crontab"))
	s.must(err)
	m := regexp.MustCompile(`(?m)^(?:[0-9*,/-]+ ){5}(.*)$`).FindSubmatch(text)
	if m == nil {
		s.Fatalf("the crontab is\n%s", text)
	}
	return strings.ReplaceAll(string(m[1]), `\%`, "%") // as cron does
}

// night lets cron run on a day what is due. It must be silent.
func (s *setup) night(day int) {
	s.Helper()
	s.day(day)
	s.silent(s.cron())
}

// has wants a snapshot of a series to hold of path what a census says. Flags name the store.
func (s *setup) has(flags []string, series, snapshot, path string, want census, keeps func(census) census) {
	s.Helper()
	out := filepath.Join(sshtest.Dir(s.T, -1), "out")
	s.good(append([]string{"restore", "--series", series, snapshot + ":" + path, "-t", out}, flags...)...)
	if d := keeps(takeCensus(s.T, out)).differences(keeps(want)); d != "" {
		s.Errorf("series %s, %s of %s is not what was saved:\n%s", series, snapshot, path, d)
	}
}

// kept wants a store to have complete snapshots of these days of a series, and no others.
func (s *setup) kept(flags []string, series string, days ...int) []varve.Snapshot {
	s.Helper()
	var got []int
	list := s.snapshots(flags[1], append(flags[2:], "--series", series)...)
	for _, snap := range list {
		got = append(got, int(snap.Time.Sub(time.Date(2026, 10, 31, 0, 0, 0, 0, time.UTC)).Hours()/24))
		if snap.State != varve.Complete {
			s.Errorf("series %s: %+v", series, snap)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(days) {
		s.Errorf("series %s: there are snapshots of the days %v, want %v", series, got, days)
	}
	return list
}

// spoil changes a tree that plant has made.
func (o *over) spoil(dir string) {
	o.Helper()
	o.write(filepath.Join(dir, "one"), "changed")
	o.write(filepath.Join(dir, "sub/new"), "new")
	o.must(os.Remove(filepath.Join(dir, "sub/deep/three")))
	o.must(os.Chmod(filepath.Join(dir, "sub"), 0o700))
}

// without returns a census without what lies in some directories; these stay themselves where they end in a slash.
func (c census) without(dirs ...string) census {
	left := census{}
	for path, text := range c {
		gone := slices.ContainsFunc(dirs, func(dir string) bool {
			return strings.HasPrefix(path+"/", strings.TrimSuffix(dir, "/")+"/") && path+"/" != dir
		})
		if !gone {
			left[path] = text
		}
	}
	return left
}

// database makes an SQLite database with one line in it, or adds one.
func (o *over) database(path, line string) {
	o.Helper()
	needs(o.T, "sqlite3")
	o.must(os.MkdirAll(filepath.Dir(path), 0o755))
	r := o.ended(exec.CommandContext(o.Context(), "sqlite3", path, "create table if not exists lines (line); insert into lines values ('"+line+"')"))
	if r != (result{}) {
		o.Fatalf("%+v", r)
	}
}

// loads wants a dump in a snapshot to make a database with these lines.
func (s *setup) loads(flags []string, series, snapshot, path string, lines ...string) {
	s.Helper()
	sql := s.call(exitGood, append([]string{"cat", "--series", series, snapshot + ":" + path}, flags...)...).out
	cmd := exec.CommandContext(s.Context(), "sqlite3", ":memory:")
	cmd.Stdin = strings.NewReader(sql + "select line from lines;\n")
	if r := s.ended(cmd); r != (result{out: strings.Join(lines, "\n") + "\n"}) {
		s.Errorf("series %s, %s: of the dump comes %+v", series, snapshot, r)
	}
}

// everybodys writes the program into a directory of PATH so that every user can run it.
func (s *setup) everybodys(bin string) {
	s.Helper()
	path, err := exec.LookPath("varve")
	s.must(err)
	text, err := os.ReadFile(path)
	s.must(err)
	program := filepath.Join(sshtest.Dir(s.T, -1), "varve")
	s.must(os.WriteFile(program, text, 0o755))
	s.launch(bin, program, sshtest.Dir(s.T, sshtest.Ordinary))
}

// pings counts what comes to a web service, by path.
func pings(t *testing.T) (url string, counts func() map[string]int) {
	t.Helper()
	var mu sync.Mutex
	met := map[string]int{}
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		met[r.URL.Path]++
	}))
	t.Cleanup(s.Close)
	return s.URL, func() map[string]int {
		mu.Lock()
		defer mu.Unlock()
		return maps.Clone(met)
	}
}
