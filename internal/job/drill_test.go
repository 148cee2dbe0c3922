package job

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"varve"
	"varve/internal/config"
	"varve/internal/disk"
	"varve/internal/history"
)

func TestADrillProvesARestoreAndLeavesNothing(t *testing.T) {
	b := newBed(t, twoStores)
	for i := range 30 {
		b.write(fmt.Sprintf("src/file%02d", i), fmt.Sprintf("content %d", i))
	}
	b.write("src/large", string(make([]byte, 1<<20)))
	b.config.Stores[0].Drill.Files = 5
	b.run()
	cold := false
	b.deps.Open = coldOnly(b, &cold)
	d, err := Drill(t.Context(), b.config.Job("home"), "usb", b.deps)
	must(t, err)
	if d.Files < 6 || d.Files > 8 || d.Bytes < 1<<20 || d.Rate <= 0 || d.Whole <= 0 || !cold || d.Snapshot != b.list("usb")[0].ID {
		t.Errorf("%+v", d)
	}
	if names, err := mustDir(t, b, "scratch").Names(); err != nil || len(names) > 0 {
		t.Errorf("left in the scratch space: %v, %v", names, err)
	}
	if h, err := b.deps.History.Store("usb"); err != nil || h.Proven() == nil || h.Proven().Files != d.Files {
		t.Errorf("%+v, %v", h, err)
	}
}

func TestADrillOfAnImmutableFileLeavesNothing(t *testing.T) {
	b := newBed(t, twoStores)
	const immutable = 0x10
	must(t, mustDir(t, b, "src").Set("a", &varve.Entry{Flags: immutable}, varve.Flags))
	b.run()
	d, err := Drill(t.Context(), b.config.Job("home"), "usb", b.deps)
	if err != nil || d.Files != 2 || d.Damage > 0 {
		t.Errorf("%+v, %v", d, err)
	}
	if names, err := mustDir(t, b, "scratch").Names(); err != nil || len(names) > 0 {
		t.Errorf("left in the scratch space: %v, %v", names, err)
	}
}

func TestADrillFindsAWrongByte(t *testing.T) {
	b := newBed(t, twoStores)
	b.run()
	at := "usb/" + b.list("usb")[0].Location + "/src/a"
	info, err := mustDir(t, b, varve.Parent(at)).Lookup("a")
	must(t, err)
	b.write(at, "alphA")
	must(t, mustDir(t, b, varve.Parent(at)).Set("a", &info.Entry, varve.MTime))
	d, err := Drill(t.Context(), b.config.Job("home"), "usb", b.deps)
	if !errors.Is(err, varve.ErrDamaged) || d.Damage != 1 || d.Error == "" {
		t.Errorf("%+v, %v", d, err)
	}
	if names, err := mustDir(t, b, "scratch").Names(); err != nil || len(names) > 0 {
		t.Errorf("left in the scratch space: %v, %v", names, err)
	}
	if l := Status(b.deps, nil)[0]; l.Level != Wrong || l.Proven != nil {
		t.Errorf("%+v", l)
	}
}

func TestADrillWithoutSnapshotStoreOrRoomSaysSo(t *testing.T) {
	b := newBed(t, twoStores)
	j := b.config.Job("home")
	if _, err := Drill(t.Context(), j, "usb", b.deps); !errors.Is(err, varve.ErrNoSnapshot) {
		t.Error(err)
	}
	b.open = func(_ *config.Store, p *Place) (*Place, error) { return nil, errors.Join(varve.ErrNoStore, p.Close()) }
	if _, err := Drill(t.Context(), j, "usb", b.deps); !errors.Is(err, varve.ErrNoStore) {
		t.Error(err)
	}
	b.open = nil
	if h, err := b.deps.History.Store("usb"); err != nil || len(h.Drills) > 0 || !h.Seen.IsZero() {
		t.Errorf("it says nothing of the store that there was nothing to rehearse: %+v, %v", h, err)
	}
	b.config.Stores[0].Marker = "/nowhere"
	if _, err := Drill(t.Context(), j, "usb", b.deps); !errors.Is(err, varve.ErrNoStore) {
		t.Error(err)
	}
	b.config.Stores[0].Marker = ""
	b.run()
	lease, err := b.deps.History.LockStore("usb")
	must(t, err)
	if _, err := Drill(t.Context(), j, "usb", b.deps); !errors.Is(err, varve.ErrBusy) {
		t.Error(err)
	}
	must(t, lease.Close())
	b.deps.Scratch = func() (disk.FS, func() error, error) {
		dir, err := b.openDir("/scratch")
		return small{dir}, func() error { return dir.Close() }, err
	}
	if d, err := Drill(t.Context(), j, "usb", b.deps); !errors.Is(err, ErrRoom) || d.Damage > 0 {
		t.Errorf("%+v, %v", d, err)
	}
}

// small is a directory on a disk that is nearly full.
type small struct{ disk.FS }

func (small) Space() (disk.Space, error) { return disk.Space{Total: 1 << 30, Free: 1 << 10}, nil }

func TestADrillIsPartOfARunWhenItIsTime(t *testing.T) {
	b := newBed(t, twoStores)
	b.config.Stores[1].Drill.Every = 1
	b.config.Stores[1].Drill.Files = 1
	b.run()
	if r := b.run(); r.Err != nil || r.Stores[1].Drill == nil || r.Stores[1].Drill.Files == 0 || r.Stores[0].Drill != nil {
		t.Errorf("%v, %+v", r.Err, r.Stores)
	}
}

func TestADrillOfOneJobIsNoneOfAnotherInTheSameStore(t *testing.T) {
	b := newBed(t, twoStores+"[job.mail]\nsources = [\"/mail\"]\nstores = [\"usb\"]\n")
	must(t, b.disk.Root().Mkdir("mail", 0o700))
	b.write("mail/inbox", "a letter")
	b.config.Stores[0].Drill.Every = config.Every(30 * 24 * time.Hour)
	for round, want := range []string{"home mail", "", "home mail"} {
		if round == 2 {
			b.now = b.now.Add(40 * 24 * time.Hour)
		}
		b.now = b.now.Add(24 * time.Hour)
		var drilled []string
		for _, name := range []string{"home", "mail"} {
			r := Run(t.Context(), b.config.Job(name), How{}, b.deps)
			if r.Err != nil {
				t.Fatal(r.Err)
			}
			if d := r.Stores[0].Drill; d != nil {
				drilled = append(drilled, d.Job)
			}
		}
		if got := strings.Join(drilled, " "); got != want {
			t.Errorf("round %d: drilled %q, want %q", round, got, want)
		}
	}
	for i, l := range Status(b.deps, nil) {
		if l.Store == "usb" && (l.Drill == nil || l.Drill.Job != l.Job || l.Proven != l.Drill && l.Proven.Job != l.Job) {
			t.Errorf("line %d: %+v", i, l)
		}
	}
}

func TestAJobThatIsNewInAStoreIsNotLateWithItsDrill(t *testing.T) {
	b := newBed(t, twoStores)
	b.config.Stores[0].Drill.Every = config.Every(24 * time.Hour)
	lease, err := b.deps.History.LockStore("usb")
	must(t, err)
	lease.Record.Meet(b.now)
	must(t, errors.Join(lease.Save(), lease.Close()))
	b.now = b.now.Add(100 * 24 * time.Hour)
	if l := Status(b.deps, nil)[0]; strings.Contains(strings.Join(l.Why, "; "), "rehearsed") {
		t.Errorf("%+v", l)
	}
}

func TestASampleHasTheNewestTheOldestAndTheLargest(t *testing.T) {
	next := int64(0)
	got, err := sample(t.Context(), manyFiles(100), 10, func(n int64) int64 { next++; return next * 7 % n })
	must(t, err)
	var paths []string
	for _, e := range got {
		paths = append(paths, e.Path)
	}
	for _, want := range []string{"f007", "f042", "f099"} {
		if !slices.Contains(paths, want) {
			t.Errorf("%q lacks %s", paths, want)
		}
	}
	if len(got) < 10 || len(got) > 13 || !slices.IsSorted(paths) || slices.Contains(paths, "empty") {
		t.Errorf("%q", paths)
	}
	if got, err := sample(t.Context(), manyFiles(100), 1000, nil); err != nil || len(got) != 100 {
		t.Errorf("%d, %v", len(got), err)
	}
}

func TestWhatADrillFoundLastsUntilTheSameJobsDrillIsGood(t *testing.T) {
	b := newBed(t, twoStores)
	past(t, b)
	enter := func(d history.Drill) {
		lease, err := b.deps.History.LockStore("usb")
		must(t, err)
		lease.Record.Rehearse(d)
		must(t, errors.Join(lease.Save(), lease.Close()))
	}
	spared := func() error { return b.run().Stores[0].Spared }
	enter(history.Drill{Time: b.now, Job: "home", Damage: 2, Error: "wrong"})
	for _, next := range []history.Drill{{Job: "other"}, {Job: "home", Error: "no room"}} {
		next.Time = b.now
		enter(next)
		if err := spared(); !errors.Is(err, errDrill) {
			t.Errorf("after %+v: %v", next, err)
		}
		if l := Status(b.deps, nil)[0]; l.Level != Wrong {
			t.Errorf("after %+v: %+v", next, l)
		}
	}
	enter(history.Drill{Time: b.now, Job: "home"})
	if err := spared(); err != nil {
		t.Error(err)
	}
}
