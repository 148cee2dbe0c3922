package job

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"varve"
	"varve/internal/config"
	"varve/internal/disk"
	"varve/internal/history"
	"varve/internal/location"
	"varve/internal/vault"
)

// frozen is a snapshot of the file system: the disk at another path.
type frozen struct {
	bed    *bed
	closed *int
	stays  bool // it cannot be removed
}

func (f frozen) OpenDir(at string) (disk.FS, error) { return f.bed.openDir("/frozen" + at) }
func (f frozen) Since() time.Time                   { return time.Unix(1e9, 0) }
func (f frozen) Close() error {
	*f.closed++
	if f.stays {
		return errBad
	}
	return nil
}

func TestSourcesAreReadFromTheSnapshotWhichGoesAfterwards(t *testing.T) {
	b := newBed(t, twoStores+hooks)
	b.config.Jobs[0].Snapshot = config.Btrfs
	must(t, b.disk.Root().Mkdir("frozen", 0o700))
	must(t, mustDir(t, b, "frozen").Mkdir("src", 0o700))
	b.write("frozen/src/then", "as it was")
	closed := 0
	b.deps.Freeze = func(_ context.Context, kind config.Freeze, paths []string) (Frozen, error) {
		if kind != config.Btrfs || len(paths) != 1 || paths[0] != "/src" {
			t.Errorf("%s of %q", kind, paths)
		}
		if ran := b.ran(); len(ran) == 0 || ran[len(ran)-1] != "b" {
			t.Errorf("it is taken after %q", ran)
		}
		return frozen{b, &closed, false}, nil
	}
	r := b.run()
	if r.Err != nil || closed != 1 {
		t.Fatalf("%v, closed %d times", r.Err, closed)
	}
	if _, err := mustDir(t, b, "usb/"+r.Snapshot.Location+"/src").Lookup("then"); err != nil {
		t.Error(err)
	}
	errs := []error{errBad, errBad} // in both stores
	b.open = func(_ *config.Store, p *Place) (*Place, error) {
		p.Store = flaky{p.Store, &errs}
		return p, nil
	}
	if r := b.run(); r.Result != history.Failed || closed != 3 {
		t.Errorf("%s, closed %d times", r.Result, closed)
	}
	b.open = nil
	b.deps.Freeze = func(context.Context, config.Freeze, []string) (Frozen, error) { return frozen{b, &closed, true}, nil }
	if r := b.run(); r.Result != history.Success || !errors.Is(r.Err, errBad) || closed != 4 || r.Stores[0].Err != nil {
		t.Errorf("%s, %v, closed %d times", r.Result, r.Err, closed)
	}
	tried := 0
	b.deps.Freeze = func(context.Context, config.Freeze, []string) (Frozen, error) { tried++; return nil, errBad }
	if r := b.run(); r.Result != history.Failed || !errors.Is(r.Err, errBad) || tried != 1 || r.Stores[0].Err != nil {
		t.Errorf("%s, %v, tried %d times, and the store is blamed: %v", r.Result, r.Err, tried, r.Stores[0].Err)
	}
}

// makeVault makes a vault at /vault, and returns how it is opened.
func (b *bed) makeVault() location.Options {
	b.Helper()
	must(b.T, b.disk.Root().Mkdir("vault", 0o700))
	opts := location.Options{OpenDir: b.openDir, Unlock: func(context.Context, string) (vault.Credentials, vault.Options, error) {
		return vault.Credentials{}, vault.Options{}, nil
	}}
	_, err := location.InitVault(b.Context(), "/vault", opts, vault.InitOptions{Unencrypted: true})
	must(b.T, err)
	return opts
}

func TestAVaultIsCopiedToVerifiedPrunedAndDrilled(t *testing.T) {
	b := newBed(t, twoStores)
	opts := b.makeVault()
	s := b.config.Stores[1]
	s.Place, s.Keep = "/vault", config.Keep{Last: 2}
	s.Verify.Every, s.Prune.Every, s.Drill.Every, s.Drill.Files = 1, 1, 1, 2
	b.deps.Open = func(ctx context.Context, s *config.Store, _ bool) (*Place, error) {
		return OpenPlace(ctx, s.Place, opts)
	}
	for i := range 4 {
		b.write("src/a", string(bytes.Repeat([]byte{byte(i)}, 5000)))
		r := b.run()
		if r.Err != nil || len(r.Stores[1].Copied) != 1 {
			t.Fatalf("%v, %+v", r.Err, r.Stores[1])
		}
		if v := r.Stores[1]; i > 0 && (v.Verify == nil || v.Verify.Share != 0.1 || v.Prune == nil || v.Drill == nil || v.Drill.Files != 2) {
			t.Fatalf("%+v", v)
		}
	}
	p, err := OpenPlace(t.Context(), "/vault", opts)
	must(t, err)
	defer p.Close()
	list, err := p.Store.Snapshots(t.Context())
	must(t, err)
	all, err := p.Used(t.Context(), nil)
	must(t, err)
	less, err := p.Used(t.Context(), []varve.SnapshotID{list[0].ID})
	must(t, err)
	if len(list) != 2 || all.Bytes <= 0 || less.Bytes > all.Bytes {
		t.Errorf("%d snapshots, %+v, %+v", len(list), all, less)
	}
}

func TestWhatIsMountedHere(t *testing.T) {
	m := Local{}
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	must(t, os.Symlink("/proc", link))
	for path, want := range map[string]bool{"/": true, "/proc": true, link: true, dir: false, filepath.Join(dir, "nowhere"): false} {
		if got, err := m.Mounted(path); err != nil || got != want {
			t.Errorf("%s: %v, %v", path, got, err)
		}
		if got, err := m.Exists(path); err != nil || got != (filepath.Base(path) != "nowhere") {
			t.Errorf("%s: exists %v, %v", path, got, err)
		}
	}
}

func TestScratchSpaceIsTheUsersOwnAndGoes(t *testing.T) {
	base := t.TempDir()
	dir, end, err := ScratchIn(base, func() string { return "X1" })()
	must(t, err)
	info, err := os.Stat(filepath.Join(base, "varve-drill-x1"))
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info, err)
	}
	must(t, dir.Mkdir("left", 0o700))
	dead := filepath.Join(base, "varve-drill-dead")
	must(t, os.MkdirAll(filepath.Join(dead, "drill"), 0o700))
	must(t, os.WriteFile(filepath.Join(dead, "drill", "secret"), nil, 0o600))
	must(t, os.WriteFile(filepath.Join(dead, scratchLock), nil, 0o600))
	_, endOther, err := ScratchIn(base, func() string { return "X2" })()
	must(t, err)
	if _, err := os.Stat(dead); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what a killed drill left is there: %v", err)
	}
	if _, err := dir.Lookup("left"); err != nil {
		t.Errorf("what a living one has is not: %v", err)
	}
	must(t, endOther())
	must(t, end())
	if names, err := os.ReadDir(base); err != nil || len(names) > 0 {
		t.Errorf("%v, %v", names, err)
	}
}

func TestNoticesGoToWhoWantsThem(t *testing.T) {
	b := newBed(t, twoStores+`[notice.ops]
kind = "mail"
to = ["root"]
[notice.alive]
kind = "ping"
url = "https://example.org/x"
[notice.other]
kind = "mail"
to = ["root"]
jobs = ["away"]
[job.away]
sources = ["/src"]
stores = ["usb"]
`)
	for kind, want := range map[config.Event]int{config.Success: 1, config.Failure: 2, config.Overdue: 2} {
		if got := Listeners(b.config, Event{Kind: kind, Job: b.config.Job("home")}); len(got) != want {
			t.Errorf("%s: %d", kind, len(got))
		}
	}
	if got := Listeners(b.config, Event{Kind: config.Failure, Job: b.config.Job("away")}); len(got) != 3 {
		t.Errorf("%d", len(got))
	}
}

func TestTheWorstReportCounts(t *testing.T) {
	report := func(r history.Result, err error) *Report { return &Report{Result: r, Err: err, End: time.Time{}} }
	order := []*Report{report(history.Success, nil), report(history.Skipped, errBad), report(history.Incomplete, ErrIncomplete),
		report(history.Success, errBad), report(history.Suspect, ErrSuspect), report(history.Failed, errBad), report(history.Interrupted, errBad)}
	for i := range order {
		if got := Worst(order[:i+1]); got != order[i] {
			t.Errorf("%d: %+v", i, got)
		}
	}
	if Worst(nil) != nil {
		t.Error("there is none")
	}
}

func TestAMissingKeyIsToldAndTheOtherStoreGetsTheBackup(t *testing.T) {
	b := newBed(t, twoStores)
	locked := map[string]bool{"usb": true}
	b.open = func(s *config.Store, p *Place) (*Place, error) {
		if locked[s.Name] {
			return nil, errors.Join(vault.ErrKey, p.Close())
		}
		return p, nil
	}
	r := b.run()
	if r.Result != history.Success || r.Store != "box" || !errors.Is(r.Err, vault.ErrKey) || r.Event() != config.Failure {
		t.Errorf("%s, %s, %v", r.Result, r.Store, r.Err)
	}
	locked["box"] = true
	if r := b.run(); r.Result != history.Failed || !errors.Is(r.Err, vault.ErrKey) {
		t.Errorf("%s, %v", r.Result, r.Err)
	}
	locked = nil
	b.want(b.run(), history.Success, 2, 2)
}

func TestAStoreWithDamageGetsTheBackupAndLosesNothing(t *testing.T) {
	b := newBed(t, twoStores)
	b.run()
	b.run()
	b.open = func(s *config.Store, p *Place) (*Place, error) {
		if s.Name == "usb" {
			p.Store = unlisted{p.Store}
		}
		return p, nil
	}
	r := b.run()
	if r.Result != history.Success || r.Store != "usb" || !errors.Is(r.Err, varve.ErrDamaged) || len(r.Stores[0].Forgotten) > 0 {
		t.Errorf("%s, %s, %v", r.Result, r.Store, r.Err)
	}
	b.want(r, history.Success, 3, 2) // the newest was the one that cannot be read
}

// unlisted is a store that has a snapshot which cannot be read.
type unlisted struct{ varve.Store }

func (u unlisted) Snapshots(ctx context.Context) ([]varve.Snapshot, error) {
	list, err := u.Store.Snapshots(ctx)
	return list[:len(list)-1], errors.Join(err, varve.ErrDamaged)
}
