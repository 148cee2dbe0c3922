package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// update makes the tests write what they would compare with.
func update(t *testing.T, path, text string) bool {
	t.Helper()
	if !*updating {
		return false
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return true
}

var updating = flag.Bool("update", false, "write the golden files instead of comparing with them")

// same compares text with a golden file.
func same(t *testing.T, path, text string) {
	t.Helper()
	if update(t, path, text) {
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text); diff != "" {
		t.Errorf("%s (go test -update writes it anew):\n%s", path, diff)
	}
}

func TestHelpIsAsRecorded(t *testing.T) {
	out, _ := call(t, exitGood)
	same(t, "testdata/help/varve.txt", out)
	a, _, _ := testApp()
	for _, c := range a.commands() {
		out, _ := call(t, exitGood, "help", c.Name())
		same(t, "testdata/help/"+c.Name()+".txt", out)
		for _, sub := range c.Commands() {
			out, _ := call(t, exitGood, "help", c.Name(), sub.Name())
			same(t, "testdata/help/"+c.Name()+"_"+sub.Name()+".txt", out)
		}
	}
}

func TestEveryCommandIsExplained(t *testing.T) {
	a, _, _ := testApp()
	root := a.rootCommand()
	commands := root.Commands()
	for _, c := range commands {
		commands = append(commands, c.Commands()...)
	}
	for _, c := range commands {
		if c.Short == "" || c.Example == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: short %q, example %q", c.Name(), c.Short, c.Example)
		}
		for line := range strings.SplitSeq(c.Example, "\n") {
			if !strings.HasPrefix(line, "  "+c.CommandPath()) {
				t.Errorf("%s: example %q", c.Name(), line)
			}
		}
	}
}

// scrubbed returns JSON with what differs from run to run replaced.
func scrubbed(text, work string) string {
	text = strings.ReplaceAll(text, work, "/job")
	text = strings.ReplaceAll(text, strings.ReplaceAll(work, "/", "_"), "_work")
	for pattern, with := range map[string]string{
		`"[0-9a-f]{32}"`:                      `"ID"`,
		`"dirs":[0-9]+`:                       `"dirs":1`,
		`(?m)^\{"event":"unkept".*\n`:         "", // only for somebody who is not root
		`"path_base64":"[^"]*"`:               `"path_base64":"BYTES"`,
		`snapshot [0-9a-f]{8} `:               `snapshot ID `,
		`"seconds":[0-9.e-]+`:                 `"seconds":1`,
		`"end":"[^"]*"`:                       `"end":"END"`,
		`"program":"[^"]*"`:                   `"program":"varve"`,
		`"mtime":"2[^"]*"`:                    `"mtime":"MTIME"`,
		`"(uid|gid)":[0-9]+`:                  `"$1":0`,
		`"(user|group)":"[^"]*"`:              `"$1":"NAME"`,
		`"(version|go|platform)":"[^"]*"`:     `"$1":"X"`,
		`(?m)^\{"path":"/job[0-9/]*/src",.*$`: `{"path":"/job/src", ...}`,
	} {
		text = regexp.MustCompile(pattern).ReplaceAllString(text, with)
	}
	return text
}

func TestJSONIsAsRecorded(t *testing.T) {
	dir, store := source(t)
	work := filepath.Dir(dir)
	now := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	var log bytes.Buffer
	step := func(want int, args ...string) {
		a, out, errs := testApp()
		a.now = func() time.Time { return now }
		if code := run(t.Context(), a, append(args, "--json", "-s", store)); code != want {
			t.Fatalf("varve %v: exit code %d, want %d; it printed:\n%s%s", args, code, want, out, errs)
		}
		log.WriteString(scrubbed("$ varve "+strings.Join(args, " ")+"\n"+out.String()+errs.String(), work))
		now = now.Add(time.Hour)
	}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		old := time.Unix(1_600_000_000, 0)
		for _, path := range []string{filepath.Join(dir, name), dir} {
			if err := os.Chtimes(path, old, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	write("one", "1\n")
	step(exitGood, "init")
	step(exitGood, "snapshots")
	step(exitGood, "backup", dir, "--tag", "a,b", "--series", "s")
	write("bad\xff", "text")
	write("one", "other")
	step(exitIncomplete, "backup", "--dry-run", dir, filepath.Join(work, "nowhere"), "--series", "s")
	step(exitIncomplete, "backup", dir, filepath.Join(work, "nowhere"), "--series", "s")
	step(exitGood, "snapshots", "--last", "1")
	step(exitGood, "ls", "latest:"+dir)
	step(exitGood, "find", "o?e")
	step(exitGood, "diff", "latest~1", "latest")
	step(exitGood, "verify")
	target := filepath.Join(work, "out")
	step(exitGood, "restore", "--dry-run", "latest:"+dir, "-t", target)
	step(exitGood, "restore", "latest:"+dir+"/one", "-t", target)
	step(exitGood, "forget", "--keep-last", "1", "-n")
	step(exitGood, "why", "--source", dir, "-e", "on*", dir+"/one")
	step(exitGood, "version")
	step(exitFailed, "cat", "7B:/x")
	step(exitUsage, "forget")
	same(t, "testdata/json.txt", log.String())
}

func TestJSONOfVaultsIsAsRecorded(t *testing.T) {
	dir, store := source(t)
	work := filepath.Dir(dir)
	pass := filepath.Join(work, "pass")
	if err := os.WriteFile(pass, []byte("correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	var log bytes.Buffer
	step := func(args ...string) {
		a, out, errs := testApp()
		a.now = func() time.Time { return now }
		if code := run(t.Context(), a, append(args, "--json", "--passphrase-file", pass, "-s", store)); code != exitGood {
			t.Fatalf("varve %v: exit code %d; it printed:\n%s%s", args, code, out, errs)
		}
		log.WriteString(sealed(scrubbed("$ varve "+strings.Join(args, " ")+"\n"+out.String()+errs.String(), work)))
		now = now.Add(time.Hour)
	}
	step("init", "--kind", "vault")
	step("backup", dir, "--series", "s")
	step("backup", dir, "--series", "s")
	step("snapshots", "--witness")
	step("key", "add", "--put-only", "web")
	step("key", "add", "--maintenance", "pruner", "--new-passphrase-file", pass)
	step("key", "list")
	step("key", "remove", "web")
	step("key", "export", "-o", filepath.Join(work, "sheet"))
	step("forget", "2B")
	step("snapshots", "--forgotten")
	step("prune", "-n")
	step("unforget", "latest")
	step("stats", "latest")
	step("verify", "--repair")
	step("key", "rotate", "--new-passphrase-file", pass)
	same(t, "testdata/json_vault.txt", log.String())
}

// sealed returns JSON of a vault with what differs from run to run replaced.
func sealed(text string) string {
	for pattern, with := range map[string]string{
		`"(recovery|key)":"[^"]*"`: `"$1":"SECRET"`,
		`[a-z]{5}(-[a-z]{5}){3}`:   `WORDS`,
		`"(bytes_freed|bytes|stored|stored_bytes|index_bytes|freed)":[0-9]+`: `"$1":1`,
		`"compression":[0-9.]+`:               `"compression":1`,
		`"(packs|indexed|files)":[1-9][0-9]*`: `"$1":1`, // which worker took what, and whether a page could be shared
	} {
		text = regexp.MustCompile(pattern).ReplaceAllString(text, with)
	}
	return text
}
