package job

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"varve/internal/config"
)

func TestWhoCannotBeRunIsToldOfOnceADayUntilItIsGoodAgain(t *testing.T) {
	b := newBed(t, twoStores+"[job.other]\nsources = [\"/src\"]\nstores = [\"usb\"]\nschedule = \"daily 02:00\"\n[job.hand]\nsources = [\"/src\"]\nstores = [\"usb\"]\n")
	why := errors.New("line 3 is wrong")
	var told []string
	reached := error(nil)
	b.deps.Notify = func(_ context.Context, e Event) error {
		told = append(told, e.Job.Name+" "+string(e.Kind))
		if e.Kind == config.Failure && (!errors.Is(e.Report.Err, why) || !errors.Is(e.Report.Err, ErrBarred)) {
			t.Errorf("it is told that %v", e.Report.Err)
		}
		return reached
	}
	expect := func(when string, want ...string) {
		t.Helper()
		if !slices.Equal(told, want) || len(b.warned) > 0 {
			t.Errorf("%s: told %q, want %q; warned %v", when, told, want, b.warned)
		}
		told, b.warned = nil, nil
	}
	Barred(t.Context(), b.deps, why)
	expect("both are due", "home failure", "other failure")
	Barred(t.Context(), b.deps, why)
	expect("a moment later")
	b.now = b.now.Add(25 * time.Hour)
	Barred(t.Context(), b.deps, why, "other")
	expect("a day later", "other failure")
	Run(t.Context(), b.config.Job("home"), How{}, b.deps)
	expect("it is mended", "home start", "home success", "home recovered")
	Barred(t.Context(), b.deps, why, "home", "hand")
	expect("none of them is due")
	b.now = b.now.Add(25 * time.Hour)
	reached = ErrNobody
	Barred(t.Context(), b.deps, why, "home")
	b.warned = nil
	Barred(t.Context(), b.deps, why, "home")
	b.warned = nil
	expect("nobody was reached", "home failure", "home failure")
}
