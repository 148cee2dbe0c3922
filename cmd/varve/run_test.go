package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"varve"
	"varve/internal/config"
	jobs "varve/internal/job"
	"varve/internal/location"
	"varve/internal/ssh"
	"varve/internal/vault"
)

func TestExitCodesOfRuns(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, exitGood},
		{errors.New("any"), exitFailed},
		{fmt.Errorf("x: %w", jobs.ErrSuspect), exitIncomplete},
		{errors.Join(jobs.ErrIncomplete, varve.ErrNoStore), exitIncomplete},
		{errors.Join(jobs.ErrHook, jobs.ErrSuspect), exitIncomplete},
		{varve.ErrDamaged, exitDamaged},
		{errors.Join(varve.ErrNoStore, varve.ErrBusy, varve.ErrDamaged), exitDamaged},
		{varve.ErrNoStore, exitNotRun},
		{errors.Join(varve.ErrNoStore, vault.ErrKey), exitWrongKey},
		{ssh.ErrUnreachable, exitNotRun},
		{varve.ErrBusy, exitBusy},
		{jobs.ErrGuard, exitFailed},
	} {
		if got := jobCode(t.Context(), c.err); got != c.want {
			t.Errorf("%v: %d, want %d", c.err, got, c.want)
		}
	}
}

func TestTheWorstOfSeveralDrillsCounts(t *testing.T) {
	away, wrong, none := varve.ErrNoStore, varve.ErrDamaged, varve.ErrNoSnapshot
	for _, c := range []struct {
		errs []error
		want int
	}{
		{nil, exitGood}, {[]error{nil, nil}, exitGood}, {[]error{nil, away}, exitNotRun}, {[]error{away, none}, exitFailed},
		{[]error{none, away}, exitFailed}, {[]error{none, away, wrong, nil}, exitDamaged},
	} {
		if got := worstCode(t.Context(), c.errs); got != c.want {
			t.Errorf("%v: %d, want %d", c.errs, got, c.want)
		}
	}
}

func TestTheLineThatRestoresCanBePasted(t *testing.T) {
	for place, want := range map[string]string{
		"/mnt/usb/varve": "varve restore -s /mnt/usb/varve 01000000 -t DIR",
		"/mnt/my disk":   "varve restore -s '/mnt/my disk' 01000000 -t DIR",
		"/it's; reboot":  `varve restore -s '/it'\''s; reboot' 01000000 -t DIR`,
		"u@h:~x":         "varve restore -s 'u@h:~x' 01000000 -t DIR",
	} {
		if got := restoreLine(&config.Store{Place: place}, varve.SnapshotID{1}); got != want {
			t.Errorf("%s: %s, want %s", place, got, want)
		}
	}
	if got := restoreLine(nil, varve.SnapshotID{1}); got != "" {
		t.Errorf("without a store: %s", got)
	}
	if got := restoreLine(&config.Store{Place: "/v", KeyFile: "/k"}, varve.SnapshotID{1}); !strings.Contains(got, "--key /k") {
		t.Error(got)
	}
	ssh := config.Line{"ssh", "-p", "2 2"}
	if got := restoreLine(&config.Store{Place: "h:v", SSH: ssh}, varve.SnapshotID{1}); !strings.Contains(got, `-s h:v --ssh 'ssh -p '\''2 2'\''' `) {
		t.Error(got)
	}
	if got := restoreLine(&config.Store{Place: "/v", SSH: ssh}, varve.SnapshotID{1}); strings.Contains(got, "--ssh") {
		t.Error(got)
	}
}

func TestWhatIsMissingIsToldBeforeWhatChanged(t *testing.T) {
	p := &jobs.Report{Snapshot: varve.Snapshot{Skipped: 3}, Findings: []varve.Event{{Kind: varve.Changed, Path: "log"}, {Kind: varve.Unkept, Path: "x"},
		{Kind: varve.Skipped, Path: "secret\x1b[2J", Err: os.ErrPermission}, {Kind: varve.Damage, Err: errors.New("index")}}}
	lines, more := problems(p)
	want := []string{`skipped: "/secret\x1b[2J": permission denied`, "damage: index", "changed: /log"}
	if strings.Join(lines, "\n") != strings.Join(want, "\n") || more != 2 {
		t.Errorf("%q, %d more", lines, more)
	}
}

func TestSourcesOfAJobAreOnOneMachine(t *testing.T) {
	for _, good := range [][]string{{"/a", "/b"}, {"u@h:/a", "u@h:/b"}, {"ssh://h/a"}} {
		if err := checkSources(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range [][]string{{"/a", "h:/b"}, {"h:/a", "i:/a"}, {"h:/a", "ssh://h/b"}} {
		if err := checkSources(bad); !errors.Is(err, location.ErrMachines) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if err := checkSources([]string{"h::module/x"}); err == nil {
		t.Error("an rsync daemon was taken for a source of jobs")
	}
}

// oneJob makes a store, a source and a configuration with one job, and returns the path of that.
func oneJob(t *testing.T, more string) (path, dir string) {
	t.Helper()
	t.Setenv("VARVE_STATE_DIR", t.TempDir())
	dir, store := source(t)
	call(t, exitGood, "init", "-s", store)
	path = filepath.Join(t.TempDir(), "varve.toml")
	text := fmt.Sprintf("[store.usb]\nplace = %q\n[job.home]\nsources = [%q]\nstores = [\"usb\"]\n%s", store, dir, more)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, dir
}

func TestAnInterruptedRunEndsWith130AndTheNextOneIsGood(t *testing.T) {
	path, _ := oneJob(t, "")
	ctx, cancel := context.WithCancel(t.Context())
	a, out, errs := testApp()
	inner := a.host
	a.host = func() (string, error) { // asked for while the run begins
		cancel()
		return inner()
	}
	if code := run(ctx, a, []string{"run", "home", "--config", path}); code != exitInterrupted {
		t.Errorf("exit code %d", code)
	}
	if out.String() != "" || errs.String() != "varve: interrupted\n" {
		t.Errorf("it printed %q and %q", out, errs)
	}
	if out, errs := call(t, exitGood, "run", "home", "--config", path); out+errs != "" {
		t.Errorf("it printed %q and %q", out, errs)
	}
}

func TestAFailureToTellPeopleIsToldAndChangesNothing(t *testing.T) {
	path, _ := oneJob(t, "[notice.x]\nkind = \"command\"\nrun = \"exit 4\"\non = [\"success\"]\n")
	if out, errs := call(t, exitGood, "run", "home", "--config", path); out != "" || !strings.Contains(errs, "warning: tell people: ") {
		t.Errorf("it printed %q and %q", out, errs)
	}
}

func TestJobsOfOneNameInTwoConfigurationsDoNotStopEachOther(t *testing.T) {
	first, _ := oneJob(t, "schedule = \"every 12h\"\n")
	state := os.Getenv("VARVE_STATE_DIR")
	second, _ := oneJob(t, "schedule = \"every 12h\"\n")
	t.Setenv("VARVE_STATE_DIR", state)
	for _, path := range []string{first, second} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, place, _ := strings.Cut(string(text), "place = \"")
		place, _, _ = strings.Cut(place, "\"")
		for range 2 { // the second time it is not due
			call(t, exitGood, "run", "--due", "--config", path)
		}
		if out, _ := call(t, exitGood, "snapshots", "-s", place, "--json"); strings.Count(out, "\"series\"") != 1 {
			t.Errorf("%s: %s", path, out)
		}
	}
}

func TestAJobThatWasKilledIsOverdueAndToldOfBeforeItRunsAgain(t *testing.T) {
	path, _ := oneJob(t, "schedule = \"daily 02:00\"\n[job.home.hook]\nbefore = \"exit 1\"\n")
	call(t, exitFailed, "run", "home", "--config", path)
	records, err := filepath.Glob(filepath.Join(os.Getenv("VARVE_STATE_DIR"), "history-*/job-home.json"))
	if err != nil || len(records) != 1 {
		t.Fatal(records, err)
	}
	killed := `{"known": "2020-01-01T00:00:00Z", "runs": [{"begin": "2020-01-01T00:00:00Z", "result": "running"}]}`
	if err := os.WriteFile(records[0], []byte(killed), 0o600); err != nil {
		t.Fatal(err)
	}
	_, errs := call(t, exitFailed, "run", "--due", "--config", path)
	if late, ran := strings.Index(errs, "overdue"), strings.Index(errs, "hook failed"); late < 0 || late > ran {
		t.Errorf("it printed %q", errs)
	}
	text, err := os.ReadFile(path)
	if err == nil {
		err = errors.Join(os.WriteFile(path, []byte(strings.Replace(string(text), "exit 1", "true", 1)), 0o600), os.WriteFile(records[0], []byte(killed), 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, errs := call(t, exitGood, "run", "--due", "--config", path); !strings.Contains(errs, "overdue") {
		t.Errorf("a run that mends it: %q", errs)
	}
}
