package job

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"varve"
	"varve/internal/config"
	"varve/internal/history"
)

func dueNames(t *testing.T, b *bed) (names []string) {
	t.Helper()
	jobs, err := Due(b.deps)
	must(t, err)
	for _, j := range jobs {
		names = append(names, j.Name)
	}
	return names
}

func TestAMachineThatWasOffCatchesUpOnce(t *testing.T) {
	b := newBed(t, twoStores+"[job.hand]\nsources = [\"/src\"]\nstores = [\"usb\"]\n")
	if got := dueNames(t, b); !slices.Equal(got, []string{"home"}) {
		t.Errorf("never run: %q", got)
	}
	b.run()
	if got := dueNames(t, b); got != nil {
		t.Errorf("just run: %q", got)
	}
	b.now = b.now.AddDate(0, 0, 10)
	if got := dueNames(t, b); !slices.Equal(got, []string{"home"}) {
		t.Errorf("days later: %q", got)
	}
	Run(t.Context(), b.config.Job("home"), How{}, b.deps)
	if got := dueNames(t, b); got != nil {
		t.Errorf("caught up: %q", got)
	}
}

func TestAJobThatFailsRestsLongerAndLonger(t *testing.T) {
	b := newBed(t, twoStores)
	now := b.now
	var h history.Job
	j := b.config.Job("home")
	fail := func(result history.Result) time.Duration {
		h.Start(now)
		h.Finish(history.Run{Begin: now, End: now, Result: result})
		return NextRun(j, &h, now).Sub(now)
	}
	want := []time.Duration{15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 6 * time.Hour, 6 * time.Hour}
	for i, w := range want {
		if got := fail(history.Failed); got != w {
			t.Errorf("failure %d: %s", i+1, got)
		}
	}
	if got := fail(history.Skipped); got != 15*time.Minute {
		t.Errorf("the store was away: %s", got)
	}
	// But it never misses its own time, and a clock that was wrong does not stop it.
	if next := NextRun(j, &h, now.Add(24*time.Hour)); next.After(now.Add(24 * time.Hour)) {
		t.Errorf("a day later: %s", next)
	}
	if next := NextRun(j, &h, now.AddDate(-10, 0, 0)); next.After(now.AddDate(-10, 0, 0)) {
		t.Errorf("after a clock that was ahead: %s", next)
	}
	if got := fail(history.Success); got < 12*time.Hour {
		t.Errorf("success: %s", got)
	}
}

func TestAnIncompleteSnapshotIsNotMadeAgainAtOnce(t *testing.T) {
	b := newBed(t, twoStores)
	var h history.Job
	h.Start(b.now)
	h.Finish(history.Run{Begin: b.now, End: b.now, Result: history.Incomplete})
	if next := NextRun(b.config.Job("home"), &h, b.now); !next.After(b.now) {
		t.Errorf("%s", next)
	}
}

func TestAbsenceIsToldOnceADay(t *testing.T) {
	b := newBed(t, twoStores)
	if e := Alarm(t.Context(), b.deps); e != nil {
		t.Errorf("a new job: %v", e)
	}
	b.now = b.now.AddDate(0, 0, 3)
	if e := Alarm(t.Context(), b.deps); len(e) != 1 || len(e[0].Stores) != 2 || e[0].Kind != config.Overdue || !e[0].Good.IsZero() {
		t.Errorf("it never ran: %v", e)
	}
	if e := Alarm(t.Context(), b.deps); e != nil {
		t.Errorf("told twice: %v", e)
	}
	b.now = b.now.Add(25 * time.Hour)
	if e := Alarm(t.Context(), b.deps); len(e) != 1 {
		t.Errorf("the next day: %v", e)
	}
	b.run()
	if e := Alarm(t.Context(), b.deps); e != nil || b.events[len(b.events)-1] != "recovered" {
		t.Errorf("all is well: %v, %q", e, b.events)
	}
}

func TestStatusTellsWhatIsWrongWithWhichStore(t *testing.T) {
	b := newBed(t, strings.Replace(twoStores, `place = "/box"`, "place = \"/box\"\nmounted = \"/box\"", 1))
	b.mounted["/box"] = true
	if l := Status(b.deps, nil); len(l) != 2 || l[0].Level != Warning || l[0].Missing != -1 {
		t.Errorf("before the first run: %+v", l)
	}
	b.run()
	for _, l := range Status(b.deps, Seen{"usb": b.list("usb"), "box": b.list("box")}) {
		if l.Level != Good || l.Why != nil || l.Missing != 0 || l.Good.IsZero() || !l.Next.After(b.now) || !l.Since.IsZero() {
			t.Errorf("all is well: %+v", l)
		}
	}
	b.mounted["/box"] = false
	for range 3 {
		b.run()
	}
	lines := Status(b.deps, Seen{"usb": b.list("usb"), "box": b.list("box")})
	if l := lines[0]; l.Level != Good {
		t.Errorf("%+v", l)
	}
	if l := lines[1]; l.Level != Wrong || !l.Overdue || l.Missing != 2 {
		t.Errorf("%+v", l)
	}
	b.config.Jobs[0].Guard.Marker = []string{"/nowhere"}
	b.run()
	if l := Status(b.deps, nil)[0]; l.Level != Wrong || l.Since.IsZero() || l.Last.Result != history.Failed {
		t.Errorf("%+v", l)
	}
}

func TestStoresAreCheckedWhenItIsTime(t *testing.T) {
	b := newBed(t, strings.Replace(twoStores, `{ every = "never" }`, `{ every = "3d" }`, 1))
	var checked []int
	for i := range 8 {
		if r := b.run(); r.Err != nil {
			t.Fatal(r.Err)
		} else if r.Stores[0].Verify != nil {
			checked = append(checked, i)
		}
	}
	if !slices.Equal(checked, []int{3, 6}) {
		t.Errorf("%d", checked)
	}
	// Damage is told by the error and by status, though the snapshot was made.
	b.write("usb/"+b.list("usb")[1].Location+"/src/a", "wrong")
	b.config.Stores[0].Verify.Every = 1
	r := b.run()
	if v := r.Stores[0].Verify; v == nil || v.Damage == 0 || r.Result != history.Success || !errors.Is(r.Err, varve.ErrDamaged) {
		t.Fatalf("%+v, %v", v, r.Err)
	}
	if l := Status(b.deps, nil)[0]; l.Level != Wrong || b.events[len(b.events)-1] != "failure" {
		t.Errorf("%+v, %q", l, b.events)
	}
}
