package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMain lets the test binary stand in for the program when it is started as a measuring process. Under the race detector that
// would end a second late each time, to see races at the end; it has one goroutine.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == measureArg {
		os.Exit(measureChild(os.Args[2:]))
	}
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// need skips a test whose programs are not here; fails it where everything must be.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err == nil {
			continue
		}
		if os.Getenv("VARVE_TEST_STRICT") == "1" {
			t.Fatalf("%s is not installed", p)
		}
		t.Skipf("%s is not installed", p)
	}
}

// fingerprint returns every path below dir with the kind, mode and content it has.
func fingerprint(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s %v", rel, info.Mode())
		if info.Mode().IsRegular() {
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, " %x", sha256.Sum256(content))
		}
		b.WriteByte('\n')
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// smallSet is a data set that a test can afford.
func smallSet() set {
	return set{
		name: "A", about: "a few files", size: census{files: 40, dirs: 4, bytes: 4000}, copies: 2,
		build: func(_ context.Context, dir, _ string) error { return smallTree(dir) },
		change: func(ctx context.Context, dir string, round int) (string, error) {
			return changeA(ctx, dir, round)
		},
	}
}

// smallTree makes 400 files in a few directories, and the directory that changes rename.
func smallTree(dir string) error {
	for i := range 400 {
		name := filepath.Join(dir, fmt.Sprintf("d%d", i%3), fmt.Sprintf("f%03d", i))
		if i < 10 {
			name = filepath.Join(dir, movingName(0), fmt.Sprint(i))
		}
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(name, []byte(strings.Repeat("x", i)), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// fakeVarve writes a shell script that takes the commands that varve is given here, with plain copies as snapshots. It finds out whether
// the far side can be reached, and then works on this one.
func fakeVarve(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "varve")
	script := `#!/bin/sh
set -e
far='' ways=''
for arg; do # what is on the far side has the same path here
	shift
	case "$take$arg" in
	--ssh | --remote-varve) take=$arg ;;
	--ssh*) $arg far true; ways="$ways ssh" take='' ;;
	--remote-varve*) test -x "$arg"; ways="$ways varve" take='' ;;
	far:/*) set -- "$@" "${arg#far:}"; far=' ssh' ;;
	ssh://far/*) set -- "$@" "${arg#ssh://far}"; far=' ssh varve' ;;
	*) set -- "$@" "$arg" ;;
	esac
done
case "$far" in '' | "$ways") ;; *) echo "$far reached by$ways" >&2; exit 64 ;; esac
last() { ls "$1" | sort -n | tail -n 1; }
case "$*" in
version) echo "varve fake" ;;
"backup --init -s "*) mkdir "$4"; cp -a "$5" "$4/1" ;;
"backup -s "*) n=$(last "$3"); cp -a "$4" "$3/$((n + 1))" ;;
"init "*" --kind vault --recovery "*" --passphrase-file "*) test -s "$8"; echo key >"$6"; mkdir "$2" ;;
"ls -s "*" -R latest:/"*) ls -R "$3/$(last "$3")" ;;
"verify -s "*) cat "$3"/*/d1/* ;;
"prune -s "*" --now --key "*) test -s "$6"; ls "$3" >"$3/../pruned" ;;
"snapshots -s "*" --json"*)
	sep='['
	for n in $(ls "$3" | sort -rn); do
		printf '%s{"id":"%s","time":"2026-01-01T00:00:0%sZ"}' "$sep" "$n" "$n"
		sep=,
	done
	echo ']' ;;
"restore -s "*" latest:/"*" -t "*) cp -a "$3/$(last "$3")/." "$6" ;;
"forget -s "*) test -d "$3/$4"; rm -r "$3/$4"; echo "$4" >"$3/../forgotten" ;;
*) echo "unknown: $*" >&2; exit 64 ;;
esac
`
	if err := os.WriteFile(name, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return name
}

func testRunner(t *testing.T, peers ...peer) *runner {
	return &runner{
		opts: options{rounds: 1}, log: t.Output(), dir: t.TempDir(), plain: true, settle: command{"true"}, peers: peers,
		tick: time.Millisecond,
	}
}

func TestEveryStepIsMeasuredForEveryProgram(t *testing.T) {
	need(t, "rsync", "cp")
	varve := fakeVarve(t)
	r := testRunner(t, ours{binary: varve}, linkDest{}, copyLinks{}, ours{binary: varve, vault: true})
	r.opts.keep = true
	r.tick = 1100 * time.Millisecond // rsync compares whole seconds
	res, err := r.set(t.Context(), smallSet())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range res.peers {
		for _, st := range res.set.steps() {
			m, ok := res.medians(st, p)
			if lacks := p == "rsync" || p == "cp-al"; lacks && (st == stepList || st == stepVerify) {
				if ok {
					t.Errorf("%s, %s: measured, though there is no such thing", p, st)
				}
				continue
			}
			if !ok || m[wall] <= 0 || m[memory] <= 0 {
				t.Errorf("%s, %s: measured %v", p, st, m)
			}
		}
	}
	notes := strings.Join(res.notes, "\n")
	if strings.Contains(notes, "failed") || !strings.Contains(notes, "identical") {
		t.Errorf("notes: %s", notes)
	}
	for vol, want := range map[string][]string{
		"A-1-varve/store": {"2", "3"}, "A-1-rsync/store": {"1", "2"}, "A-1-cp-al/store": {"1", "2"}, "A-1-varve-vault/store": {"2", "3"},
	} {
		if got := names(t, filepath.Join(r.dir, vol)); strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%s holds %v after forgetting the oldest, want %v", vol, got, want)
		}
	}
	source := fingerprint(t, filepath.Join(r.dir, "source-A", "data"))
	for _, p := range res.peers {
		if fingerprint(t, filepath.Join(r.dir, "A-1-"+p, "restored")) != source {
			t.Errorf("%s restored something else than the changed source", p)
		}
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func TestAProgramThatFailsIsANoteAndTheOthersGoOn(t *testing.T) {
	need(t, "rsync", "cp")
	r := testRunner(t, ours{binary: "/bin/false"}, linkDest{})
	res, err := r.set(t.Context(), smallSet())
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := res.medians(stepForget, "rsync"); !ok {
		t.Error("rsync did not reach the end")
	}
	if notes := strings.Join(res.notes, "\n"); !strings.Contains(notes, "varve failed at first") {
		t.Errorf("notes: %s", notes)
	}
	if left := names(t, r.dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestADifferentRestoreIsNoted(t *testing.T) {
	need(t, "rsync")
	r := testRunner(t)
	c := &contender{peer: ours{}, post: post{source: t.TempDir(), restored: t.TempDir()}}
	if err := os.WriteFile(filepath.Join(c.post.source, "lost"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r.judge(t.Context(), c)
	if len(r.notes) != 1 || !strings.Contains(r.notes[0], "DIFFERS") {
		t.Errorf("notes: %q", r.notes)
	}
}

func TestNothingIsLeftAfterAnInterrupt(t *testing.T) {
	need(t, "rsync", "sleep")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := testRunner(t, sleeper{started: cancel})
	if _, err := r.set(ctx, smallSet()); err == nil {
		t.Error("no error after an interrupt")
	}
	if err := r.cleanUp(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(r.dir); !os.IsNotExist(err) {
		t.Errorf("the work directory: %v", err)
	}
}

// sleeper is a program that never ends; started is called when it is about to begin.
type sleeper struct {
	linkDest
	started func()
}

func (s sleeper) first(context.Context, post) ([]command, error) {
	time.AfterFunc(20*time.Millisecond, s.started)
	return []command{{"sh", "-c", "sleep 1000 & sleep 1000"}}, nil
}
