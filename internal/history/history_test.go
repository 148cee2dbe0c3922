package history_test

import (
	"errors"
	"os"
	"testing"
	"time"

	"varve"
	"varve/internal/disk"
	"varve/internal/disk/faultfs"
	"varve/internal/disk/memfs"
	"varve/internal/history"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newDisk() *memfs.Disk {
	return memfs.New(memfs.Options{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())})
}

func open(t *testing.T, dir disk.FS) *history.Dir {
	t.Helper()
	h, err := history.Open(dir, "")
	must(t, err)
	return h
}

var begin = time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC)

func TestWhatWasSavedIsReadAgain(t *testing.T) {
	d := newDisk()
	h := open(t, d.Root())
	l, err := h.LockJob("home")
	must(t, err)
	l.Record.Start(begin)
	l.Record.Finish(history.Run{Begin: begin, End: begin.Add(time.Hour), Result: history.Success, Store: "usb", Snapshot: varve.SnapshotID{1}})
	l.Record.Hold("usb", begin, varve.SnapshotID{1})
	must(t, errors.Join(l.Save(), l.Close(), h.Close()))
	j, err := open(t, d.Root()).Job("home")
	must(t, err)
	if len(j.Runs) != 1 || j.Success == nil || j.Success.Snapshot != (varve.SnapshotID{1}) || !j.Good["usb"].Equal(begin) || !j.Known.Equal(begin) {
		t.Errorf("%+v", j)
	}
}

func TestOnlyOneHasALease(t *testing.T) {
	h := open(t, newDisk().Root())
	l, err := h.LockStore("usb")
	must(t, err)
	if _, err := h.LockStore("usb"); !errors.Is(err, varve.ErrBusy) {
		t.Error(err)
	}
	other, err := h.LockJob("usb")
	must(t, err)
	must(t, errors.Join(other.Close(), l.Close()))
	l, err = h.LockStore("usb")
	must(t, errors.Join(err, l.Close()))
}

func TestADamagedRecordIsAnEmptyOneAndIsReplaced(t *testing.T) {
	d := newDisk()
	h := open(t, d.Root())
	dir, err := d.Root().OpenDir("history")
	must(t, err)
	for _, text := range []string{"", "{", "[]", `{"runs": 3}`, "\x00\x00", `{"runs":[{"begin":"yesterday"}]}`} {
		w, err := dir.Create("job-home.json", 0o600)
		must(t, err)
		_, err = w.WriteAt([]byte(text), 0)
		must(t, errors.Join(err, w.Close()))
		if j, err := h.Job("home"); !errors.Is(err, varve.ErrDamaged) || len(j.Runs) > 0 || !j.Known.IsZero() {
			t.Errorf("%q: %+v, %v", text, j, err)
		}
		l, err := h.LockJob("home")
		must(t, err)
		if !errors.Is(l.Lost, varve.ErrDamaged) {
			t.Errorf("%q: %v", text, l.Lost)
		}
		must(t, errors.Join(l.Save(), l.Close()))
		if _, err := h.Job("home"); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		must(t, dir.Remove("job-home.json"))
	}
}

func TestARecordIsTheOldOrTheNewOneWhateverFails(t *testing.T) {
	for _, power := range []bool{false, true} {
		for n, ended := 1, false; !ended; n++ {
			d := newDisk()
			h := open(t, d.Root())
			l, err := h.LockJob("home")
			must(t, err)
			l.Record.Start(begin)
			must(t, errors.Join(l.Save(), l.Close(), h.Close(), d.Root().SyncAll()))

			inj := &faultfs.Injector{At: n, Fault: faultfs.Kill(faultfs.Half)}
			saved := again(faultfs.New(d.Root(), inj))
			ended = inj.Count() < n
			d.Crash(func() bool { return !power })
			j, err := open(t, d.Root()).Job("home")
			if err != nil || len(j.Runs) != 1 && len(j.Runs) != 2 || saved && len(j.Runs) != 2 {
				t.Fatalf("killed at %d: %d runs, saved %v, %v", n, len(j.Runs), saved, err)
			}
			if err := tryAgain(d.Root()); err != nil {
				t.Fatalf("killed at %d: the next one: %v", n, err)
			}
		}
	}
}

// again enters one more run, and reports whether that was said to be durable.
func again(dir disk.FS) bool {
	return tryAgain(dir) == nil
}

func tryAgain(dir disk.FS) error {
	h, err := history.Open(dir, "")
	if err != nil {
		return err
	}
	l, err := h.LockJob("home")
	if err != nil {
		return err
	}
	l.Record.Start(begin)
	err = l.Save()
	_ = l.Close()
	return err
}

func TestMemoryIsBounded(t *testing.T) {
	var j history.Job
	var s history.Store
	for i := range 3 * history.MaxRuns {
		at := begin.AddDate(0, 0, i)
		j.Start(at)
		j.Finish(history.Run{Begin: at, End: at, Result: history.Success})
		s.Grow(history.Size{Time: at, Used: int64(i) * 100, Free: -1})
		s.Grow(history.Size{Time: at.Add(time.Hour), Used: int64(i) * 100, Free: -1})
	}
	if len(j.Runs) != history.MaxRuns || len(s.Sizes) != history.MaxSizes || !j.Known.Equal(begin) {
		t.Errorf("%d runs, %d sizes", len(j.Runs), len(s.Sizes))
	}
	if bytes, known := s.Growth(); !known || bytes != 100 {
		t.Errorf("%d bytes a day, %v", bytes, known)
	}
	if _, known := new(history.Store).Growth(); known {
		t.Error("nothing grows")
	}
}

func TestARunWithoutAnEndWasKilled(t *testing.T) {
	var j history.Job
	if j.Start(begin) != nil {
		t.Error("the first run was not killed")
	}
	killed := j.Start(begin.Add(time.Hour))
	if killed == nil || !killed.Begin.Equal(begin) || j.Runs[0].Result != history.Interrupted {
		t.Errorf("%+v, %+v", killed, j.Runs)
	}
	j.Finish(history.Run{Begin: begin.Add(time.Hour), End: begin.Add(2 * time.Hour), Result: history.Failed})
	if n, last := j.Failures(); n != 2 || !last.Equal(begin.Add(2*time.Hour)) {
		t.Errorf("%d, %s", n, last)
	}
}

func TestNamesThatLeadElsewhereAreRefused(t *testing.T) {
	h := open(t, newDisk().Root())
	for _, name := range []string{"../x", "a/b", "\x00"} {
		if _, err := h.LockJob(name); !errors.Is(err, disk.ErrName) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestASizeStaysUntilAnotherIsFoundOut(t *testing.T) {
	var s history.Store
	if s.Size() != nil {
		t.Error("nothing is known")
	}
	for _, z := range []history.Size{{Used: 100, Free: 9}, {Used: -1, Free: 8}} { // both of one day
		z.Time = begin
		s.Grow(z)
	}
	if z := s.Size(); len(s.Sizes) != 1 || z.Used != 100 || z.Free != 8 {
		t.Errorf("%+v", s.Sizes)
	}
	s.Grow(history.Size{Time: begin.AddDate(0, 0, 1), Used: -1, Free: 7})
	if z := s.Size(); len(s.Sizes) != 2 || z.Used != 100 || z.Free != 7 || !z.Time.Equal(begin) {
		t.Errorf("%+v", z)
	}
}

func TestWhatMayBeForgottenIsNotAddedUp(t *testing.T) {
	var j history.Job
	enter := func(hours int, stored map[string]int64) {
		at := begin.Add(time.Duration(hours) * time.Hour)
		j.Start(at)
		j.Finish(history.Run{Begin: at, End: at, Result: history.Success, Stored: stored})
	}
	for i := range history.MaxRuns - 1 {
		enter(i, map[string]int64{"usb": 1})
	}
	if n, known := j.AddedSince("usb", begin.AddDate(0, 0, -1)); n != history.MaxRuns-1 || !known {
		t.Errorf("%d, %v", n, known)
	}
	enter(history.MaxRuns, nil)
	if n, known := j.Added("usb"); n != 1 || !known {
		t.Errorf("%d, %v", n, known)
	}
	if _, known := j.Added("box"); known {
		t.Error("it never got anything")
	}
	if _, known := j.AddedSince("usb", begin.AddDate(0, 0, -1)); known {
		t.Error("there may have been runs before")
	}
	if n, known := j.AddedSince("usb", begin.Add(9*time.Hour)); n != history.MaxRuns-1-10 || !known {
		t.Errorf("%d, %v", n, known)
	}
}
