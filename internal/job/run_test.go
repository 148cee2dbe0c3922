package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"varve"
	"varve/internal/config"
	"varve/internal/disk"
	"varve/internal/history"
	"varve/internal/hook"
	"varve/internal/location"
	"varve/internal/ssh"
)

func TestARunSavesCopiesAndForgets(t *testing.T) {
	b := newBed(t, twoStores)
	for i := 1; i <= 4; i++ {
		r := b.run()
		if r.Err != nil || r.Store != "usb" {
			t.Fatalf("%v, %s", r.Err, r.Store)
		}
		b.want(r, history.Success, min(i, 2), i)
	}
	if h := b.job(); len(h.Runs) != 4 || h.Success == nil || len(h.Good) != 2 || h.Runs[3].Copied != 1 || h.Runs[3].Forgotten != 1 {
		t.Errorf("%+v", h)
	}
	if !slices.Equal(b.events[:2], []string{"start", "success"}) || len(b.warned) > 0 {
		t.Errorf("%q, %v", b.events, b.warned)
	}
}

func TestAStoreThatWasAwayCatchesUp(t *testing.T) {
	b := newBed(t, strings.Replace(twoStores, `place = "/usb"`, "place = \"/usb\"\nmounted = \"/usb\"", 1))
	b.mounted["/usb"] = true
	b.want(b.run(), history.Success, 1, 1)
	b.mounted["/usb"] = false
	r := b.run()
	if r.Store != "box" || r.Err != nil || !errors.Is(r.Stores[0].Absent, varve.ErrNoStore) || len(r.Notes) == 0 {
		t.Fatalf("%s, %v, %v, %q", r.Store, r.Err, r.Stores[0].Absent, r.Notes)
	}
	b.want(r, history.Success, 1, 2)
	b.want(b.run(), history.Success, 1, 3)
	b.mounted["/usb"] = true
	r = b.run()
	if r.Store != "usb" || len(r.Stores[0].Copied) != 2 {
		t.Fatalf("%s, copied %d", r.Store, len(r.Stores[0].Copied))
	}
	b.want(r, history.Success, 2, 4)
	// What one store forgot is not brought back from another.
	b.want(b.run(), history.Success, 2, 5)
}

func TestWithoutAnyStoreTheRunIsSkipped(t *testing.T) {
	b := newBed(t, strings.ReplaceAll(twoStores, `place = `, "marker = \"/nowhere\"\nplace = ")+"[job.home.hook]\nfailed = \"f\"\nfinally = \"z\"\n")
	r := b.run()
	b.want(r, history.Skipped, 0, 0)
	if !errors.Is(r.Err, varve.ErrNoStore) || !slices.Equal(b.ran(), []string{"z"}) || len(b.events) > 0 {
		t.Errorf("%v, %q, %q", r.Err, b.ran(), b.events)
	}
}

func TestASourceThatIsNotMountedMakesNoSnapshot(t *testing.T) {
	b := newBed(t, twoStores+"[job.home.guard]\nmounted = [\"/src\"]\nmarker = [\"/src/a\"]\n")
	r := b.run()
	b.want(r, history.Failed, 0, 0)
	if !errors.Is(r.Err, ErrGuard) || b.events[1] != "failure" {
		t.Errorf("%v, %q", r.Err, b.events)
	}
	b.mounted["/src"] = true
	b.want(b.run(), history.Success, 1, 1)
	if !slices.Equal(b.events[2:], []string{"start", "success", "recovered"}) {
		t.Errorf("%q", b.events)
	}
	must(t, mustDir(t, b, "src").Remove("a"))
	b.want(b.run(), history.Failed, 1, 1)
}

func mustDir(t *testing.T, b *bed, at string) disk.FS {
	t.Helper()
	dir, err := disk.OpenPath(b.disk.Root(), at)
	must(t, err)
	return dir
}

const hooks = "[job.home.hook]\nbefore = \"b\"\nafter = \"a\"\nfailed = \"f\"\nfinally = \"z\"\n"

func TestHooksRunInOrderAndFinallyAlways(t *testing.T) {
	b := newBed(t, twoStores+hooks)
	b.want(b.run(), history.Success, 1, 1)
	if !slices.Equal(b.ran(), []string{"b", "a", "z"}) {
		t.Errorf("%q", b.ran())
	}
	var said struct {
		Hook, Job, Result string
		Exit              int
		Snapshot          varve.Snapshot
	}
	must(t, json.Unmarshal(b.hooks[1].Stdin, &said))
	if said.Hook != "after" || said.Job != "home" || said.Result != "success" || said.Snapshot.Series != "host:home" ||
		!slices.Contains(b.hooks[1].Env, "VARVE_RESULT=success") {
		t.Errorf("%+v, %q", said, b.hooks[1].Env)
	}
	b.hooks, b.hookErr["b"] = nil, errBad
	r := b.run()
	b.want(r, history.Failed, 1, 1)
	if !slices.Equal(b.ran(), []string{"b", "f", "z"}) || !errors.Is(r.Err, ErrHook) || !slices.Contains(b.hooks[2].Env, "VARVE_EXIT=1") {
		t.Errorf("%q, %v", b.ran(), r.Err)
	}
}

func TestAnInterruptedRunRunsFinallyAndIsRemembered(t *testing.T) {
	b := newBed(t, twoStores+hooks)
	ctx, cancel := context.WithCancel(t.Context())
	b.deps.Hook = func(ctx context.Context, c hook.Command) (string, error) {
		if c.Shell == "b" {
			cancel()
		} else if ctx.Err() != nil {
			t.Error("a hook after the interruption was run without time")
		}
		return b.hook(ctx, c)
	}
	r := Run(ctx, b.config.Job("home"), How{}, b.deps)
	b.want(r, history.Interrupted, 0, 0)
	if !slices.Equal(b.ran(), []string{"b", "f", "z"}) || !errors.Is(r.Err, context.Canceled) || b.job().Runs[0].Result != history.Interrupted {
		t.Errorf("%q, %v", b.ran(), r.Err)
	}
}

func TestOneRunOfAJobAtATime(t *testing.T) {
	b := newBed(t, twoStores)
	lease, err := b.deps.History.LockJob("home")
	must(t, err)
	if r := b.run(); !errors.Is(r.Err, varve.ErrBusy) || r.Result != history.Skipped || len(b.events) > 0 {
		t.Errorf("%v, %s, %q", r.Err, r.Result, b.events)
	}
	must(t, lease.Close())
	b.want(b.run(), history.Success, 1, 1)
}

func TestTheNetworkIsWaitedForAndNotForEver(t *testing.T) {
	b := newBed(t, twoStores)
	down := 3
	b.open = func(s *config.Store, p *Place) (*Place, error) {
		if s.Name != "box" || down == 0 {
			return p, nil
		}
		down--
		return nil, errors.Join(ssh.ErrUnreachable, p.Close())
	}
	b.want(b.run(), history.Success, 1, 1)
	if !slices.Equal(b.slept, []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second}) {
		t.Errorf("%v", b.slept)
	}
	down, b.slept = 1000, nil
	b.want(b.run(), history.Success, 2, 1)
	var all time.Duration
	for _, d := range b.slept {
		all += d
	}
	if all != 5*time.Minute {
		t.Errorf("waited %s", all)
	}
}

// flaky is a store whose Save fails for some time.
type flaky struct {
	varve.Store
	errs *[]error
}

func (f flaky) Save(ctx context.Context, src varve.Source, o varve.SaveOptions) (varve.Snapshot, error) {
	if len(*f.errs) > 0 {
		err := (*f.errs)[0]
		*f.errs = (*f.errs)[1:]
		return varve.Snapshot{}, err
	}
	return f.Store.Save(ctx, src, o)
}

func TestWhatMayPassIsTriedAgainAndNothingElse(t *testing.T) {
	b := newBed(t, twoStores)
	var errs []error
	b.open = func(s *config.Store, p *Place) (*Place, error) {
		if s.Name == "usb" {
			p.Store = flaky{p.Store, &errs}
		}
		return p, nil
	}
	errs = []error{disk.ErrLost, varve.ErrBusy}
	if r := b.run(); r.Result != history.Success || r.Attempts != 3 || len(b.slept) != 2 {
		t.Errorf("%s, %d, %v", r.Result, r.Attempts, b.slept)
	}
	errs = []error{errBad}
	if r := b.run(); r.Result != history.Success || r.Store != "box" || r.Attempts != 2 || !errors.Is(r.Err, errBad) {
		t.Errorf("%s, %s, %d, %v", r.Result, r.Store, r.Attempts, r.Err)
	}
	b.config.Jobs[0].Stores = []string{"usb"}
	errs = []error{errBad}
	if r := b.run(); r.Result != history.Failed || r.Attempts != 1 {
		t.Errorf("%s, %d", r.Result, r.Attempts)
	}
	errs = slices.Repeat([]error{disk.ErrLost}, 10)
	if r := b.run(); r.Result != history.Failed || r.Attempts != 4 || !errors.Is(r.Err, disk.ErrLost) {
		t.Errorf("%s, %d", r.Result, r.Attempts)
	}
}

func TestTheOutputOfCommandsIsSavedAndAFailureMakesNoSnapshot(t *testing.T) {
	command := "[[job.home.command]]\npath = \"/dump.sql\"\nrun = \"%s\"\n"
	b := newBed(t, twoStores+fmt.Sprintf(command, "echo dumped"))
	r := b.run()
	b.want(r, history.Success, 1, 1)
	if !slices.Equal(r.Snapshot.Sources, []string{"/src", "/dump.sql"}) {
		t.Errorf("%q", r.Snapshot.Sources)
	}
	if _, err := mustDir(t, b, "usb/"+r.Snapshot.Location).Lookup("dump.sql"); err != nil {
		t.Error(err)
	}
	b.parse(twoStores + fmt.Sprintf(command, "echo half; echo no table >&2; exit 3"))
	b.deps.Config = b.config
	r = b.run()
	b.want(r, history.Failed, 1, 1)
	contains(t, r.Err.Error(), "no table")
	b.parse(strings.Replace(twoStores, `sources = ["/src"]`, "", 1) + fmt.Sprintf(command, "echo alone"))
	b.deps.Config = b.config
	if r = b.run(); r.Result != history.Suspect || r.Snapshot.Files != 1 {
		t.Errorf("%s, %d files, %v", r.Result, r.Snapshot.Files, r.Err)
	}
}

func TestARealHookIsRunAndTold(t *testing.T) {
	b := newBed(t, twoStores)
	b.deps.Hook = nil
	at := filepath.Join(t.TempDir(), "told")
	b.config.Jobs[0].Hook.After.Run.Shell = "{ echo $VARVE_JOB $VARVE_RESULT $VARVE_EXIT; cat; } > " + at
	if r := b.run(); r.Err != nil {
		t.Fatal(r.Err)
	}
	text, err := os.ReadFile(at)
	must(t, err)
	contains(t, string(text), "home success 0\n{")
}

func TestASourceThatCannotBeReachedIsWaitedForAndTold(t *testing.T) {
	b := newBed(t, strings.Replace(twoStores, `["/src"]`, `["nobody@host.invalid:/src"]`, 1)+hooks)
	b.deps.Sources = func(*config.Job) location.Options {
		return location.Options{Reach: location.Reach{SSH: []string{"/bin/sh", "-c", "echo ssh: connect to host: Connection refused >&2; exit 255", "ssh"}}}
	}
	r := b.run()
	b.want(r, history.Failed, 0, 0)
	if !errors.Is(r.Err, ssh.ErrUnreachable) || len(b.slept) == 0 || !slices.Equal(b.ran(), []string{"f", "z"}) {
		t.Errorf("%v, %v, %q", r.Err, b.slept, b.ran())
	}
}

func TestAFullStoreGetsNoSnapshotAndTheNextOneDoes(t *testing.T) {
	b := newBed(t, twoStores+"[job.home.guard]\nmin-free = \"1G\"\n")
	b.open = func(s *config.Store, p *Place) (*Place, error) {
		if s.Name == "usb" {
			p.Space = func(context.Context) (disk.Space, error) { return disk.Space{Total: 1 << 40, Free: 1 << 20}, nil }
		}
		return p, nil
	}
	r := b.run()
	b.want(r, history.Success, 0, 1)
	if r.Store != "box" || !errors.Is(r.Err, ErrRoom) || b.events[1] != "failure" {
		t.Errorf("%s, %v, %q", r.Store, r.Err, b.events)
	}
}

func TestARunThatWasKilledIsTold(t *testing.T) {
	b := newBed(t, twoStores)
	lease, err := b.deps.History.LockJob("home")
	must(t, err)
	lease.Record.Start(b.now)
	must(t, errors.Join(lease.Save(), lease.Close()))
	r := b.run()
	b.want(r, history.Success, 1, 1)
	contains(t, strings.Join(r.Notes, "\n"), "was killed")
	if h := b.job(); h.Runs[0].Result != history.Interrupted {
		t.Errorf("%+v", h.Runs[0])
	}
}

func TestDamagedMemoryCostsNothingButMemory(t *testing.T) {
	b := newBed(t, twoStores)
	b.want(b.run(), history.Success, 1, 1)
	b.write("state/history/job-home.json", "{\"runs\": [{]")
	r := b.run()
	b.want(r, history.Success, 2, 2)
	contains(t, strings.Join(r.Notes, "\n"), "lost")
	if r = b.run(); r.Notes != nil {
		t.Errorf("told again: %q", r.Notes)
	}
}

func TestWithoutAPlaceToRememberThereIsABackupNevertheless(t *testing.T) {
	b := newBed(t, twoStores)
	must(t, b.deps.History.Close())
	b.want(b.run(), history.Success, 1, 1)
	if len(b.warned) == 0 {
		t.Error("nobody was told")
	}
}
