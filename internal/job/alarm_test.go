package job

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"varve"
	"varve/internal/config"
	"varve/internal/history"
)

// overdueBed is a bed whose job home never made a snapshot and is overdue.
func overdueBed(t *testing.T) *bed {
	t.Helper()
	b := newBed(t, twoStores)
	if e := Alarm(t.Context(), b.deps); e != nil {
		t.Fatalf("a new job: %v", e)
	}
	b.now = b.now.AddDate(0, 0, 3)
	return b
}

// hang begins a run that does not end until its lease is given up.
func hang(t *testing.T, b *bed) *history.Lease[history.Job] {
	t.Helper()
	l, err := b.deps.History.LockJob("home")
	must(t, err)
	l.Record.Start(b.now)
	must(t, l.Save())
	return l
}

func TestAJobThatHangsIsToldOfOnceADay(t *testing.T) {
	b := overdueBed(t)
	l := hang(t, b)
	if e := Alarm(t.Context(), b.deps); e != nil {
		t.Errorf("it has only begun: %v", e)
	}
	began := l.Record.Last().Begin
	b.now = b.now.Add(2 * time.Hour)
	if e := Alarm(t.Context(), b.deps); len(e) != 1 || !e[0].Running.Equal(began) || len(e[0].Stores) != 2 {
		t.Fatalf("it hangs: %v", e)
	}
	if e := Alarm(t.Context(), b.deps); e != nil {
		t.Errorf("told twice: %v", e)
	}
	must(t, l.Close())
	if e := Alarm(t.Context(), b.deps); e != nil {
		t.Errorf("told again once it was killed: %v", e)
	}
	b.run()
	if b.events[len(b.events)-1] != "recovered" {
		t.Errorf("%q", b.events)
	}
}

func TestAJobThatIsAlwaysKilledIsToldOfBeforeItRuns(t *testing.T) {
	b := overdueBed(t)
	home := b.config.Job("home")
	if e := Alarm(t.Context(), b.deps, home); e != nil {
		t.Errorf("the run that comes may mend it: %v", e)
	}
	must(t, hang(t, b).Close())
	if e := Alarm(t.Context(), b.deps, home); len(e) != 1 {
		t.Errorf("the last run was killed: %v", e)
	}
}

func TestTwoRunsThatWereKilledAreToldOfAtOnce(t *testing.T) {
	b := newBed(t, twoStores)
	must(t, hang(t, b).Close())
	must(t, hang(t, b).Close())
	b.run()
	if want := []string{"failure", "start", "success", "recovered"}; !slices.Equal(b.events, want) {
		t.Errorf("%q, want %q", b.events, want)
	}
}

func TestAnAlarmThatReachedNobodyIsRaisedAgain(t *testing.T) {
	b := overdueBed(t)
	tell := b.deps.Notify
	b.deps.Notify = func(context.Context, Event) error { return ErrNobody }
	for range 2 {
		if e := Alarm(t.Context(), b.deps); len(e) != 1 {
			t.Errorf("nobody was reached: %v", e)
		}
	}
	b.deps.Notify = tell
	if e := Alarm(t.Context(), b.deps); len(e) != 1 || !slices.Equal(b.events, []string{"overdue"}) {
		t.Errorf("%v, %q", e, b.events)
	}
	if e := Alarm(t.Context(), b.deps); e != nil {
		t.Errorf("told twice: %v", e)
	}
}

func TestWhatAnotherRunHasDoneMeanwhileIsNotDoneAgain(t *testing.T) {
	b := newBed(t, twoStores)
	j := b.config.Job("home")
	b.want(Run(t.Context(), j, How{Due: true}, b.deps), history.Success, 1, 1)
	r := Run(t.Context(), j, How{Due: true}, b.deps)
	b.want(r, history.Skipped, 1, 1)
	if !errors.Is(r.Err, varve.ErrBusy) || len(b.job().Runs) != 1 {
		t.Errorf("%v, %d runs", r.Err, len(b.job().Runs))
	}
}

func TestAHookThatFailsAfterASkippedRunIsToldOf(t *testing.T) {
	b := newBed(t, twoStores+"[job.home.hook]\nfinally = \"z\"\n")
	b.config.Stores[0].Mounted, b.config.Stores[1].Mounted = "/usb", "/box"
	b.hookErr["z"] = errBad
	r := b.run()
	b.want(r, history.Skipped, 0, 0)
	if !errors.Is(r.Aftermath, ErrHook) || !slices.Equal(b.events, []string{string(config.Failure)}) {
		t.Errorf("%v, %q", r.Aftermath, b.events)
	}
}
